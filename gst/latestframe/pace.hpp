// SPDX-License-Identifier: LGPL-2.1-or-later
// When the next frame is due: a loop locked to the phase of the arrivals. Pure, the caller brings the time (ns). Says
// when to sleep and when to stay awake, and refuses wherever staying awake would cost more than it is worth.
#pragma once

#include <cstdint>

#include "core/courtesy.hpp"

namespace supplier::latestframe {

class Pace {
 public:
  struct Plan {
    std::uint64_t sleep_until = 0;
    std::uint64_t spin_until = 0;  // 0: sleep until woken
    explicit operator bool() const { return spin_until != 0; }
  };
  static constexpr double kShare = 0.1;  // of a processor, at most

  Plan plan(std::uint64_t now) const;
  // A frame came.
  void arrived(std::uint64_t at);
  // The sleep that should have ended at `due` ended at `now`.
  void woke(std::uint64_t due, std::uint64_t now);
  // Others needed the processor while we stayed awake.
  void preempted() { courtesy_.lost(); }

 private:
  void relock(std::uint64_t at, double gap);

  double period_ = 0;
  double due_ = 0;       // the next arrival
  double error_ = 0;     // how far arrivals are from where they were due, smoothed
  double lateness_ = 0;  // how late a sleep ends, smoothed
  std::uint64_t last_ = 0;
  unsigned in_step_ = 0;  // arrivals since the lock
  unsigned odd_ = 0;      // gaps in a row that are no multiple of the period
  unsigned missing_ = 0;  // gaps in a row of more than one period
  shmring::Courtesy courtesy_;
};

}  // namespace supplier::latestframe
