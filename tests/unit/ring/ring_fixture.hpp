// SPDX-License-Identifier: LGPL-2.1-or-later
// A publisher and readers in one process, on a socket in a folder of their own.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "payload.hpp"
#include "publisher/publisher.hpp"
#include "reader/reader.hpp"
#include "temp_dir.hpp"
#include "watchdog.hpp"

namespace shmring {

constexpr std::uint64_t kFrameSize = 1000;
constexpr std::uint64_t kPatience = 20'000'000'000;  // ns; the watchdog ends what takes longer

class RingFixture : public testing::Test {
 protected:
  PublisherOptions publisher_options() const {
    PublisherOptions o;
    o.socket_path = path;
    o.slot_size = kFrameSize;
    o.max_readers = 8;
    return o;
  }
  ReaderOptions reader_options(const std::string& name) const {
    ReaderOptions o;
    o.socket_path = path;
    o.worker = name;
    return o;
  }

  static std::unique_ptr<Publisher> open(const PublisherOptions& options) {
    auto opened = Publisher::open(options);
    EXPECT_TRUE(opened) << opened.error().text;
    return opened ? *std::move(opened) : nullptr;
  }
  static std::unique_ptr<Reader> open(const ReaderOptions& options) {
    auto opened = Reader::open(options);
    EXPECT_TRUE(opened) << opened.error().text;
    return opened ? *std::move(opened) : nullptr;
  }
  void open_publisher() { publisher = open(publisher_options()); }

  // A reader that the publisher counts as attached.
  std::unique_ptr<Reader> attach(const ReaderOptions& options) {
    auto reader = open(options);
    EXPECT_TRUE(support::eventually([&] {
      const auto looked = reader->read(0);
      EXPECT_TRUE(looked || looked.status() == SHMRING_TIMEOUT) << looked.error().text;
      return reader->connected() && active(options.worker);
    }));
    return reader;
  }
  std::unique_ptr<Reader> attach(const std::string& name = "worker") { return attach(reader_options(name)); }

  // Publishes a frame whose bytes say the number it will have.
  Status publish(std::uint64_t size = kFrameSize) {
    std::vector<std::byte> bytes(size);
    support::fill_payload(bytes, publisher->stats().ring.offered + 1);
    return write(bytes);
  }
  Status write(std::span<const std::byte> bytes) {
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    return publisher->write({&bytes, 1}, info).status();
  }

  // The number of the next frame, whole; 0 when there is none at once.
  static std::uint64_t next(Reader& reader) {
    auto frame = reader.read(0);
    if (!frame) {
      EXPECT_EQ(frame.status(), SHMRING_TIMEOUT) << frame.error().text;
      return 0;
    }
    return checked(*frame);
  }
  static std::uint64_t checked(const Frame& frame) {
    EXPECT_FALSE(support::payload_fault(frame.bytes(), frame.info().sequence));
    return frame.info().sequence;
  }

  bool active(const std::string& name) const {
    for (const auto& lane : publisher->stats().accounts)
      if (lane.state == SHMRING_READER_ACTIVE && (name.empty() || lane.worker == name)) return true;
    return false;
  }
  shmring_reader_account lane(const std::string& name) const {
    for (const auto& lane : publisher->stats().accounts)
      if (lane.worker == name) return lane;
    ADD_FAILURE() << "no lane " << name;
    return {};
  }
  // free + owned + loaned = slots, and each lane's offered = delivered + dropped + pending.
  void expect_balance() const {
    const auto stats = publisher->stats();
    EXPECT_EQ(stats.ring.free_slots + stats.ring.owned + stats.ring.loaned, stats.ring.slots);
    for (const auto& l : stats.accounts) EXPECT_EQ(l.offered, l.delivered + l.dropped + l.pending) << l.worker;
  }
  // Waits until the publisher has all slots back but the newest frame's.
  bool all_slots_back() const {
    return support::eventually([&] {
      const auto s = publisher->stats().ring;
      return s.free_slots >= s.slots - 1 && s.loaned == 0;
    });
  }

  const support::TempDir dir;
  const std::string path = dir.file("ring");
  std::unique_ptr<Publisher> publisher;
};

}  // namespace shmring
