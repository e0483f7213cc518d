// SPDX-License-Identifier: LGPL-2.1-or-later
// When a reader is to look for its next frame without sleeping: around the moment that the source's pace says, and all the time while
// frames come in a rush. Pure, not thread-safe: times come from the caller, in ns on one clock.
#pragma once

#include <algorithm>
#include <cstdint>

#include "reader/pace.hpp"

namespace shmring {

class Predictor {
 public:
  // A frame and when it was published.
  void observe(std::uint64_t published_at) {
    const std::uint64_t gap = published_at > last_at_ ? std::min(published_at - last_at_, kCalm) : 0;
    gap_ = gap_ - gap_ / 8 + gap / 8;
    last_at_ = published_at;
    rush_over_ = false;
    pace_.arrived(published_at);
  }

  // The next window that is not over yet.
  Pace::Window next(std::uint64_t now) const {
    // In a rush the next frame comes sooner than a sleeper could be woken, so it costs nobody more to look for it until then.
    if (gap_ < kRush && !rush_over_ && !pace_.blocked()) return {now, now + 2 * kRush};
    return pace_.next(now);
  }

  // No frame came while we looked.
  void missed() { rush_over_ = true; }
  void woke(std::uint64_t due, std::uint64_t now) { pace_.woke(due, now); }
  [[nodiscard]] bool shared(std::uint64_t pause) { return pace_.shared(pause); }

 private:
  static constexpr std::uint64_t kRush = 20'000;     // about what a sleep and a wake-up cost two processors
  static constexpr std::uint64_t kCalm = 1'000'000;  // a longer gap says no more than this one

  Pace pace_;
  std::uint64_t last_at_ = 0, gap_ = kCalm;  // the last frame; between frames of late
  bool rush_over_ = false;                   // none came in time
};

}  // namespace shmring
