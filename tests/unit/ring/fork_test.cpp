// SPDX-License-Identifier: LGPL-2.1-or-later
// A fork without exec: the child sees its parent's frames and can do nothing in its name.
#include "child_process.hpp"
#include "ring_fixture.hpp"

namespace shmring {
namespace {

using support::ChildProcess;

class Fork : public RingFixture {};

TEST_F(Fork, AChildReadsItsParentsFramesAndReleasesNone) {
  open_publisher();
  const auto reader = attach();
  publish();
  Frame held = *reader->read(kPatience);
  auto child = ChildProcess::fork([&] {
    const bool whole = support::payload_intact(held.bytes());
    { const Frame dropped = std::move(held); }
    return whole ? 0 : 1;
  });
  EXPECT_EQ(child.wait()->code, 0);
  for (int i = 0; i < 50; ++i) {
    publish();
    next(*reader);
    ASSERT_EQ(checked(held), 1u);
  }
  EXPECT_EQ(reader->held(), 1u);
  held = Frame();
  EXPECT_TRUE(all_slots_back());
}

TEST_F(Fork, AChildOfAReaderCannotReadAndItsEndIsNotTheReaders) {
  open_publisher();
  auto reader = attach();
  auto child = ChildProcess::fork([&] {
    const bool refused = reader->read(0).status() == SHMRING_FORKED;
    reader->flush();
    (void)reader->stats();
    reader.reset();
    return refused ? 0 : 1;
  });
  EXPECT_EQ(child.wait()->code, 0);
  publish();
  EXPECT_EQ(checked(*reader->read(kPatience)), 1u);
  EXPECT_EQ(lane("worker").state, SHMRING_READER_ACTIVE);
}

TEST_F(Fork, AChildOfAPublisherCannotPublishAndItsEndIsNotThePublishers) {
  open_publisher();
  const auto reader = attach();
  auto loan = publisher->loan();
  auto child = ChildProcess::fork([&] {
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    const bool refused = publisher->loan().status() == SHMRING_FORKED &&
                         publisher->publish(*loan, info).status() == SHMRING_FORKED &&
                         publisher->resize(5000).status() == SHMRING_FORKED;
    publisher->end();
    { const Loan dropped = *std::move(loan); }
    publisher.reset();
    return refused ? 0 : 1;
  });
  EXPECT_EQ(child.wait()->code, 0);
  EXPECT_EQ(dir.names().size(), 1u);
  publish();
  EXPECT_EQ(checked(*reader->read(kPatience)), 1u);
  EXPECT_EQ(publisher->stats().ring.loaned, 1u);
}

TEST_F(Fork, AChildThatStaysDoesNotKeepItsDeadParentsPlace) {
  auto o = publisher_options();
  o.max_readers = 1;
  publisher = open(o);
  publish();
  const support::Orphan child([&](auto leave_child) {
    const auto reader = open(reader_options("first"));
    const Frame held = *reader->read(kPatience);
    leave_child();
  });
  const auto second = open(reader_options("second"));
  publish();
  const auto frame = second->read(kPatience);
  EXPECT_TRUE(frame) << frame.error().text;
}

}  // namespace
}  // namespace shmring
