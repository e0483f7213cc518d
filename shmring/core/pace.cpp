// SPDX-License-Identifier: LGPL-2.1-or-later
// The loop's filters.
#include "core/pace.hpp"

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

}  // namespace

void Pace::relock(std::uint64_t at, double gap) {
  period_ = gap;
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
  if (first || at == 0) return;
  if (period_ == 0) {
    if (gap > 0 && gap < kLongestPeriod) relock(at, gap);
    return;
  }
  const double periods = std::max(1.0, std::round(gap / period_));  // more than one: frames stayed out
  if (periods > kMostMissing || std::abs(gap - periods * period_) > period_ / 4) {
    if (++odd_ >= kOddBeforeRelock || periods > kMostMissing) relock(at, periods > kMostMissing ? period_ : gap);
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
  if (lead + tail > kShare * period_) return {};
  // Frames may have stayed out: the next one that can still come.
  double due = due_;
  const double since = static_cast<double>(now) - (due_ + tail);
  if (since > -1) due += period_ * std::ceil((since + 1) / period_);
  if (due - due_ > kMostMissing * period_) return {};
  return {static_cast<std::uint64_t>(due - lead), static_cast<std::uint64_t>(due + tail)};
}

}  // namespace shmring
