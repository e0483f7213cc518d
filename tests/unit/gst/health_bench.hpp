// SPDX-License-Identifier: LGPL-2.1-or-later
// A camera, a mailbox and a worker in simulated time, for the tests of the health model: no thread, no sleep.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/health.hpp"

namespace health_test {

using supplier::Limits;
using supplier::Observation;
using supplier::Verdict;
using supplier::WorkerHealth;
using supplier::WorkerState;

inline constexpr std::uint64_t kMs = 1'000'000;
inline constexpr std::uint64_t kS = 1'000 * kMs;

// A camera with a mailbox and one worker before it, in simulated time of 1 ms steps, looked at every `tick`.
class Bench {
 public:
  Limits limits;
  Observation seen;
  std::uint64_t now = 1000 * kS;
  std::uint64_t tick = kS;
  std::uint64_t camera = 100 * kMs;  // period; 0: dead
  std::uint64_t work = 40 * kMs;     // per frame
  std::uint64_t upstream = 0;        // how old frames are when they come in
  bool hung = false;                 // takes a frame and never finishes it
  std::vector<Verdict> told;

  void run(std::uint64_t time) {
    for (const std::uint64_t end = now + time; now < end;) {
      now += kMs;
      if (camera && !seen.gone && now >= next_frame_) {
        next_frame_ = now + camera;
        offer();
      }
      if (busy_ && !hung && now >= done_at_) finish();
      if (!busy_ && seen.pending) take();
      if (now >= next_look_) look();
    }
  }
  void look() {
    next_look_ = now + tick;
    if (auto verdict = health_.evaluate(seen, limits, now)) told.push_back(*verdict);
  }
  // Time passes while nothing looks or runs.
  void leap(std::int64_t time) { now += static_cast<std::uint64_t>(time); }
  void resume() { health_.resume(); }
  void die(const std::string& reason) {
    seen.gone = true;
    seen.reason = reason;
    seen.dropped += seen.pending;
    seen.pending = seen.held = seen.unfinished_since = 0;
    busy_ = false;
  }
  void attach_again() {
    seen.gone = false;
    seen.reason.clear();
    ++seen.generation;
  }
  WorkerState state() const { return health_.verdict().state; }
  const Verdict& verdict() const { return health_.verdict(); }
  std::vector<std::string> states() const {
    std::vector<std::string> names;
    for (const Verdict& verdict : told) names.emplace_back(supplier::state_name(verdict.state));
    return names;
  }

 private:
  void offer() {
    ++seen.offered;
    seen.last_offered_at = now;
    if (seen.pending) {
      ++seen.dropped;
      ++seen.consecutive_drops;
    }
    seen.pending = 1;
    pending_at_ = now;
    if (!seen.unfinished_since) seen.unfinished_since = now;
  }
  void take() {
    busy_ = true;
    seen.pending = 0;
    seen.held = 1;
    ++seen.delivered;
    seen.consecutive_drops = 0;
    seen.age = now - pending_at_ + upstream;
    seen.unfinished_since = now;
    done_at_ = now + work;
  }
  void finish() {
    busy_ = false;
    seen.held = 0;
    seen.last_consumed_at = now;
    seen.last_consumed_sequence = seen.offered;
    seen.unfinished_since = seen.pending ? pending_at_ : 0;
  }

  WorkerHealth health_;
  std::uint64_t next_frame_ = 0, next_look_ = 0, done_at_ = 0, pending_at_ = 0;
  bool busy_ = false;
};

}  // namespace health_test
