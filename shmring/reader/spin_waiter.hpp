// SPDX-License-Identifier: LGPL-2.1-or-later
// Decides when a waiter spins instead of blocking, and spins: a loop locked to the phase of a steady source's frames says when the next one is
// due. Used by a ring's reader with wake=adaptive and by latestframe's distribution thread.
//
// Waking a blocked thread takes tens of microseconds; polling a word takes none. Spinning for a whole period would burn a core, so a waiter
// blocks until just before the frame is due, and spins for at most a tenth of the period. It blocks only where frames come irregularly, and
// where other threads need the processor. In a burst it spins all the time.
//
// Pure: times are ns of one clock and come from the caller or from `Thread`, the policy that os/this_thread.hpp fills. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "os/this_thread.hpp"

namespace shmring {

class SpinWaiter {
 public:
  // Spin from `from` to `until`. until == 0: block until woken.
  struct Window {
    std::uint64_t from = 0, until = 0;
    explicit operator bool() const { return until != 0; }
  };
  // The next window that is not over at `now`.
  Window next(std::uint64_t now) const;

  // Polls `ready` until it holds (true), the window ends, or another thread took the processor. Yields every few microseconds: the thread that
  // brings the frame may be queued on this very processor.
  template <class Ready, class Thread = ThisThread>
  bool spin(const Window& window, Ready ready, Thread thread = {}) {
    std::uint64_t t = thread.now();
    for (unsigned round = 1;; ++round) {
      polled_at_ = t;
      for (int i = 0; i < kPollsPerRound; ++i) {
        if (ready()) return true;
        thread.relax();
      }
      if (round % kRoundsPerYield == 0) {
        thread.yield();
        if (ready()) return true;
      }
      t = thread.now();
      if (preempted(t - polled_at_, thread)) {
        note_preemption();
        break;
      }
      if (t >= window.until) {
        record_miss();
        break;
      }
    }
    polled_at_ = 0;
    return false;
  }
  // Preemptions count from here. To be called before the first spin after a sleep, where a system call delays no frame.
  template <class Thread = ThisThread>
  void begin(Thread thread = {}) {
    preemptions_ = thread.preemptions();
  }

  // A frame that was published at `at` was taken at `now`.
  template <class Thread = ThisThread>
  void record_arrival(std::uint64_t at, std::uint64_t now, Thread thread = {}) {
    record_arrival(at);
    const std::uint64_t polled = std::exchange(polled_at_, 0);
    // The publisher may have run here during a yield: then the frame is fresh, and nothing was lost.
    if (polled != 0 && preempted(std::min(now - polled, now - std::min(now, at)), thread)) note_preemption();
  }
  void record_arrival(std::uint64_t at);
  // A window passed without a frame.
  void record_miss() { burst_over_ = true; }
  // A sleep that was to end at `due`, or earlier with a frame, ended at `now`.
  void record_wakeup(std::uint64_t due, std::uint64_t now);
  // Another thread took the processor while this one spun. Once in kSeldom frames that shows in no percentile; more often, others need the
  // processor, and the waiter blocks for 100 frames, then 200, 400 …
  void note_preemption();

  static constexpr double kShare = 0.1;  // of a processor, at most, and 10 ms at a time
  // A longer gap between two polls is a preemption if the kernel counted one: a virtual machine also stands still as a whole.
  static constexpr std::uint64_t kPreemption = 200'000;

 private:
  static constexpr int kPollsPerRound = 16;        // some 0.5 µs
  static constexpr unsigned kRoundsPerYield = 16;  // some 8 µs
  static constexpr std::uint64_t kBurst =
      20'000;  // between frames: about what a sleep and a wake-up cost two processors
  static constexpr std::uint64_t kCalm = 1'000'000;  // a longer gap says no more than this one
  static constexpr std::uint32_t kSeldom = 128, kPenalty = 100, kMaxPenalty = 12'800;

  template <class Thread>
  bool preempted(std::uint64_t gap, Thread thread) const {
    return gap > kPreemption && thread.preemptions() != preemptions_;
  }
  void relock(std::uint64_t at, double gap);
  void follow(std::uint64_t at);
  void forgive();

  // The phase-locked loop.
  double period_ = 0;
  double due_ = 0;          // the next arrival
  double error_ = 0;        // how far arrivals are from where they were due, smoothed
  double lateness_ = 50e3;  // how late a sleep ends, smoothed; at first the timer slack of Linux
  std::uint64_t last_ = 0;
  unsigned in_step_ = 0;  // arrivals since the lock
  unsigned odd_ = 0;      // consecutive gaps that are no multiple of the period
  unsigned missing_ = 0;  // consecutive gaps of more than one period

  // Bursts.
  std::uint64_t gap_ = kCalm;  // between frames, smoothed
  bool burst_over_ = false;

  // Back-off.
  std::uint64_t polled_at_ = 0;   // the last poll of a spin that did not end in vain; 0: blocked, or elsewhere
  std::int64_t preemptions_ = 0;  // the thread's, at begin()
  std::uint32_t calm_ = kSeldom;  // frames since the last preemption
  std::uint32_t blocked_ = 0;     // frames for which the waiter blocks
  std::uint32_t penalty_ = kPenalty;
  std::uint32_t good_ = 0;  // frames since the last penalty
};

}  // namespace shmring
