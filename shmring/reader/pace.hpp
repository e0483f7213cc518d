// SPDX-License-Identifier: LGPL-2.1-or-later
// When the next frame of a steady source is due: a loop locked to the phase of the arrivals, so that whoever waits can sleep until just
// before and then stay awake. Pure, not thread-safe: the caller brings the time, in ns of one clock.
//
// Waking a sleeper takes tens of microseconds; a look at a word takes none. Staying awake for the whole period would burn a core, so it is
// only for the moment that period, jitter and the lateness of sleeps predict, for a tenth of the period at most, and not at all
// where frames come irregularly or where others need the processor more.
#pragma once

#include <cstdint>

#include "reader/courtesy.hpp"

namespace shmring {

class Pace {
 public:
  // A frame came.
  void arrived(std::uint64_t at);
  // A sleep that should have ended at `due`, or sooner if there had been a frame, ended at `now`.
  void woke(std::uint64_t due, std::uint64_t now);
  // Others ran on this processor while we stayed awake. True: stay awake on another one (Courtesy::shared()).
  [[nodiscard]] bool shared(std::uint64_t pause) { return courtesy_.shared(pause); }
  // Staying awake is not for now.
  bool blocked() const { return courtesy_.blocked(); }

  // Stay awake from `from` to `until`. until == 0: sleep until woken.
  struct Window {
    std::uint64_t from = 0, until = 0;
    explicit operator bool() const { return until != 0; }
  };
  // The next window that is not over yet.
  Window next(std::uint64_t now) const;
  static constexpr double kShare = 0.1;  // of a processor, at most, and 10 ms at a time

 private:
  void relock(std::uint64_t at, double gap);

  double period_ = 0;
  double due_ = 0;          // the next arrival
  double error_ = 0;        // how far arrivals are from where they were due, smoothed
  double lateness_ = 50e3;  // how late a sleep ends, smoothed; at first what Linux allows itself
  std::uint64_t last_ = 0;
  unsigned in_step_ = 0;  // arrivals since the lock
  unsigned odd_ = 0;      // gaps in a row that are no multiple of the period
  unsigned missing_ = 0;  // gaps in a row of more than one period
  Courtesy courtesy_;
};

}  // namespace shmring
