// SPDX-License-Identifier: LGPL-2.1-or-later
// Who waits awake uses a processor that others may need more. This counts how often it was taken away and says when to sleep like everybody,
// and when to look from another processor. Pure, not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

namespace shmring {

class Courtesy {
 public:
  // A pause while looking, in ns, in which another thread of this system ran, and which nothing but that thread's need explains.
  static constexpr std::uint64_t kPause = 200'000;
  // Shorter ones that end with a frame are the publisher, on this very processor; still shorter ones are nobody.
  static constexpr std::uint64_t kShared = 8'000;

  // A frame came.
  void frame() {
    if (blocked_ > 0) {
      --blocked_;
      return;
    }
    if (calm_ < kSeldom) ++calm_;
    if (trial_ > 0) --trial_;
    if (barred_ > 0) --barred_;
    if (++good_ % 1024 != 0) return;
    penalty_ = std::max(kPenalty, penalty_ / 2);
    bar_ = std::max(kPenalty, bar_ / 2);
  }
  // Others ran here while we looked, and a frame waited, or did not come, for `pause` ns of it. True: look from another processor. Kernels
  // leave a spinner and its publisher on one processor, with another one idle. Who loses the processor over there, and not just once, goes
  // back and stays for 100 frames, then 200, 400 …
  [[nodiscard]] bool shared(std::uint64_t pause) {
    if (pause > kPause) return lost();
    if (barred_ > 0) return false;
    trial_ = kSeldom;
    return true;
  }
  bool blocked() const { return blocked_ > 0; }

 private:
  // The processor was taken. Once in kSeldom frames that happens to everybody and no percentile shows it; more often, others need it: 100
  // frames of sleep, then 200, 400 …
  bool lost() {
    if (std::exchange(calm_, 0) == kSeldom) return false;
    if (std::exchange(trial_, 0) > 0) {
      barred_ = bar_;
      bar_ = std::min(bar_ * 2, kMaxPenalty);
      return true;
    }
    blocked_ = penalty_;
    penalty_ = std::min(penalty_ * 2, kMaxPenalty);
    good_ = 0;
    return false;
  }

  static constexpr std::uint32_t kSeldom = 128, kPenalty = 100, kMaxPenalty = 12'800;
  std::uint32_t calm_ = kSeldom;  // frames looked for since the last loss
  std::uint32_t blocked_ = 0;     // frames to sit out
  std::uint32_t penalty_ = kPenalty;
  std::uint32_t good_ = 0;
  std::uint32_t trial_ = 0;   // frames until the processor we moved to counts as a good one
  std::uint32_t barred_ = 0;  // frames until we may move again
  std::uint32_t bar_ = kPenalty;
};

}  // namespace shmring
