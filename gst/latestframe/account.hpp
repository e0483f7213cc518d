// SPDX-License-Identifier: LGPL-2.1-or-later
// Counts the outcome of every frame offered to a branch. Nothing is written per frame that the branch does not take:
// what it missed is the difference of two numbers.
#pragma once

#include <cstdint>

namespace supplier::latestframe {

// Always: offered = delivered + dropped + pending.
struct FrameCounts {
  std::uint64_t offered = 0;
  std::uint64_t delivered = 0;  // taken by the branch
  std::uint64_t dropped = 0;    // it will never see them
  std::uint64_t discarded = 0;  // of the dropped: by a flush, a stop or the loss of its peer
  std::uint64_t stale = 0;      // of the delivered: refused as too old
  std::uint64_t pending = 0;    // 1 while the newest frame was not taken
  std::uint64_t consecutive_drops = 0;
};

// `newest` is always the number of the newest frame published.
class Account {
 public:
  bool is_open() const { return open_; }
  std::uint64_t seen() const { return seen_; }

  // Frames with a larger number than `after` are offered from now on.
  void open(std::uint64_t after) {
    open_ = true;
    seen_ = after;
  }
  // No more is offered.
  void close(std::uint64_t newest) {
    discard(newest);
    open_ = false;
  }
  void take(std::uint64_t number) {
    dropped_ += number - seen_ - 1;
    ++delivered_;
    in_a_row_ = 0;
    seen_ = number;
  }
  void refuse_stale() { ++stale_; }
  // Frames up to this one are not wanted.
  void drop(std::uint64_t number) {
    dropped_ += number - seen_;
    in_a_row_ += number - seen_;
    seen_ = number;
  }
  // The pending frame is taken away.
  void discard(std::uint64_t newest) {
    if (!open_ || newest <= seen_) return;
    if (newest - 1 > seen_) drop(newest - 1);
    ++discarded_;
    seen_ = newest;
  }

  FrameCounts read(std::uint64_t newest) const {
    const std::uint64_t unseen = open_ && newest > seen_ ? newest - seen_ : 0;
    FrameCounts counts;
    counts.delivered = delivered_;
    counts.pending = unseen ? 1 : 0;
    const std::uint64_t missed = unseen ? unseen - 1 : 0;
    counts.dropped = dropped_ + discarded_ + missed;
    counts.discarded = discarded_;
    counts.stale = stale_;
    counts.consecutive_drops = in_a_row_ + missed;
    counts.offered = counts.delivered + counts.dropped + counts.pending;
    return counts;
  }

 private:
  bool open_ = false;
  std::uint64_t seen_ = 0;  // the last number that is accounted for
  std::uint64_t delivered_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t discarded_ = 0;
  std::uint64_t stale_ = 0;
  std::uint64_t in_a_row_ = 0;
};

}  // namespace supplier::latestframe
