// SPDX-License-Identifier: LGPL-2.1-or-later
// An observer sees a live ring's figures and takes nothing from it.
#include "reader/observer.hpp"

#include "ring_fixture.hpp"

namespace shmring {
namespace {

class ObserverTest : public RingFixture {};

TEST_F(ObserverTest, SeesWhatThePublisherSees) {
  open_publisher();
  const auto a = attach("a"), b = attach("b");
  shmring_format format = SHMRING_FORMAT_INIT;
  format.caps = "image/jpeg";
  ASSERT_TRUE(publisher->set_format(format));
  for (int i = 0; i < 3; ++i) publish();
  next(*a);
  const auto observer = *Observer::open(path, kPatience);
  const auto seen = *observer->stats(kPatience);
  EXPECT_EQ(seen.ring.offered, 3u);
  EXPECT_EQ(seen.ring.readers, 2u);
  EXPECT_STREQ(seen.ring.caps, "image/jpeg");
  EXPECT_EQ(seen.ring.publisher_pid, static_cast<std::uint32_t>(::getpid()));
  ASSERT_EQ(seen.accounts.size(), 2u);
  EXPECT_STREQ(seen.accounts[0].worker, "a");
  EXPECT_EQ(seen.accounts[0].delivered, 1u);
  EXPECT_EQ(seen.accounts[1].pending, 3u);
}

TEST_F(ObserverTest, TakesNoLaneAlsoOnAnExclusiveRing) {
  auto o = publisher_options();
  o.max_readers = 1;
  publisher = open(o);
  std::vector<std::unique_ptr<Observer>> observers;
  for (int i = 0; i < 16; ++i) observers.push_back(*Observer::open(path, kPatience));
  const auto too_many = Observer::open(path, kPatience);
  EXPECT_EQ(too_many.status(), SHMRING_REFUSED);
  const auto reader = attach();
  publish();
  EXPECT_EQ(next(*reader), 1u);
}

TEST_F(ObserverTest, IsToldWhenThePublisherIsGone) {
  EXPECT_EQ(Observer::open(path, kPatience).status(), SHMRING_DISCONNECTED);
  open_publisher();
  const auto observer = *Observer::open(path, kPatience);
  publisher.reset();
  EXPECT_EQ(observer->stats(kPatience).status(), SHMRING_DISCONNECTED);
}

TEST_F(ObserverTest, SeesSixtyThreeLanesAndThoseThatWent) {
  auto o = publisher_options();
  o.max_readers = SHMRING_MAX_READERS;
  o.depth = o.max_held = 1;
  publisher = open(o);
  attach("gone");
  std::vector<std::unique_ptr<Reader>> readers;
  for (int i = 0; i < SHMRING_MAX_READERS; ++i) readers.push_back(attach("reader-" + std::to_string(i)));
  const auto seen = *(*Observer::open(path, kPatience))->stats(kPatience);
  EXPECT_EQ(seen.ring.readers, 63u);
  ASSERT_EQ(seen.accounts.size(), 64u);
  EXPECT_STREQ(seen.accounts.back().worker, "gone");
  EXPECT_EQ(seen.accounts.back().state, SHMRING_READER_GONE);
}

}  // namespace
}  // namespace shmring
