// SPDX-License-Identifier: LGPL-2.1-or-later
// The end of a publisher's stream, as one reader reports it: once, and again after a pause, so that each of several threads hears of it.
// Between two reports reading waits for a next stream, so that a caller that simply reads on does not spin.
#pragma once

#include <cstdint>

namespace shmring {

class EndOfStream {
 public:
  static constexpr std::uint64_t kPause = 500'000'000;  // ns between two reports

  // The stream ends after `sequence`, unless a later frame was taken already.
  void announced(std::uint64_t sequence, std::uint64_t taken) {
    after_ = sequence;
    ended_ = taken <= sequence;
    if (!ended_) reported_at_ = 0;
  }
  // A frame was taken: one published after the end begins the next stream.
  void passed(std::uint64_t sequence) {
    if (ended_ && sequence > after_) reset();
  }
  void reset() {
    ended_ = false;
    reported_at_ = 0;
  }

  bool unreported() const { return ended_ && reported_at_ == 0; }
  // ns from `now` until a report is due; UINT64_MAX: none is.
  std::uint64_t due_in(std::uint64_t now) const {
    if (!ended_) return UINT64_MAX;
    return reported_at_ == 0 || now - reported_at_ >= kPause ? 0 : kPause - (now - reported_at_);
  }
  void reported(std::uint64_t now) { reported_at_ = now; }

  explicit operator bool() const { return ended_; }

 private:
  bool ended_ = false;
  std::uint64_t after_ = 0;
  std::uint64_t reported_at_ = 0;  // 0: not yet
};

}  // namespace shmring
