// SPDX-License-Identifier: LGPL-2.1-or-later
// The health model under an injected clock: every transition.

#include <cstdint>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "health_bench.hpp"

namespace health_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(WorkerHealth, IsWaitingUntilTheFirstFrameIsFinishedAndThenOk) {
  Bench sut;
  sut.camera = 0;
  sut.run(5 * kS);
  EXPECT_EQ(sut.state(), WorkerState::waiting);
  EXPECT_THAT(sut.told, IsEmpty());

  sut.camera = 100 * kMs;
  sut.run(3 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok"));
  EXPECT_EQ(sut.told[0].previous, WorkerState::waiting);
  EXPECT_THAT(sut.told[0].reason, HasSubstr("first frame"));
}

TEST(WorkerHealth, IsNotOkForHavingTakenAFrameOnly) {
  Bench sut;
  sut.hung = true;
  sut.run(20 * kS);
  sut.seen.last_consumed_sequence = 7;  // a reader says what it took last
  sut.run(5 * kS);
  EXPECT_EQ(sut.state(), WorkerState::waiting);
}

TEST(WorkerHealth, IsStuckWhenAHeldFrameIsNotFinishedForTheStallTimeoutAndOkAfterTheNextOneIs) {
  Bench sut;
  sut.run(10 * kS);
  sut.hung = true;
  sut.run(29 * kS);
  EXPECT_EQ(sut.state(), WorkerState::ok);
  sut.run(3 * kS);
  ASSERT_THAT(sut.states(), ElementsAre("ok", "stuck"));
  EXPECT_THAT(sut.told[1].reason, HasSubstr("nothing finished for 30"));
  sut.run(120 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "stuck"));

  sut.hung = false;
  sut.run(2 * kS);
  ASSERT_THAT(sut.states(), ElementsAre("ok", "stuck", "ok"));
  EXPECT_EQ(sut.told[2].previous, WorkerState::stuck);
}

TEST(WorkerHealth, IsStuckThoughThePendingFrameIsAlwaysAYoungOne) {
  Bench sut;
  sut.run(10 * kS);
  // A stopped reader of a mailbox: each frame replaces the one before, the oldest unfinished one is never old.
  for (int i = 0; i < 400; ++i) {
    sut.leap(100 * kMs);
    ++sut.seen.offered;
    ++sut.seen.dropped;
    sut.seen.pending = 1;
    sut.seen.unfinished_since = sut.seen.last_offered_at = sut.now;
    sut.look();
  }
  EXPECT_THAT(sut.states(), ElementsAre("ok", "stuck"));
}

TEST(WorkerHealth, IsStuckInItsFirstFrameToo) {
  Bench sut;
  sut.hung = true;
  sut.run(40 * kS);
  ASSERT_THAT(sut.states(), ElementsAre("stuck"));
  EXPECT_EQ(sut.told[0].previous, WorkerState::waiting);
}

TEST(WorkerHealth, IsNotStuckByADropOrAFlushThatLeavesItNothingToDo) {
  Bench sut;
  sut.run(5 * kS);
  sut.hung = true;
  sut.run(kS);
  sut.camera = 0;
  sut.run(40 * kS);
  sut.seen.held = sut.seen.pending = sut.seen.unfinished_since = 0;
  sut.leap(kS);
  sut.look();
  EXPECT_THAT(sut.states(), ElementsAre("ok", "stuck", "ok"));
  EXPECT_THAT(sut.told.back().reason, HasSubstr("nothing is pending"));
  sut.run(25 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "stuck", "ok")) << "and not starved by the time it was busy";
}

TEST(WorkerHealth, IsStarvedAndNeverStuckInACameraOutageWhateverKindOfWorkerItIs) {
  for (const std::uint64_t work : {1 * kMs, 90 * kMs, 20 * kS}) {
    Bench sut;
    sut.work = work;
    sut.run(60 * kS);
    sut.told.clear();
    sut.camera = 0;
    sut.run(3600 * kS);
    ASSERT_THAT(sut.states(), ElementsAre("starved")) << work;
    EXPECT_THAT(sut.told[0].reason, HasSubstr("no frame came in for 30"));
    sut.camera = 100 * kMs;
    sut.run(30 * kS);
    EXPECT_THAT(sut.states(), ElementsAre("starved", "ok")) << work;
    EXPECT_EQ(sut.told[1].previous, WorkerState::starved);
  }
}

TEST(WorkerHealth, IsStarvedByACameraThatNeverStartsAndWaitsAgainForTheFirstFrameToBeFinished) {
  Bench sut;
  sut.camera = 0;
  sut.run(40 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("starved"));
  sut.camera = 100 * kMs;
  sut.work = 10 * kS;
  sut.run(20 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("starved", "waiting", "ok"));
}

TEST(WorkerHealth, IsNotStarvedRightAfterALongPieceOfWork) {
  Bench sut;  // inline: no frame can come in while the one before is being worked on
  sut.limits.stall_timeout = 10 * kS;
  sut.run(5 * kS);
  sut.hung = true;
  sut.run(100 * kMs);
  sut.camera = 0;
  sut.run(60 * kS);
  sut.hung = false;
  sut.run(9 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "stuck", "ok"));
  sut.run(3 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "stuck", "ok", "starved"));
}

