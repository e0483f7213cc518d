// SPDX-License-Identifier: LGPL-2.1-or-later
// The clocks misbehave: this program brings its own clock_gettime(). The time of day is set while frames flow, a machine that was
// suspended or moved finds the monotonic clock an hour later, and one that stands still for moments takes them for processor time.
#include "os/clock.hpp"

#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <thread>

#include <gtest/gtest.h>

#include "ring_fixture.hpp"

namespace {

std::atomic<std::int64_t> monotonic_leap{0}, day_leap{0};  // s
std::atomic<std::uint64_t> times_of_day{0};
// Every so many looks at a clock 3 ms are gone.
std::atomic<std::uint64_t> looks{0}, looks_between_stops{0};
std::atomic<std::int64_t> stopped{0};  // ns

}  // namespace

// In place of the C library's, for this program and every library in it.
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const long result = ::syscall(SYS_clock_gettime, clock, time);
  if (looks_between_stops != 0 && ++looks % looks_between_stops == 0) stopped += 3'000'000;
  if (clock != CLOCK_REALTIME) {
    time->tv_nsec += stopped;
    time->tv_sec += time->tv_nsec / 1'000'000'000;
    time->tv_nsec %= 1'000'000'000;
  }
  if (clock == CLOCK_REALTIME) {
    ++times_of_day;
    time->tv_sec += day_leap;
  } else if (clock == CLOCK_MONOTONIC) {
    time->tv_sec += monotonic_leap;
  }
  return static_cast<int>(result);
}

namespace shmring {
namespace {

class Clocks : public RingFixture {
 protected:
  void expect_frames(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(publish(), SHMRING_OK);
      auto frame = reader->read(kPatience);
      ASSERT_TRUE(frame) << frame.error().text;
      EXPECT_EQ(checked(*frame), publisher->stats().ring.offered);
    }
    expect_balance();
    EXPECT_EQ(lane("worker").dropped, 0u);
    EXPECT_EQ(publisher->stats().ring.protocol_violations, 0u);
  }
  void TearDown() override {
    monotonic_leap = 0;
    day_leap = 0;
    looks_between_stops = 0;
    stopped = 0;
  }
  std::unique_ptr<Reader> reader;
};

TEST_F(Clocks, NothingInTheRingAsksForTheTimeOfDay) {
  const std::uint64_t before = times_of_day;
  timespec t;
  ::clock_gettime(CLOCK_REALTIME, &t);
  ASSERT_EQ(times_of_day, before + 1) << "it is this program's clock";
  open_publisher();
  reader = attach();
  for (int i = 0; i < 50; ++i) {
    day_leap = i % 3 * 86'400 - 86'400;  // yesterday, today, tomorrow
    expect_frames(4);
    if (i % 10 == 5) {
      ASSERT_TRUE(publisher->resize(kFrameSize + static_cast<std::uint64_t>(i)));
    }
    if (i % 10 == 9) {
      reader.reset();
      reader = attach();
      while (reader->read(0)) {  // the newest frame, again
      }
    }
    EXPECT_EQ(reader->read(1'000'000).status(), SHMRING_TIMEOUT);
  }
  reader.reset();
  publisher.reset();
  EXPECT_EQ(times_of_day, before + 1);
}

TEST_F(Clocks, AnHourThatPassesAtOnceLosesNoFrameAndDisconnectsNoReader) {
  open_publisher();
  reader = attach();
  expect_frames(5);
  publish();
  publish();
  auto held = reader->read(kPatience);
  ASSERT_TRUE(held);
  for (int hour = 1; hour <= 5; ++hour) {
    monotonic_leap = hour * 3600;
    if (hour == 1) {
      EXPECT_EQ(next(*reader), 7u);  // an hour old, and whole
    }
    expect_frames(5);
    EXPECT_EQ(checked(*held), 6u);
    // A reader that comes just then is let in as ever.
    auto late = attach("late-" + std::to_string(hour));
    publish();
    EXPECT_TRUE(late->read(kPatience));
    EXPECT_NE(next(*reader), 0u);
  }
  EXPECT_EQ(publisher->stats().ring.violations[SHMRING_VIOLATION_SILENCE], 0u);
}

// As a virtual machine's does that shares its host.
TEST_F(Clocks, AMachineThatStandsStillForMomentsDisconnectsNoReader) {
  open_publisher();
  reader = attach();
  looks_between_stops = 101;
  for (int i = 0; i < 3000; ++i) {
    expect_frames(1);
    EXPECT_EQ(reader->read(0).status(), SHMRING_TIMEOUT);  // asleep: the next frame rings
  }
  EXPECT_GE(lane("worker").wakeups, 3000u);
  EXPECT_EQ(publisher->stats().ring.violations[SHMRING_VIOLATION_WAKEUPS], 0u);
}

TEST_F(Clocks, AnHourThatPassesWhileAReaderSleepsEndsItsWaitAtMost) {
  open_publisher();
  reader = attach();
  std::thread leap([] {
    ::usleep(20'000);
    monotonic_leap = 3600;
  });
  auto frame = reader->read(50'000'000);
  EXPECT_EQ(frame.status(), SHMRING_TIMEOUT);
  leap.join();
  expect_frames(5);
}

}  // namespace
}  // namespace shmring
