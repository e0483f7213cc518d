// SPDX-License-Identifier: LGPL-2.1-or-later
// Readers and publishers killed, stopped and continued at random moments, many times over. CHAOS_READER_KILLS and CHAOS_PUBLISHER_KILLS say
// how often (tests/chaos/long does it 1,000 and 200 times), CHAOS_SEED repeats a run.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "child_process.hpp"
#include "footprint.hpp"
#include "ring_pattern.hpp"
#include "temp_dir.hpp"
#include "watchdog.hpp"

namespace {

using chaos::Footprint;
using support::ChildProcess;

constexpr std::uint64_t kSize = 16384, kPatience = 20'000'000'000;

unsigned from_environment(const char* name, unsigned otherwise) {
  const char* given = std::getenv(name);
  return given ? static_cast<unsigned>(std::stoul(given)) : otherwise;
}

class RandomKills : public testing::Test {
 protected:
  RandomKills() : seed(from_environment("CHAOS_SEED", std::random_device()())), random(seed) {
    support::Watchdog::limit(std::chrono::seconds(from_environment("CHAOS_SECONDS", 120)));
    std::cout << "CHAOS_SEED=" << seed << std::endl;
  }
  unsigned up_to(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n)(random); }
  // One of the ways to read.
  ChildProcess reader(unsigned i) {
    return ChildProcess::spawn({RING_ACTOR, "read", path, "name=worker-" + std::to_string(i),
                                "size=" + std::to_string(kSize), "policy=" + std::to_string(i % 3),
                                "keep=" + std::to_string(1 + i % 3), "work_us=" + std::to_string(i % 4 * 700),
                                "wake=" + std::to_string(i % 2)});
  }
  static void expect_no_fault(const ChildProcess& process) {
    EXPECT_EQ(process.output().find("FAULT"), std::string::npos) << process.output();
  }

  const support::TempDir dir;
  const std::string path = dir.file("ring");
  const unsigned seed;
  std::mt19937 random;
};

TEST_F(RandomKills, OfReadersCostTheOthersNoFrame) {
  const unsigned kills = from_environment("CHAOS_READER_KILLS", 60);
  shmring::PublisherOptions o;
  o.socket_path = path;
  o.slot_size = kSize;
  o.max_readers = 8;
  const auto publisher = *shmring::Publisher::open(o);
  shmring::ReaderOptions r;
  r.socket_path = path;
  r.worker = "witness";
  const auto witness = *shmring::Reader::open(r);
  std::uint64_t n = 0;
  const auto publish_and_look = [&] {
    ASSERT_EQ(ring_pattern::publish(*publisher, ++n, kSize), SHMRING_OK);
    auto frame = witness->read(kPatience);
    ASSERT_TRUE(frame) << frame.error().text;
    const auto fault = ring_pattern::fault(*frame, kSize);
    ASSERT_FALSE(fault) << *fault;
    ASSERT_EQ(frame->info().sequence, n) << "the witness lost a frame";
    const auto s = publisher->stats().ring;
    ASSERT_EQ(s.free_slots + s.owned + s.loaned, s.slots);
    ::usleep(300);
  };
  publish_and_look();
  const Footprint before = Footprint::of();

  std::vector<ChildProcess> victims;
  std::vector<bool> stopped(6, false);
  for (unsigned i = 0; i < 6; ++i) victims.push_back(reader(i));
  for (unsigned killed = 0, stops = 0; killed < kills && !HasFatalFailure(); ++stops) {
    for (unsigned frames = up_to(8); frames-- > 0 && !HasFatalFailure();) publish_and_look();
    const unsigned i = up_to(5);
    switch (up_to(4)) {
      case 0:
        victims[i].stop();
        stopped[i] = true;
        break;
      case 1:
        victims[i].resume();
        stopped[i] = false;
        break;
      default:  // also one that is stopped
        if (stopped[i])
          victims[i].signal(SIGKILL);
        else
          victims[i].kill();
        expect_no_fault(victims[i]);
        victims[i] = reader(i);
        stopped[i] = false;
        ++killed;
    }
    if (killed % 50 == 49 && stops % 7 == 0) {
      ASSERT_TRUE(publisher->resize(kSize + up_to(8) * 4096));
    }
  }
  for (auto& victim : victims) {
    victim.resume();
    expect_no_fault(victim);
  }
  victims.clear();
  EXPECT_TRUE(support::eventually([&] {
    publish_and_look();
    const auto s = publisher->stats().ring;
    return HasFatalFailure() || (s.rings == 1 && s.free_slots == s.slots - 1 && Footprint::of().within(before));
  })) << Footprint::of()
      << " instead of " << before;
  unsigned attached = 0;
  for (const auto& lane : publisher->stats().accounts) {
    EXPECT_EQ(lane.offered, lane.delivered + lane.dropped + lane.pending) << lane.worker;
    if (std::string(lane.worker) != "witness") attached += lane.generation;
  }
  EXPECT_EQ(publisher->stats().ring.protocol_violations, 0u);
  std::cout << kills << " readers killed, " << attached << " of " << kills + 6 << " had attached, " << n
            << " frames checked, none lost" << std::endl;
}

TEST_F(RandomKills, OfPublishersAreSurvivedByEveryReader) {
  const unsigned kills = from_environment("CHAOS_PUBLISHER_KILLS", 15);
  std::vector<ChildProcess> readers;
  for (unsigned i = 0; i < 5; ++i) readers.push_back(reader(i));
  const auto attachments = [](const ChildProcess& reader) {
    const std::string said = reader.output();
    unsigned count = 0;
    for (auto at = said.find("attached"); at != std::string::npos; at = said.find("attached", at + 1)) ++count;
    return count;
  };
  const auto spawn_publisher = [&] {
    return ChildProcess::spawn({RING_ACTOR, "publish", path, "size=" + std::to_string(kSize), "period_us=400",
                                "resize_every=" + std::to_string(20 + up_to(100))});
  };
  std::vector<Footprint> before;
  for (unsigned killed = 0; killed < kills; ++killed) {
    auto publisher = spawn_publisher();
    ASSERT_TRUE(publisher.says("publishing")) << publisher.output();
    if (killed == 0) {
      for (auto& each : readers)
        ASSERT_TRUE(support::eventually([&] { return attachments(each) == 1; })) << each.output();
      for (auto& each : readers) before.push_back(Footprint::of(std::to_string(each.pid())));
    }
    ::usleep(up_to(60'000));
    const unsigned i = up_to(4);
    if (up_to(3) == 0) readers[i].stop();
    publisher.kill();
    expect_no_fault(publisher);
    readers[i].resume();
    for (auto& each : readers) ASSERT_TRUE(each.running()) << each.output();
  }
  // The last one stays: all find it, have what they had at first, and the folder holds one socket.
  std::vector<unsigned> had;
  for (auto& each : readers) had.push_back(attachments(each));
  auto last = spawn_publisher();
  unsigned total = 0;
  for (std::size_t i = 0; i < readers.size(); ++i) {
    EXPECT_TRUE(support::eventually([&] { return attachments(readers[i]) > had[i]; })) << readers[i].output();
    EXPECT_TRUE(support::eventually([&] { return Footprint::of(std::to_string(readers[i].pid())).within(before[i]); }))
        << Footprint::of(std::to_string(readers[i].pid())) << " instead of " << before[i];
    expect_no_fault(readers[i]);
    total += attachments(readers[i]);
  }
  EXPECT_EQ(dir.names(), std::set<std::string>{"ring"});
  std::cout << kills << " publishers killed, " << total << " attachments of 5 readers, all still reading" << std::endl;
}

}  // namespace
