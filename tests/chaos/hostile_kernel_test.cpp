// SPDX-License-Identifier: LGPL-2.1-or-later
// Peers that have the kernel do their work: descriptors that are slow to close, pollers without number, page faults that are not resolved.
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "child_process.hpp"
#include "hostile_peer.hpp"
#include "lingering.hpp"
#include "os/clock.hpp"
#include "ring_fixture.hpp"

namespace shmring {
namespace {

class HostileKernel : public RingFixture {
 protected:
  void SetUp() override {
    open_publisher();
    witness = attach("witness");
    ASSERT_EQ(publish(), SHMRING_OK);
    EXPECT_EQ(next(*witness), 1u);
  }
  void expect_service(int frames = 100) {
    for (int i = 0; i < frames && !HasFailure(); ++i) {
      ASSERT_EQ(publish(), SHMRING_OK);
      auto frame = witness->read(kPatience);
      ASSERT_TRUE(frame) << frame.error().text;
      EXPECT_EQ(checked(*frame), publisher->stats().ring.offered);
    }
    EXPECT_EQ(lane("witness").dropped, 0u);
  }
  std::unique_ptr<Reader> witness;
};

// The publisher is stopped while the hostile peer sends and closes, so that the last descriptor is the publisher's to close.
class SlowToClose : public RingFixture, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    victim = support::ChildProcess::spawn(
        {RING_ACTOR, "publish", path, std::string("old_kernel=") + (GetParam() ? "1" : "0")});
    ASSERT_TRUE(victim.says("publishing"));
  }
  // The publisher lives, lets a reader in, and ends when it is to.
  void expect_service() {
    victim.resume();
    const auto reader = open(reader_options("late"));
    for (int i = 0; i < 20; ++i) {
      const auto frame = reader->read(kPatience);
      ASSERT_TRUE(frame) << frame.error().text;
    }
    victim.signal(SIGTERM);
    const auto ending = victim.wait();
    ASSERT_TRUE(ending) << "it does not end";
    EXPECT_EQ(ending->code, 0);
  }
  support::ChildProcess victim;
};

TEST_P(SlowToClose, DescriptorsInAGreetingHoldNoReaderUp) {
  victim.stop();
  HostilePeer peer = HostilePeer::connect(path);
  Lingering lingering;
  EXPECT_EQ(lingering.pass_on(peer.socket.get(), bytes_of(HostilePeer::hello("hostile"))), GetParam());
  expect_service();
}

TEST_P(SlowToClose, UnreadDescriptorsHoldNoReaderUp) {
  victim.stop();
  HostilePeer peer = HostilePeer::connect(path);
  send_message(peer.socket.get(), wire::make<wire::End>());  // for this it is sent away
  Lingering lingering[3];
  for (auto& each : lingering) each.pass_on(peer.socket.get(), bytes_of(HostilePeer::hello("hostile")));
  expect_service();
}

TEST_P(SlowToClose, DescriptorsFromAReaderHoldNoOtherUp) {
  HostilePeer peer = HostilePeer::attach(path, "hostile");
  victim.stop();
  Lingering lingering[3];
  for (auto& each : lingering) each.pass_on(peer.socket.get(), bytes_of(wire::make<wire::Ask>()));
  expect_service();
}

INSTANTIATE_TEST_SUITE_P(Kernels, SlowToClose, testing::Bool(),
                         [](const auto& param) { return param.param ? "Before616" : "Since616"; });

