// SPDX-License-Identifier: LGPL-2.1-or-later
// The health model under an injected clock: the alarms that must not be raised, and how much it may say.

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

// False alarms.

TEST(WorkerHealthRaisesNoAlarm, WhileAModelIsLoadedInTheFirstFrame) {
  Bench sut;
  sut.limits.max_drop_rate = 0.05;
  sut.limits.max_frame_age = 300 * kMs;
  sut.work = 25 * kS;
  sut.run(20 * kS);
  EXPECT_THAT(sut.told, IsEmpty());
  sut.run(5 * kS);
  sut.work = 40 * kMs;
  sut.run(120 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok")) << "the frames dropped meanwhile are no evidence";
}

TEST(WorkerHealthRaisesNoAlarm, ForAWorkerOfOneFrameInTwentySecondsWithMatchingLimits) {
  Bench sut;
  sut.limits.stall_timeout = 60 * kS;
  sut.limits.max_drop_rate = 0.999;
  sut.limits.max_frame_age = kS;
  sut.work = 20 * kS;
  sut.run(3600 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok"));
}

TEST(WorkerHealthRaisesNoAlarm, ForACameraOfOneFrameInTwentySeconds) {
  Bench sut;
  sut.camera = 20 * kS;
  sut.limits.max_drop_rate = 0;
  sut.run(3600 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok"));
}

TEST(WorkerHealthRaisesNoAlarm, ForABestEffortWorkerThatDropsNearlyEverything) {
  Bench sut;
  sut.camera = 10 * kMs;
  sut.work = 5 * kS;
  sut.run(600 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok"));
}

TEST(WorkerHealthRaisesNoAlarm, ForAReaderThatKeepsItsLastFrameWhileItWaitsForTheNext) {
  Bench sut;
  sut.run(10 * kS);
  sut.camera = 0;
  sut.run(kS);
  sut.seen.held = 1;
  sut.run(60 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "starved"));
}

TEST(WorkerHealthRaisesNoAlarm, WhenTheClockJumpsOrTheMachineWasSuspended) {
  Bench sut;
  sut.limits.max_drop_rate = 0.5;
  sut.limits.max_frame_age = kS;
  sut.run(30 * kS);
  for (int i = 0; i < 20; ++i) {
    sut.leap(static_cast<std::int64_t>(3600 * kS));  // the camera and the worker stood still as well
    sut.look();
    sut.run(20 * kS);
  }
  sut.leap(-static_cast<std::int64_t>(40'000 * kS));
  sut.look();
  sut.seen.last_consumed_at = sut.seen.last_offered_at = sut.now + 7200 * kS;
  sut.look();
  EXPECT_THAT(sut.states(), ElementsAre("ok"));
}

TEST(WorkerHealthRaisesNoAlarm, WhenItIsLookedAtLateBecauseTheMachineIsBusy) {
  Bench sut;
  sut.limits.stall_timeout = 2 * kS;
  sut.run(10 * kS);
  for (int i = 0; i < 50; ++i) {
    sut.leap(static_cast<std::int64_t>(5 * kS));
    sut.look();
    sut.run(400 * kMs);
  }
  EXPECT_THAT(sut.states(), ElementsAre("ok"));
}

TEST(WorkerHealthRaisesNoAlarm, ForAPauseHoweverLongButAStuckWorkerStaysStuckOverIt) {
  Bench sut;
  sut.run(10 * kS);
  sut.hung = true;  // preroll, or just paused: the frame stays inside the push
  sut.run(5 * kS);
  sut.leap(static_cast<std::int64_t>(600 * kS));
  sut.resume();
  sut.run(28 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok"));
  sut.run(4 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "stuck"));
  sut.leap(static_cast<std::int64_t>(600 * kS));
  sut.resume();
  sut.run(10 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok", "stuck")) << "a pause finishes nothing";
}

// Messages.

TEST(WorkerHealthMessages, AWorkerOnTheEdgeOfItsDropLimitDoesNotFlap) {
  Bench sut;
  sut.limits.max_drop_rate = 0.5;
  sut.tick = 100 * kMs;
  for (int i = 0; i < 600; ++i) {  // an hour around the limit: 45 to 55 %
    sut.work = i % 2 ? 150 * kMs : 250 * kMs;
    sut.run(6 * kS);
  }
  EXPECT_LE(sut.told.size(), 2u);
}

TEST(WorkerHealthMessages, AWorkerThatLosesFramesInBurstsDoesNotFlap) {
  Bench sut;
  sut.limits.stall_timeout = kS;
  sut.limits.max_drop_rate = 0.1;
  sut.tick = 100 * kMs;
  for (int i = 0; i < 600; ++i) {  // a network camera whose demuxer gives three frames at once, once a second and a bit
    sut.camera = 100 * kMs;
    sut.run(kS);
    sut.camera = 2 * kMs;
    sut.run(100 * kMs + 6 * kMs);
  }
  EXPECT_LE(sut.told.size(), 2u);
}

TEST(WorkerHealthMessages, AWorkerOnTheEdgeOfItsAgeLimitDoesNotFlap) {
  Bench sut;
  sut.limits.max_frame_age = 100 * kMs;
  for (int i = 0; i < 3600; ++i) {
    sut.upstream = i % 10 < 5 ? 130 * kMs : 75 * kMs;
    sut.run(kS);
  }
  EXPECT_LE(sut.told.size(), 2u);
}

TEST(WorkerHealthMessages, AreBoundedForAWorkerThatCrashesAllTheTimeAndTheLastStateIsToldInTheEnd) {
  Bench sut;
  sut.tick = 10 * kMs;
  sut.run(5 * kS);
  sut.told.clear();
  for (int i = 0; i < 3000; ++i) {  // a minute
    sut.die("crashed");
    sut.run(10 * kMs);
    sut.attach_again();
    sut.run(10 * kMs);
  }
  EXPECT_GE(sut.told.size(), 60u);
  EXPECT_LE(sut.told.size(), 81u);
  sut.die("crashed for good");
  sut.run(3 * kS);
  EXPECT_EQ(sut.told.back().state, WorkerState::dead);
  EXPECT_EQ(sut.told.back().reason, "crashed for good");
  for (std::size_t i = 1; i < sut.told.size(); ++i) {
    EXPECT_EQ(sut.told[i].previous, sut.told[i - 1].state);
  }
}

TEST(WorkerHealthMessages, ComePeriodicallyWithAnIntervalAndSayTheSameStateTwice) {
  Bench sut;
  sut.limits.interval = 5 * kS;
  sut.run(60 * kS + 500 * kMs);
  EXPECT_GE(sut.told.size(), 11u);
  EXPECT_LE(sut.told.size(), 13u);
  EXPECT_EQ(sut.told.back().state, WorkerState::ok);
  EXPECT_EQ(sut.told.back().previous, WorkerState::ok);
  EXPECT_EQ(sut.verdict().previous, WorkerState::waiting) << "the picture keeps the state before";
}

TEST(WorkerHealthMessages, AreNotWantedUntilTheyAreThenTheChangeIsTold) {
  Bench sut;
  sut.limits.post_messages = false;
  sut.limits.interval = kS;
  sut.run(60 * kS);
  EXPECT_THAT(sut.told, IsEmpty());
  EXPECT_EQ(sut.state(), WorkerState::ok);
  sut.limits.post_messages = true;
  sut.limits.interval = 0;
  sut.run(2 * kS);
  EXPECT_THAT(sut.states(), ElementsAre("ok"));
}

TEST(WorkerHealthMessages, AStallTimeoutOfZeroIsNeverAndOfMillisecondsIsExact) {
  Bench off;
  off.limits.stall_timeout = 0;
  off.run(5 * kS);
  off.hung = true;
  off.run(3600 * kS);
  EXPECT_THAT(off.states(), ElementsAre("ok"));

  Bench quick;
  quick.limits.stall_timeout = 200 * kMs;
  quick.tick = 20 * kMs;
  quick.run(5 * kS);
  quick.hung = true;
  quick.run(260 * kMs);
  EXPECT_THAT(quick.states(), ElementsAre("ok", "stuck"));
}

}  // namespace
}  // namespace health_test
