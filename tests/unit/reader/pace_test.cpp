// SPDX-License-Identifier: LGPL-2.1-or-later
// When who waits for a frame stays awake, and when not.
#include "reader/pace.hpp"

#include <random>

#include <gtest/gtest.h>

namespace shmring {
namespace {

constexpr std::uint64_t kStart = 1'000'000'000'000;
constexpr std::uint64_t kPeriod = 33'333'333;
constexpr std::uint64_t kLoss = Courtesy::kPause + 1;

// Frames on a grid, each up to `jitter` off it; returns the grid's next point.
std::uint64_t feed(Pace& sut, int frames, std::uint64_t jitter = 0, std::uint64_t at = kStart,
                   std::uint64_t period = kPeriod) {
  std::mt19937_64 random(1);
  for (int i = 0; i < frames; ++i, at += period) sut.arrived(at + (jitter ? random() % (2 * jitter) : jitter) - jitter);
  return at;
}

// Whether who asks at `now` is awake when a frame comes at `due`.
testing::AssertionResult awake_for(std::uint64_t due, const Pace& sut, std::uint64_t now) {
  const auto window = sut.next(now);
  if (window && window.from < due && window.until > due) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "awake from " << window.from << " to " << window.until << ", due " << due;
}

TEST(Pace, SleepsUntilWokenWhileItKnowsNothing) {
  Pace sut;
  EXPECT_FALSE(sut.next(kStart));
  feed(sut, 3);
  EXPECT_FALSE(sut.next(kStart + 3 * kPeriod));
}

TEST(Pace, IsAwakeJustAroundTheNextFrameOfASteadySource) {
  Pace sut;
  const std::uint64_t next = feed(sut, 100);
  for (int i = 0; i < 50; ++i) sut.woke(1'000'000, 1'000'000);
  const auto window = sut.next(next - kPeriod / 2);
  ASSERT_TRUE(window);
  EXPECT_LT(window.from, next);
  EXPECT_GT(window.until, next);
  EXPECT_LT(window.until - window.from, 100'000u);
}

TEST(Pace, WakesEarlierWhenItsSleepsEndLate) {
  Pace punctual, late;
  const std::uint64_t next = feed(punctual, 100);
  feed(late, 100);
  for (int i = 0; i < 50; ++i) late.woke(1'000'000, 1'080'000);
  EXPECT_LT(late.next(next - kPeriod / 2).from, punctual.next(next - kPeriod / 2).from - 50'000);
}

TEST(Pace, CoversTheJitterOfItsSource) {
  Pace sut;
  const std::uint64_t next = feed(sut, 1000, 200'000);
  const auto window = sut.next(next - kPeriod / 2);
  ASSERT_TRUE(window);
  EXPECT_LT(window.from, next - 150'000);
  EXPECT_GT(window.until, next + 150'000);
}

TEST(Pace, RefusesToStayAwakeForMoreThanATenthOfAProcessor) {
  Pace sut;
  const std::uint64_t next = feed(sut, 1000, 4'000'000);
  EXPECT_FALSE(sut.next(next - kPeriod / 2));
}

TEST(Pace, RefusesAtARateWhereItWouldNeverSleep) {
  Pace sut;
  const std::uint64_t next = feed(sut, 1000, 0, kStart, 50'000);
  EXPECT_FALSE(sut.next(next - 25'000));
}

TEST(Pace, KeepsItsStepWhenFramesStayOut) {
  Pace sut;
  std::mt19937 random(7);
  std::uint64_t at = kStart;
  for (int i = 0; i < 500; ++i, at += kPeriod)
    if (random() % 10) sut.arrived(at);
  sut.arrived(at);
  EXPECT_TRUE(awake_for(at + kPeriod, sut, at + kPeriod / 2));
}

TEST(Pace, AimsAtTheFrameAfterOneThatDidNotCome) {
  Pace sut;
  const std::uint64_t next = feed(sut, 100);
  EXPECT_TRUE(awake_for(next + kPeriod, sut, next + kPeriod / 2));
}

TEST(Pace, SleepsUntilWokenDuringAnOutageAndFindsItsStepAgain) {
  Pace sut;
  const std::uint64_t last = feed(sut, 100);
  const std::uint64_t back = last + 60 * kPeriod + kPeriod / 3;
  EXPECT_FALSE(sut.next(back));
  const std::uint64_t next = feed(sut, 20, 0, back);
  ASSERT_TRUE(sut.next(next - kPeriod / 2));
  EXPECT_GT(sut.next(next - kPeriod / 2).until, next);
}

TEST(Pace, TriesAgainAfterSleepsThatEndedFarTooLate) {
  Pace sut;
  std::uint64_t next = feed(sut, 100);
  for (int i = 0; i < 50; ++i) sut.woke(0, 5'000'000);
  EXPECT_FALSE(sut.next(next - kPeriod / 2));
  next = feed(sut, 500, 0, next);
  EXPECT_TRUE(sut.next(next - kPeriod / 2));
}

// The mean of the first gaps is no multiple of the period then.
TEST(Pace, IsNotMisledByAPauseAfterTheFirstFrames) {
  for (unsigned before = 1; before < 12; ++before)
    for (const std::uint64_t pause : {kPeriod * 3 / 2, kPeriod * 5 / 2, kPeriod * 10, kPeriod * 31}) {
      Pace sut;
      const std::uint64_t next = feed(sut, 60, 0, feed(sut, static_cast<int>(before)) + pause);
      EXPECT_TRUE(awake_for(next, sut, next - kPeriod / 2)) << before << " " << pause;
    }
}

TEST(Pace, IsNotMisledByFramesThatCameAtOnce) {
  for (const std::uint64_t close : {1u, 1'000u, 100'000u, 1'000'000u}) {
    Pace sut;
    const std::uint64_t next = feed(sut, 60, 0, feed(sut, 5, 0, kStart, close) + kPeriod);
    EXPECT_TRUE(sut.next(next - kPeriod / 2)) << close;
  }
}

// A publisher may say anything. Whoever believes it must not stay awake for long, and finds its step again.
TEST(Pace, StaysAwakeForTenMillisecondsAtMostWhateverItIsTold) {
  std::mt19937_64 random(3);
  for (int run = 0; run < 200; ++run) {
    Pace sut;
    const unsigned shift = static_cast<unsigned>(random() % 64);
    const std::uint64_t gap = random() >> (random() % 64);
    std::uint64_t at = random() >> shift;
    for (int i = 0; i < 100; ++i) {
      sut.arrived(run % 2 ? random() >> shift : at += gap);
      for (const std::uint64_t now : {std::uint64_t{0}, kStart, at, UINT64_MAX}) {
        const auto window = sut.next(now);
        EXPECT_LE(window.until - window.from, 10'000'001u);
      }
    }
    const std::uint64_t next = feed(sut, 60);
    EXPECT_TRUE(sut.next(next - kPeriod / 2)) << run;
  }
}

TEST(Pace, FollowsAChangeOfRate) {
  for (const std::uint64_t period : {kPeriod / 2, kPeriod * 2, kPeriod / 4}) {
    Pace sut;
    const std::uint64_t change = feed(sut, 100);
    const std::uint64_t next = feed(sut, 60, 0, change, period);
    EXPECT_TRUE(awake_for(next, sut, next - period / 2)) << period;
    EXPECT_GT(sut.next(next - period / 2).from, next - period / 4) << period;
  }
}

TEST(Pace, LeavesTheProcessorToOthersForLongerEachTimeTheyNeedIt) {
  Pace sut;
  std::uint64_t next = feed(sut, 100);
  EXPECT_FALSE(sut.shared(kLoss));
  EXPECT_TRUE(sut.next(next - kPeriod / 2)) << "once is nothing";
  for (const int pause : {100, 200, 400}) {
    EXPECT_FALSE(sut.shared(kLoss));
    for (int i = 0; i < pause; ++i) {
      EXPECT_FALSE(sut.next(next - kPeriod / 2));
      next = feed(sut, 1, 0, next);
    }
    EXPECT_TRUE(sut.next(next - kPeriod / 2));
  }
}

}  // namespace
}  // namespace shmring
