// SPDX-License-Identifier: LGPL-2.1-or-later
// Who waits awake uses a processor that others may need more. This counts how often it was taken away and says when to sleep like everybody.
// Pure, not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

namespace shmring {

class Courtesy {
 public:
  // A pause while looking, in ns, in which another thread of this system ran, and which nothing but that thread's need explains. Shorter ones
  // are the publisher itself, on this very processor, or housekeeping.
  static constexpr std::uint64_t kPause = 200'000;

  // A frame came.
  void frame() {
    if (blocked_ > 0) {
      --blocked_;
      return;
    }
    if (calm_ < kSeldom) ++calm_;
    if (++good_ % 1024 == 0) penalty_ = std::max(kPenalty, penalty_ / 2);
  }
  // The processor was taken. Once in kSeldom frames that happens to everybody and no percentile shows it; more often, others need it: 100
  // frames of sleep, then 200, 400 …
  void lost() {
    if (std::exchange(calm_, 0) == kSeldom) return;
    blocked_ = penalty_;
    penalty_ = std::min(penalty_ * 2, kMaxPenalty);
    good_ = 0;
  }
  bool blocked() const { return blocked_ > 0; }

 private:
  static constexpr std::uint32_t kSeldom = 128, kPenalty = 100, kMaxPenalty = 12'800;
  std::uint32_t calm_ = kSeldom;  // frames looked for since the last loss
  std::uint32_t blocked_ = 0;     // frames to sit out
  std::uint32_t penalty_ = kPenalty;
  std::uint32_t good_ = 0;
};

}  // namespace shmring
