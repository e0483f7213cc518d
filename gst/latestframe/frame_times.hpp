// SPDX-License-Identifier: LGPL-2.1-or-later
// When a branch took its frames and finished them, for its health.
#pragma once

#include <cstdint>

#include "abi/histogram.hpp"
#include "base/health.hpp"
#include "latestframe/item.hpp"

namespace supplier::latestframe {

// Guarded by the lock of Newest, but for the histograms, which any thread may read.
class FrameTimes {
 public:
  // The branch's thread goes out into GStreamer, and perhaps takes a frame along.
  void go_out(std::uint64_t now) { out_since_ = now; }
  void take(const Item& item, std::uint64_t now) {
    held_ = item.number;
    age_ = now > item.at ? now - item.at : 0;
    ages_.record(age_);
    if (consumed_at_ != 0 && now > consumed_at_) waits_.record(now - consumed_at_);
  }
  // The frame is finished. Whether it is the first one.
  bool finish(std::uint64_t now) {
    const bool first = consumed_at_ == 0;
    consumed_at_ = now;
    consumed_ = held_;
    held_ = 0;
    holds_.record(now - out_since_);
    return first;
  }

  // Without the lock.
  void read_histograms(Observation& seen) const {
    seen.ages = ages_.summary();
    seen.holds = holds_.summary();
    seen.waits = waits_.summary();
  }
  void read(Observation& seen) const {
    seen.held = held_ != 0 ? 1 : 0;
    seen.age = age_;
    seen.last_consumed_at = consumed_at_;
    seen.last_consumed_sequence = consumed_;
  }
  std::uint64_t out_since() const { return out_since_; }

 private:
  shmring::Histogram ages_, holds_, waits_;
  std::uint64_t out_since_ = 0;
  std::uint64_t held_ = 0;  // the number of the frame inside the push
  std::uint64_t age_ = 0;
  std::uint64_t consumed_at_ = 0;
  std::uint64_t consumed_ = 0;
};

}  // namespace supplier::latestframe
