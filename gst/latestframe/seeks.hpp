// SPDX-License-Identifier: LGPL-2.1-or-later
// A pipeline seeks by asking every sink, so the same seek comes up through every branch. It goes upstream once.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace supplier::latestframe {

class Seeks {
 public:
  // Whether this one was not seen before.
  bool first(std::uint32_t seqnum) {
    std::lock_guard hold(lock_);
    if (std::find(seen_.begin(), seen_.end(), seqnum) != seen_.end()) return false;
    seen_[next_++ % seen_.size()] = seqnum;
    return true;
  }

 private:
  std::mutex lock_;
  std::array<std::uint32_t, 16> seen_{};  // 0 is GST_SEQNUM_INVALID
  std::size_t next_ = 0;
};

}  // namespace supplier::latestframe
