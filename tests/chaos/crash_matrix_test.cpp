// SPDX-License-Identifier: LGPL-2.1-or-later
// A publisher and a reader die (SIGKILL) at every numbered step. Each time: no frame is torn, no other reader loses one,
// slots add up, the successor goes on with the next frame, and nothing is left behind.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <deque>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "child_process.hpp"
#include "footprint.hpp"
#include "lane/crash_point.hpp"
#include "ring_pattern.hpp"
#include "temp_dir.hpp"
#include "watchdog.hpp"

namespace {

using chaos::Footprint;
using shmring::Frame;
using shmring::Publisher;
using shmring::PublisherOptions;
using shmring::Reader;
using shmring::ReaderOptions;
using support::ChildProcess;

constexpr std::uint64_t kSize = 8192, kPatience = 20'000'000'000;

struct Point {
  int number;
  const char* name;
  const char* after;
};
std::vector<Point> publisher_points() {
  std::vector<Point> points;
#define POINT(name, after) points.push_back({static_cast<int>(points.size()) + 1, #name, after});
  SHMRING_PUBLISHER_CRASH_POINTS(POINT)
  return points;
}
std::vector<Point> reader_points() {
  std::vector<Point> points;
  SHMRING_READER_CRASH_POINTS(POINT)
#undef POINT
  return points;
}

// Number of times that a point is passed before it kills: the first time, and in the long form later ones, too.
std::vector<int> counts() {
  if (std::getenv("CHAOS_LONG")) return {1, 2, 3, 5, 8, 13};
  return {1};
}

class CrashMatrix : public testing::TestWithParam<Point> {
 protected:
  ChildProcess spawn(std::vector<std::string> words, int count) {
    words.insert(words.begin(), CRASH_ACTOR);
    return ChildProcess::spawn(words, {{{"CRASH_AT", std::string(GetParam().name) + ":" + std::to_string(count)}}, ""});
  }
  std::unique_ptr<Reader> reader(const std::string& name, shmring_policy policy) {
    ReaderOptions o;
    o.socket_path = path;
    o.worker = name;
    o.drop_policy = policy;
    return *Reader::open(o);
  }
  std::unique_ptr<Publisher> publisher() {
    PublisherOptions o;
    o.socket_path = path;
    o.slot_size = kSize;
    o.max_readers = 8;
    auto opened = Publisher::open(o);
    EXPECT_TRUE(opened) << opened.error().text;
    return opened ? *std::move(opened) : nullptr;
  }
  // The number of a frame that is whole.
  static std::uint64_t checked(const Frame& frame) {
    const auto fault = ring_pattern::fault(frame, kSize);
    EXPECT_FALSE(fault) << *fault;
    return frame.info().sequence;
  }
  // A later count may never be reached: then the process must have ended well.
  static void expect_death(ChildProcess& process, int count) {
    const auto ending = process.wait();
    ASSERT_TRUE(ending) << "it lives: " << process.output();
    if (count == 1 || ending->signal != 0)
      EXPECT_EQ(ending->signal, SIGKILL) << "never came to the point: " << process.output();
    else
      EXPECT_EQ(ending->code, 0) << process.output();
  }

