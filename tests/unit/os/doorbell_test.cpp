// SPDX-License-Identifier: LGPL-2.1-or-later
// The reader's end of a doorbell: its reports, and its limits against the publisher's end.
#include "os/doorbell.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

namespace shmring {
namespace {

bool rings(int doorbell) {
  pollfd p{doorbell, POLLIN, 0};
  return ::poll(&p, 1, 0) == 1;
}

TEST(Doorbell, RingsUntilItIsHushedHoweverOftenItWasRung) {
  auto doorbell = Doorbell::make();
  ASSERT_TRUE(doorbell);
  EXPECT_FALSE(rings(doorbell->reader_end()));
  for (int i = 0; i < 3; ++i) doorbell->notify();
  EXPECT_TRUE(rings(doorbell->reader_end()));
  EXPECT_TRUE(rings(doorbell->reader_end()));
  EXPECT_EQ(drain_doorbell(doorbell->reader_end()), Drained::notification);
  EXPECT_EQ(drain_doorbell(doorbell->reader_end()), Drained::nothing);
  EXPECT_FALSE(rings(doorbell->reader_end()));
  doorbell->notify();
  EXPECT_TRUE(rings(doorbell->reader_end()));
}

TEST(Doorbell, IsHeardThroughAnotherInstanceToo) {
  auto doorbell = Doorbell::make();
  ASSERT_TRUE(doorbell);
  const Fd outer(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN;
  ASSERT_EQ(::epoll_ctl(outer.get(), EPOLL_CTL_ADD, doorbell->reader_end(), &event), 0);
  EXPECT_FALSE(rings(outer.get()));
  doorbell->notify();
  EXPECT_TRUE(rings(outer.get()));
  drain_doorbell(doorbell->reader_end());
  EXPECT_FALSE(rings(outer.get()));
}

TEST(Doorbell, CannotBeFilledEmptiedOrMadeBlockingByWhoHasTheReadersEnd) {
  auto doorbell = Doorbell::make();
  ASSERT_TRUE(doorbell);
  const std::uint64_t most = UINT64_MAX - 1;
  std::uint64_t count = 0;
  EXPECT_LT(::write(doorbell->reader_end(), &most, sizeof most), 0);
  EXPECT_LT(::read(doorbell->reader_end(), &count, sizeof count), 0);
  ASSERT_EQ(::fcntl(doorbell->reader_end(), F_SETFL, 0), 0);
  // Nothing that it can name there is the publisher's.
  for (int fd = 0; fd < 256; ++fd) {
    if (fd == doorbell->reader_end()) continue;
    const Fd copy(::dup(fd));
    if (copy) {
      EXPECT_LT(::epoll_ctl(doorbell->reader_end(), EPOLL_CTL_DEL, copy.get(), nullptr), 0);
    }
  }
  doorbell->notify();
  EXPECT_TRUE(rings(doorbell->reader_end()));
}

TEST(Doorbell, OnlyADoorbellCanBeHushed) {
  const Fd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(drain_doorbell(file.get()), Drained::no_doorbell);
}

}  // namespace
}  // namespace shmring
