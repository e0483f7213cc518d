// SPDX-License-Identifier: LGPL-2.1-or-later
// Readers that break every rule they can. Each time the publisher goes on, another reader gets every frame whole, and
// the violator's slots are not given to anybody while it lives.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "child_process.hpp"
#include "hostile_peer.hpp"
#include "os/clock.hpp"
#include "publisher/key_requests.hpp"
#include "ring_fixture.hpp"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace shmring {
namespace {

class HostileReader : public RingFixture {
 protected:
  void SetUp() override {
    open_publisher();
    witness = attach("witness");
    ASSERT_EQ(publish(), SHMRING_OK);  // whoever comes finds a newest frame
    EXPECT_EQ(next(*witness), 1u);
  }
  // The witness, a correct reader, gets each frame, whole and in order, whatever the others do meanwhile.
  void expect_service(int frames = 200) {
    for (int i = 0; i < frames && !HasFailure(); ++i) {
      ASSERT_EQ(publish(), SHMRING_OK);
      auto frame = witness->read(kPatience);
      ASSERT_TRUE(frame) << frame.error().text;
      EXPECT_EQ(checked(*frame), publisher->stats().ring.offered);
    }
    expect_balance();
    EXPECT_EQ(lane("witness").dropped, 0u);
  }
  std::uint64_t protocol_violations() const { return publisher->stats().ring.protocol_violations; }
  std::uint64_t violations(shmring_violation violation) const { return publisher->stats().ring.violations[violation]; }
  HostilePeer hostile(shmring_policy policy = SHMRING_LATEST) {
    HostilePeer peer = HostilePeer::attach(path, "hostile", policy);
    EXPECT_TRUE(support::eventually([&] { return active("hostile"); }));
    return peer;
  }
  static std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }

  std::unique_ptr<Reader> witness;
};

TEST_F(HostileReader, AmongGarbageInItsLaneNoOtherReaderLosesAFrame) {
  HostilePeer peer = hostile(SHMRING_DROP_OLDEST);
  std::atomic<bool> stop{false};
  std::thread vandal([&] {
    std::mt19937_64 random(1);
    while (!stop) {
      auto* words = reinterpret_cast<std::atomic<std::uint64_t>*>(peer.memory);
      words[random() % (peer.welcome.lane_size / 8)].store(random(), std::memory_order_relaxed);
    }
  });
  expect_service(2000);
  stop = true;
  vandal.join();
  EXPECT_EQ(protocol_violations(), 1u) << "a random tail is found out";
}

TEST_F(HostileReader, ATailBeyondTheHeadIsAViolationAndIsSaidSo) {
  HostilePeer peer = hostile();
  peer.page().tail.store(1'000'000);
  expect_service();
  EXPECT_TRUE(support::eventually([&] { return protocol_violations() == 1; }));
  EXPECT_EQ(violations(SHMRING_VIOLATION_TAIL), 1u);
  EXPECT_STREQ(lane("hostile").reason, "it moved its tail outside the queued frames");
  EXPECT_TRUE(peer.is_sent_away());
}

TEST_F(HostileReader, ATailThatMovesBackIsAViolation) {
  HostilePeer peer = hostile(SHMRING_DROP_OLDEST);
  ASSERT_TRUE(support::eventually([&] { return lane("hostile").offered > 0; }));
  peer.page().tail.store(1);
  expect_service(1);
  peer.page().tail.store(0);
  expect_service();
  EXPECT_TRUE(support::eventually([&] { return protocol_violations() == 1; }));
}

TEST_F(HostileReader, ATailThatFlickersIsAViolation) {
  HostilePeer peer = hostile(SHMRING_DROP_OLDEST);
  std::atomic<bool> stop{false};
  std::thread flicker([&] {
    while (!stop) {
      const std::uint64_t tail = peer.page().tail.load();
      peer.page().tail.store(tail + 1);
      peer.page().tail.store(tail);
    }
  });
  EXPECT_TRUE(support::eventually([&] {
    expect_service(100);
    return protocol_violations() == 1 || HasFailure();
  }));
  stop = true;
  flicker.join();
  EXPECT_EQ(violations(SHMRING_VIOLATION_TAIL), 1u);
}

