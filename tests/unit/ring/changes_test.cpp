// SPDX-License-Identifier: LGPL-2.1-or-later
// Changes while readers are there: larger frames, the end, another publisher, another attachment under the same
// name.
#include <unistd.h>

#include <filesystem>

#include "os/clock.hpp"
#include "reader/end_of_stream.hpp"
#include "ring_fixture.hpp"

namespace shmring {
namespace {

class Changes : public RingFixture {};

TEST_F(Changes, ALargerFormatMovesReadersToANewRingAfterTheyDrainedTheOld) {
  open_publisher();
  const auto reader = attach();
  publish();
  publish();
  ASSERT_TRUE(publisher->resize(5000));
  EXPECT_EQ(publisher->slot_size(), 5000u);
  EXPECT_EQ(checked(*reader->read(kPatience)), 1u);
  EXPECT_EQ(checked(*reader->read(kPatience)), 2u);
  EXPECT_EQ(reader->read(20'000'000).status(), SHMRING_TIMEOUT);  // moves over
  ASSERT_EQ(publish(5000), SHMRING_OK);
  auto large = reader->read(kPatience);
  ASSERT_TRUE(large) << large.error().text;
  EXPECT_EQ(checked(*large), 3u);
  EXPECT_EQ(large->info().size, 5000u);
  expect_balance();
}

TEST_F(Changes, TheOldRingLivesUntilItsLastFrameIsReleased) {
  open_publisher();
  const auto reader = attach();
  publish();
  Frame held = *reader->read(kPatience);
  ASSERT_TRUE(publisher->resize(5000));
  EXPECT_TRUE(support::eventually([&] {
    publish();
    return next(*reader) != 0;
  }));
  EXPECT_EQ(publisher->stats().ring.rings, 2u);
  EXPECT_EQ(checked(held), 1u);
  held = Frame();
  EXPECT_TRUE(support::eventually([&] { return publisher->stats().ring.rings == 1; }));
}

TEST_F(Changes, ManyNewRingsInARowLoseNoReader) {
  open_publisher();
  const auto reader = attach();
  for (std::uint64_t i = 1; i <= 20; ++i) {
    ASSERT_TRUE(publisher->resize(kFrameSize + i));
    publish();
  }
  EXPECT_TRUE(support::eventually([&] {
    auto frame = reader->read(0);
    return frame && checked(*frame) == 20;
  }));
  EXPECT_TRUE(support::eventually([&] { return publisher->stats().ring.rings == 1; }));
}

TEST_F(Changes, AReaderThatDoesNotWaitForPublishersStaysThroughANewRing) {
  open_publisher();
  auto o = reader_options("worker");
  o.reconnect = false;
  const auto reader = attach(o);
  ASSERT_TRUE(publisher->resize(5000));
  ASSERT_EQ(publish(5000), SHMRING_OK);
  auto frame = reader->read(kPatience);
  ASSERT_TRUE(frame) << frame.error().text;
  publisher.reset();
  EXPECT_EQ(reader->read(kPatience).status(), SHMRING_DISCONNECTED);
}

TEST_F(Changes, ALoanOfTheOldRingIsRefusedAndHarmless) {
  open_publisher();
  auto loan = *publisher->loan();
  ASSERT_TRUE(publisher->resize(5000));
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  EXPECT_EQ(publisher->publish(loan, info).status(), SHMRING_INVALID);
  EXPECT_EQ(publish(5000), SHMRING_OK);
}

TEST_F(Changes, TheEndComesAfterTheLastFrame) {
  open_publisher();
  const auto reader = attach();
  publish();
  publish();
  publisher->end();
  EXPECT_EQ(checked(*reader->read(kPatience)), 1u);
  EXPECT_EQ(checked(*reader->read(kPatience)), 2u);
  EXPECT_EQ(reader->read(kPatience).status(), SHMRING_END);
}

TEST_F(Changes, AReaderThatReadsOnAfterTheEndWaitsForTheNextStreamAndDoesNotSpin) {
  open_publisher();
  const auto reader = attach();
  publisher->end();
  ASSERT_EQ(reader->read(kPatience).status(), SHMRING_END);
  const auto began = now();
  EXPECT_EQ(reader->read(0).status(), SHMRING_TIMEOUT);
  for (int reports = 0; reports < 2; ++reports) ASSERT_EQ(reader->read(kPatience).status(), SHMRING_END);
  EXPECT_GE(now() - began, EndOfStream::kPause) << "each report comes after a wait";
}

TEST_F(Changes, EveryThreadThatReadsHearsOfTheEnd) {
  open_publisher();
  const auto reader = attach();
  publisher->end();
  ASSERT_EQ(reader->read(kPatience).status(), SHMRING_END) << "one thread";
  EXPECT_EQ(reader->read(SHMRING_WAIT_FOREVER).status(), SHMRING_END) << "another one";
}

TEST_F(Changes, AfterTheEndAReaderFindsTheNextPublisher) {
  const auto reader = open(reader_options("worker"));
  for (std::uint64_t i = 1; i <= 3; ++i) {
    open_publisher();
    publish();
    publisher->end();
    EXPECT_EQ(checked(*reader->read(kPatience)), 1u);
    EXPECT_EQ(reader->read(kPatience).status(), SHMRING_END);
    publisher.reset();
    EXPECT_EQ(reader->read(0).status(), SHMRING_TIMEOUT);
    EXPECT_EQ(reader->stats().attachments, i);
  }
}

TEST_F(Changes, WithoutReconnectTheDeathOfAPublisherThatEndedItsStreamIsReportedOnce) {
  open_publisher();
  auto options = reader_options("worker");
  options.reconnect = false;
  const auto reader = open(options);
  publish();
  publisher->end();
  EXPECT_EQ(checked(*reader->read(kPatience)), 1u);
  EXPECT_EQ(reader->read(kPatience).status(), SHMRING_END);
  publisher.reset();
  EXPECT_EQ(reader->read(kPatience).status(), SHMRING_DISCONNECTED);
  EXPECT_EQ(reader->read(EndOfStream::kPause + EndOfStream::kPause / 2).status(), SHMRING_TIMEOUT);
}

TEST_F(Changes, TheNewestFrameHidesNeitherTheEndNorTheDeathBehindIt) {
  open_publisher();
  auto options = reader_options("worker");
  options.reconnect = false;
  const auto reader = open(options);
  publish();
  ASSERT_TRUE(support::eventually([&] { return reader->read(0).status() == SHMRING_OK; }));
  publish();
  publisher->end();
  publisher.reset();
  EXPECT_EQ(checked(*reader->latest(kPatience)), 2u);
  EXPECT_EQ(reader->latest(0).status(), SHMRING_END) << "at once: it was met behind the frame";

  open_publisher();
  publish();
  EXPECT_EQ(reader->read(kPatience).status(), SHMRING_DISCONNECTED) << "the former publisher";
  ASSERT_TRUE(reader->read(kPatience));
  publish();
  publisher.reset();
  ASSERT_TRUE(reader->latest(kPatience));
  EXPECT_EQ(reader->latest(0).status(), SHMRING_DISCONNECTED);
}

TEST_F(Changes, AReaderThatComesAfterTheEndGetsTheLastFrameAndTheEnd) {
  open_publisher();
  publish();
  publisher->end();
  const auto reader = open(reader_options("worker"));
  EXPECT_EQ(checked(*reader->read(kPatience)), 1u);
  EXPECT_EQ(reader->read(kPatience).status(), SHMRING_END);
}

TEST_F(Changes, AStreamWithoutFramesEndsToo) {
  open_publisher();
  const auto reader = attach();
  publisher->end();
  EXPECT_EQ(reader->read(kPatience).status(), SHMRING_END);
}

TEST_F(Changes, ASlowReaderGetsTheEndOfAPublisherThatIsGone) {
  open_publisher();
  const auto reader = attach();
  publish();
  publisher->end();
  publisher.reset();
  EXPECT_EQ(checked(*reader->read(kPatience)), 1u);
  EXPECT_EQ(reader->read(kPatience).status(), SHMRING_END);
}

TEST_F(Changes, FramesAfterAnEndAreAStreamThatGoesOn) {
  open_publisher();
  const auto reader = attach();
  publish();
  publisher->end();
  EXPECT_EQ(checked(*reader->read(kPatience)), 1u);
  EXPECT_EQ(reader->read(kPatience).status(), SHMRING_END);
  publish();
  auto frame = reader->read(kPatience);
  ASSERT_TRUE(frame) << frame.error().text;
  EXPECT_EQ(checked(*frame), 2u);
  EXPECT_EQ(reader->read(0).status(), SHMRING_TIMEOUT);
  publisher->end();
  EXPECT_EQ(reader->read(kPatience).status(), SHMRING_END);
}

TEST_F(Changes, AReaderThatWasToldOfTheEndGoesOnWithTheNextRing) {
  open_publisher();
  const auto reader = attach();
  publish();
  EXPECT_EQ(checked(*reader->read(kPatience)), 1u);
  publisher->end();
  EXPECT_EQ(reader->read(kPatience).status(), SHMRING_END);
  ASSERT_TRUE(publisher->resize(5000));
  publish(5000);
  EXPECT_TRUE(support::eventually([&] { return reader->read(0).status() == SHMRING_OK; }));
}

TEST_F(Changes, AReaderThatWasToldOfTheEndGoesOnWithTheNextPublisher) {
  open_publisher();
  const auto reader = attach();
  publish();
  EXPECT_EQ(checked(*reader->read(kPatience)), 1u);
  publisher->end();
  publisher.reset();
  EXPECT_EQ(reader->read(kPatience).status(), SHMRING_END);
  open_publisher();
  publish();
  EXPECT_TRUE(support::eventually([&] { return reader->read(0).status() == SHMRING_OK; }));
  EXPECT_EQ(reader->stats().attachments, 2u);
}

TEST_F(Changes, WithoutReconnectTheEndIsToldBeforeThePublisherIsGone) {
  open_publisher();
  auto options = reader_options("worker");
  options.reconnect = false;
  const auto reader = attach(options);
  publisher->end();
  publisher.reset();
  EXPECT_EQ(reader->read(kPatience).status(), SHMRING_END);
  EXPECT_EQ(reader->read(kPatience).status(), SHMRING_DISCONNECTED);
}

TEST_F(Changes, AReaderGoesOnWithTheNextPublisher) {
  const auto reader = open(reader_options("worker"));
  for (std::uint64_t i = 1; i <= 5; ++i) {
    open_publisher();
    publish();
    auto frame = reader->read(kPatience);
    ASSERT_TRUE(frame) << frame.error().text;
    EXPECT_EQ(reader->stats().attachments, i);
    publisher.reset();
  }
}

TEST_F(Changes, AFrameOfTheFormerPublisherStaysWholeBesideThoseOfTheNext) {
  open_publisher();
  const auto reader = attach();
  publish();
  const Frame old = *reader->read(kPatience);
  publisher.reset();
  open_publisher();
  publish();
  const auto fresh = reader->read(kPatience);
  ASSERT_TRUE(fresh);
  EXPECT_EQ(checked(old), 1u);
}

TEST_F(Changes, AnAccountGoesOnUnderTheSameName) {
  open_publisher();
  for (std::uint32_t generation = 1; generation <= 4; ++generation) {
    const auto reader = attach();
    for (int i = 0; i < 3; ++i) publish();
    while (next(*reader) != 0) {
    }
    publish();  // stays pending: dropped when the reader leaves
    EXPECT_EQ(lane("worker").generation, generation);
  }
  EXPECT_TRUE(support::eventually([&] { return lane("worker").state == SHMRING_READER_GONE; }));
  const auto l = lane("worker");
  // Each attachment but the first began with the newest frame.
  EXPECT_EQ(l.offered, 4u * 4 + 3);
  EXPECT_EQ(l.delivered, 4u * 3 + 3);
  EXPECT_EQ(l.dropped, 4u);
  EXPECT_EQ(l.pending, 0u);
}

// A worker that restarts while nothing new is published: its successor would take the old frame for a new one.
TEST_F(Changes, AReaderThatComesBackIsNotGivenAgainWhatWasTakenUnderItsName) {
  open_publisher();
  auto reader = attach();
  publish();
  EXPECT_EQ(next(*reader), 1u);
  reader.reset();
  reader = attach();
  EXPECT_EQ(lane("worker").generation, 2u);
  EXPECT_EQ(lane("worker").offered, 1u);
  EXPECT_EQ(open(reader_options("newcomer"))->read(kPatience)->info().sequence, 1u);
  publish();
  EXPECT_EQ(next(*reader), 2u);
  expect_balance();
}

TEST_F(Changes, AReaderThatComesBackIsNotGivenAgainWhatIsStillHeldUnderItsName) {
  open_publisher();
  auto reader = attach();
  publish();
  auto held = reader->read(kPatience);
  ASSERT_TRUE(held);
  reader.reset();
  reader = attach();
  EXPECT_EQ(lane("worker").offered, 1u);
  EXPECT_EQ(checked(*held), 1u);
}

TEST_F(Changes, AReaderThatComesBackIsGivenWhatWaitedForItAndWasNotTaken) {
  open_publisher();
  auto reader = attach();
  publish();
  EXPECT_EQ(next(*reader), 1u);
  publish();
  reader.reset();
  reader = open(reader_options("worker"));
  auto frame = reader->read(kPatience);
  ASSERT_TRUE(frame);
  EXPECT_EQ(checked(*frame), 2u);
}

TEST_F(Changes, EachOfSeveralReadersThatComeBackIsKnownByItsName) {
  open_publisher();
  const std::vector<std::string> names = {"a", "b", "c", "d", "e", "f"};
  publish();
  for (const auto& name : names) EXPECT_TRUE(open(reader_options(name))->read(kPatience));
  for (int round = 0; round < 3; ++round)
    for (const auto& name : names) {
      attach(name);
      EXPECT_EQ(lane(name).offered, 1u) << name;
    }
  publish();
  for (const auto& name : names) {
    auto frame = open(reader_options(name))->read(kPatience);
    ASSERT_TRUE(frame);
    EXPECT_EQ(checked(*frame), 2u);
  }
}

TEST_F(Changes, MovingToANewRingIsNoNewAttachmentAndKeepsTheAccount) {
  open_publisher();
  const auto reader = attach();
  for (int i = 0; i < 3; ++i) publish();
  while (next(*reader) != 0) {
  }
  ASSERT_TRUE(publisher->resize(5000));
  EXPECT_TRUE(support::eventually([&] {
    publish();
    return next(*reader) != 0;
  }));
  EXPECT_EQ(lane("worker").generation, 1u);
  EXPECT_GE(lane("worker").delivered, 4u);
  EXPECT_EQ(lane("worker").state, SHMRING_READER_ACTIVE);
  expect_balance();
}

TEST_F(Changes, AReaderThatIsJustBeingLetInWhenTheRingIsReplacedCountsOnce) {
  open_publisher();
  for (std::uint32_t generation = 1; generation <= 3; ++generation) {
    const auto reader = open(reader_options("worker"));
    EXPECT_EQ(reader->read(0).status(), SHMRING_TIMEOUT);
    ::usleep(20'000);  // its welcome is on the way
    ASSERT_TRUE(publisher->resize(5000 + generation));
    EXPECT_TRUE(support::eventually([&] {
      publish();
      return next(*reader) != 0;
    }));
    EXPECT_EQ(lane("worker").generation, generation);
  }
}

TEST_F(Changes, WhoDoesNotComeToTheNewRingHasUnfinishedWorkThere) {
  open_publisher();
  const auto reader = attach();
  publish();
  EXPECT_EQ(next(*reader), 1u);
  EXPECT_EQ(reader->read(0).status(), SHMRING_TIMEOUT);
  ASSERT_TRUE(publisher->resize(5000));
  EXPECT_EQ(lane("worker").unfinished_since, 0u) << "no frame is there yet";
  publish();
  EXPECT_NE(lane("worker").unfinished_since, 0u);
  EXPECT_TRUE(support::eventually([&] { return next(*reader) == 2; }));
  EXPECT_TRUE(support::eventually([&] {
    (void)reader->read(0);
    return lane("worker").unfinished_since == 0;
  }));
}

TEST_F(Changes, FramesHeldOfFormerRingsCountAgainstWhatMayBeHeld) {
  open_publisher();
  const auto reader = attach();
  std::vector<Frame> held;
  std::uint64_t of_former_rings = 0;
  const auto next_size = [&] {
    of_former_rings = publisher->stats().ring.offered;  // frames that still wait there are let go
    return publisher->resize(kFrameSize + publisher->slot_size());
  };
  const auto hold_one = [&] {
    publish();
    auto frame = reader->read(0);
    if (!frame || frame->info().sequence <= of_former_rings) return false;
    held.push_back(*std::move(frame));
    return true;
  };
  for (std::size_t i = 1; i <= 4; ++i) {
    ASSERT_TRUE(next_size());
    ASSERT_TRUE(support::eventually(hold_one));
    ASSERT_EQ(held.size(), i);
  }
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(next_size());
    publish();
    for (const std::uint64_t timeout : {SHMRING_WAIT_FOREVER, std::uint64_t{0}})
      EXPECT_EQ(reader->read(timeout).status(), SHMRING_TOO_MANY_HELD);
    // Another thread could let go of one in time.
    const auto timed = reader->read(10'000'000);
    EXPECT_EQ(timed.status(), SHMRING_TIMEOUT);
    EXPECT_NE(timed.error().text.find("holds 4 frames"), std::string::npos) << timed.error().text;
    EXPECT_FALSE(reader->latest(0));
  }
  EXPECT_EQ(reader->held(), 4u);
  EXPECT_EQ(reader->stats().held, 4u);
  EXPECT_LE(publisher->stats().ring.rings, 6u);
  for (const Frame& frame : held) checked(frame);
  held.pop_back();
  EXPECT_TRUE(support::eventually(hold_one));
  held.clear();
  EXPECT_EQ(reader->held(), 0u);
  EXPECT_TRUE(support::eventually([&] {
    next(*reader);  // moves over
    return publisher->stats().ring.rings == 1;
  }));
  expect_balance();
}

TEST_F(Changes, NoMoreFormerRingsAreKeptThanTheOptionsAllowAndThePresentOneGoesOn) {
  auto o = publisher_options();
  o.max_readers = o.max_held = o.loans = 1;
  publisher = open(o);
  std::vector<Frame> held;
  Result<void> resized;
  for (int i = 0; resized && i < 10; ++i) {
    const auto reader = attach("keeper-" + std::to_string(i));
    publish();
    auto frame = reader->read(kPatience);
    ASSERT_TRUE(frame) << frame.error().text;
    held.push_back(*std::move(frame));
    resized = publisher->resize(publisher->slot_size() + 1);
    EXPECT_LE(publisher->stats().ring.rings, 4u);
  }
  EXPECT_EQ(held.size(), 4u);  // 1 reader × (1 held + 1 that moves) + 1 loan, and the present one
  EXPECT_EQ(resized.status(), SHMRING_NO_MEMORY);
  EXPECT_NE(resized.error().text.find("1 frames by 'keeper-0' (process "), std::string::npos) << resized.error().text;
  for (const Frame& frame : held) checked(frame);
  EXPECT_EQ(publish(publisher->slot_size()), SHMRING_OK);
  EXPECT_EQ(publish(publisher->slot_size() + 1), SHMRING_TOO_LARGE);
  held.erase(held.begin());
  EXPECT_TRUE(support::eventually([&] { return publisher->resize(5000).status() == SHMRING_OK; }));
  EXPECT_EQ(publish(5000), SHMRING_OK);
}

TEST_F(Changes, RingsThatAreKeptByLoansAreCountedToo) {
  auto o = publisher_options();
  o.max_readers = o.max_held = o.loans = 1;
  publisher = open(o);
  std::vector<Loan> loans;
  Result<void> resized;
  for (int i = 0; resized && i < 10; ++i) {
    auto loan = publisher->loan();
    ASSERT_TRUE(loan);
    loans.push_back(*std::move(loan));
    resized = publisher->resize(publisher->slot_size() + 1);
  }
  EXPECT_EQ(loans.size(), 4u);
  EXPECT_EQ(resized.status(), SHMRING_NO_MEMORY);
  EXPECT_NE(resized.error().text.find("loans of this process"), std::string::npos) << resized.error().text;
  loans.clear();
  EXPECT_TRUE(publisher->resize(5000));
}

// A reader that does not count: here it is another object of the same process and name each time.
TEST_F(Changes, AReaderThatHoldsMoreOfFormerRingsThanMaxHeldIsNotLetIn) {
  auto o = publisher_options();
  o.max_readers = 4;
  o.max_held = 1;
  publisher = open(o);
  std::vector<Frame> held;
  for (int i = 0; i < 2; ++i) {
    const auto reader = attach();
    publish();
    auto frame = reader->read(kPatience);
    ASSERT_TRUE(frame) << frame.error().text;
    held.push_back(*std::move(frame));
    ASSERT_TRUE(publisher->resize(publisher->slot_size() + 1));
  }
  const auto third = open(reader_options("worker"));
  const auto refused = third->read(kPatience);
  EXPECT_EQ(refused.status(), SHMRING_REFUSED);
  EXPECT_NE(refused.error().text.find("still holds 2 frames of former rings"), std::string::npos)
      << refused.error().text;
  held.pop_back();
  publish();
  EXPECT_TRUE(support::eventually([&] { return static_cast<bool>(third->read(100'000'000)); }));
}

TEST_F(Changes, ASocketFileThatVanishesIsMadeAgain) {
  open_publisher();
  const auto first = attach("first");
  for (int i = 0; i < 2; ++i) {
    ::unlink(path.c_str());
    EXPECT_TRUE(support::eventually([&] { return dir.names().size() == 1; }));
    const auto second = attach("second");
    publish();
    EXPECT_NE(next(*first), 0u) << "who was there stays";
    EXPECT_NE(next(*second), 0u);
    EXPECT_NE(publisher->take_notice().find("is made again"), std::string::npos);
    EXPECT_EQ(publisher->take_notice(), "");
  }
  EXPECT_EQ(lane("first").generation, 1u);
  publisher.reset();
  EXPECT_TRUE(dir.names().empty());
}

TEST_F(Changes, AFolderThatVanishesForAMomentIsWaitedFor) {
  const std::string folder = dir.file("d");
  std::filesystem::create_directory(folder);
  auto o = publisher_options();
  o.socket_path = folder + "/ring";
  publisher = open(o);
  auto r = reader_options("worker");
  r.socket_path = o.socket_path;
  const auto reader = attach(r);
  for (const bool anew : {false, true}) {  // it comes back, or another one takes its place
    std::filesystem::rename(folder, dir.file("e"));
    if (anew) std::filesystem::create_directory(folder);
    publish();
    EXPECT_NE(next(*reader), 0u);
    if (!anew) std::filesystem::rename(dir.file("e"), folder);
    r.worker = anew ? "later" : "sooner";
    attach(r);
  }
}

TEST_F(Changes, APublisherWhosePathWasTakenSaysSoOnceAndServesOn) {
  open_publisher();
  const auto reader = attach();
  ::unlink(path.c_str());
  auto thief = Publisher::open(publisher_options());
  ASSERT_TRUE(thief) << thief.error().text;
  std::string notice;
  EXPECT_TRUE(support::eventually([&] { return !(notice = publisher->take_notice()).empty(); }));
  EXPECT_NE(notice.find("no reader finds it any more"), std::string::npos) << notice;
  EXPECT_NE(notice.find("process " + std::to_string(::getpid())), std::string::npos) << notice;
  publish();
  EXPECT_NE(next(*reader), 0u);
  thief->reset();
  EXPECT_TRUE(support::eventually([&] { return dir.names().size() == 1; })) << "the path is free again";
  attach("second");
}

TEST_F(Changes, APublisherThatIsOpenedAgainAtOnceKeepsItsReader) {
  open_publisher();
  const auto reader = attach();
  for (int i = 0; i < 30; ++i) {
    publisher.reset();
    open_publisher();
    publish();
    EXPECT_TRUE(support::eventually([&] {
      auto frame = reader->read(10'000'000);
      EXPECT_TRUE(frame || frame.status() == SHMRING_TIMEOUT) << frame.error().text;
      return static_cast<bool>(frame);
    }));
  }
}

TEST_F(Changes, ManyNamesAreForgottenOldestFirstAndThoseOfTheLivingNever) {
  open_publisher();
  // Comes back, so that its name was once gone.
  attach("living");
  const auto living = attach("living");
  publish();
  for (int i = 0; i < 100; ++i) attach("visitor-" + std::to_string(i));
  EXPECT_LE(publisher->stats().accounts.size(), 66u);
  EXPECT_EQ(lane("living").generation, 2u);
  EXPECT_GE(lane("living").offered, 1u);
  EXPECT_EQ(lane("visitor-99").generation, 1u);
}

}  // namespace
}  // namespace shmring