TEST(WorkerHealth, IsNotStarvedWhereFramesComeInThoughAllOfThemAreDroppedBeforeIt) {
  Bench sut;
  sut.run(5 * kS);
  sut.camera = 0;
  for (int i = 0; i < 60; ++i) {  // no slot is free for anybody
    sut.run(kS);
    ++sut.seen.offered;
    ++sut.seen.dropped;
  }
  EXPECT_THAT(sut.states(), ElementsAre("ok"));
}

TEST(WorkerHealth, StaysStarvedOverAPauseAndIsGivenTimeWhenItIsReplacedInAnOutage) {
  Bench sut;
  sut.run(5 * kS);
  sut.camera = 0;
  sut.run(60 * kS);
  sut.resume();
  sut.run(5 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "starved"));
  sut.attach_again();
  sut.run(28 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "starved", "waiting"));
  sut.run(10 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "starved", "waiting", "starved"));
}

TEST(WorkerHealth, IsNotStarvedWhereNoFrameIsDue) {
  Bench sut;
  sut.run(5 * kS);
  sut.camera = 0;
  sut.run(40 * kS);
  sut.seen.expecting = false;  // the stream has ended
  sut.run(600 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "starved", "ok"));
  sut.seen.expecting = true;
  sut.run(25 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "starved", "ok"));
  sut.run(10 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "starved", "ok", "starved"));
}

TEST(WorkerHealth, IsDeadWithTheReasonAtTheNextLookAndANewGenerationBeginsByWaiting) {
  Bench sut;
  sut.run(5 * kS);
  const auto before = sut.seen;
  sut.die("process 4711 is gone");
  sut.look();
  ASSERT_THAT(sut.states(), ElementsAre("ok", "dead"));
  EXPECT_EQ(sut.told[1].reason, "process 4711 is gone");
  sut.run(100 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "dead"));

  sut.attach_again();
  sut.work = 5 * kS;
  sut.run(2 * kS);
  ASSERT_THAT(sut.states(), ElementsAre("ok", "dead", "waiting"));
  EXPECT_THAT(sut.told[2].reason, HasSubstr("generation 2"));
  sut.run(10 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "dead", "waiting", "ok"));
  EXPECT_GT(sut.seen.delivered, before.delivered) << "counters go on";
}

TEST(WorkerHealth, IsDeadAndNotStuckWhenItDiesWithAFrameInItsHands) {
  Bench sut;
  sut.run(5 * kS);
  sut.hung = true;
  sut.run(40 * kS);
  sut.seen.gone = true;
  sut.run(40 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "stuck", "dead"));
  EXPECT_NE(sut.told.back().reason, "");
}

TEST(WorkerHealth, ANewGenerationThatFinishedAFrameBetweenTwoLooksIsOkAtOnce) {
  Bench sut;
  sut.run(5 * kS);
  sut.die("killed");
  sut.look();
  sut.attach_again();
  sut.run(5 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "dead", "ok"));
}

TEST(WorkerHealth, AnotherGenerationIsToldThoughItWasDeadForNoLook) {
  Bench sut;
  sut.run(5 * kS);
  sut.die("killed");
  sut.attach_again();
  sut.run(500 * kMs);
  sut.look();
  ASSERT_THAT(sut.states(), ElementsAre("ok", "ok"));
  EXPECT_EQ(sut.told[1].previous, WorkerState::ok);
  sut.run(5 * kS);
  EXPECT_EQ(sut.told.size(), 2u);
}

TEST(WorkerHealth, AWorkerThatIsBackAfterAFailureWaitsUntilItFinishesAFrame) {
  Bench sut;
  sut.run(5 * kS);
  sut.die("eos");
  sut.run(5 * kS);
  sut.camera = 0;
  sut.seen.gone = false;
  sut.run(2 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "dead", "waiting"));
  sut.camera = 100 * kMs;
  sut.run(2 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "dead", "waiting", "ok"));
}

TEST(WorkerHealth, AWorkerReplacedWhileStuckIsNotStuckAnyMore) {
  Bench sut;
  sut.run(5 * kS);
  sut.hung = true;
  sut.run(40 * kS);
  ++sut.seen.generation;
  sut.seen.held = 0;
  sut.seen.unfinished_since = sut.now;  // the newest frame is waiting for the new one
  sut.look();
  EXPECT_THAT(sut.states(), ElementsAre("ok", "stuck", "waiting"));
}

TEST(WorkerHealth, IsSlowWhenItDropsMoreThanItsLimitAndOkAgainWellInsideIt) {
  Bench sut;
  sut.limits.max_drop_rate = 0.3;
  sut.run(60 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok"));
  sut.work = 199 * kMs;  // every second frame
  sut.run(60 * kS);
  ASSERT_THAT(sut.states(), ElementsAre("ok", "slow"));
  EXPECT_THAT(sut.told[1].reason, HasSubstr("the limit is 30.0 %"));
  EXPECT_NEAR(sut.verdict().drop_rate, 0.5, 0.02);
  sut.work = 40 * kMs;
  sut.run(60 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "slow", "ok"));
}

