// SPDX-License-Identifier: LGPL-2.1-or-later
// The health of a worker, decided from snapshots of its counters: pure, the caller brings the time. All times are ns on
// CLOCK_MONOTONIC.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <shmring/types.h>

namespace supplier {

enum class WorkerState {
  waiting,  // has finished nothing yet: no frame came, or it is busy with its first one
  ok,
  slow,     // drops or age beyond its limits
  stuck,    // a frame is pending or held, and nothing was finished for the stall timeout
  starved,  // no frame came in for the stall timeout: the source's fault, never a reason to restart the worker
  dead,     // its process is gone, or its branch failed
};
const char* state_name(WorkerState state);

// Limits of a healthy worker; HealthProperties makes them properties.
struct Limits {
  std::uint64_t stall_timeout = 30'000'000'000;  // 0: never stuck, never starved
  std::uint64_t max_frame_age = 0;               // 0: off
  double max_drop_rate = 1.0;                    // share of the frames decided in the last stall timeout; 1: off
  std::uint64_t interval = 0;                    // 0: tell changes only
  bool post_messages = true;
};

// One worker at one moment. Counters only grow, also over reconnects, and offered = delivered + dropped + pending.
struct Observation {
  std::string worker;            // its name
  std::string pad;               // the pad whose branch it is; empty for lanes and inline points
  std::uint64_t generation = 1;  // how often it has attached or started
  std::uint64_t offered = 0;
  std::uint64_t delivered = 0;
  std::uint64_t dropped = 0;
  std::uint64_t discarded = 0;  // of the dropped: by a flush or a stop, which is not the worker's fault
  std::uint64_t pending = 0;
  std::uint64_t held = 0;   // of the delivered: taken and not finished
  std::uint64_t stale = 0;  // of the delivered: refused as older than max-frame-age
  std::uint64_t consecutive_drops = 0;
  std::uint64_t last_offered_at = 0;         // 0: never; the next three too
  std::uint64_t last_consumed_at = 0;        // finished: released, or the push returned
  std::uint64_t last_consumed_sequence = 0;  // its number
  std::uint64_t unfinished_since = 0;  // when the oldest frame pending or held came. Leave it 0 for a reader that keeps
                                       // its last frame but waits for the next: it is idle, not busy
  bool expecting =
      true;  // false while no frame is due (stream not begun, ended, branch at rest): then no worker is starved
  std::uint64_t age = 0;                 // publish to take, of the last frame taken; 0: not measured
  std::optional<std::int64_t> lateness;  // running time at arrival minus the frame's own; framehealth only
  shmring_times ages{};                  // publish to take
  shmring_times holds{};                 // take to release, or push to return: the work itself
  shmring_times waits{};                 // from finishing a frame to getting the next one
  bool gone = false;                     // process gone or branch failed …
  std::string reason;                    // … and why
};

// Report on a worker. previous == state: a periodic report, or another generation that is as well.
struct Verdict {
  WorkerState state = WorkerState::waiting;
  WorkerState previous = WorkerState::waiting;      // as last told
  std::string reason = "no frame is finished yet";  // with its numbers
  double drop_rate = 0;                             // over the last stall timeout
  std::uint64_t at = 0;                             // when it was judged; 0: never
};

// Drops among the frames decided over a sliding window.
class DropWindow {
 public:
  void add(std::uint64_t delivered, std::uint64_t dropped, std::uint64_t passed, std::uint64_t length);
  std::uint64_t decided() const;
  std::uint64_t dropped() const;
  double rate() const;

 private:
  struct Part {
    std::uint64_t delivered = 0;
    std::uint64_t dropped = 0;
  };
  std::array<Part, 10> parts_{};
  std::size_t current_ = 0;
  std::uint64_t in_part_ = 0;
};

// One worker's health over time. Call evaluate() again and again, about ten times per stall timeout.
//
// Only watched time counts: one look credits at most a quarter of the stall timeout, so that a clock jump, a suspended
// machine or a stopped process makes no worker stuck or starved.
class WorkerHealth {
 public:
  // The report that is due now: a change, or the periodic one. Changes are told at once, but at most 20 in a row and
  // then one a second; what is held back is told later if it is still true.
  std::optional<Verdict> evaluate(const Observation& seen, const Limits& limits, std::uint64_t now);
  // Watching begins anew (PLAYING again): the time since the last look does not count.
  void resume();
  // The present picture; previous is the state before this one.
  const Verdict& verdict() const { return verdict_; }

 private:
  struct Step {          // from the last look to this one
    std::uint64_t time;  // watched
    bool finished;
    bool came;
  };

  void begin_again(const Observation& seen);
  void count_time(const Observation& seen, std::uint64_t now, const Step& step);
  void judge(const Observation& seen, const Limits& limits, const Step& step);
  void judge_limits(const Observation& seen, const Limits& limits, std::uint64_t time);
  void enter(WorkerState state, std::string reason);
  void restart_limits();
  bool may_tell(std::uint64_t now);

  Verdict verdict_;
  WorkerState told_ = WorkerState::waiting;
  std::optional<std::uint64_t> told_generation_;
  std::uint64_t told_at_ = 0;
  std::uint64_t tokens_ = 0;  // messages that may be told at once
  std::uint64_t token_at_ = 0;

  std::optional<std::uint64_t> look_at_;  // the last look since the last resume
  Observation last_;                      // what it saw
  std::uint64_t baseline_ = 0;            // last_consumed_at where this generation began
  std::uint64_t stuck_for_ = 0;           // watched time: work there, none finished
  std::uint64_t starved_for_ = 0;         // watched time: no work there, none came
  std::uint64_t turning_for_ = 0;         // watched time: the limits say otherwise than the state
  DropWindow window_;
  double age_ = 0;  // smoothed
};

}  // namespace supplier