  const support::TempDir dir;
  const std::string path = dir.file("ring");
};

class PublisherDies : public CrashMatrix {};

TEST_P(PublisherDies, AndItsReadersGoOnWithTheNextOne) {
  const Footprint before = Footprint::of();
  const std::set<std::string> during_start = {"path_locked", "path_cleared", "socket_bound", "listening"};
  const bool starts = during_start.count(GetParam().name) != 0;
  const bool ends = std::string(GetParam().name) == "end_told";  // then it has to be other readers that go on
  for (const int count : counts()) {
    auto victim = spawn({"publish", path, "size=" + std::to_string(kSize), "frames=200", "period_us=500",
                         "resize_every=60", std::string("end=") + (ends ? "1" : "0"), "linger_ms=300"},
                        count);
    {
      auto witness = reader("witness", SHMRING_DROP_NEWEST), lazy = reader("lazy", SHMRING_LATEST);
      std::unique_ptr<Reader> visitor;
      std::deque<Frame> held;
      std::uint64_t last = 0;
      for (int i = 0; victim.running(); ++i) {
        if (auto frame = witness->read(2'000'000)) {
          EXPECT_GT(checked(*frame), last);
          last = frame->info().sequence;
          held.push_back(*std::move(frame));
          if (held.size() > 2) held.pop_front();
        }
        if (i % 7 == 0)
          if (auto frame = lazy->read(0)) checked(*frame);
        if (i % 40 == 10) visitor = reader("visitor", SHMRING_DROP_OLDEST);
        if (visitor && i % 5 == 0) (void)visitor->read(0);
        if (i % 40 == 39) visitor.reset();
      }
      visitor.reset();
      expect_death(victim, count);

      if (ends) {
        witness = reader("witness", SHMRING_DROP_NEWEST);
        lazy = reader("lazy", SHMRING_LATEST);
      }

      for (const Frame& frame : held) checked(frame);
      // The file that locks the path is the start's own, and the next start removes it.
      for (const auto& name : dir.names()) EXPECT_TRUE(name == "ring" || (starts && name == "ring.lock")) << name;
      const auto successor = publisher();
      ASSERT_TRUE(successor);
      EXPECT_EQ(dir.names(), std::set<std::string>{"ring"});
      ASSERT_EQ(ring_pattern::publish(*successor, 1, kSize), SHMRING_OK);
      for (const auto& each : {witness.get(), lazy.get()}) {
        // First comes what the dead one had left, then the successor's.
        EXPECT_TRUE(support::eventually([&] {
          auto frame = each->read(10'000'000);
          return frame && checked(*frame) == 1 && each->stats().publisher_pid == static_cast<std::uint32_t>(::getpid());
        }));
      }
      for (const Frame& frame : held) checked(frame);
    }
  }
  EXPECT_TRUE(support::eventually([&] { return Footprint::of().within(before); }))
      << Footprint::of() << " instead of " << before;
  EXPECT_TRUE(dir.names().empty());
}

class ReaderDies : public CrashMatrix {};

TEST_P(ReaderDies, AndNoOtherReaderLosesAFrame) {
  for (const int count : counts()) {
    const auto publisher = this->publisher();
    const auto witness = reader("witness", SHMRING_DROP_NEWEST);
    std::uint64_t n = 0;
    const auto publish_and_look = [&] {
      ASSERT_EQ(ring_pattern::publish(*publisher, ++n, kSize), SHMRING_OK);
      auto frame = witness->read(kPatience);
      ASSERT_TRUE(frame) << frame.error().text;
      ASSERT_EQ(checked(*frame), n) << "the witness lost a frame";
      const auto s = publisher->stats().ring;
      ASSERT_EQ(s.free_slots + s.owned + s.loaned, s.slots);
    };
    publish_and_look();
    const Footprint before = Footprint::of();

    auto victim = spawn({"read", path, "name=victim", "keep=2", "size=" + std::to_string(kSize)}, count);
    while (victim.running() && n < 10'000 && !HasFatalFailure()) {
      publish_and_look();
      // So that it comes to every point: a new ring, and an end.
      if (n % 100 == 60) {
        ASSERT_TRUE(publisher->resize(kSize + n % 3 * 4096));
      }
      if (n % 100 == 99) publisher->end();
      ::usleep(500);
    }
    expect_death(victim, count);
    if (HasFatalFailure()) return;
    victim = ChildProcess();  // closes what we read its output from

    EXPECT_TRUE(support::eventually([&] {
      publish_and_look();
      const auto s = publisher->stats();
      for (const auto& lane : s.accounts) {
        EXPECT_EQ(lane.offered, lane.delivered + lane.dropped + lane.pending) << lane.worker;
        if (std::string(lane.worker) == "victim" && lane.state != SHMRING_READER_GONE) return false;
      }
      return s.ring.rings == 1 && s.ring.free_slots == s.ring.slots - 1;
    })) << "its slots did not come back";
    {
      const auto successor = reader("victim", SHMRING_DROP_NEWEST);
      auto first = successor->read(kPatience);
      ASSERT_TRUE(first) << first.error().text;
      EXPECT_EQ(checked(*first), n);
      publish_and_look();
      auto next = successor->read(kPatience);
      ASSERT_TRUE(next);
      EXPECT_EQ(checked(*next), n);
    }
    EXPECT_TRUE(support::eventually([&] {
      publish_and_look();
      return Footprint::of().within(before);
    })) << Footprint::of()
        << " instead of " << before;
    EXPECT_EQ(publisher->stats().ring.protocol_violations, 0u);
  }
}

const auto name_of = [](const auto& info) { return std::to_string(info.param.number) + "_" + info.param.name; };
INSTANTIATE_TEST_SUITE_P(Point, PublisherDies, testing::ValuesIn(publisher_points()), name_of);
INSTANTIATE_TEST_SUITE_P(Point, ReaderDies, testing::ValuesIn(reader_points()), name_of);

}  // namespace
