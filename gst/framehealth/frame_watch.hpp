// SPDX-License-Identifier: LGPL-2.1-or-later
// Counts and times the frames at one point of a pipeline: written by the streaming thread without a lock, read by any
// thread.
#pragma once

#include <atomic>
#include <cstdint>

#include <gst/gst.h>

#include "abi/histogram.hpp"
#include "base/health.hpp"

namespace supplier {

class FrameWatch {
 public:
  // By the streaming thread, which the pad's stream lock makes one at a time. All times are ns on CLOCK_MONOTONIC.

  // `count` frames go into a push, the first one due at `running_time` (or GST_CLOCK_TIME_NONE).
  void enter(std::uint64_t count, GstClockTime running_time, std::uint64_t now);
  // The push is over. True: that is news (the first frame of the run is finished, or the worker failed).
  bool leave(std::uint64_t count, GstFlowReturn result, std::uint64_t now);
  // A serialized event or query goes through the worker: it may load a model or drain there.
  void enter_event(std::uint64_t now) { busy_since_.store(now, std::memory_order_release); }
  void leave_event() { busy_since_.store(0, std::memory_order_release); }
  // The source says that it has nothing for a while: it lives.
  void gap(std::uint64_t now) { last_offered_at_.store(now, std::memory_order_relaxed); }
  void end() { ended_.store(true, std::memory_order_relaxed); }
  // A flush, or a new stream: what ended or failed may go on.
  void restart();

  // By the thread that changes the state.
  void begin_run();              // READY → PAUSED
  void set_timing(bool timing);  // only while PLAYING: preroll and pauses are no work and no waiting

  // By any thread. `clock_offset`: what turns CLOCK_MONOTONIC into running time, or kNoOffset where there is no clock.
  static constexpr std::int64_t kNoOffset = INT64_MIN;
  Observation observe(std::int64_t clock_offset) const;

 private:
  template <class T>
  static void add(std::atomic<T>& counter, T n) {  // one writer: no read-modify-write
    counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_release);
  }

  std::atomic<std::uint64_t> generation_{0};
  std::atomic<std::uint64_t> offered_{0};
  std::atomic<std::uint64_t> delivered_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<std::uint64_t> discarded_{0};
  std::atomic<std::uint64_t> consecutive_drops_{0};
  std::atomic<std::uint64_t> last_offered_at_{0};
  std::atomic<std::uint64_t> last_consumed_at_{0};
  std::atomic<std::uint64_t> last_consumed_sequence_{0};
  std::atomic<std::uint64_t> busy_since_{0};         // 0: nothing is inside the worker
  std::atomic<std::int64_t> arrival_{kNoOffset};     // of the last frame: when it came minus its running time
  std::atomic<GstFlowReturn> failure_{GST_FLOW_OK};  // what the worker ended with
  std::atomic<bool> worked_{false};                  // finished a frame in this run
  std::atomic<bool> ended_{false};                   // EOS went through
  std::atomic<std::uint32_t> era_{0};                // changes with every start and end of timing; odd: timing
  struct Mark {
    std::uint64_t at = 0;  // 0: no mark
    std::uint32_t era = 0;
  };
  // Time since the mark, if all of it was timed.
  void record(shmring::Histogram& times, Mark since, std::uint64_t now) const;
  Mark entered_, left_;  // the streaming thread's own: begin and end of the last push
  shmring::Histogram holds_{};
  shmring::Histogram waits_{};
};

}  // namespace supplier
