// SPDX-License-Identifier: LGPL-2.1-or-later
// The reader: waiting, holding, policies, ages, the descriptor to poll.
#include <poll.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <thread>

#include "os/clock.hpp"
#include "ring_fixture.hpp"

namespace shmring {
namespace {

class ReaderTest : public RingFixture {
 protected:
  static bool readable(int fd, int ms = 0) {
    pollfd p{fd, POLLIN, 0};
    return ::poll(&p, 1, ms) > 0;
  }
  // Tells whether a thread of this process is blocked in the kernel, as a spinning one never is.
  static bool sleeps(pid_t thread) {
    std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
    std::string text;
    std::getline(file, text);
    return text.find(") S ") != std::string::npos;
  }
};

TEST_F(ReaderTest, RefusesOptionsOutOfRange) {
  const auto status = [&](auto&& change) {
    auto o = reader_options("worker");
    change(o);
    return Reader::open(o).status();
  };
  EXPECT_EQ(status([](auto& o) { o.socket_path = std::string(200, 'x'); }), SHMRING_INVALID);
  EXPECT_EQ(status([](auto& o) { o.worker = "a\nb"; }), SHMRING_INVALID);
  EXPECT_EQ(status([](auto& o) { o.depth = 257; }), SHMRING_INVALID);
  EXPECT_EQ(status([](auto& o) { o.max_held = 257; }), SHMRING_INVALID);
  for (const int wrong : {3, 254, 256, -1}) {
    EXPECT_EQ(status([&](auto& o) { o.drop_policy = static_cast<shmring_policy>(wrong); }), SHMRING_INVALID) << wrong;
    EXPECT_EQ(status([&](auto& o) { o.wake = static_cast<shmring_wake>(wrong); }), SHMRING_INVALID) << wrong;
  }
}

TEST_F(ReaderTest, HasANameIfItIsGivenNone) {
  open_publisher();
  const auto reader = attach(reader_options(""));
  EXPECT_NE(std::string(publisher->stats().accounts.at(0).worker).find(std::to_string(::getpid())), std::string::npos);
}

TEST_F(ReaderTest, StartedFirstWaitsForThePublisher) {
  const auto reader = open(reader_options("worker"));
  EXPECT_EQ(reader->read(0).status(), SHMRING_TIMEOUT);
  EXPECT_FALSE(reader->connected());
  std::thread late([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    open_publisher();
    publish();
  });
  auto frame = reader->read(kPatience);
  late.join();
  ASSERT_TRUE(frame) << frame.error().text;
  EXPECT_EQ(checked(*frame), 1u);
}

TEST_F(ReaderTest, ThatComesLateStartsWithTheNewestFrame) {
  open_publisher();
  for (int i = 0; i < 5; ++i) publish();
  const auto reader = open(reader_options("worker"));
  auto frame = reader->read(kPatience);
  ASSERT_TRUE(frame);
  EXPECT_EQ(checked(*frame), 5u);
  publish();
  EXPECT_EQ(checked(*reader->read(kPatience)), 6u);
}

TEST_F(ReaderTest, SleepsUntilAFrameComes) {
  open_publisher();
  const auto reader = attach();
  for (int i = 1; i <= 20; ++i) {
    std::thread camera([&, waiting = ::gettid()] {
      EXPECT_TRUE(support::eventually([&] { return sleeps(waiting); }));
      publish();
    });
    auto frame = reader->read(SHMRING_WAIT_FOREVER);
    camera.join();
    ASSERT_TRUE(frame);
    EXPECT_EQ(checked(*frame), static_cast<std::uint64_t>(i));
  }
}

TEST_F(ReaderTest, GivesUpWhenItsTimeIsOver) {
  open_publisher();
  const auto reader = attach();
  const std::uint64_t start = now();
  EXPECT_EQ(reader->read(30'000'000).status(), SHMRING_TIMEOUT);
  EXPECT_GE(now() - start, 30'000'000u);
}

TEST_F(ReaderTest, IsWokenByInterruptAndStaysSoUntilItIsTakenBack) {
  open_publisher();
  const auto reader = attach();
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    reader->interrupt(true);
  });
  EXPECT_EQ(reader->read(SHMRING_WAIT_FOREVER).status(), SHMRING_INTERRUPTED);
  other.join();
  EXPECT_EQ(reader->read(0).status(), SHMRING_INTERRUPTED);
  reader->interrupt(false);
  EXPECT_EQ(reader->read(0).status(), SHMRING_TIMEOUT);
}

