// SPDX-License-Identifier: LGPL-2.1-or-later
// When upstream is asked for a key frame: for all branches together at most once in half a second, because each key
// frame costs the branches that need none some of their bit rate. What comes sooner waits and becomes one request.
#pragma once

#include <cstdint>
#include <utility>

#include "base/owned.hpp"

namespace supplier::latestframe {

// Guarded by the lock of Newest.
class KeyRequests {
 public:
  static constexpr std::uint64_t kInterval = 500'000'000;

  // Whether upstream may be asked now; it is counted as asked then.
  bool ask(std::uint64_t now) {
    if (now < next_at_) return false;
    next_at_ = now + kInterval;
    return true;
  }
  // When upstream may be asked next.
  std::uint64_t next_at() const { return next_at_; }

  // A request of downstream that came too soon. Gives back the one that it takes the place of.
  Owned<GstEvent> keep(Owned<GstEvent> request) { return std::exchange(kept_, std::move(request)); }
  bool has_kept() const { return kept_ != nullptr; }
  Owned<GstEvent> take_kept() { return std::exchange(kept_, nullptr); }

  // Of requests for a key frame at a certain time: whether the last one was for another.
  bool first_for(GstClockTime running_time) { return std::exchange(scheduled_, running_time) != running_time; }

  // A run has ended. Gives back what was kept.
  Owned<GstEvent> forget() {
    next_at_ = 0;
    scheduled_ = GST_CLOCK_TIME_NONE;
    return take_kept();
  }

 private:
  std::uint64_t next_at_ = 0;
  Owned<GstEvent> kept_;
  GstClockTime scheduled_ = GST_CLOCK_TIME_NONE;
};

}  // namespace supplier::latestframe
