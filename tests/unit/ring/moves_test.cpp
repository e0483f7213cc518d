// SPDX-License-Identifier: LGPL-2.1-or-later
// Readers on their way from one ring to the next: what is published meanwhile.
#include <algorithm>

#include "ring_fixture.hpp"

namespace shmring {
namespace {

// No reader reads while the ring is replaced and frames go on: what was offered meanwhile waits for the reader on the new ring.
class Moving : public RingFixture, public testing::WithParamInterface<shmring_policy> {
 protected:
  static constexpr std::uint32_t kDepth = 5;
  std::unique_ptr<Reader> attach_with_policy() {
    auto o = reader_options("worker");
    o.drop_policy = GetParam();
    o.depth = kDepth;
    return attach(o);
  }
  static std::vector<std::uint64_t> read_until(Reader& reader, std::uint64_t last) {
    std::vector<std::uint64_t> got;
    while (got.empty() || got.back() < last) {
      auto frame = reader.read(kPatience);
      if (!frame) {
        ADD_FAILURE() << frame.error().text;
        break;
      }
      got.push_back(checked(*frame));
    }
    return got;
  }
  // From `first` to `last`.
  static std::vector<std::uint64_t> all(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> numbers;
    for (; first <= last; ++first) numbers.push_back(first);
    return numbers;
  }
  bool latest() const { return GetParam() == SHMRING_LATEST; }
};

TEST_P(Moving, ABurstOfDepthFramesIsNotLostToAReaderThatIsOnItsWay) {
  open_publisher();
  const auto reader = attach_with_policy();
  publish();
  ASSERT_EQ(next(*reader), 1u);
  ASSERT_TRUE(publisher->resize(5000));
  for (std::uint32_t i = 0; i < kDepth; ++i) ASSERT_EQ(publish(5000), SHMRING_OK);
  EXPECT_EQ(lane("worker").offered, 1 + kDepth) << "every frame";
  EXPECT_EQ(publisher->readers(), 1u) << "it has its place";
  EXPECT_EQ(read_until(*reader, 6), latest() ? all(6, 6) : all(2, 6));
  ASSERT_EQ(publish(5000), SHMRING_OK);
  EXPECT_EQ(read_until(*reader, 7), all(7, 7));
  const auto l = lane("worker");
  EXPECT_EQ(l.offered, 7u);
  EXPECT_EQ(l.dropped, latest() ? 4u : 0u);
  EXPECT_EQ(l.generation, 1u);
  expect_balance();
  EXPECT_TRUE(all_slots_back());
}

TEST_P(Moving, OfALongerBurstItGetsWhatItsPolicyKeeps) {
  open_publisher();
  const auto reader = attach_with_policy();
  ASSERT_TRUE(publisher->resize(5000));
  for (std::uint32_t i = 0; i < 2 * kDepth; ++i) ASSERT_EQ(publish(5000), SHMRING_OK);
  const std::uint64_t last = GetParam() == SHMRING_DROP_NEWEST ? 5 : 10;
  EXPECT_EQ(read_until(*reader, last), latest() ? all(10, 10) : all(last - 4, last));
  EXPECT_EQ(next(*reader), 0u);
  const auto l = lane("worker");
  EXPECT_EQ(l.offered, 10u);
  EXPECT_EQ(l.dropped, latest() ? 9u : 5u);
  EXPECT_EQ(l.pending, 0u);
  expect_balance();
}

TEST_P(Moving, ItTakesOneRingAfterTheOtherWhenTheyAreReplacedFasterThanItComes) {
  auto o = publisher_options();
  o.max_readers = 1;
  publisher = open(o);
  const auto reader = attach_with_policy();
  std::vector<std::uint64_t> got;
  std::uint64_t size = kFrameSize, last = 0;
  for (int ring = 0; ring < 6; ++ring) {
    ASSERT_TRUE(publisher->resize(size *= 4));
    for (int i = 0; i < 2; ++i, ++last) ASSERT_EQ(publish(size), SHMRING_OK);
    // Now and then a step, so that each stage of the way is met by the next ring.
    for (int step = 0; step < ring % 4; ++step)
      if (const std::uint64_t number = next(*reader)) got.push_back(number);
  }
  const auto rest = got.empty() || got.back() < last ? read_until(*reader, last) : std::vector<std::uint64_t>{};
  got.insert(got.end(), rest.begin(), rest.end());
  if (latest())
    EXPECT_TRUE(std::is_sorted(got.begin(), got.end()));
  else
    EXPECT_EQ(got, all(1, last));
  expect_balance();
  EXPECT_EQ(lane("worker").offered, last);
  EXPECT_EQ(lane("worker").generation, 1u);
  EXPECT_TRUE(support::eventually([&] {
    EXPECT_EQ(next(*reader), 0u);
    return publisher->stats().ring.rings == 1;
  }));
}

TEST_P(Moving, AReaderThatClosesOnItsWayGivesItsPlaceBack) {
  open_publisher();
  auto reader = attach_with_policy();
  ASSERT_TRUE(publisher->resize(5000));
  for (std::uint32_t i = 0; i < kDepth; ++i) ASSERT_EQ(publish(5000), SHMRING_OK);
  reader.reset();
  EXPECT_TRUE(support::eventually([&] { return lane("worker").state == SHMRING_READER_GONE; }));
  EXPECT_TRUE(all_slots_back());
  EXPECT_EQ(publisher->readers(), 0u);
  EXPECT_EQ(lane("worker").dropped, 5u);
  EXPECT_EQ(lane("worker").pending, 0u);
  expect_balance();
}

TEST_P(Moving, AnotherReaderOfItsNameDoesNotGetWhatWaitedForIt) {
  open_publisher();
  const auto reader = attach_with_policy();
  ASSERT_TRUE(publisher->resize(5000));
  for (int i = 0; i < 2; ++i) ASSERT_EQ(publish(5000), SHMRING_OK);
  auto o = reader_options("worker");
  o.drop_policy = GetParam();
  o.depth = 2;
  const auto other = open(o);
  EXPECT_EQ(read_until(*other, 2), all(2, 2));
  expect_balance();
}

TEST_P(Moving, RingsThatWaitForAReaderThatDoesNotComeAreFew) {
  open_publisher();
  const auto reader = attach_with_policy();
  for (std::uint64_t i = 1; i <= 30; ++i) {
    ASSERT_TRUE(publisher->resize(kFrameSize + i));
    ASSERT_EQ(publish(), SHMRING_OK);
    // That it reads, one where frames wait for it, the present one.
    EXPECT_TRUE(support::eventually([&] { return publisher->stats().ring.rings <= 3; }));
  }
  EXPECT_EQ(read_until(*reader, 30), latest() ? all(30, 30) : all(29, 30));
  expect_balance();
}

std::string name_of(const testing::TestParamInfo<shmring_policy>& tested) {
  if (tested.param == SHMRING_DROP_NEWEST) return "DropNewest";
  return tested.param == SHMRING_DROP_OLDEST ? "DropOldest" : "Latest";
}
INSTANTIATE_TEST_SUITE_P(Policies, Moving, testing::Values(SHMRING_DROP_NEWEST, SHMRING_DROP_OLDEST, SHMRING_LATEST),
                         name_of);

class Moves : public RingFixture {};

// Frames that wait for a reader on its way are no reason to refuse a ring to all others.
TEST_F(Moves, WhatWaitsForAReaderOnItsWayKeepsNoRoomFromANewRing) {
  auto o = publisher_options();
  o.max_readers = o.max_held = o.loans = 1;  // 3 former rings at most
  publisher = open(o);
  const auto reader = attach();
  for (std::uint64_t size = 4000; size < 2'000'000; size *= 4) {
    ASSERT_TRUE(publisher->resize(size));
    ASSERT_EQ(publish(size), SHMRING_OK);
  }
  EXPECT_TRUE(support::eventually([&] { return next(*reader) == publisher->stats().ring.offered; }));
  expect_balance();
}

}  // namespace
}  // namespace shmring