TEST_F(ReaderTest, IsInterruptedAlsoWhileNoPublisherIsThere) {
  const auto reader = open(reader_options("worker"));
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    reader->interrupt(true);
  });
  EXPECT_EQ(reader->read(SHMRING_WAIT_FOREVER).status(), SHMRING_INTERRUPTED);
  other.join();
}

TEST_F(ReaderTest, PoliciesDecideWhichFramesWait) {
  open_publisher();
  auto o = reader_options("newest");
  o.drop_policy = SHMRING_DROP_NEWEST;
  const auto drops_newest = attach(o);
  o.worker = "oldest";
  o.drop_policy = SHMRING_DROP_OLDEST;
  o.depth = 3;
  const auto drops_oldest = attach(o);
  o.worker = "latest";
  o.drop_policy = SHMRING_LATEST;
  const auto latest = attach(o);
  for (int i = 0; i < 20; ++i) publish();
  for (const std::uint64_t expected : {1, 2, 3, 4, 5, 0}) EXPECT_EQ(next(*drops_newest), expected);
  for (const std::uint64_t expected : {18, 19, 20, 0}) EXPECT_EQ(next(*drops_oldest), expected);
  for (const std::uint64_t expected : {20, 0}) EXPECT_EQ(next(*latest), expected);
  EXPECT_EQ(lane("latest").depth, 1u);
  expect_balance();
}

TEST_F(ReaderTest, HoldsAsManyFramesAsItWasGrantedAndSaysSo) {
  open_publisher();
  const auto reader = attach();
  std::vector<Frame> held;
  for (std::uint32_t i = 0; i < reader->max_held(); ++i) {
    publish();
    held.push_back(*reader->read(kPatience));
  }
  publish();
  const auto refused = reader->read(kPatience);
  EXPECT_EQ(refused.status(), SHMRING_TOO_MANY_HELD);
  EXPECT_NE(refused.error().text.find("holds 4 frames"), std::string::npos);
  held.erase(held.begin());
  EXPECT_EQ(next(*reader), 5u);
  held.clear();
  EXPECT_TRUE(all_slots_back());
}

TEST_F(ReaderTest, AHeldFrameStaysWholeWhateverIsPublished) {
  open_publisher();
  auto o = reader_options("worker");
  o.drop_policy = SHMRING_LATEST;
  const auto reader = attach(o);
  publish();
  const Frame held = *reader->read(kPatience);
  for (int i = 0; i < 200; ++i) {
    publish();
    next(*reader);
    ASSERT_EQ(checked(held), 1u);
  }
}

TEST_F(ReaderTest, AHeldFrameOutlivesReaderAndPublisher) {
  open_publisher();
  auto reader = attach();
  publish();
  Frame held = *reader->read(kPatience);
  reader.reset();
  for (int i = 0; i < 50; ++i) publish();
  EXPECT_EQ(checked(held), 1u);
  publisher.reset();
  EXPECT_EQ(checked(held), 1u);
  held = Frame();
}

TEST_F(ReaderTest, FramesAreReleasedInAnyOrderByAnyThread) {
  open_publisher();
  const auto reader = attach();
  for (int round = 0; round < 20; ++round) {
    std::vector<Frame> held;
    for (int i = 0; i < 3; ++i) {
      publish();
      held.push_back(*reader->read(kPatience));
    }
    std::thread([&] { held.erase(held.begin() + round % 3); }).join();
  }
  EXPECT_TRUE(all_slots_back());
  EXPECT_EQ(reader->held(), 0u);
}

TEST_F(ReaderTest, LatestSkipsToTheNewestFrameAlsoWhenItMayHoldOne) {
  open_publisher();
  for (const std::uint32_t max_held : {1u, 4u}) {
    auto o = reader_options("held-" + std::to_string(max_held));
    o.max_held = max_held;
    const auto reader = attach(o);
    for (int i = 0; i < 4; ++i) publish();
    auto frame = reader->latest(kPatience);
    ASSERT_TRUE(frame);
    EXPECT_EQ(checked(*frame), publisher->stats().ring.offered);
  }
}