TEST_F(HostileReader, AcknowledgingWhatItNeverTookFreesNothing) {
  HostilePeer peer = hostile();
  for (std::uint64_t sequence = 1; sequence < 300; ++sequence) {
    for (std::uint32_t slot = 0; slot < publisher->stats().ring.slots; ++slot) peer.page().ack[slot].store(sequence);
    expect_service(1);
  }
  EXPECT_EQ(protocol_violations(), 0u) << "an acknowledgement that is not the ledger's is ignored";
}

TEST_F(HostileReader, TakingAndNeverReleasingStarvesItselfOnly) {
  HostilePeer peer = hostile(SHMRING_DROP_NEWEST);
  std::atomic<bool> stop{false};
  std::thread hoarder([&] {
    const auto geometry = RingGeometry::make(publisher->stats().ring.slots, 16, 5, kFrameSize);
    ASSERT_TRUE(geometry.status() == SHMRING_OK);
    void* ring = ::mmap(nullptr, peer.welcome.ring_size, PROT_READ, MAP_SHARED, peer.ring.get(), 0);
    ASSERT_NE(ring, MAP_FAILED);
    auto layout = RingGeometry::from_header(*static_cast<RingHeader*>(ring), peer.welcome.ring_size);
    ASSERT_TRUE(layout);
    const auto& block = *reinterpret_cast<LaneBlock*>(static_cast<std::byte*>(ring) + layout->lanes_offset +
                                                      peer.welcome.lane * layout->lane_stride);
    while (!stop) peer.page().tail.store(block.head.load());
    ::munmap(ring, peer.welcome.ring_size);
  });
  expect_service(1000);
  stop = true;
  hoarder.join();
  const auto l = lane("hostile");
  EXPECT_LE(l.delivered, peer.welcome.depth + peer.welcome.max_held);
  EXPECT_GT(l.dropped, 900u);
}

TEST_F(HostileReader, ABellThatIsAlwaysArmedAndNeverDrainedCostsNoFrame) {
  HostilePeer peer = hostile();
  std::atomic<bool> stop{false};
  std::thread armer([&] {
    while (!stop) peer.page().waiting.store(1);
  });
  expect_service(2000);
  stop = true;
  armer.join();
  EXPECT_EQ(lane("witness").dropped, 0u);
}

TEST_F(HostileReader, AsManyPollersOnItsDoorbellAsTheKernelAllowsCostNoOtherAFrame) {
  HostilePeer peer = hostile();
  std::vector<Fd> pollers;
  for (int i = 0; i < 1000; ++i) {
    pollers.emplace_back(::epoll_create1(EPOLL_CLOEXEC));
    ASSERT_TRUE(pollers.back());
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(pollers.back().get(), EPOLL_CTL_ADD, peer.doorbell.get(), &event) != 0) break;
  }
  ASSERT_GT(pollers.size(), 100u);
  for (int i = 0; i < 300 && lane("hostile").state == SHMRING_READER_ACTIVE; ++i) {
    drain_doorbell(peer.doorbell.get());
    peer.page().waiting.store(1);
    expect_service(1);
  }
  const auto l = lane("hostile");
  // Where a ring of this doorbell stays cheap (a fast kernel), there is nothing to disconnect; the witness was served
  // all the same.
  if (l.state != SHMRING_READER_ACTIVE) {
    EXPECT_STREQ(l.reason, "waking this reader repeatedly took more than 200 µs of CPU time");
  }
}

