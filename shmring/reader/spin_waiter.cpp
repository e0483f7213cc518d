// SPDX-License-Identifier: LGPL-2.1-or-later
// The filters of the phase-locked loop, bursts, and the back-off.
#include "reader/spin_waiter.hpp"

#include <cmath>

namespace shmring {
namespace {

constexpr double kLongestPeriod = 2e9;
constexpr double kPhaseGain = 0.2;
constexpr double kPeriodGain = 0.02;
constexpr double kSmoothing = 0.1;
constexpr double kForgetting = 1.0 / 256;
constexpr unsigned kLocked = 8;       // arrivals until the prediction is trusted
constexpr unsigned kMostMissing = 8;  // consecutive frames that may stay out without losing the lock
constexpr unsigned kOddBeforeRelock = 3;
constexpr double kMargin = 10e3;
constexpr double kLongestWindow = 10e6;  // a spinning thread hears nothing else
// Times come from another process. This one is no time of a clock, and fits no arithmetic.
constexpr std::uint64_t kNoTime = std::uint64_t{1} << 62;

}  // namespace

void SpinWaiter::record_arrival(std::uint64_t at) {
  const std::uint64_t gap = at > last_ ? std::min(at - last_, kCalm) : 0;
  gap_ = gap_ - gap_ / 8 + gap / 8;
  burst_over_ = false;
  forgive();
  follow(at);
}

SpinWaiter::Window SpinWaiter::next(std::uint64_t now) const {
  if (blocked_ > 0) return {};
  // In a burst the next frame comes sooner than a blocked thread could be woken.
  if (gap_ < kBurst && !burst_over_) return {now, now + 2 * kBurst};
  if (in_step_ < kLocked) return {};
  const double lead = 2 * lateness_ + 3 * error_ + kMargin;
  const double tail = 3 * error_ + kMargin;
  if (lead + tail > std::min(kShare * period_, kLongestWindow)) return {};
  // Frames may have stayed out: the next one that can still come.
  double due = due_;
  const double since = static_cast<double>(now) - (due_ + tail);
  if (since > -1) due += period_ * std::ceil((since + 1) / period_);
  if (due - due_ > kMostMissing * period_) return {};
  return {static_cast<std::uint64_t>(std::max(0.0, due - lead)), static_cast<std::uint64_t>(due + tail)};
}

void SpinWaiter::record_wakeup(std::uint64_t due, std::uint64_t now) {
  if (now >= due) lateness_ += kSmoothing * (static_cast<double>(now - due) - lateness_);
}

void SpinWaiter::note_preemption() {
  if (std::exchange(calm_, 0) == kSeldom) return;
  blocked_ = penalty_;
  penalty_ = std::min(penalty_ * 2, kMaxPenalty);
  good_ = 0;
}

// A frame came: what is left of a penalty gets shorter, and in 1024 frames without another one so does the next.
void SpinWaiter::forgive() {
  if (blocked_ > 0) {
    --blocked_;
    return;
  }
  if (calm_ < kSeldom) ++calm_;
  if (++good_ % 1024 == 0) penalty_ = std::max(kPenalty, penalty_ / 2);
}

// A gap that is no period: it is the period, if the next ones agree.
void SpinWaiter::relock(std::uint64_t at, double gap) {
  period_ = gap > 0 && gap < kLongestPeriod ? gap : 0;
  due_ = static_cast<double>(at) + gap;
  error_ = gap / 16;
  in_step_ = odd_ = missing_ = 0;
}

void SpinWaiter::follow(std::uint64_t at) {
  // Where sleeps end too late to be worth it no wake-up is recorded any more: the estimate shrinks, so that spinning is tried again.
  lateness_ -= kForgetting * lateness_;
  const double gap = static_cast<double>(at) - static_cast<double>(last_);
  const bool first = last_ == 0;
  last_ = at;
  if (first || at == 0 || at >= kNoTime) return;
  if (period_ == 0) return relock(at, gap);
  const double periods = std::max(1.0, std::round(gap / period_));  // more than one: frames stayed out
  const bool outage = periods > kMostMissing;
  if (outage || std::abs(gap - periods * period_) > period_ / 4) {
    const unsigned odd = odd_ + 1;
    if (odd >= kOddBeforeRelock) return relock(at, gap);
    if (outage) relock(at, period_);  // if this gap stays the only one, the source is as it was
    odd_ = odd;
    return;
  }
  odd_ = 0;
  // Now and then a frame stays out; if one always does, the source has become slower.
  missing_ = periods > 1 ? missing_ + 1 : 0;
  if (missing_ >= kLocked) return relock(at, gap);
  ++in_step_;
  double error = static_cast<double>(at) - due_;
  error -= period_ * std::round(error / period_);
  error_ += kSmoothing * (std::abs(error) - error_);
  const bool locked = in_step_ > kLocked;  // before, it follows fast
  period_ += (locked ? kPeriodGain : 0.2) * error;
  due_ = static_cast<double>(at) + period_ - (locked ? 1 - kPhaseGain : 0.5) * error;
}

}  // namespace shmring
