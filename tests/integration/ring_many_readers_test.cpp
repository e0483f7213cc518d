// SPDX-License-Identifier: LGPL-2.1-or-later
// One publisher and many processes that read from it, with different policies and speeds: every frame whole, in order
// and once, every account balanced, nothing left behind.
#include <unistd.h>

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "child_process.hpp"
#include "ring_pattern.hpp"
#include "temp_dir.hpp"
#include "watchdog.hpp"

namespace {

using support::ChildProcess;

struct Worker {
  std::string name;
  ChildProcess process;
  std::uint64_t taken() const {
    const std::string said = process.output();
    const auto at = said.rfind("taken ");
    return at == std::string::npos ? 0 : std::stoull(said.substr(at + 6));
  }
};

TEST(OnePublisherAndEightReaders, LoseTearRepeatAndReorderNothing) {
  constexpr std::uint64_t kFrames = 1000, kSize = 64 * 1024;
  const support::TempDir dir;
  shmring::PublisherOptions o;
  o.socket_path = dir.file("ring");
  o.slot_size = kSize;
  o.max_readers = 8;
  auto publisher = *shmring::Publisher::open(o);

  const std::vector<std::vector<std::string>> kinds = {
      {"policy=0"},                             // first in, first out, as fast as it can
      {"policy=0", "work_us=5000"},             // too slow for its lane
      {"policy=0", "keep=4"},                   // holds as much as it may
      {"policy=1"},                             // drop-oldest
      {"policy=1", "work_us=7000", "keep=3"},   // drop-oldest, slow, holding
      {"policy=2"},                             // latest
      {"policy=2", "work_us=10000", "keep=2"},  // latest, slow
      {"policy=2", "wake=1"},                   // latest, adaptive
  };
  std::vector<Worker> workers;
  for (const auto& kind : kinds) {
    const std::string name = "worker-" + std::to_string(workers.size());
    std::vector<std::string> line = {RING_ACTOR, "read", o.socket_path, "name=" + name,
                                     "size=" + std::to_string(kSize)};
    line.insert(line.end(), kind.begin(), kind.end());
    workers.push_back({name, ChildProcess::spawn(line)});
  }
  ASSERT_TRUE(support::eventually([&] { return publisher->readers() == workers.size(); }));

  for (std::uint64_t n = 1; n <= kFrames; ++n) {
    ASSERT_EQ(ring_pattern::publish(*publisher, n, kSize), SHMRING_OK);
    ::usleep(2000);
  }
  publisher->end();
  for (auto& worker : workers) {
    const auto ending = worker.process.wait();
    ASSERT_TRUE(ending) << worker.name << " does not end: " << worker.process.output();
    EXPECT_TRUE(ending->success()) << worker.name << ": " << worker.process.output();
  }

  ASSERT_TRUE(support::eventually([&] {
    const auto s = publisher->stats().ring;
    return s.free_slots == s.slots - 1;  // all but the newest
  }));
  const auto stats = publisher->stats();
  EXPECT_EQ(stats.ring.offered, kFrames);
  EXPECT_EQ(stats.ring.dropped_no_slot, 0u);
  EXPECT_EQ(stats.ring.protocol_violations, 0u);
  ASSERT_EQ(stats.accounts.size(), workers.size());
  for (const auto& lane : stats.accounts) {
    EXPECT_EQ(lane.offered, kFrames) << lane.worker;
    EXPECT_EQ(lane.offered, lane.delivered + lane.dropped + lane.pending) << lane.worker;
    EXPECT_EQ(lane.pending, 0u) << lane.worker;
    for (const auto& worker : workers)
      if (worker.name == lane.worker) {
        EXPECT_EQ(lane.delivered, worker.taken()) << lane.worker;
      }
    EXPECT_GT(lane.delivered, 50u) << lane.worker;
  }
  publisher.reset();
  EXPECT_TRUE(dir.names().empty());
  for (const auto& name : support::shared_memory_names()) EXPECT_EQ(name.find("ring"), std::string::npos) << name;
}

// Without the publisher, a reader that is slow goes on with what its lane has, and then waits for the next one.
TEST(ManyReaders, GoOnWithTheNextPublisherEachTimeOneIsKilled) {
  const support::TempDir dir;
  const std::string path = dir.file("ring");
  std::vector<ChildProcess> readers;
  for (int i = 0; i < 4; ++i)
    readers.push_back(ChildProcess::spawn(
        {RING_ACTOR, "read", path, "name=worker-" + std::to_string(i), "policy=" + std::to_string(i % 3), "keep=2"}));
  const auto attached = [](const ChildProcess& reader) {
    std::size_t count = 0;
    const std::string said = reader.output();
    for (auto at = said.find("attached"); at != std::string::npos; at = said.find("attached", at + 1)) ++count;
    return count;
  };
  for (std::size_t round = 1; round <= 5; ++round) {
    auto publisher = ChildProcess::spawn({RING_ACTOR, "publish", path});
    for (auto& reader : readers)
      EXPECT_TRUE(support::eventually([&] { return attached(reader) >= round || !reader.running(); }))
          << reader.output();
    publisher.kill();
  }
  auto last = ChildProcess::spawn({RING_ACTOR, "publish", path, "frames=50", "end", "linger_ms=10000"});
  for (auto& reader : readers) {
    const auto ending = reader.wait();
    ASSERT_TRUE(ending);
    EXPECT_TRUE(ending->success()) << reader.output();
  }
}

TEST(ManyReaders, FollowAPublisherThatMakesNewRingsAllTheTime) {
  const support::TempDir dir;
  const std::string path = dir.file("ring");
  std::vector<ChildProcess> readers;
  for (int i = 0; i < 4; ++i)
    readers.push_back(
        ChildProcess::spawn({RING_ACTOR, "read", path, "name=worker-" + std::to_string(i),
                             "policy=" + std::to_string(i % 3), "keep=3", "work_us=" + std::to_string(i * 1000)}));
  auto publisher =
      ChildProcess::spawn({RING_ACTOR, "publish", path, "frames=600", "resize_every=20", "end", "linger_ms=10000"});
  for (auto& reader : readers) {
    const auto ending = reader.wait();
    ASSERT_TRUE(ending) << reader.output();
    EXPECT_TRUE(ending->success()) << reader.output();
  }
  EXPECT_TRUE(publisher.running());
}

}  // namespace