TEST_F(ReaderTest, ReleasesUnseenWhatIsOlderThanItWants) {
  open_publisher();
  auto o = reader_options("worker");
  o.max_frame_age = 5'000'000;
  const auto reader = attach(o);
  publish();
  publish();
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(next(*reader), 0u);
  EXPECT_EQ(reader->stats().stale, 2u);
  EXPECT_EQ(lane("worker").stale, 2u);
  EXPECT_EQ(lane("worker").delivered, 2u);
  EXPECT_TRUE(all_slots_back());
}

TEST_F(ReaderTest, FlushGivesUpAllThatIsPending) {
  open_publisher();
  const auto reader = attach();
  for (int i = 0; i < 4; ++i) publish();
  reader->flush();
  EXPECT_EQ(next(*reader), 0u);
  publish();
  EXPECT_EQ(next(*reader), 5u);
  EXPECT_EQ(reader->stats().stale, 4u);
  EXPECT_EQ(lane("worker").delivered, 5u);
}

TEST_F(ReaderTest, FlushingEveryFrameIsNoReasonToDoubtThePublisher) {
  open_publisher();
  const auto reader = attach();
  for (int i = 0; i < 200; ++i) {
    publish();
    reader->flush();
    ASSERT_EQ(reader->read(0).status(), SHMRING_TIMEOUT) << "after " << i << " frames";
  }
  EXPECT_EQ(reader->stats().protocol_violations, 0u);
}

TEST_F(ReaderTest, CountsTheNumbersItNeverSees) {
  open_publisher();
  auto o = reader_options("worker");
  o.drop_policy = SHMRING_LATEST;
  const auto reader = attach(o);
  publish();
  EXPECT_EQ(next(*reader), 1u);
  for (int i = 0; i < 5; ++i) publish();
  EXPECT_EQ(next(*reader), 6u);
  EXPECT_EQ(reader->stats().missed, 4u);
}

TEST_F(ReaderTest, ItsDescriptorIsReadableExactlyWhenAReadWouldNotWait) {
  open_publisher();
  const auto reader = attach();
  EXPECT_EQ(next(*reader), 0u);
  EXPECT_FALSE(readable(reader->fileno()));
  publish();
  EXPECT_TRUE(readable(reader->fileno(), 20'000));
  EXPECT_EQ(next(*reader), 1u);
  EXPECT_EQ(next(*reader), 0u);
  EXPECT_FALSE(readable(reader->fileno()));
  publisher.reset();
  EXPECT_TRUE(readable(reader->fileno(), 20'000));
}

TEST_F(ReaderTest, ItsDescriptorTellsOfAPublisherThatComes) {
  const auto reader = open(reader_options("worker"));
  ASSERT_EQ(reader->read(0).status(), SHMRING_TIMEOUT);
  open_publisher();
  publish();
  std::uint64_t got = 0;
  while (got == 0) {
    ASSERT_TRUE(readable(reader->fileno(), 20'000));
    got = next(*reader);
  }
  EXPECT_EQ(got, 1u);
}

TEST_F(ReaderTest, GetsTheMetadataOfEachFrameAndNoOthers) {
  open_publisher();
  const auto reader = attach();
  const std::vector<std::byte> bytes(10);
  const std::span<const std::byte> part(bytes);
  std::string about(SHMRING_METADATA_SIZE, 'x');
  const auto publish_with = [&](std::size_t size) {
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.metadata = about.data();
    info.metadata_size = size;
    return publisher->write({&part, 1}, info).status();
  };
  for (int round = 0; round < 50; ++round) {  // every slot has had some
    for (const std::size_t size : {std::size_t{SHMRING_METADATA_SIZE}, std::size_t{1}, std::size_t{0}}) {
      about[0] = static_cast<char>('a' + round % 26);
      ASSERT_EQ(publish_with(size), SHMRING_OK);
      auto frame = reader->read(0);
      ASSERT_TRUE(frame) << frame.error().text;
      const std::string_view got(static_cast<const char*>(frame->info().metadata), frame->info().metadata_size);
      EXPECT_EQ(got, std::string_view(about).substr(0, size));
    }
  }
  about += 'x';
  EXPECT_EQ(publish_with(about.size()), SHMRING_INVALID);
  EXPECT_EQ(publish(), SHMRING_OK);
}

TEST_F(ReaderTest, KnowsThePublishersLatency) {
  open_publisher();
  publisher->set_latency(33);
  const auto reader = attach();
  EXPECT_EQ(reader->latency(), 33u);
  publisher->set_latency(44);
  EXPECT_EQ(reader->latency(), 44u);
}

}  // namespace
}  // namespace shmring
