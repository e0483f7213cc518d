// SPDX-License-Identifier: LGPL-2.1-or-later
// How a reader with wake=adaptive waits: asleep until just before the next frame is due, then looking at its lane. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include <shmring/types.h>

#include "os/clock.hpp"
#include "os/relax.hpp"
#include "reader/attachment.hpp"
#include "reader/interruption.hpp"
#include "reader/predictor.hpp"
#include "reader/processor.hpp"

namespace shmring {

class Spinner {
 public:
  // Looks at the lane, if the next frame is due, until it is there, the window ends, or another thread took the processor; without a system
  // call. False: it is not due.
  [[gnu::hot]] bool spin(Attachment& attachment, const Interruption& interrupted, std::uint64_t timeout) {
    std::uint64_t t = now();
    const auto window = predictor_.next(t);
    if (!window || window.from > t || (timeout != SHMRING_WAIT_FOREVER && window.until - t >= timeout)) return false;
    attachment.disarm();  // the publisher need not ring
    attachment.prepare();
    for (unsigned looks = 1; !interrupted; ++looks) {
      looked_at_ = t;
      for (int i = 0; i < 16; ++i) {
        if (!attachment.empty()) return true;
        relax();
      }
      if (looks % kLooksBeforeYield == 0) {
        give_way();
        if (!attachment.empty()) return true;
      }
      t = now();
      if (note_preemption(t - looked_at_)) break;
      if (t >= window.until) {
        predictor_.missed();
        break;
      }
    }
    looked_at_ = 0;
    return true;
  }

  // A frame was taken at t: one that the reader looked for, or one that came while another thread had the processor.
  [[gnu::hot]] void record_arrival(const shmring_frame_info& info, std::uint64_t t) {
    predictor_.observe(info.published_at);
    const std::uint64_t looked = std::exchange(looked_at_, 0);
    if (looked == 0 || !others_ran(t - looked, preempted_)) return;
    // After a yield the publisher may have run here: then the frame is fresh, and nothing was lost.
    misplaced_ |= predictor_.shared(std::min(t - looked, t - std::min(t, info.published_at)));
  }

  // Before a sleep of at most `timeout`: cuts it to when the next window begins. That moment; 0: it was left as it is. The lane stays armed, so a
  // frame that comes early rings.
  [[gnu::hot]] std::uint64_t limit(std::uint64_t& timeout) {
    if (std::exchange(misplaced_, false)) step_aside();
    const std::uint64_t t = now();
    const auto window = predictor_.next(t);
    if (!window || (timeout != SHMRING_WAIT_FOREVER && window.until - t >= timeout)) return 0;
    timeout = window.from > t ? window.from - t : 0;
    return window.from;
  }
  // After that sleep.
  [[gnu::hot]] void record_wakeup(std::uint64_t due) {
    if (const std::uint64_t t = now(); t >= due) predictor_.woke(due, t);
  }
  // Looking begins: what takes the processor from now on is counted.
  void begin() { preempted_ = times_preempted(); }

 private:
  // After a pause while looking: whether another thread took the processor.
  bool note_preemption(std::uint64_t pause) {
    if (pause <= Courtesy::kPause || !others_ran(pause, preempted_)) return false;
    misplaced_ |= predictor_.shared(pause);
    return true;
  }

  Predictor predictor_;
  std::uint64_t looked_at_ = 0;  // when the lane was last seen empty, while looking; 0: asleep, or elsewhere
  std::int64_t preempted_ = 0;   // times_preempted() when looking began
  bool misplaced_ = false;       // look from another processor the next time
};

}  // namespace shmring
