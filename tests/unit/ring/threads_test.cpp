// SPDX-License-Identifier: LGPL-2.1-or-later
// Several threads of one process use a publisher, a reader and their frames at once. Mostly for ThreadSanitizer: `orders` weakens
// the orders of the client one by one and runs these.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "ring_fixture.hpp"

namespace shmring {
namespace {

class Threads : public testing::Test {
 protected:
  Threads() {
    PublisherOptions o;
    o.socket_path = dir.file("ring");
    o.slot_size = 256;
    o.max_readers = 3;
    o.loans = 4;
    publisher = *Publisher::open(o);
  }
  ~Threads() override { stop(); }
  std::unique_ptr<Reader> reader(const char* name) const {
    ReaderOptions o;
    o.socket_path = dir.file("ring");
    o.worker = name;
    return *Reader::open(o);
  }
  void publish() {
    auto loan = publisher->loan();
    if (!loan) return;
    std::fill(loan->bytes().begin(), loan->bytes().end(), std::byte{1});
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.size = 256;
    ASSERT_TRUE(publisher->publish(*loan, info));
  }
  void keep_publishing() {
    publishing = std::thread([this] {
      while (!stopped) {
        publish();
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      }
    });
  }
  void stop() {
    stopped = true;
    if (publishing.joinable()) publishing.join();
  }

  const support::TempDir dir;
  std::unique_ptr<Publisher> publisher;
  std::atomic<bool> stopped{false};
  std::thread publishing;
};

TEST_F(Threads, LanesComeAndGoWhileFramesArePublished) {
  keep_publishing();
  for (int round = 0; round < 25; ++round) {
    const auto one = reader("one"), two = reader("two");
    ASSERT_TRUE(one->read(kPatience));
    ASSERT_TRUE(two->read(kPatience));
    if (round % 5 == 4) publisher->stats();
  }
}

TEST_F(Threads, SlotsAreWrittenAndGivenBackByAnyOfThem) {
  std::vector<std::thread> writers;
  std::atomic<int> written{0};
  for (int t = 0; t < 3; ++t)
    writers.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i)
        if (auto loan = publisher->loan()) {
          std::fill(loan->bytes().begin(), loan->bytes().end(), static_cast<std::byte>(t));
          ++written;
        }
    });
  for (auto& writer : writers) writer.join();
  EXPECT_GT(written, 0);
  EXPECT_EQ(publisher->stats().ring.loaned, 0u);
}

// Nothing of it needs a lock of the caller's: each frame is one thread's, whole, and numbers are given in the order of publishing.
TEST_F(Threads, AnyOfThemPublishesResizesEndsLooksAndCloses) {
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> published{0}, dropped{0}, closed{0};
  const auto keep = [&](auto call) {
    threads.emplace_back([&, call]() mutable {
      for (Status status = SHMRING_OK; status != SHMRING_DISCONNECTED; std::this_thread::yield()) status = call();
      ++closed;
    });
  };
  for (unsigned t = 1; t <= 3; ++t)
    keep([&, t] {
      const std::vector<std::byte> bytes(200, static_cast<std::byte>(t));
      const std::span<const std::byte> part = bytes;
      shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
      info.offset = t;
      const auto status = publisher->write({&part, 1}, info).status();
      ++(status == SHMRING_OK ? published : dropped);
      return status;
    });
  keep([&] {
    auto loan = publisher->loan();
    if (!loan) return loan.status();
    std::fill_n(loan->bytes().begin(), 200, std::byte{9});
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.size = 200;
    info.offset = 9;
    const auto status = publisher->publish(*loan, info).status();
    if (status == SHMRING_OK) ++published;
    return status;
  });
  for (const char* const caps : {"x/one", "x/two, is=longer"})
    keep([&, caps] {
      shmring_format format = SHMRING_FORMAT_INIT;
      format.caps = caps;
      return publisher->set_format(format).status();
    });
  keep([&, size = std::uint64_t{256}]() mutable {
    publisher->set_latency(size);
    publisher->end();
    return publisher->resize(size = 512 - size + 256).status();
  });
  keep([&] {
    const auto stats = publisher->stats();
    publisher->take_notice();
    EXPECT_LE(stats.ring.published, stats.ring.offered);
    return publisher->readers() <= 1 && publisher->slot_size() != 0 ? SHMRING_OK : SHMRING_DISCONNECTED;
  });
  auto mine = reader("mine");
  std::uint64_t last = 0, taken = 0;
  while (taken < 500 && !HasFailure()) {
    auto frame = mine->read(kPatience);
    if (frame.status() == SHMRING_END) continue;
    ASSERT_TRUE(frame) << frame.error().text;
    ++taken;
    EXPECT_GT(frame->info().sequence, last);
    last = frame->info().sequence;
    ASSERT_EQ(frame->bytes().size(), 200u);
    const auto expected = static_cast<std::byte>(frame->info().offset);
    EXPECT_TRUE(std::all_of(frame->bytes().begin(), frame->bytes().end(), [&](auto b) { return b == expected; }));
    const std::string caps = frame->format().caps ? frame->format().caps : "";
    EXPECT_TRUE(caps.empty() || caps == "x/one" || caps == "x/two, is=longer") << caps;
  }
  const auto before = publisher->stats();
  EXPECT_LE(before.ring.published, published + 4);
  publisher->close();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(closed, threads.size());
  EXPECT_EQ(publisher->stats().ring.slots, 0u);
}

TEST_F(Threads, FramesAreReadAndReleasedByOthersThanTheReader) {
  keep_publishing();
  for (int round = 0; round < 8; ++round) {
    auto mine = reader("mine");
    std::mutex mutex;
    std::vector<Frame> handed;
    std::atomic<bool> done{false};
    std::vector<std::thread> users;
    for (int t = 0; t < 2; ++t)
      users.emplace_back([&] {
        for (;;) {
          const bool last = done;
          std::vector<Frame> taken;
          {
            const std::lock_guard lock(mutex);
            taken.swap(handed);
          }
          for (const Frame& frame : taken) EXPECT_EQ(frame.bytes()[255], std::byte{1});
          if (last && taken.empty()) return;
          std::this_thread::yield();
        }
      });
    for (int n = 0; n < 20; ++n) {
      auto frame = mine->read(kPatience);
      if (frame.status() == SHMRING_TOO_MANY_HELD) continue;
      ASSERT_TRUE(frame) << frame.error().text;
      const std::lock_guard lock(mutex);
      handed.push_back(*std::move(frame));
    }
    mine.reset();  // what is held outlives it
    done = true;
    for (auto& user : users) user.join();
  }
}

}  // namespace
}  // namespace shmring
