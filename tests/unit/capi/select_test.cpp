// SPDX-License-Identifier: LGPL-2.1-or-later
// Several readers in one thread, and readers that keep to a rate, by the C++ header and so by the C API.
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <shmring/shmring.hpp>

#include "temp_dir.hpp"
#include "watchdog.hpp"

namespace {

using namespace std::chrono_literals;
using support::eventually;

class Select : public testing::Test {
 protected:
  // A camera, and a reader that is attached to it.
  void add(double max_rate = 0) {
    const std::string path = dir.file("ring-" + std::to_string(publishers.size()));
    publishers.push_back(
        std::make_unique<shmring::Publisher>(shmring::PublisherOptions{.socket_path = path, .slot_size = 1}));
    shmring::ReaderOptions options;
    options.socket_path = path;
    options.drop_policy = SHMRING_LATEST;
    options.max_rate = max_rate;
    readers.push_back(std::make_unique<shmring::Reader>(options));
    EXPECT_TRUE(eventually([&] { return !readers.back()->read(1ms) && readers.back()->connected(); }));
    all.push_back(readers.back().get());
  }
  void publish(std::size_t camera, char what = 'x') {
    auto info = shmring::frame_info(1);
    EXPECT_TRUE(publishers[camera]->write(&what, info));
  }
  std::size_t number_of(const shmring::Selected& selected) const {
    return static_cast<std::size_t>(std::find(all.begin(), all.end(), selected.reader) - all.begin());
  }
  std::vector<std::size_t> cameras(const std::vector<shmring::Selected>& selected) const {
    std::vector<std::size_t> numbers;
    for (const auto& each : selected) numbers.push_back(number_of(each));
    return numbers;
  }
  static bool readable(int fd) {
    pollfd p{fd, POLLIN, 0};
    return ::poll(&p, 1, 0) == 1;
  }
  using Numbers = std::vector<std::size_t>;

