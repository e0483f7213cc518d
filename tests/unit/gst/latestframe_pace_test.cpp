// SPDX-License-Identifier: LGPL-2.1-or-later
// When the distribution thread stays awake, and when it leaves that alone.
#include "latestframe/pace.hpp"

#include <random>

#include <gtest/gtest.h>

namespace supplier::latestframe {
namespace {

constexpr std::uint64_t kStart = 1'000'000'000'000;
constexpr std::uint64_t kPeriod = 33'333'333;

// Frames on a grid, each up to `jitter` off it; returns the grid's next point.
std::uint64_t feed(Pace& sut, int frames, std::uint64_t jitter = 0, std::uint64_t at = kStart,
                   std::uint64_t period = kPeriod) {
  std::mt19937_64 random(1);
  for (int i = 0; i < frames; ++i, at += period) sut.arrived(at + (jitter ? random() % (2 * jitter) : jitter) - jitter);
  return at;
}

TEST(LatestFramePace, SleepsUntilWokenWhileItKnowsNothing) {
  Pace sut;
  EXPECT_FALSE(sut.plan(kStart));
  feed(sut, 3);
  EXPECT_FALSE(sut.plan(kStart + 3 * kPeriod));
}

TEST(LatestFramePace, IsAwakeJustAroundTheNextFrameOfASteadySource) {
  Pace sut;
  const std::uint64_t next = feed(sut, 100);
  const auto plan = sut.plan(next - kPeriod / 2);
  ASSERT_TRUE(plan);
  EXPECT_LT(plan.sleep_until, next);
  EXPECT_GT(plan.spin_until, next);
  EXPECT_LT(plan.spin_until - plan.sleep_until, 100'000u);
}

TEST(LatestFramePace, WakesEarlierWhenItsSleepsEndLate) {
  Pace punctual, late;
  const std::uint64_t next = feed(punctual, 100);
  feed(late, 100);
  for (int i = 0; i < 50; ++i) late.woke(1'000'000, 1'080'000);
  EXPECT_LT(late.plan(next - kPeriod / 2).sleep_until, punctual.plan(next - kPeriod / 2).sleep_until - 50'000);
}

TEST(LatestFramePace, CoversTheJitterOfItsSource) {
  Pace sut;
  const std::uint64_t next = feed(sut, 1000, 200'000);
  const auto plan = sut.plan(next - kPeriod / 2);
  ASSERT_TRUE(plan);
  EXPECT_LT(plan.sleep_until, next - 150'000);
  EXPECT_GT(plan.spin_until, next + 150'000);
}

TEST(LatestFramePace, RefusesToStayAwakeForMoreThanATenthOfAProcessor) {
  Pace sut;
  const std::uint64_t next = feed(sut, 1000, 4'000'000);
  EXPECT_FALSE(sut.plan(next - kPeriod / 2));
}

TEST(LatestFramePace, RefusesAtARateWhereItWouldNeverSleep) {
  Pace sut;
  const std::uint64_t next = feed(sut, 1000, 0, kStart, 50'000);
  EXPECT_FALSE(sut.plan(next - 25'000));
}

TEST(LatestFramePace, KeepsItsStepWhenFramesStayOut) {
  Pace sut;
  std::mt19937 random(7);
  std::uint64_t at = kStart;
  for (int i = 0; i < 500; ++i, at += kPeriod)
    if (random() % 10) sut.arrived(at);
  sut.arrived(at);
  const auto plan = sut.plan(at + kPeriod / 2);
  ASSERT_TRUE(plan);
  EXPECT_LT(plan.sleep_until, at + kPeriod);
  EXPECT_GT(plan.spin_until, at + kPeriod);
}

TEST(LatestFramePace, AimsAtTheFrameAfterOneThatDidNotCome) {
  Pace sut;
  const std::uint64_t next = feed(sut, 100);
  const auto plan = sut.plan(next + kPeriod / 2);
  ASSERT_TRUE(plan);
  EXPECT_LT(plan.sleep_until, next + kPeriod);
  EXPECT_GT(plan.spin_until, next + kPeriod);
}

TEST(LatestFramePace, SleepsUntilWokenDuringAnOutageAndFindsItsStepAgain) {
  Pace sut;
  const std::uint64_t last = feed(sut, 100);
  const std::uint64_t back = last + 60 * kPeriod + kPeriod / 3;
  EXPECT_FALSE(sut.plan(back));
  const std::uint64_t next = feed(sut, 20, 0, back);
  ASSERT_TRUE(sut.plan(next - kPeriod / 2));
  EXPECT_GT(sut.plan(next - kPeriod / 2).spin_until, next);
}

TEST(LatestFramePace, FollowsAChangeOfRate) {
  for (const std::uint64_t period : {kPeriod / 2, kPeriod * 2, kPeriod / 4}) {
    Pace sut;
    const std::uint64_t change = feed(sut, 100);
    const std::uint64_t next = feed(sut, 60, 0, change, period);
    const auto plan = sut.plan(next - period / 2);
    ASSERT_TRUE(plan) << period;
    EXPECT_LT(plan.sleep_until, next) << period;
    EXPECT_GT(plan.spin_until, next) << period;
    EXPECT_GT(plan.sleep_until, next - period / 4) << period;
  }
}

TEST(LatestFramePace, LeavesTheProcessorToOthersForLongerEachTimeTheyNeedIt) {
  Pace sut;
  std::uint64_t next = feed(sut, 100);
  sut.preempted();
  EXPECT_TRUE(sut.plan(next - kPeriod / 2)) << "once is nothing";
  for (const int pause : {100, 200, 400}) {
    sut.preempted();
    for (int i = 0; i < pause; ++i) {
      EXPECT_FALSE(sut.plan(next - kPeriod / 2));
      next = feed(sut, 1, 0, next);
    }
    EXPECT_TRUE(sut.plan(next - kPeriod / 2));
  }
}

}  // namespace
}  // namespace supplier::latestframe
