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

namespace shmring {

class Predictor {
 public:
  // A frame: its number, when it was published.
  void observe(std::uint64_t sequence, std::uint64_t published_at) {
    if (blocked_frames_ > 0) --blocked_frames_;
    const std::uint64_t steps = sequence - last_sequence_, span = published_at - last_at_;
    const bool follows = last_sequence_ != 0 && sequence > last_sequence_ && published_at > last_at_ && steps <= kMaxSteps;
    last_sequence_ = sequence;
    last_at_ = published_at;
    next_ = 0;
    if (!follows) return forget();
    const std::uint64_t delta = span / steps;
    if (seen_ == 0) {
      period_ = delta;
      jitter_ = 0;
    } else {
      const std::uint64_t off = delta > period_ ? delta - period_ : period_ - delta;
      if (off > period_ / 2) return forget();  // another rate, or a pause: learn anew
      // A plain mean at first, then one that forgets: the first figure must not weigh longer than any other.
      const std::uint64_t weight = std::min<std::uint64_t>(seen_ + 1, kSmooth);
      period_ = period_ + delta / weight - period_ / weight;
      jitter_ = jitter_ + off / weight - jitter_ / weight;
    }
    if (seen_ < kSmooth) ++seen_;
  }

  // Look without sleeping from `from` to `until`; until == 0: do not.
  struct Window {
    std::uint64_t from = 0, until = 0;
  };
  // The next window that is not over yet.
  Window next(std::uint64_t now) {
    if (seen_ < kLearn || blocked_frames_ > 0 || period_ < kShortest || period_ > kLongest) return {};
    const std::uint64_t guard = std::clamp(4 * jitter_ + kWakeTime, 2 * kWakeTime, kMaxGuard);
    if (2 * guard > period_ / 10) {
      if (period_ / 20 < kWakeTime + 2 * jitter_) return {};  // too irregular for the time it may take
    }
    const std::uint64_t half = std::min(guard, period_ / 20);
    if (next_ == 0) next_ = last_at_ + period_;
    // Frames may be missing: the next one is due a whole number of periods later. Bound: the gap, and then it is no longer predictable.
    for (unsigned i = 0; now >= next_ + half; ++i, next_ += period_)
      if (i == kMaxSteps) return {};
    return {next_ - half, next_ + half};
  }

  // The frame did not come while we looked: the next window is a period later.
  void missed() {
    if (next_ != 0) next_ += period_;
  }

  // We lost the processor while looking. Others need it more: sleep like everybody for 100 frames, twice as many each time.
  void preempted() {
    blocked_frames_ = penalty_;
    penalty_ = std::min(penalty_ * 2, kMaxPenalty);
  }
  // A frame came while we looked, and nobody took the processor.
  void succeeded() {
    if (++good_ % 1024 == 0 && penalty_ > kPenalty) penalty_ /= 2;
  }

  std::uint64_t period() const { return seen_ ? period_ : 0; }

  static constexpr std::uint64_t kPreempted = 50'000;  // a longer pause while looking means that somebody else ran

 private:
  void forget() {
    seen_ = 0;
    period_ = 0;
  }

  static constexpr unsigned kSmooth = 16;                   // frames that the means remember
  static constexpr unsigned kLearn = 8;                     // frames
  static constexpr std::uint64_t kMaxSteps = 64;            // missing frames in a row that leave the phase believable
  static constexpr std::uint64_t kWakeTime = 100'000;       // from a timer's end to running: the sleep ends that much early at least
  static constexpr std::uint64_t kMaxGuard = 1'000'000;
  static constexpr std::uint64_t kShortest = 2'000'000;     // 500 Hz; faster sources keep their readers awake anyway
  static constexpr std::uint64_t kLongest = 1'000'000'000;
  static constexpr std::uint32_t kPenalty = 100, kMaxPenalty = 12'800;

  std::uint64_t last_sequence_ = 0, last_at_ = 0;
  std::uint64_t period_ = 0, jitter_ = 0, next_ = 0;
  unsigned seen_ = 0;
  std::uint32_t blocked_frames_ = 0, penalty_ = kPenalty, good_ = 0;
};

}  // namespace shmring
