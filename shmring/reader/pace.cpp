// SPDX-License-Identifier: LGPL-2.1-or-later
// The loop's filters.
#include "reader/pace.hpp"

#include <algorithm>
#include <cmath>

namespace shmring {
namespace {

constexpr double kLongestPeriod = 2e9;
constexpr double kPhaseGain = 0.2;
constexpr double kPeriodGain = 0.02;
constexpr double kSmoothing = 0.1;
constexpr double kForgetting = 1.0 / 256;
constexpr unsigned kLocked = 8;       // arrivals until the prediction is trusted
constexpr unsigned kMostMissing = 8;  // frames in a row that may stay out without losing the lock
constexpr unsigned kOddBeforeRelock = 3;
constexpr double kMargin = 10e3;
constexpr double kLongestWindow = 10e6;  // whoever stays awake hears nothing else
// Times come from another process. So much is no time of a clock, and fits no arithmetic.
constexpr std::uint64_t kNoTime = std::uint64_t{1} << 62;

}  // namespace

// A gap that is no period: the next one is looked at.
void Pace::relock(std::uint64_t at, double gap) {
  period_ = gap > 0 && gap < kLongestPeriod ? gap : 0;
  due_ = static_cast<double>(at) + gap;
  error_ = gap / 16;
  in_step_ = odd_ = missing_ = 0;
}

[[gnu::hot]] void Pace::arrived(std::uint64_t at) {
  courtesy_.frame();
  // Where sleeps ended too late to be worth it none are reported any more: it is tried again in a while.
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
    if (outage) relock(at, period_);  // the source is as it was before, if this is the only one
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
  // While locking on, follow fast.
  const bool locked = in_step_ > kLocked;
  period_ += (locked ? kPeriodGain : 0.2) * error;
  due_ = static_cast<double>(at) + period_ - (locked ? 1 - kPhaseGain : 0.5) * error;
}

void Pace::woke(std::uint64_t due, std::uint64_t now) {
  lateness_ += kSmoothing * (static_cast<double>(now - std::min(due, now)) - lateness_);
}

[[gnu::hot]] Pace::Window Pace::next(std::uint64_t now) const {
  if (in_step_ < kLocked || courtesy_.blocked()) return {};
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

}  // namespace shmring
