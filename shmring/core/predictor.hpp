// SPDX-License-Identifier: LGPL-2.1-or-later
// Predicts when the next frame of a steady source comes, so that whoever waits can sleep until just before and then look without sleeping:
// a phase-locked wake. Pure: times come from the caller, ns on one clock.
//
// Waking a sleeper takes a processor tens of microseconds; looking at a word takes none. Spinning the whole period would burn a core,
// so it spins only around the moment that the period and its jitter predict, for a tenth of the period at most, and not at all where
// frames come irregularly or where the spinner loses its processor (then it would hurt itself and others).
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/courtesy.hpp"

namespace shmring {

class Predictor {
 public:
  // A frame: its number, when it was published.
  void observe(std::uint64_t sequence, std::uint64_t published_at) {
    courtesy_.frame();
    const std::uint64_t steps = sequence - sequence_;
    const std::uint64_t gap = published_at > last_at_ ? std::min(published_at - last_at_, kCalm) : 0;
    gap_ = gap_ - gap_ / 8 + gap / 8;
    last_at_ = published_at;
    rush_over_ = false;
    const bool follows = seen_ > 0 && sequence > sequence_ && published_at > phase_ - period_ / 2 && steps <= kMaxSteps;
    sequence_ = sequence;
    next_ = 0;
    if (!follows) return learn_anew(published_at, kWakeTime / 2);
    ++seen_;
    if (seen_ <= kLearn) {
      // At first the mean of all there is.
      period_ = (published_at - first_at_) / (sequence - first_sequence_);
      phase_ = published_at;
      return;
    }
    // Then a phase-locked loop: a late frame moves phase, period and jitter by a part of its lateness, and by no more than a few times what is
    // usual, so that one that was held up says little of the next.
    phase_ += steps * period_;
    auto error = static_cast<std::int64_t>(published_at - phase_);
    const auto limit = static_cast<std::int64_t>(std::max(4 * jitter_, kWakeTime));
    const auto period = static_cast<std::int64_t>(period_);
    // Frames that the source left out have no number: the phase goes on by whole periods.
    if (error > period / 2 || -error > period / 2) {
      const std::int64_t more = (error + (error < 0 ? -period / 2 : period / 2)) / period;
      phase_ += static_cast<std::uint64_t>(more * period);
      error -= more * period;
      // Many in a row are another rate, or none at all: nothing is looked for until frames have been in step for a while.
      if (++strays_ > kMaxStrays) return learn_anew(published_at, period_ / 8);
    } else {
      strays_ = 0;
    }
    const std::int64_t usual = std::clamp(error, -limit, limit);
    phase_ += static_cast<std::uint64_t>(usual / 4);
    period_ += static_cast<std::uint64_t>(usual / static_cast<std::int64_t>(32 * steps));
    const auto size = static_cast<std::uint64_t>(usual < 0 ? -usual : usual);
    jitter_ = jitter_ + size / 16 - jitter_ / 16;
  }

  // Look without sleeping from `from` to `until`; until == 0: do not.
  struct Window {
    std::uint64_t from = 0, until = 0;
  };
  // The next window that is not over yet.
  Window next(std::uint64_t now) {
    // Frames in a rush: the next one comes sooner than a sleeper could be woken, so it costs nobody more to look for it until then.
    if (gap_ < kRush && !courtesy_.blocked() && !rush_over_) return {now, now + 2 * kRush};
    if (seen_ <= kLearn || courtesy_.blocked() || period_ < kShortest || period_ > kLongest) return {};
    if (period_ / 20 < kWakeTime + 2 * jitter_) return {};  // too irregular for the time it may take
    const std::uint64_t half = std::min({4 * jitter_ + kWakeTime, kMaxGuard, period_ / 20});
    if (next_ == 0) next_ = phase_ + period_;
    // Frames may be missing: the next one is due a whole number of periods later. Bound: the gap, and then it is no longer predictable.
    for (unsigned i = 0; now >= next_ + half; ++i, next_ += period_)
      if (i == kMaxSteps) return {};
    return {next_ - half, next_ + half};
  }

  // The frame did not come while we looked: the next window is a period later.
  void missed() {
    rush_over_ = true;
    if (next_ != 0) next_ += period_;
  }

  // We lost the processor while looking.
  void preempted() { courtesy_.lost(); }

  std::uint64_t period() const { return seen_ > kLearn ? period_ : 0; }

 private:
  void learn_anew(std::uint64_t published_at, std::uint64_t jitter) {
    first_sequence_ = sequence_;
    first_at_ = phase_ = published_at;
    seen_ = 1;
    strays_ = 0;
    period_ = 0;
    jitter_ = jitter;
  }

  static constexpr unsigned kLearn = 8;           // frames
  static constexpr unsigned kMaxStrays = 4;       // frames in a row, half a period off
  static constexpr std::uint64_t kMaxSteps = 64;  // missing frames in a row that leave the phase believable
  static constexpr std::uint64_t kWakeTime =
      100'000;  // from a timer's end to running: the sleep ends that much early at least
  static constexpr std::uint64_t kMaxGuard = 1'000'000;
  static constexpr std::uint64_t kShortest = 2'000'000;  // 500 Hz; faster sources keep their readers awake anyway
  static constexpr std::uint64_t kLongest = 1'000'000'000;
  static constexpr std::uint64_t kRush = 20'000;     // about what a sleep and a wake-up cost two processors
  static constexpr std::uint64_t kCalm = 1'000'000;  // a longer gap says no more than this one

  std::uint64_t sequence_ = 0, first_sequence_ = 0, first_at_ = 0;
  std::uint64_t phase_ = 0, period_ = 0,
                jitter_ = 0;                 // when the last frame was due; how far apart; how far off as a rule
  std::uint64_t next_ = 0;                   // the due time that is looked for; 0: not yet worked out
  std::uint64_t last_at_ = 0, gap_ = kCalm;  // the last frame; between frames of late
  bool rush_over_ = false;                   // none came in time
  unsigned seen_ = 0, strays_ = 0;
  Courtesy courtesy_;
};

}  // namespace shmring