TEST_F(HostileReader, CanNeitherShrinkNorPunchNorMapWhatIsNotItsOwn) {
  HostilePeer peer = hostile();
  const auto size = static_cast<off_t>(peer.welcome.ring_size);
  EXPECT_NE(::ftruncate(peer.ring.get(), 0), 0);
  EXPECT_NE(::ftruncate(peer.ring.get(), size * 2), 0);
  EXPECT_NE(::fallocate(peer.ring.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size), 0);
  EXPECT_EQ(::mmap(nullptr, peer.welcome.ring_size, PROT_READ | PROT_WRITE, MAP_SHARED, peer.ring.get(), 0),
            MAP_FAILED);
  EXPECT_LT(::pwrite(peer.ring.get(), "x", 1, 0), 0);
  void* readable = ::mmap(nullptr, peer.welcome.ring_size, PROT_READ, MAP_SHARED, peer.ring.get(), 0);
  ASSERT_NE(readable, MAP_FAILED);
  EXPECT_NE(::mprotect(readable, peer.welcome.ring_size, PROT_READ | PROT_WRITE), 0);
  EXPECT_NE(::madvise(readable, peer.welcome.ring_size, MADV_REMOVE), 0);
  ::munmap(readable, peer.welcome.ring_size);
  const std::string self = "/proc/self/fd/" + std::to_string(peer.ring.get());
  const Fd reopened(::open(self.c_str(), O_RDWR | O_CLOEXEC));
  if (reopened) {
    EXPECT_EQ(::mmap(nullptr, peer.welcome.ring_size, PROT_READ | PROT_WRITE, MAP_SHARED, reopened.get(), 0),
              MAP_FAILED);
  }
  // Its own lane, once it said MAPPED, no more either.
  EXPECT_NE(::ftruncate(peer.lane.get(), 0), 0);
  EXPECT_NE(::fallocate(peer.lane.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
  EXPECT_NE(::fcntl(peer.lane.get(), F_ADD_SEALS, F_SEAL_WRITE), 0);
  expect_service();
}

TEST_F(HostileReader, ThatSealsItsLaneEarlyIsRefused) {
  HostilePeer peer = HostilePeer::connect(path);
  ASSERT_TRUE(send_message(peer.socket.get(), HostilePeer::hello("hostile")));
  ASSERT_TRUE(peer.await_welcome());
  ASSERT_EQ(::fcntl(peer.lane.get(), F_ADD_SEALS, F_SEAL_SEAL), 0);
  ASSERT_TRUE(send_message(peer.socket.get(), wire::make<wire::Mapped>()));
  EXPECT_TRUE(peer.is_sent_away());
  EXPECT_EQ(violations(SHMRING_VIOLATION_SEALS), 1u);
  expect_service();
}

TEST_F(HostileReader, ThatPunchesItsLaneBeforeItIsInHarmsItselfOnly) {
  HostilePeer peer = HostilePeer::connect(path);
  ASSERT_TRUE(send_message(peer.socket.get(), HostilePeer::hello("hostile")));
  ASSERT_TRUE(peer.await_welcome());
  EXPECT_NE(::ftruncate(peer.lane.get(), 0), 0) << "its size is sealed before it is sent";
  ::fallocate(peer.lane.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
              static_cast<off_t>(peer.welcome.lane_size));
  ASSERT_TRUE(send_message(peer.socket.get(), wire::make<wire::Mapped>()));
  expect_service();
}

TEST_F(HostileReader, ThatClosesHalfOfItsSocketLeavesNoThreadSpinning) {
  HostilePeer peer = hostile();
  ASSERT_EQ(::shutdown(peer.socket.get(), SHUT_WR), 0);
  EXPECT_TRUE(support::eventually([&] { return !active("hostile"); }));
  timespec before, after;
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  ::usleep(300'000);
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  const auto used = (after.tv_sec - before.tv_sec) * 1'000'000'000 + after.tv_nsec - before.tv_nsec;
  EXPECT_LT(used, 150'000'000) << "ns of processor time in 300 ms: a thread spins";
  expect_service();
}

TEST_F(HostileReader, MessagesThatMakeNoSenseEndTheConnectionAndNothingElse) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 200; ++round) {
    HostilePeer peer = HostilePeer::connect(path);
    std::vector<std::byte> bytes(random() % 3000);
    for (auto& byte : bytes) byte = static_cast<std::byte>(random());
    // Some look right at first.
    auto hello = HostilePeer::hello("h" + std::to_string(round));
    if (round % 4 == 0 && bytes.size() > sizeof(wire::Head)) std::memcpy(bytes.data(), &hello.head, sizeof hello.head);
    if (round % 4 == 1) bytes.resize(std::min<std::size_t>(bytes.size(), 4));
    if (bytes.empty()) bytes.resize(1);
    send_message(peer.socket.get(), bytes);
    EXPECT_TRUE(peer.is_sent_away());
    if (round % 20 == 0) expect_service(1);
  }
  expect_service();
  EXPECT_EQ(violations(SHMRING_VIOLATION_MESSAGE), 200u);
}

TEST_F(HostileReader, MessagesOutOfOrderEndTheConnection) {
  for (int round = 0; round < 4; ++round) {
    HostilePeer peer = HostilePeer::connect(path);
    switch (round) {
      case 0:
        send_message(peer.socket.get(), wire::make<wire::Mapped>());
        break;
      case 1:
        send_message(peer.socket.get(), wire::make<wire::Ask>());
        break;
      case 2:
        send_message(peer.socket.get(), wire::make<wire::End>());
        break;
      case 3:
        send_message(peer.socket.get(), HostilePeer::hello("twice"));
        send_message(peer.socket.get(), HostilePeer::hello("twice"));
        break;
    }
    EXPECT_TRUE(peer.is_sent_away()) << round;
  }
  {
    HostilePeer peer = hostile();
    send_message(peer.socket.get(), HostilePeer::hello("again"));
    EXPECT_TRUE(peer.is_sent_away());
    EXPECT_TRUE(support::eventually([&] { return violations(SHMRING_VIOLATION_MESSAGE) == 5; }));
  }
  EXPECT_EQ(protocol_violations(), 5u);
  expect_service();
}

// It comes to one request in 500 ms for the application, and to a few wake-ups of the control thread. Breaking a rule is another thing.
TEST_F(HostileReader, AFloodOfKeyFrameRequestsIsNoViolationAndCostsNoFrame) {
  HostilePeer peer = HostilePeer::connect(path);
  auto greeting = HostilePeer::hello("flooding");
  greeting.optional_features = wire::kKeyRequests;
  ASSERT_TRUE(send_message(peer.socket.get(), greeting));
  ASSERT_TRUE(peer.await_welcome());
  EXPECT_EQ(peer.welcome.features, wire::kKeyRequests);
  ASSERT_TRUE(send_message(peer.socket.get(), wire::make<wire::Mapped>()));
  std::atomic<bool> stop{false};
  std::thread flood([&] {
    while (!stop) send_message(peer.socket.get(), wire::make<wire::Key>());
  });
  const std::uint64_t begin = now();
  std::uint64_t told = 0;
  const auto count = [&] { told += publisher->key_frame_requested(); };
  do {
    expect_service(20);
    count();
  } while (told < 3 && !HasFailure());
  EXPECT_GE(now() - begin, 2 * KeyRequests::kInterval);
  stop = true;
  flood.join();
  EXPECT_TRUE(active("flooding"));
  EXPECT_EQ(protocol_violations(), 0u);
  // Its goodbye is heard behind all that.
  auto bye = wire::make<wire::Bye>();
  EXPECT_TRUE(support::eventually([&] { return send_message(peer.socket.get(), bye); }));
  EXPECT_TRUE(support::eventually([&] { return !active("flooding"); }));
  EXPECT_STREQ(lane("flooding").reason, "");
}

TEST_F(HostileReader, AKeyFrameRequestThatWasNotAgreedOnIsAViolation) {
  const HostilePeer peer = hostile();  // of a version that knows no such request
  EXPECT_EQ(peer.welcome.features, 0u);
  send_message(peer.socket.get(), wire::make<wire::Key>());
  EXPECT_TRUE(peer.is_sent_away());
  EXPECT_EQ(violations(SHMRING_VIOLATION_MESSAGE), 1u);
  EXPECT_FALSE(publisher->key_frame_requested());
  // Before it reads, and from an observer.
  for (const auto role : {wire::Role::reader, wire::Role::observer}) {
    const HostilePeer early = HostilePeer::connect(path);
    auto greeting = HostilePeer::hello("early");
    greeting.role = role;
    greeting.optional_features = wire::kKeyRequests;
    send_message(early.socket.get(), greeting);
    send_message(early.socket.get(), wire::make<wire::Key>());
    EXPECT_TRUE(early.is_sent_away());
  }
  EXPECT_EQ(violations(SHMRING_VIOLATION_MESSAGE), 3u);
  EXPECT_FALSE(publisher->key_frame_requested());
  expect_service();
}

TEST_F(HostileReader, UnwantedDescriptorsAreRefusedByTheKernel) {
  HostilePeer peer = HostilePeer::connect(path);
  if (!refuse_descriptors(peer.socket.get())) GTEST_SKIP() << "Linux before 6.16";
  const std::array<int, 3> junk = {0, 0, 0};
  EXPECT_FALSE(send_message(peer.socket.get(), HostilePeer::hello("flood"), junk));
  expect_service();
}

TEST_F(HostileReader, UnwantedDescriptorsAreClosedAndCountedWhereTheKernelBringsThem) {
  witness.reset();
  publisher.reset();
  force_descriptors_from_anybody(true);
  SetUp();
  force_descriptors_from_anybody(false);
  const std::size_t before = open_descriptors();
  for (int round = 0; round < 100; ++round) {
    HostilePeer peer = HostilePeer::connect(path);
    const std::vector<int> junk(round % 2 ? 253 : 1, 0);
    ASSERT_TRUE(send_message(peer.socket.get(), HostilePeer::hello("flood"), junk));
    EXPECT_TRUE(peer.is_sent_away());
  }
  {
    HostilePeer peer = hostile();
    const std::array<int, 1> junk = {0};
    ASSERT_TRUE(send_message(peer.socket.get(), wire::make<wire::Bye>(), junk));
    EXPECT_TRUE(peer.is_sent_away());
  }
  EXPECT_TRUE(support::eventually([&] { return open_descriptors() <= before; }))
      << open_descriptors() << " of " << before;
  EXPECT_EQ(violations(SHMRING_VIOLATION_DESCRIPTORS), 101u);
  expect_service();
}

TEST_F(HostileReader, TenThousandConnectionsKeepNoReaderOut) {
  std::vector<Fd> silent;
  for (int i = 0; i < 10'000; ++i) {
    auto connected = connect_to(path);
    if (!connected) {
      ::usleep(200);  // the listener's queue is full
      continue;
    }
    silent.push_back(*std::move(connected));
    if (silent.size() > 300) silent.erase(silent.begin(), silent.begin() + 100);
    if (i % 1000 == 0) expect_service(1);
  }
  auto late = attach("late");
  expect_service(1);
  EXPECT_TRUE(late->read(kPatience));
  expect_service();
  EXPECT_GT(violations(SHMRING_VIOLATION_SILENCE), 0u);
  EXPECT_EQ(protocol_violations(), 0u) << "who says nothing does not lie";
}

TEST_F(HostileReader, ThatIsKilledAfterAllThisGivesItsSlotsBack) {
  auto child = support::ChildProcess::fork([&] {
    HostilePeer peer = HostilePeer::attach(path, "hostile", SHMRING_DROP_OLDEST);
    while (peer.page().tail.load() < 3) ::usleep(100);  // by now its queue is full and the publisher evicts
    for (;;) {
      peer.page().tail.store(12345);
      ::usleep(100);
    }
    return 0;
  });
  ASSERT_TRUE(support::eventually([&] {
    expect_service(1);
    return protocol_violations() == 1;
  }));
  const auto during = publisher->stats().ring;
  EXPECT_LT(during.free_slots, during.slots - 1) << "while it lives, what it may be reading stays its own";
  child.kill();
  EXPECT_TRUE(all_slots_back());
  expect_service();
}

}  // namespace
}  // namespace shmring