TEST(WorkerHealth, IsSlowSoonWhenTheLimitIsTight) {
  Bench sut;
  sut.limits.max_drop_rate = 0.01;
  sut.run(60 * kS);
  sut.work = 150 * kMs;
  sut.run(6 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "slow"));
}

TEST(WorkerHealth, OneLostFrameIsNoRate) {
  Bench sut;
  sut.limits.max_drop_rate = 0.001;
  sut.run(10 * kS);
  ++sut.seen.offered;
  ++sut.seen.dropped;
  sut.run(60 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok"));
}

TEST(WorkerHealth, AFewFramesLostAtTheBeginningAreNoRateEither) {
  Bench sut;
  sut.limits.max_drop_rate = 0.5;
  sut.tick = 100 * kMs;
  sut.run(150 * kMs);
  sut.work = 900 * kMs;
  sut.run(kS);
  sut.work = 40 * kMs;
  sut.run(20 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok"));
}

TEST(WorkerHealth, OneOldFrameHoweverOldIsNoTrend) {
  Bench sut;
  sut.limits.max_frame_age = 200 * kMs;
  sut.run(20 * kS);
  sut.upstream = 3600 * kS;
  sut.run(kS);
  sut.upstream = 0;
  sut.run(20 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok"));
}

TEST(WorkerHealth, DiscardsByAFlushAreNoDrops) {
  Bench sut;
  sut.limits.max_drop_rate = 0.01;
  for (int i = 0; i < 60; ++i) {
    sut.run(kS);
    sut.seen.offered += 5;
    sut.seen.dropped += 5;
    sut.seen.discarded += 5;
  }
  EXPECT_THAT(sut.states(), ElementsAre("ok"));
}

TEST(WorkerHealth, IsSlowWhenItsFramesAreOlderThanTheirLimit) {
  Bench sut;
  sut.limits.max_frame_age = 200 * kMs;
  sut.run(20 * kS);
  sut.upstream = 500 * kMs;
  sut.run(20 * kS);
  EXPECT_EQ(sut.state(), WorkerState::slow);
  EXPECT_THAT(sut.told.back().reason, HasSubstr("the last one 500 ms, the limit is 200 ms"));
  sut.upstream = 0;
  sut.run(30 * kS);
  EXPECT_EQ(sut.state(), WorkerState::ok);
}

TEST(WorkerHealth, IsNotSlowAnyMoreWhenTheLimitsAreSwitchedOff) {
  Bench sut;
  sut.limits.max_frame_age = 200 * kMs;
  sut.limits.max_drop_rate = 0.1;
  sut.upstream = kS;
  sut.work = 900 * kMs;
  sut.run(60 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "slow"));
  sut.limits = {};
  sut.run(20 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "slow", "ok"));
}

TEST(WorkerHealth, LatenessCountsAgainstTheSameLimitAndEarlinessNever) {
  Bench sut;
  sut.limits.max_frame_age = 200 * kMs;
  sut.seen.lateness = -3'600'000'000'000;
  sut.run(30 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok"));
  sut.seen.lateness = 3'600'000'000'000;
  sut.run(30 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "slow"));
}

TEST(WorkerHealth, GoesThroughAllStatesUpAndDown) {
  Bench sut;
  sut.limits.max_drop_rate = 0.3;
  sut.run(40 * kS);
  sut.work = 300 * kMs;
  sut.run(30 * kS);
  sut.hung = true;
  sut.run(40 * kS);
  sut.hung = false;
  sut.work = 40 * kMs;
  sut.run(40 * kS);
  sut.camera = 0;
  sut.run(40 * kS);
  sut.camera = 100 * kMs;
  sut.run(5 * kS);
  sut.die("killed");
  sut.run(5 * kS);
  sut.camera = 0;
  sut.attach_again();
  sut.run(5 * kS);
  sut.camera = 100 * kMs;
  sut.run(5 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "slow", "stuck", "ok", "starved", "ok", "dead", "waiting", "ok"));
  for (std::size_t i = 1; i < sut.told.size(); ++i) EXPECT_EQ(sut.told[i].previous, sut.told[i - 1].state);
}

TEST(DropWindow, ForgetsWhatIsOlderThanItsLength) {
  supplier::DropWindow sut;
  for (int i = 0; i < 10; ++i) sut.add(10, 10, kS, 10 * kS);
  EXPECT_DOUBLE_EQ(sut.rate(), 0.5);
  for (int i = 0; i < 10; ++i) sut.add(10, 0, kS, 10 * kS);
  EXPECT_DOUBLE_EQ(sut.rate(), 0);
  EXPECT_EQ(sut.decided(), 90u);
  sut.add(0, 0, ~0ull / 2, 10 * kS);
  EXPECT_EQ(sut.decided(), 0u);
  EXPECT_DOUBLE_EQ(sut.rate(), 0);
}

}  // namespace
}  // namespace health_test