TEST_F(HostileKernel, AsManyPollersOnItsDoorbellAsTheKernelAllowsCostNoFrameWhenOthersSleepToo) {
  HostilePeer peer = HostilePeer::attach(path, "hostile");
  ASSERT_TRUE(support::eventually([&] { return active("hostile"); }));
  std::vector<Fd> pollers;
  for (int i = 0; i < 6000; ++i) {
    pollers.emplace_back(::epoll_create1(EPOLL_CLOEXEC));
    if (!pollers.back()) break;  // as many as there may be
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(pollers.back().get(), EPOLL_CTL_ADD, peer.doorbell.get(), &event) != 0) break;
  }
  ASSERT_GT(pollers.size(), 100u);
  const auto second = attach("second");
  for (int i = 0; i < 500 && lane("hostile").state == SHMRING_READER_ACTIVE; ++i) {
    drain_doorbell(peer.doorbell.get());
    // Three sleepers: the control thread rings them all.
    peer.page().waiting.store(1);
    (void)second->read(0);
    (void)witness->read(0);
    ASSERT_EQ(publish(), SHMRING_OK);
    auto frame = witness->read(kPatience);
    ASSERT_TRUE(frame) << frame.error().text;
  }
  // On a fast kernel there is nothing to disconnect.
  const auto told = lane("hostile");
  if (told.state != SHMRING_READER_ACTIVE) {
    EXPECT_STREQ(told.reason, "waking this reader repeatedly took more than 200 µs of CPU time");
  }
}

TEST_F(HostileKernel, AnObserverThatNeverStopsAskingKeepsNoReaderWaiting) {
  HostilePeer peer = HostilePeer::connect(path);
  auto hello = HostilePeer::hello("");
  hello.role = wire::Role::observer;
  ASSERT_TRUE(send_message(peer.socket.get(), hello));
  ASSERT_TRUE(peer.await_welcome());
  std::atomic<bool> stop{false};
  std::thread flood([&] {
    while (!stop)
      if (!send_message(peer.socket.get(), wire::make<wire::Ask>())) ::usleep(50);
  });
  timespec before, after;
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  const std::uint64_t start = now();
  expect_service(200);
  attach("late");
  ::usleep(200'000);
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  stop = true;
  flood.join();
  // The flood itself uses up to one processor; the answer takes no other.
  const auto used =
      static_cast<double>((after.tv_sec - before.tv_sec) * 1'000'000'000 + after.tv_nsec - before.tv_nsec);
  EXPECT_LT(used / static_cast<double>(now() - start), 1.3);
}

TEST_F(HostileKernel, AnUnresolvedPageFaultStopsOnlyItsReader) {
  // Missing pages of the lane, in the hostile process's own view, wait for a handler that never comes.
  HostilePeer peer = HostilePeer::connect(path);
  ASSERT_TRUE(send_message(peer.socket.get(), HostilePeer::hello("hostile")));
  ASSERT_TRUE(peer.await_welcome());
  peer.map();
  const Fd faults(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK)));
  if (faults) {
    uffdio_api api{};
    api.api = UFFD_API;
    ASSERT_EQ(::ioctl(faults.get(), UFFDIO_API, &api), 0);
    ::madvise(peer.memory, peer.welcome.lane_size, MADV_REMOVE);  // not yet sealed against it
    uffdio_register range{};
    range.range = {reinterpret_cast<std::uint64_t>(peer.memory), peer.welcome.lane_size};
    range.mode = UFFDIO_REGISTER_MODE_MISSING;
    ASSERT_EQ(::ioctl(faults.get(), UFFDIO_REGISTER, &range), 0);
  } else {
    std::cout << "userfaultfd is not allowed here: the lane's pages are only taken away" << std::endl;
    ::madvise(peer.memory, peer.welcome.lane_size, MADV_REMOVE);
  }
  ASSERT_TRUE(send_message(peer.socket.get(), wire::make<wire::Mapped>()));
  ASSERT_TRUE(support::eventually([&] { return active("hostile"); }));
  expect_service(300);
}

TEST_F(HostileKernel, GreetingsUnderAThousandNamesPushOutNoAccount) {
  for (int i = 0; i < 1000; ++i) {
    HostilePeer peer;
    ASSERT_TRUE(support::eventually([&] {  // there is not always room at the listener
      auto connected = connect_to(path);
      if (connected) peer.socket = *std::move(connected);
      return connected.status() == SHMRING_OK;
    }));
    send_message(peer.socket.get(), HostilePeer::hello("name-" + std::to_string(i)));
    if (i % 10 == 0) expect_service(1);
  }
  attach("late");
  expect_service();
  EXPECT_LE(publisher->stats().accounts.size(), 3u);
  EXPECT_GE(lane("witness").offered, 100u);
}

}  // namespace
}  // namespace shmring
