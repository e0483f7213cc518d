// SPDX-License-Identifier: LGPL-2.1-or-later
// Admission of readers: exclusive rings, names, shares of the slots.
#include "ring_fixture.hpp"

namespace shmring {
namespace {

class Admission : public RingFixture {
 protected:
  // Error of a reader that is not let in. Bound: the grace for a predecessor that was killed.
  Error refusal(const ReaderOptions& options) {
    const auto reader = open(options);
    Error error;
    EXPECT_TRUE(support::eventually([&] {
      error = reader->read(0).error();
      return error.status != SHMRING_TIMEOUT;
    }));
    return error;
  }
};

TEST_F(Admission, ARingIsExclusiveUnlessToldOtherwise) {
  publisher = [&] {
    auto o = publisher_options();
    o.max_readers = PublisherOptions().max_readers;
    return open(o);
  }();
  const auto first = attach("first");
  const Error second = refusal(reader_options("second"));
  EXPECT_EQ(second.status, SHMRING_IN_USE);
  EXPECT_NE(second.text.find("'first' (process " + std::to_string(::getpid()) + ")"), std::string::npos) << second.text;
  publish();
  EXPECT_EQ(next(*first), 1u);
  EXPECT_EQ(publisher->stats().ring.protocol_violations, 0u);
  EXPECT_GE(publisher->stats().ring.refused_readers, 1u);
}

TEST_F(Admission, APlaceIsFreeAsSoonAsItsReaderLeaves) {
  auto o = publisher_options();
  o.max_readers = 1;
  publisher = open(o);
  for (int i = 0; i < 20; ++i) {
    const auto reader = open(reader_options("worker-" + std::to_string(i)));
    publish();
    const auto frame = reader->read(kPatience);
    ASSERT_TRUE(frame) << frame.error().text;
  }
}

TEST_F(Admission, ALiveReadersNameIsItsOwn) {
  open_publisher();
  const auto first = attach("worker");
  const Error second = refusal(reader_options("worker"));
  EXPECT_EQ(second.status, SHMRING_IN_USE);
  EXPECT_NE(second.text.find("'worker' belongs to process " + std::to_string(::getpid())), std::string::npos);
}

TEST_F(Admission, GrantsWhatIsAskedForUpToTheConfiguration) {
  open_publisher();
  auto o = reader_options("modest");
  o.depth = 2;
  o.max_held = 1;
  const auto modest = attach(o);
  o.worker = "greedy";
  o.depth = 200;
  o.max_held = 200;
  const auto greedy = attach(o);
  EXPECT_EQ(lane("modest").depth, 2u);
  EXPECT_EQ(lane("modest").max_held, 1u);
  EXPECT_EQ(lane("greedy").depth, 5u);
  EXPECT_EQ(lane("greedy").max_held, 4u);
}

TEST_F(Admission, SharesFewSlotsAndRefusesWithTheFigureWhenNoneAreLeft) {
  auto o = publisher_options();
  o.slots = 3 + 9 + 4;  // 1 + 2 loans, a whole share, and a small one
  publisher = open(o);
  const auto whole = attach("whole"), small = attach("small");
  EXPECT_EQ(lane("whole").depth + lane("whole").max_held, 9u);
  EXPECT_EQ(lane("small").depth + lane("small").max_held, 4u);
  const Error third = refusal(reader_options("third"));
  EXPECT_EQ(third.status, SHMRING_REFUSED);
  EXPECT_NE(third.text.find("of 16 slots 0 are left"), std::string::npos) << third.text;
}

TEST_F(Admission, NoReaderCanTakeAnothersShare) {
  open_publisher();
  std::vector<std::unique_ptr<Reader>> hoarders;
  std::vector<Frame> hoard;
  for (int i = 0; i < 7; ++i) hoarders.push_back(attach("hoarder-" + std::to_string(i)));
  const auto witness = attach("witness");
  for (std::uint64_t i = 1; i <= 100; ++i) {
    ASSERT_EQ(publish(), SHMRING_OK);
    for (auto& hoarder : hoarders)
      if (auto frame = hoarder->read(0)) hoard.push_back(*std::move(frame));
    ASSERT_EQ(next(*witness), i);
  }
  EXPECT_EQ(lane("witness").dropped, 0u);
  expect_balance();
}

TEST_F(Admission, WhatAReaderHoldsAfterItLeftIsItsOwnUntilItLetsGo) {
  auto o = publisher_options();
  o.max_readers = 1;
  publisher = open(o);
  auto first = attach("first");
  publish();
  Frame held = *first->read(kPatience);
  first.reset();
  const auto second = open(reader_options("second"));
  for (int i = 0; i < 100; ++i) {
    publish();
    auto frame = second->read(kPatience);
    ASSERT_TRUE(frame) << frame.error().text;
    checked(*frame);
    ASSERT_EQ(checked(held), 1u);
  }
  EXPECT_EQ(lane("first").state, SHMRING_READER_RETIRED);
  held = Frame();
  EXPECT_TRUE(support::eventually([&] {
    publish();
    second->flush();
    return lane("first").state == SHMRING_READER_GONE;
  }));
}

TEST_F(Admission, SixtyThreeReadersAreServedAlike) {
  auto o = publisher_options();
  o.max_readers = SHMRING_MAX_READERS;
  o.depth = 2;
  o.max_held = 1;
  publisher = open(o);
  std::vector<std::unique_ptr<Reader>> readers;
  for (int i = 0; i < SHMRING_MAX_READERS; ++i) readers.push_back(attach("reader-" + std::to_string(i)));
  for (std::uint64_t i = 1; i <= 20; ++i) {
    publish();
    for (auto& reader : readers) ASSERT_EQ(next(*reader), i);
  }
  expect_balance();
}

}  // namespace
}  // namespace shmring
