// SPDX-License-Identifier: LGPL-2.1-or-later
// When a waiter spins and when it blocks, against simulated sources: how many frames it spins for in time, and how much of a processor that takes.
#include "reader/spin_waiter.hpp"

#include <cstdint>
#include <functional>
#include <random>

#include <gtest/gtest.h>

namespace shmring {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kStart = 1'000'000'000'000;
constexpr std::uint64_t kPeriod = 33'333'333;

// Frames on a grid, each up to `jitter` off it; returns the grid's next point.
std::uint64_t feed(SpinWaiter& sut, int frames, std::uint64_t jitter = 0, std::uint64_t at = kStart,
                   std::uint64_t period = kPeriod) {
  std::mt19937_64 random(1);
  for (int i = 0; i < frames; ++i, at += period)
    sut.record_arrival(at + (jitter ? random() % (2 * jitter) : jitter) - jitter);
  return at;
}

// Tells whether who asks at `now` is awake when a frame comes at `due`.
testing::AssertionResult awake_for(std::uint64_t due, const SpinWaiter& sut, std::uint64_t now) {
  const auto window = sut.next(now);
  if (window && window.from < due && window.until > due) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "awake from " << window.from << " to " << window.until << ", due " << due;
}

TEST(SpinWaiter, SleepsUntilWokenWhileItKnowsNothing) {
  SpinWaiter sut;
  EXPECT_FALSE(sut.next(kStart));
  feed(sut, 3);
  EXPECT_FALSE(sut.next(kStart + 3 * kPeriod));
}

TEST(SpinWaiter, IsAwakeJustAroundTheNextFrameOfASteadySource) {
  SpinWaiter sut;
  const std::uint64_t next = feed(sut, 100);
  for (int i = 0; i < 50; ++i) sut.record_wakeup(1'000'000, 1'000'000);
  const auto window = sut.next(next - kPeriod / 2);
  ASSERT_TRUE(window);
  EXPECT_LT(window.from, next);
  EXPECT_GT(window.until, next);
  EXPECT_LT(window.until - window.from, 100'000u);
}

TEST(SpinWaiter, WakesEarlierWhenItsSleepsEndLate) {
  SpinWaiter punctual, late;
  const std::uint64_t next = feed(punctual, 100);
  feed(late, 100);
  for (int i = 0; i < 50; ++i) late.record_wakeup(1'000'000, 1'080'000);
  EXPECT_LT(late.next(next - kPeriod / 2).from, punctual.next(next - kPeriod / 2).from - 50'000);
}

TEST(SpinWaiter, CoversTheJitterOfItsSource) {
  SpinWaiter sut;
  const std::uint64_t next = feed(sut, 1000, 200'000);
  const auto window = sut.next(next - kPeriod / 2);
  ASSERT_TRUE(window);
  EXPECT_LT(window.from, next - 150'000);
  EXPECT_GT(window.until, next + 150'000);
}

TEST(SpinWaiter, RefusesToStayAwakeForMoreThanATenthOfAProcessor) {
  SpinWaiter sut;
  const std::uint64_t next = feed(sut, 1000, 4'000'000);
  EXPECT_FALSE(sut.next(next - kPeriod / 2));
}

TEST(SpinWaiter, RefusesAtARateWhereItWouldNeverSleep) {
  SpinWaiter sut;
  const std::uint64_t next = feed(sut, 1000, 0, kStart, 50'000);
  EXPECT_FALSE(sut.next(next - 25'000));
}

TEST(SpinWaiter, KeepsItsStepWhenFramesStayOut) {
  SpinWaiter sut;
  std::mt19937 random(7);
  std::uint64_t at = kStart;
  for (int i = 0; i < 500; ++i, at += kPeriod)
    if (random() % 10) sut.record_arrival(at);
  sut.record_arrival(at);
  EXPECT_TRUE(awake_for(at + kPeriod, sut, at + kPeriod / 2));
}

TEST(SpinWaiter, AimsAtTheFrameAfterOneThatDidNotCome) {
  SpinWaiter sut;
  const std::uint64_t next = feed(sut, 100);
  EXPECT_TRUE(awake_for(next + kPeriod, sut, next + kPeriod / 2));
}

TEST(SpinWaiter, SleepsUntilWokenDuringAnOutageAndFindsItsStepAgain) {
  SpinWaiter sut;
  const std::uint64_t last = feed(sut, 100);
  const std::uint64_t back = last + 60 * kPeriod + kPeriod / 3;
  EXPECT_FALSE(sut.next(back));
  const std::uint64_t next = feed(sut, 20, 0, back);
  ASSERT_TRUE(sut.next(next - kPeriod / 2));
  EXPECT_GT(sut.next(next - kPeriod / 2).until, next);
}

TEST(SpinWaiter, TriesAgainAfterSleepsThatEndedFarTooLate) {
  SpinWaiter sut;
  std::uint64_t next = feed(sut, 100);
  for (int i = 0; i < 50; ++i) sut.record_wakeup(0, 5'000'000);
  EXPECT_FALSE(sut.next(next - kPeriod / 2));
  next = feed(sut, 500, 0, next);
  EXPECT_TRUE(sut.next(next - kPeriod / 2));
}

// The mean of the first gaps is no multiple of the period then.
TEST(SpinWaiter, IsNotMisledByAPauseAfterTheFirstFrames) {
  for (unsigned before = 1; before < 12; ++before)
    for (const std::uint64_t pause : {kPeriod * 3 / 2, kPeriod * 5 / 2, kPeriod * 10, kPeriod * 31}) {
      SpinWaiter sut;
      const std::uint64_t next = feed(sut, 60, 0, feed(sut, static_cast<int>(before)) + pause);
      EXPECT_TRUE(awake_for(next, sut, next - kPeriod / 2)) << before << " " << pause;
    }
}

TEST(SpinWaiter, IsNotMisledByFramesThatCameAtOnce) {
  for (const std::uint64_t close : {1u, 1'000u, 100'000u, 1'000'000u}) {
    SpinWaiter sut;
    const std::uint64_t next = feed(sut, 60, 0, feed(sut, 5, 0, kStart, close) + kPeriod);
    EXPECT_TRUE(sut.next(next - kPeriod / 2)) << close;
  }
}

// A publisher may say anything. Whoever believes it must not stay awake for long, and finds its step again.
TEST(SpinWaiter, StaysAwakeForTenMillisecondsAtMostWhateverItIsTold) {
  std::mt19937_64 random(3);
  for (int run = 0; run < 200; ++run) {
    SpinWaiter sut;
    const unsigned shift = static_cast<unsigned>(random() % 64);
    const std::uint64_t gap = random() >> (random() % 64);
    std::uint64_t at = random() >> shift;
    for (int i = 0; i < 100; ++i) {
      sut.record_arrival(run % 2 ? random() >> shift : at += gap);
      for (const std::uint64_t now : {std::uint64_t{0}, kStart, at, UINT64_MAX}) {
        const auto window = sut.next(now);
        EXPECT_LE(window.until - window.from, 10'000'001u);
      }
    }
    const std::uint64_t next = feed(sut, 60);
    EXPECT_TRUE(sut.next(next - kPeriod / 2)) << run;
  }
}

TEST(SpinWaiter, FollowsAChangeOfRate) {
  for (const std::uint64_t period : {kPeriod / 2, kPeriod * 2, kPeriod / 4}) {
    SpinWaiter sut;
    const std::uint64_t change = feed(sut, 100);
    const std::uint64_t next = feed(sut, 60, 0, change, period);
    EXPECT_TRUE(awake_for(next, sut, next - period / 2)) << period;
    EXPECT_GT(sut.next(next - period / 2).from, next - period / 4) << period;
  }
}

TEST(SpinWaiter, LeavesTheProcessorToOthersForLongerEachTimeTheyNeedIt) {
  SpinWaiter sut;
  std::uint64_t next = feed(sut, 100);
  sut.note_preemption();
  EXPECT_TRUE(sut.next(next - kPeriod / 2)) << "once is nothing";
  for (const int pause : {100, 200, 400}) {
    sut.note_preemption();
    for (int i = 0; i < pause; ++i) {
      EXPECT_FALSE(sut.next(next - kPeriod / 2));
      next = feed(sut, 1, 0, next);
    }
    EXPECT_TRUE(sut.next(next - kPeriod / 2));
  }
}

struct Outcome {
  double caught;  // of the frames
  double spun;    // of the time
};

constexpr std::int64_t kMissing = -1;

// Plays frames to a reader that obeys the waiter and wakes without delay. `at` says how far frame n is from its due time, or that it
// does not come.
Outcome play(SpinWaiter& waiter, std::uint64_t period, unsigned frames, const std::function<std::int64_t(unsigned)>& at,
             std::uint64_t start = kSecond) {
  unsigned came = 0, caught = 0;
  std::uint64_t spun = 0, t = start;
  for (unsigned n = 1; n <= frames; ++n) {
    const std::int64_t off = at(n);
    if (off < 0) continue;
    const std::uint64_t comes = start + n * period + static_cast<std::uint64_t>(off);
    ++came;
    bool looking = false;
    for (;;) {
      const auto window = waiter.next(t);
      if (window.until == 0 || window.from >= comes) break;
      t = std::max(t, window.from);
      if (window.until > comes) {
        spun += comes - t;
        looking = true;
        break;
      }
      spun += window.until - t;
      t = window.until;
      waiter.record_miss();
    }
    t = comes + 1'000;
    if (looking) ++caught;
    waiter.record_arrival(comes);
  }
  return {static_cast<double>(caught) / came, static_cast<double>(spun) / static_cast<double>(frames * period)};
}

std::int64_t on_time(unsigned) { return 0; }

class SpinWaiterAtRate : public testing::TestWithParam<unsigned> {
 protected:
  std::uint64_t period() const { return kSecond / GetParam(); }
  SpinWaiter waiter;
  std::mt19937 random{5};
};

TEST_P(SpinWaiterAtRate, LooksForEveryFrameOfASteadySourceForATenthOfTheTimeAtMost) {
  const Outcome outcome = play(waiter, period(), 600, on_time);
  EXPECT_GT(outcome.caught, 0.97);
  EXPECT_LT(outcome.spun, 0.1);
}

TEST_P(SpinWaiterAtRate, KeepsUpWithJitterOf200Microseconds) {
  const Outcome outcome =
      play(waiter, period(), 600, [&](unsigned) { return static_cast<std::int64_t>(random() % 400'000); });
  EXPECT_GT(outcome.caught, 0.85);
  EXPECT_LT(outcome.spun, 0.1);
}

TEST_P(SpinWaiterAtRate, KeepsUpWhenEveryTenthFrameIsMissing) {
  const Outcome outcome =
      play(waiter, period(), 600, [&](unsigned n) { return n > 20 && random() % 10 == 0 ? kMissing : 0; });
  EXPECT_GT(outcome.caught, 0.95);
  EXPECT_LT(outcome.spun, 0.1);
}

TEST_P(SpinWaiterAtRate, OneLateFrameDoesNotMoveTheNext) {
  play(waiter, period(), 100, on_time);
  const Outcome outcome = play(waiter, period(), 1'000,
                               [&](unsigned n) { return n % 50 == 0 ? static_cast<std::int64_t>(period() / 3) : 0; });
  EXPECT_GT(outcome.caught, 0.9);
}

INSTANTIATE_TEST_SUITE_P(Rates, SpinWaiterAtRate, testing::Values(10u, 30u, 60u, 100u));

TEST(SpinWaiter, SaysNothingBeforeItHasSeenEnough) {
  SpinWaiter waiter;
  EXPECT_EQ(waiter.next(kSecond).until, 0u);
  for (std::uint64_t n = 1; n <= 8; ++n) {
    waiter.record_arrival(kSecond + n * 10'000'000);
    EXPECT_FALSE(waiter.next(kSecond + n * 10'000'000 + 1)) << n;
  }
  for (std::uint64_t n = 9; n <= 30; ++n) waiter.record_arrival(kSecond + n * 10'000'000);
  EXPECT_TRUE(waiter.next(kSecond + 300'000'001));
}

TEST(SpinWaiter, DoesNotLookForFramesThatComeAtRandom) {
  SpinWaiter waiter;
  std::mt19937 random{5};
  std::exponential_distribution<double> gap(30.0 / kSecond);
  std::uint64_t t = kSecond, windows = 0;
  for (unsigned n = 1; n <= 1'000; ++n) {
    waiter.record_arrival(t);
    windows += waiter.next(t + 1).until != 0;
    t += static_cast<std::uint64_t>(gap(random)) + 100'000;
  }
  EXPECT_LT(windows, 200u);
}

TEST(SpinWaiter, FollowsTheSourceToAnotherRate) {
  for (const unsigned from : {30u, 60u}) {
    SpinWaiter waiter;
    play(waiter, kSecond / from, 200, on_time);
    const Outcome after = play(waiter, kSecond / (90 - from), 600, on_time, 20 * kSecond);
    EXPECT_GT(after.caught, 0.9) << from;
    EXPECT_LT(after.spun, 0.1) << from;
  }
}

TEST(SpinWaiter, SleepsForLongerEachTimeItLosesItsProcessor) {
  SpinWaiter waiter;
  const std::uint64_t period = kSecond / 60;
  std::uint64_t n = 0;
  const auto frames_until_a_window = [&] {
    for (unsigned blocked = 0;; ++blocked) {
      ++n;
      waiter.record_arrival(kSecond + n * period);
      if (waiter.next(kSecond + n * period + 1).until != 0) return blocked;
    }
  };
  frames_until_a_window();
  waiter.note_preemption();
  EXPECT_EQ(frames_until_a_window(), 0u) << "once is nothing";
  for (unsigned expected : {100u, 200u, 400u, 800u}) {
    waiter.note_preemption();
    EXPECT_NEAR(frames_until_a_window(), expected, 1);
  }
}

TEST(SpinWaiter, LooksWithoutPauseWhileFramesComeInARush) {
  SpinWaiter waiter;
  std::uint64_t t = kSecond;
  for (unsigned n = 1; n <= 200; ++n) waiter.record_arrival(t += 2'000);
  const auto window = waiter.next(t + 500);
  EXPECT_EQ(window.from, t + 500);
  EXPECT_GT(window.until, t + 2'000);
}

TEST(SpinWaiter, SleepsOnceARushIsOver) {
  SpinWaiter waiter;
  std::uint64_t t = kSecond;
  for (unsigned n = 1; n <= 200; ++n) waiter.record_arrival(t += 2'000);
  ASSERT_NE(waiter.next(t).until, 0u);
  waiter.record_miss();
  EXPECT_EQ(waiter.next(t + 100'000).until, 0u);
}

TEST(SpinWaiter, SaysNothingAfterALongSilence) {
  SpinWaiter waiter;
  play(waiter, kSecond / 30, 100, on_time);
  waiter.record_arrival(30 * kSecond);
  EXPECT_EQ(waiter.next(30 * kSecond + 1).until, 0u);
}

// A thread whose clock goes on by itself, and from which another thread can take the processor.
struct Simulation {
  std::uint64_t time = kStart, polls = 0, yields = 0;
  std::int64_t preempted = 0;
  std::uint64_t stop_at = 0, stop_for = 0;  // from poll `stop_at` on this thread does not run for so long
  bool by_another_thread = true;
};
struct SimulatedThread {
  Simulation* sim;
  std::uint64_t now() const { return sim->time; }
  std::int64_t preemptions() const { return sim->preempted; }
  void relax() const {
    sim->time += 30;
    if (++sim->polls != sim->stop_at) return;
    sim->time += sim->stop_for;
    sim->preempted += sim->by_another_thread;
  }
  void yield() const { ++sim->yields; }
};

class Spin : public testing::Test {
 protected:
  Spin() {
    std::uint64_t at = kStart - 100 * kPeriod;
    for (; at < kStart; at += kPeriod) waiter.record_arrival(at);
    for (int i = 0; i < 50; ++i) waiter.record_wakeup(1'000'000, 1'000'000);
    window = waiter.next(at - kPeriod / 2);
    due = at;
    sim.time = window.from;
    waiter.begin(thread);
  }
  SpinWaiter waiter;
  SpinWaiter::Window window;
  std::uint64_t due = 0;
  Simulation sim;
  SimulatedThread thread{&sim};
};

TEST_F(Spin, EndsAsSoonAsTheFrameIsThere) {
  ASSERT_TRUE(window);
  EXPECT_TRUE(waiter.spin(
      window, [&] { return sim.time >= due; }, thread));
  EXPECT_LT(sim.time, due + 1'000);
  EXPECT_GE(sim.yields, 1u) << "the publisher may wait for this processor";
}

TEST_F(Spin, EndsWithItsWindow) {
  EXPECT_FALSE(waiter.spin(
      window, [] { return false; }, thread));
  EXPECT_GE(sim.time, window.until);
  EXPECT_LT(sim.time, window.until + 10'000);
}

TEST_F(Spin, EndsWhenAnotherThreadTookTheProcessorAndTheSecondTimeTheWaiterBlocks) {
  for (const bool blocks : {false, true}) {
    sim.stop_at = sim.polls + 20;
    sim.stop_for = SpinWaiter::kPreemption + 1'000;
    waiter.begin(thread);
    EXPECT_FALSE(waiter.spin(
        {sim.time, sim.time + 1'000'000'000}, [] { return false; }, thread));
    EXPECT_LT(sim.polls, sim.stop_at + 40);
    EXPECT_EQ(!waiter.next(due - kPeriod / 2), blocks);
  }
}

TEST_F(Spin, IsNotEndedByAMachineThatStoodStill) {
  sim.stop_at = 20;
  sim.stop_for = 2 * SpinWaiter::kPreemption;
  sim.by_another_thread = false;
  const std::uint64_t comes = sim.time + 3 * SpinWaiter::kPreemption;
  EXPECT_TRUE(waiter.spin(
      {sim.time, comes + 1'000'000}, [&] { return sim.time >= comes; }, thread));
}

// The frame that was waited for came while the other thread ran: noticed when it is taken.
TEST_F(Spin, AFrameThatWaitedForTheProcessorCountsAsAPreemption) {
  for (const bool blocks : {false, true}) {
    waiter.begin(thread);
    const std::uint64_t comes = sim.time + 1'000;
    sim.stop_at = sim.polls + 20;
    sim.stop_for = 2 * SpinWaiter::kPreemption;
    ASSERT_TRUE(waiter.spin(
        {sim.time, sim.time + 10'000'000}, [&] { return sim.time >= comes; }, thread));
    waiter.record_arrival(comes, sim.time, thread);
    EXPECT_EQ(!waiter.next(due - kPeriod / 2), blocks);
  }
}

// … and a fresh one is no loss: its publisher ran here.
TEST_F(Spin, AFreshFrameIsNoPreemptionWhoeverRanHere) {
  for (int i = 0; i < 10; ++i) {
    waiter.begin(thread);
    sim.stop_at = sim.polls + 20;
    sim.stop_for = 2 * SpinWaiter::kPreemption;
    const std::uint64_t comes = sim.time + sim.stop_for;
    ASSERT_TRUE(waiter.spin(
        {sim.time, sim.time + 10'000'000}, [&] { return sim.time >= comes; }, thread));
    waiter.record_arrival(sim.time - 5'000, sim.time, thread);
  }
}

}  // namespace
}  // namespace shmring
