// SPDX-License-Identifier: LGPL-2.1-or-later
// The predictor against simulated cameras: how many frames it looks for in time, and how much of a processor that takes.
#include "reader/predictor.hpp"

#include <cstdint>
#include <functional>
#include <random>

#include <gtest/gtest.h>

namespace shmring {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kLoss = Courtesy::kPause + 1;

struct Outcome {
  double caught;  // of the frames
  double spun;    // of the time
};

constexpr std::int64_t kMissing = -1;

// Plays frames to a reader that obeys the predictor and wakes without delay. `at` says how far frame n is from its due time, or that it
// does not come.
Outcome play(Predictor& predictor, std::uint64_t period, unsigned frames,
             const std::function<std::int64_t(unsigned)>& at, std::uint64_t start = kSecond) {
  unsigned came = 0, caught = 0;
  std::uint64_t spun = 0, t = start;
  for (unsigned n = 1; n <= frames; ++n) {
    const std::int64_t off = at(n);
    if (off < 0) continue;
    const std::uint64_t comes = start + n * period + static_cast<std::uint64_t>(off);
    ++came;
    bool looking = false;
    for (;;) {
      const auto window = predictor.next(t);
      if (window.until == 0 || window.from >= comes) break;
      t = std::max(t, window.from);
      if (window.until > comes) {
        spun += comes - t;
        looking = true;
        break;
      }
      spun += window.until - t;
      t = window.until;
      predictor.missed();
    }
    t = comes + 1'000;
    if (looking) ++caught;
    predictor.observe(comes);
  }
  return {static_cast<double>(caught) / came, static_cast<double>(spun) / static_cast<double>(frames * period)};
}

std::int64_t on_time(unsigned) { return 0; }

class PredictorAtRate : public testing::TestWithParam<unsigned> {
 protected:
  std::uint64_t period() const { return kSecond / GetParam(); }
  Predictor predictor;
  std::mt19937 random{5};
};

TEST_P(PredictorAtRate, LooksForEveryFrameOfASteadySourceForATenthOfTheTimeAtMost) {
  const Outcome outcome = play(predictor, period(), 600, on_time);
  EXPECT_GT(outcome.caught, 0.97);
  EXPECT_LT(outcome.spun, 0.1);
}

TEST_P(PredictorAtRate, KeepsUpWithJitterOf200Microseconds) {
  const Outcome outcome =
      play(predictor, period(), 600, [&](unsigned) { return static_cast<std::int64_t>(random() % 400'000); });
  EXPECT_GT(outcome.caught, 0.85);
  EXPECT_LT(outcome.spun, 0.1);
}

TEST_P(PredictorAtRate, KeepsUpWhenEveryTenthFrameIsMissing) {
  const Outcome outcome =
      play(predictor, period(), 600, [&](unsigned n) { return n > 20 && random() % 10 == 0 ? kMissing : 0; });
  EXPECT_GT(outcome.caught, 0.95);
  EXPECT_LT(outcome.spun, 0.1);
}

TEST_P(PredictorAtRate, OneLateFrameDoesNotMoveTheNext) {
  play(predictor, period(), 100, on_time);
  const Outcome outcome = play(predictor, period(), 1'000,
                               [&](unsigned n) { return n % 50 == 0 ? static_cast<std::int64_t>(period() / 3) : 0; });
  EXPECT_GT(outcome.caught, 0.9);
}

INSTANTIATE_TEST_SUITE_P(Rates, PredictorAtRate, testing::Values(10u, 30u, 60u, 100u));

TEST(Predictor, SaysNothingBeforeItHasSeenEnough) {
  Predictor predictor;
  EXPECT_EQ(predictor.next(kSecond).until, 0u);
  for (std::uint64_t n = 1; n <= 8; ++n) {
    predictor.observe(kSecond + n * 10'000'000);
    EXPECT_FALSE(predictor.next(kSecond + n * 10'000'000 + 1)) << n;
  }
  for (std::uint64_t n = 9; n <= 30; ++n) predictor.observe(kSecond + n * 10'000'000);
  EXPECT_TRUE(predictor.next(kSecond + 300'000'001));
}

TEST(Predictor, DoesNotLookForFramesThatComeAtRandom) {
  Predictor predictor;
  std::mt19937 random{5};
  std::exponential_distribution<double> gap(30.0 / kSecond);
  std::uint64_t t = kSecond, windows = 0;
  for (unsigned n = 1; n <= 1'000; ++n) {
    predictor.observe(t);
    windows += predictor.next(t + 1).until != 0;
    t += static_cast<std::uint64_t>(gap(random)) + 100'000;
  }
  EXPECT_LT(windows, 200u);
}

TEST(Predictor, FollowsTheSourceToAnotherRate) {
  for (const unsigned from : {30u, 60u}) {
    Predictor predictor;
    play(predictor, kSecond / from, 200, on_time);
    const Outcome after = play(predictor, kSecond / (90 - from), 600, on_time, 20 * kSecond);
    EXPECT_GT(after.caught, 0.9) << from;
    EXPECT_LT(after.spun, 0.1) << from;
  }
}

TEST(Predictor, SleepsForLongerEachTimeItLosesItsProcessor) {
  Predictor predictor;
  const std::uint64_t period = kSecond / 60;
  std::uint64_t n = 0;
  const auto frames_until_a_window = [&] {
    for (unsigned blocked = 0;; ++blocked) {
      ++n;
      predictor.observe(kSecond + n * period);
      if (predictor.next(kSecond + n * period + 1).until != 0) return blocked;
    }
  };
  frames_until_a_window();
  EXPECT_FALSE(predictor.shared(kLoss));
  EXPECT_EQ(frames_until_a_window(), 0u) << "once is nothing";
  for (unsigned expected : {100u, 200u, 400u, 800u}) {
    EXPECT_FALSE(predictor.shared(kLoss));
    EXPECT_NEAR(frames_until_a_window(), expected, 1);
  }
}

TEST(Predictor, LooksWithoutPauseWhileFramesComeInARush) {
  Predictor predictor;
  std::uint64_t t = kSecond;
  for (unsigned n = 1; n <= 200; ++n) predictor.observe(t += 2'000);
  const auto window = predictor.next(t + 500);
  EXPECT_EQ(window.from, t + 500);
  EXPECT_GT(window.until, t + 2'000);
}

TEST(Predictor, SleepsOnceARushIsOver) {
  Predictor predictor;
  std::uint64_t t = kSecond;
  for (unsigned n = 1; n <= 200; ++n) predictor.observe(t += 2'000);
  ASSERT_NE(predictor.next(t).until, 0u);
  predictor.missed();
  EXPECT_EQ(predictor.next(t + 100'000).until, 0u);
}

TEST(Predictor, SaysNothingAfterALongSilence) {
  Predictor predictor;
  play(predictor, kSecond / 30, 100, on_time);
  predictor.observe(30 * kSecond);
  EXPECT_EQ(predictor.next(30 * kSecond + 1).until, 0u);
}

}  // namespace
}  // namespace shmring