  const support::TempDir dir;
  std::vector<std::unique_ptr<shmring::Publisher>> publishers;
  std::vector<std::unique_ptr<shmring::Reader>> readers;
  std::vector<shmring::Reader*> all;
};

TEST_F(Select, GivesEachFrameWithItsReader) {
  for (int i = 0; i < 3; ++i) add();
  EXPECT_TRUE(shmring::select(all, 0ns).empty());
  publish(0, 'a');
  publish(2, 'c');
  const auto found = shmring::select(all);
  ASSERT_EQ(cameras(found), (Numbers{0, 2}));
  EXPECT_EQ(*found[1].frame->data(), std::byte{'c'});
}

TEST_F(Select, WaitsForAFrameAndTellsOfAnEnd) {
  for (int i = 0; i < 2; ++i) add();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(shmring::select(all, 20ms).empty());
  EXPECT_GE(std::chrono::steady_clock::now() - start, 20ms);
  std::thread later([this] {
    std::this_thread::sleep_for(30ms);
    publish(1);
  });
  EXPECT_EQ(cameras(shmring::select(all)), (Numbers{1}));
  later.join();
  publishers[0]->end();
  const auto found = shmring::select(all);
  ASSERT_EQ(cameras(found), (Numbers{0}));
  EXPECT_EQ(found[0].status, SHMRING_END);
  EXPECT_FALSE(found[0].frame);
}

TEST_F(Select, IsEndedByAnInterruptedReader) {
  add();
  all[0]->interrupt();
  EXPECT_EQ(shmring::select(all).at(0).status, SHMRING_INTERRUPTED);
  EXPECT_THROW(shmring::Batch(all).next(), shmring::Error);
}

TEST_F(Select, RefusesWrongReaders) {
  add();
  EXPECT_THROW(shmring::select({}), shmring::Error);
  EXPECT_THROW(shmring::select({all[0], all[0]}), shmring::Error);
  EXPECT_THROW(shmring::Batch({}).next(), shmring::Error);
}

TEST_F(Select, ABatchHasTheNewestFramesOfThoseThatHaveSome) {
  for (int i = 0; i < 3; ++i) add();
  shmring::Batch batches(all, 0, 20ms);
  EXPECT_TRUE(batches.next(0ns).empty());
  publish(1, 'a');
  publish(1, 'b');
  publish(2, 'c');
  const auto found = batches.next();
  ASSERT_EQ(cameras(found), (Numbers{1, 2})) << "the one that is silent holds nothing up";
  EXPECT_EQ(*found[0].frame->data(), std::byte{'b'});
}

TEST_F(Select, InSmallBatchesAllGetTheirTurn) {
  for (int i = 0; i < 5; ++i) add();
  shmring::Batch batches(all, 2);
  std::vector<int> turns(all.size());
  for (int round = 0; round < 10; ++round) {
    for (std::size_t i = 0; i < all.size(); ++i) publish(i);
    const auto found = batches.next();
    EXPECT_EQ(found.size(), 2u);
    for (const auto& each : found) ++turns[number_of(each)];
  }
  EXPECT_EQ(turns, std::vector<int>(all.size(), 4));
}

TEST_F(Select, AStreamThatHasEndedIsNotWaitedFor) {
  for (int i = 0; i < 2; ++i) add();
  shmring::Batch batches(all, 0, 3600s);
  publish(0);
  publishers[1]->end();
  EXPECT_EQ(cameras(batches.next()), (Numbers{0}));
  publish(0);
  EXPECT_EQ(cameras(batches.next()), (Numbers{0})) << "it is still over";
  publish(0);
  publish(1);
  EXPECT_TRUE(eventually([&] {
    publish(0);
    return batches.next().size() == 2;
  })) << "its next stream";
  publishers[0]->end();
  publishers[1]->end();
  EXPECT_TRUE(eventually([&] { return batches.next().empty(); }));
  EXPECT_TRUE(batches.ended());
}

TEST_F(Select, AReaderKeepsToItsRate) {
  add(50);
  const auto start = std::chrono::steady_clock::now();
  for (char i = 0; i < 6; ++i) {
    for (char n = 0; n < 3; ++n) publish(0, n);
    const auto frame = i % 2 ? readers[0]->read() : readers[0]->latest();
    ASSERT_TRUE(frame);
    EXPECT_EQ(*frame->data(), std::byte{2}) << "the newest one";
  }
  EXPECT_GE(std::chrono::steady_clock::now() - start, 5 * 20ms);
}

TEST_F(Select, BetweenFramesOfItsRateNothingWakesAReader) {
  add(0.001);
  publish(0);
  ASSERT_TRUE(readers[0]->read());
  const auto wakeups = publishers[0]->stats().accounts.at(0).wakeups;
  for (int i = 0; i < 20; ++i) {
    publish(0);
    EXPECT_FALSE(readers[0]->read(1ms));
    EXPECT_FALSE(readable(readers[0]->fileno()));
  }
  EXPECT_EQ(publishers[0]->stats().accounts.at(0).wakeups, wakeups);
  publishers[0]->end();
  publishers.clear();
  EXPECT_FALSE(readers[0]->read(50ms));
  EXPECT_FALSE(readable(readers[0]->fileno())) << "also the end is read when its turn comes";
  readers[0]->interrupt();
  EXPECT_TRUE(readable(readers[0]->fileno()));
  EXPECT_THROW(readers[0]->read(), shmring::Error);
}

TEST_F(Select, ADescriptorKeepsToTheRate) {
  add(20);
  const auto start = std::chrono::steady_clock::now();
  for (int frames = 0; frames < 4;) {
    publish(0);
    pollfd p{readers[0]->fileno(), POLLIN, 0};
    ::poll(&p, 1, 10);
    if ((p.revents & POLLIN) == 0) continue;
    frames += readers[0]->read(0ns).has_value();
  }
  EXPECT_GE(std::chrono::steady_clock::now() - start, 3 * 50ms);
  // Due, and there is no frame: it sleeps until one comes.
  std::this_thread::sleep_for(100ms);
  EXPECT_TRUE(eventually([&] { return !readers[0]->read(0ns) && !readable(readers[0]->fileno()); }));
  publish(0);
  EXPECT_TRUE(eventually([&] { return readable(readers[0]->fileno()); }));
  EXPECT_TRUE(readers[0]->read(0ns));
}

TEST_F(Select, BatchesKeepToTheRatesOfTheirReaders) {
  for (int i = 0; i < 2; ++i) add(20);
  shmring::Batch batches(all, 0, 3600s);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 4; ++i) {
    publish(0);
    publish(1);
    EXPECT_EQ(batches.next().size(), 2u);
  }
  EXPECT_GE(std::chrono::steady_clock::now() - start, 3 * 50ms);
}

TEST_F(Select, ARateThatIsNoneIsRefused) {
  for (const double rate : {-1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    shmring::ReaderOptions options;
    options.socket_path = dir.file("ring");
    options.max_rate = rate;
    EXPECT_THROW(shmring::Reader{options}, shmring::Error) << rate;
  }
}

}  // namespace
