// SPDX-License-Identifier: LGPL-2.1-or-later
// The C API as a program sees it: through the installed headers and the shared library only.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <shmring/inspect.h>
#include <shmring/publisher.h>
#include <shmring/reader.h>
#include <shmring/shmring.h>

#include "payload.hpp"
#include "temp_dir.hpp"
#include "watchdog.hpp"

namespace {

constexpr std::uint64_t kPatience = 20'000'000'000;

class CApi : public testing::Test {
 protected:
  void SetUp() override {
    shmring_publisher_options o = SHMRING_PUBLISHER_OPTIONS_INIT;
    o.socket_path = path.c_str();
    o.slot_size = 1000;
    ASSERT_EQ(shmring_publisher_open(&o, &publisher), SHMRING_OK) << shmring_last_error();
    reader = open_reader("worker");
  }
  void TearDown() override {
    shmring_reader_close(reader);
    shmring_publisher_close(publisher);
  }
  shmring_reader* open_reader(const char* worker) {
    shmring_reader_options r = SHMRING_READER_OPTIONS_INIT;
    r.socket_path = path.c_str();
    r.worker = worker;
    shmring_reader* opened = nullptr;
    EXPECT_EQ(shmring_reader_open(&r, &opened), SHMRING_OK) << shmring_last_error();
    return opened;
  }
  shmring_status write(std::uint64_t size = 1000) {
    std::vector<std::byte> bytes(size);
    support::fill_payload(bytes, 1);
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.size = size;
    return shmring_publisher_write(publisher, bytes.data(), &info);
  }

  const support::TempDir dir;
  const std::string path = dir.file("ring");
  shmring_publisher* publisher = nullptr;
  shmring_reader* reader = nullptr;
};

TEST_F(CApi, BringsAFrameAcrossWithAllThatIsSaidOfIt) {
  shmring_format format = SHMRING_FORMAT_INIT;
  char caps[256];
  const std::uint64_t size = shmring_format_video(&format, SHMRING_RGB, 10, 8, caps, sizeof caps);
  ASSERT_EQ(size, 32u * 8);
  ASSERT_EQ(shmring_publisher_set_format(publisher, &format), SHMRING_OK);
  shmring_loan loan = SHMRING_LOAN_INIT;
  ASSERT_EQ(shmring_publisher_loan(publisher, &loan), SHMRING_OK);
  ASSERT_EQ(loan.capacity, 1000u);
  support::fill_payload({static_cast<std::byte*>(loan.data), size}, 5);
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = size;
  info.pts = 40;
  info.flags = SHMRING_FRAME_DISCONT;
  ASSERT_EQ(shmring_publisher_publish(publisher, &loan, &info), SHMRING_OK);
  EXPECT_EQ(info.sequence, 1u);

  shmring_frame* frame;
  ASSERT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_OK) << shmring_last_error();
  shmring_frame_info got = SHMRING_FRAME_INFO_INIT;
  shmring_frame_info_get(frame, &got);
  EXPECT_EQ(got.size, size);
  EXPECT_EQ(got.pts, 40u);
  EXPECT_EQ(got.dts, SHMRING_TIME_NONE);
  EXPECT_EQ(got.flags, SHMRING_FRAME_DISCONT);
  EXPECT_EQ(got.planes[0].stride, 32);
  EXPECT_FALSE(support::payload_fault({static_cast<const std::byte*>(shmring_frame_data(frame)), size}, 5));
  shmring_format said = SHMRING_FORMAT_INIT;
  shmring_frame_format(frame, &said);
  EXPECT_STREQ(said.caps, caps);
  EXPECT_EQ(said.width, 10u);
  shmring_frame_release(frame);
}

TEST_F(CApi, RefusesNullEverywhereAndSaysSo) {
  EXPECT_EQ(shmring_publisher_open(nullptr, &publisher), SHMRING_INVALID);
  shmring_publisher_options o = SHMRING_PUBLISHER_OPTIONS_INIT;
  shmring_publisher* other;
  EXPECT_EQ(shmring_publisher_open(&o, &other), SHMRING_INVALID);
  EXPECT_NE(std::strlen(shmring_last_error()), 0u);
  EXPECT_EQ(shmring_publisher_open(&o, nullptr), SHMRING_INVALID);
  shmring_loan loan = SHMRING_LOAN_INIT;
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  shmring_format format = SHMRING_FORMAT_INIT;
  EXPECT_EQ(shmring_publisher_loan(publisher, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_loan(nullptr, &loan), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_publish(nullptr, &loan, &info), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_publish(publisher, nullptr, &info), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_publish(publisher, &loan, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_write(publisher, nullptr, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_write(nullptr, "x", &info), SHMRING_INVALID);
  info.size = 1;
  EXPECT_EQ(shmring_publisher_write(publisher, nullptr, &info), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_set_format(publisher, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_set_format(nullptr, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_resize(nullptr, 1), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_end(nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_stats(nullptr, nullptr, nullptr, 0, 0, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_stats(publisher, nullptr, nullptr, 0, 0, nullptr), SHMRING_INVALID);
  char caps[256];
  EXPECT_EQ(shmring_format_video(nullptr, SHMRING_RGB, 8, 8, caps, sizeof caps), 0u);
  EXPECT_EQ(shmring_format_video(&format, SHMRING_RGB, 8, 8, nullptr, 256), 0u);
  EXPECT_NE(std::string(shmring_last_error()).find("NULL"), std::string::npos) << shmring_last_error();
  EXPECT_EQ(shmring_reader_open(nullptr, &reader), SHMRING_INVALID);
  EXPECT_EQ(shmring_reader_read(reader, 0, nullptr), SHMRING_INVALID);
  shmring_frame* frame;
  shmring_reader_stats own = SHMRING_READER_STATS_INIT;
  shmring_reader_options r = SHMRING_READER_OPTIONS_INIT;
  EXPECT_EQ(shmring_reader_open(&r, &reader), SHMRING_INVALID);
  EXPECT_EQ(shmring_reader_open(&r, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_reader_read(nullptr, 0, &frame), SHMRING_INVALID);
  EXPECT_EQ(shmring_reader_latest(nullptr, 0, &frame), SHMRING_INVALID);
  EXPECT_EQ(shmring_reader_latest(reader, 0, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_reader_check_path(nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_reader_stats_get(nullptr, &own), SHMRING_INVALID);
  EXPECT_EQ(shmring_reader_stats_get(reader, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_reader_latency(nullptr), 0u);
  EXPECT_EQ(shmring_frame_data(nullptr), nullptr);
  EXPECT_EQ(shmring_frame_info_get(nullptr, &info), SHMRING_INVALID);
  EXPECT_EQ(shmring_frame_format(nullptr, &format), SHMRING_INVALID);
  ASSERT_EQ(write(), SHMRING_OK);
  ASSERT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_OK) << shmring_last_error();
  EXPECT_EQ(shmring_frame_info_get(frame, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_frame_format(frame, nullptr), SHMRING_INVALID);
  shmring_frame_release(frame);
  EXPECT_EQ(shmring_reader_fileno(nullptr), -1);
  EXPECT_FALSE(shmring_reader_connected(nullptr));
  EXPECT_EQ(shmring_observer_open(nullptr, 0, nullptr), SHMRING_INVALID);
  shmring_observer* observer;
  EXPECT_EQ(shmring_observer_open(path.c_str(), 0, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_observer_stats(nullptr, 0, nullptr, nullptr, 0, 0, nullptr), SHMRING_INVALID);
  ASSERT_EQ(shmring_observer_open(path.c_str(), kPatience, &observer), SHMRING_OK) << shmring_last_error();
  EXPECT_EQ(shmring_observer_stats(observer, kPatience, nullptr, nullptr, 0, 0, nullptr), SHMRING_INVALID);
  shmring_observer_close(observer);
  shmring_publisher_close(nullptr);
  shmring_publisher_discard(nullptr, nullptr);
  shmring_publisher_set_latency(nullptr, 1);
  shmring_reader_close(nullptr);
  shmring_reader_interrupt(nullptr, true);
  shmring_reader_flush(nullptr);
  shmring_frame_release(nullptr);
  shmring_observer_close(nullptr);
}

// Garbage where the size of the structure belongs must not become a path.
TEST_F(CApi, RefusesOptionsThatEndBeforeTheirPath) {
  shmring_publisher_options o = SHMRING_PUBLISHER_OPTIONS_INIT;
  o.socket_path = path.c_str();
  shmring_reader_options r = SHMRING_READER_OPTIONS_INIT;
  r.socket_path = path.c_str();
  shmring_publisher* other_publisher;
  shmring_reader* other_reader;
  o.struct_size = r.struct_size = sizeof(std::size_t);
  EXPECT_EQ(shmring_publisher_open(&o, &other_publisher), SHMRING_INVALID);
  EXPECT_EQ(shmring_reader_open(&r, &other_reader), SHMRING_INVALID);
}

// Structures that were zeroed instead of initialised: every call that takes one names the macro, nothing is published, and the loan stays.
TEST_F(CApi, NamesTheMacroWhereAStructureWasNotInitialised) {
  const auto says = [](const char* macro) {
    return std::string(shmring_last_error()).find(macro) != std::string::npos;
  };
  shmring_publisher_options o{};
  shmring_reader_options r{};
  shmring_format format{};
  shmring_frame_info info{};
  shmring_publisher* other_publisher;
  shmring_reader* other_reader;
  o.socket_path = r.socket_path = path.c_str();
  EXPECT_EQ(shmring_publisher_open(&o, &other_publisher), SHMRING_INVALID);
  EXPECT_TRUE(says("SHMRING_PUBLISHER_OPTIONS_INIT")) << shmring_last_error();
  EXPECT_EQ(shmring_reader_open(&r, &other_reader), SHMRING_INVALID);
  EXPECT_TRUE(says("SHMRING_READER_OPTIONS_INIT")) << shmring_last_error();
  EXPECT_EQ(shmring_publisher_set_format(publisher, &format), SHMRING_INVALID);
  EXPECT_TRUE(says("SHMRING_FORMAT_INIT")) << shmring_last_error();
  EXPECT_EQ(shmring_publisher_write(publisher, "x", &info), SHMRING_INVALID);
  EXPECT_TRUE(says("SHMRING_FRAME_INFO_INIT")) << shmring_last_error();
  shmring_loan zeroed{}, loan = SHMRING_LOAN_INIT;
  EXPECT_EQ(shmring_publisher_loan(publisher, &zeroed), SHMRING_INVALID);
  EXPECT_TRUE(says("SHMRING_LOAN_INIT")) << shmring_last_error();
  ASSERT_EQ(shmring_publisher_loan(publisher, &loan), SHMRING_OK);
  EXPECT_EQ(shmring_publisher_publish(publisher, &loan, &info), SHMRING_INVALID);
  EXPECT_TRUE(says("SHMRING_FRAME_INFO_INIT")) << shmring_last_error();

  shmring_ring_stats none{}, stats = SHMRING_RING_STATS_INIT;
  shmring_reader_stats own{};
  shmring_reader_account account;
  char caps[256];
  EXPECT_EQ(shmring_publisher_stats(publisher, &none, nullptr, 0, 0, nullptr), SHMRING_INVALID);
  EXPECT_TRUE(says("SHMRING_RING_STATS_INIT")) << shmring_last_error();
  EXPECT_EQ(shmring_reader_stats_get(reader, &own), SHMRING_INVALID);
  EXPECT_TRUE(says("SHMRING_READER_STATS_INIT")) << shmring_last_error();
  EXPECT_EQ(shmring_publisher_stats(publisher, &stats, &account, 0, 1, nullptr), SHMRING_INVALID);
  EXPECT_TRUE(says("sizeof(shmring_reader_account)")) << shmring_last_error();
  EXPECT_EQ(shmring_format_video(&format, SHMRING_RGB, 8, 8, caps, sizeof caps), 0u);
  EXPECT_TRUE(says("SHMRING_FORMAT_INIT")) << shmring_last_error();
  EXPECT_EQ(shmring_publisher_stats(publisher, &stats, nullptr, 0, 0, nullptr), SHMRING_OK);
  EXPECT_EQ(stats.loaned, 1u);
  EXPECT_EQ(stats.offered, 0u);
  shmring_frame_info whole = SHMRING_FRAME_INFO_INIT;
  EXPECT_EQ(shmring_publisher_publish(publisher, &loan, &whole), SHMRING_OK) << shmring_last_error();

  shmring_frame* frame;
  ASSERT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_OK) << shmring_last_error();
  EXPECT_EQ(shmring_frame_info_get(frame, &info), SHMRING_INVALID);
  EXPECT_TRUE(says("SHMRING_FRAME_INFO_INIT")) << shmring_last_error();
  EXPECT_EQ(shmring_frame_format(frame, &format), SHMRING_INVALID);
  EXPECT_TRUE(says("SHMRING_FORMAT_INIT")) << shmring_last_error();
  shmring_frame_release(frame);
}

TEST_F(CApi, NamesTheValuesThatAreAllowedWhereOneIsNot) {
  shmring_reader_options r = SHMRING_READER_OPTIONS_INIT;
  r.socket_path = path.c_str();
  r.drop_policy = static_cast<shmring_policy>(99);
  shmring_reader* other;
  EXPECT_EQ(shmring_reader_open(&r, &other), SHMRING_INVALID);
  EXPECT_NE(std::string(shmring_last_error()).find("SHMRING_LATEST"), std::string::npos) << shmring_last_error();
  r.drop_policy = SHMRING_LATEST;
  r.wake = static_cast<shmring_wake>(99);
  EXPECT_EQ(shmring_reader_open(&r, &other), SHMRING_INVALID);
  EXPECT_NE(std::string(shmring_last_error()).find("SHMRING_WAKE_ADAPTIVE"), std::string::npos) << shmring_last_error();
}

TEST_F(CApi, TellsAPathWhereNoPublisherCanBe) {
  const std::string folder = path.substr(0, path.rfind('/')), missing = folder + "/missing/ring.sock",
                    below = path + "/ring.sock";
  EXPECT_EQ(shmring_reader_check_path(path.c_str()), SHMRING_OK);
  EXPECT_EQ(shmring_reader_check_path((folder + "/not-yet.sock").c_str()), SHMRING_OK);
  for (const std::string& wrong : {folder, missing, below, std::string()}) {
    EXPECT_EQ(shmring_reader_check_path(wrong.c_str()), SHMRING_INVALID) << wrong;
    EXPECT_NE(std::string(shmring_last_error()).find(wrong), std::string::npos) << shmring_last_error();
    shmring_reader_options r = SHMRING_READER_OPTIONS_INIT;
    r.socket_path = wrong.c_str();
    r.reconnect = false;
    shmring_reader* other;
    EXPECT_EQ(shmring_reader_open(&r, &other), SHMRING_INVALID) << wrong;
  }
  EXPECT_EQ(shmring_reader_check_path(nullptr), SHMRING_INVALID);
}

TEST_F(CApi, ReadsOptionsOfAnOlderProgramAndFillsNoMoreThanItKnows) {
  shmring_reader_options r = SHMRING_READER_OPTIONS_INIT;
  r.struct_size = offsetof(shmring_reader_options, drop_policy);
  r.socket_path = path.c_str();
  r.worker = "older";
  r.drop_policy = static_cast<shmring_policy>(99);  // not part of what it knows
  shmring_reader* older;
  ASSERT_EQ(shmring_reader_open(&r, &older), SHMRING_OK) << shmring_last_error();
  shmring_reader_close(older);

  ASSERT_EQ(write(), SHMRING_OK);
  shmring_frame* frame;
  ASSERT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_OK);
  shmring_frame_info info;
  std::memset(static_cast<void*>(&info), 0x5A, sizeof info);
  info.struct_size = offsetof(shmring_frame_info, pts);
  shmring_frame_info_get(frame, &info);
  EXPECT_EQ(info.struct_size, offsetof(shmring_frame_info, pts));
  EXPECT_EQ(info.size, 1000u);
  EXPECT_EQ(info.pts, 0x5A5A5A5A5A5A5A5Au);
  shmring_ring_stats stats = SHMRING_RING_STATS_INIT;
  std::memset(static_cast<void*>(&stats), 0x5A, sizeof stats);
  stats.struct_size = offsetof(shmring_ring_stats, caps);
  ASSERT_EQ(shmring_publisher_stats(publisher, &stats, nullptr, 0, 0, nullptr), SHMRING_OK);
  EXPECT_EQ(stats.published, 1u);
  EXPECT_EQ(stats.caps[0], 0x5A);
  shmring_frame_release(frame);
}

// A structure of ours in the larger one of a newer program.
template <class T>
struct Grown {
  T known;
  unsigned char more[64];
};
constexpr unsigned char kCanary = 0x5A;

// Calls with a structure that ends after `end` bytes, and with one that is larger than ours.
template <class T, class Call>
void fills_what_it_knows(const char* what, std::size_t end, Call call) {
  SCOPED_TRACE(what);
  for (const std::size_t size : {end, sizeof(Grown<T>)}) {
    Grown<T> place;
    std::memset(static_cast<void*>(&place), kCanary, sizeof place);
    place.known.struct_size = size;
    ASSERT_EQ(call(&place.known), SHMRING_OK) << shmring_last_error();
    const std::size_t filled = std::min(size, sizeof(T));
    EXPECT_EQ(place.known.struct_size, filled);
    const auto* bytes = reinterpret_cast<const unsigned char*>(&place);
    EXPECT_EQ(std::count(bytes + filled, bytes + sizeof place, kCanary), static_cast<long>(sizeof place - filled));
  }
}

TEST_F(CApi, FillsStructuresOfOlderAndOfNewerPrograms) {
  shmring_frame* frame;
  ASSERT_EQ(write(), SHMRING_OK);
  ASSERT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_OK) << shmring_last_error();
  shmring_observer* observer;
  ASSERT_EQ(shmring_observer_open(path.c_str(), kPatience, &observer), SHMRING_OK) << shmring_last_error();
  fills_what_it_knows<shmring_ring_stats>("publisher's stats", offsetof(shmring_ring_stats, memory), [&](auto* to) {
    return shmring_publisher_stats(publisher, to, nullptr, 0, 0, nullptr);
  });
  fills_what_it_knows<shmring_ring_stats>("observer's stats", offsetof(shmring_ring_stats, memory), [&](auto* to) {
    return shmring_observer_stats(observer, kPatience, to, nullptr, 0, 0, nullptr);
  });
  fills_what_it_knows<shmring_reader_stats>("reader's stats", offsetof(shmring_reader_stats, missed),
                                            [&](auto* to) { return shmring_reader_stats_get(reader, to); });
  fills_what_it_knows<shmring_frame_info>("info", offsetof(shmring_frame_info, pts),
                                          [&](auto* to) { return shmring_frame_info_get(frame, to); });
  fills_what_it_knows<shmring_format>("format", offsetof(shmring_format, width),
                                      [&](auto* to) { return shmring_frame_format(frame, to); });
  fills_what_it_knows<shmring_format>("video", offsetof(shmring_format, width), [](auto* to) {
    char caps[256];
    return shmring_format_video(to, SHMRING_RGB, 8, 8, caps, sizeof caps) ? SHMRING_OK : SHMRING_INVALID;
  });
  fills_what_it_knows<shmring_loan>("loan", sizeof(shmring_loan), [&](auto* to) {
    const shmring_status status = shmring_publisher_loan(publisher, to);
    shmring_loan lent = *to;
    shmring_publisher_discard(publisher, &lent);
    return status;
  });
  shmring_observer_close(observer);
  shmring_frame_release(frame);
}

TEST_F(CApi, WritesBackNoMoreOfAFrameThanTheProgramKnows) {
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.struct_size = offsetof(shmring_frame_info, published_at);
  info.size = 3;
  info.published_at = 77;
  ASSERT_EQ(shmring_publisher_write(publisher, "abc", &info), SHMRING_OK) << shmring_last_error();
  EXPECT_EQ(info.sequence, 1u);
  EXPECT_EQ(info.published_at, 77u);
}

TEST_F(CApi, FillsAccountsOfOlderAndOfNewerPrograms) {
  ASSERT_EQ(write(), SHMRING_OK);
  shmring_frame* frame;
  ASSERT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_OK) << shmring_last_error();
  shmring_frame_release(frame);
  shmring_reader_close(reader);
  reader = open_reader("second");
  ASSERT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_OK) << shmring_last_error();
  shmring_frame_release(frame);

  shmring_observer* observer;
  ASSERT_EQ(shmring_observer_open(path.c_str(), kPatience, &observer), SHMRING_OK) << shmring_last_error();
  for (const bool from_outside : {false, true})
    for (const std::size_t size : {offsetof(shmring_reader_account, offered), sizeof(Grown<shmring_reader_account>)}) {
      SCOPED_TRACE(size);
      std::vector<unsigned char> place(3 * size, kCanary);
      auto* accounts = reinterpret_cast<shmring_reader_account*>(place.data());
      shmring_ring_stats ring = SHMRING_RING_STATS_INIT;
      std::size_t count = 0;
      ASSERT_EQ(from_outside ? shmring_observer_stats(observer, kPatience, &ring, accounts, size, 2, &count)
                             : shmring_publisher_stats(publisher, &ring, accounts, size, 2, &count),
                SHMRING_OK)
          << shmring_last_error();
      ASSERT_EQ(count, 2u);
      const auto worker = [&](std::size_t i) { return reinterpret_cast<const char*>(&place[i * size]); };
      EXPECT_STREQ(worker(0), "second");
      EXPECT_STREQ(worker(1), "worker");
      for (std::size_t at = sizeof(shmring_reader_account); at < size; ++at) EXPECT_EQ(place[at], 0) << at;
      EXPECT_EQ(std::count(place.begin() + 2 * size, place.end(), kCanary), static_cast<long>(size));
    }
  shmring_observer_close(observer);
}

TEST_F(CApi, DescribesThePlanesOfAFrameAsArrays) {
  shmring_format format = SHMRING_FORMAT_INIT;
  char caps[256];
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = shmring_format_video(&format, shmring_pixel_format_of("NV12"), 10, 8, caps, sizeof caps);
  shmring_array array = SHMRING_ARRAY_INIT;
  ASSERT_EQ(shmring_array_of(&format, &info, 1, &array), SHMRING_OK)
      << shmring_last_error();  // the format's planes apply
  EXPECT_EQ(array.offset, 12u * 8);
  EXPECT_EQ(array.kind, static_cast<std::uint32_t>('u'));
  EXPECT_EQ(array.item_size, 1u);
  ASSERT_EQ(array.dimensions, 3u);
  EXPECT_EQ(array.shape[0], 4);
  EXPECT_EQ(array.shape[1], 5);
  EXPECT_EQ(array.shape[2], 2);
  EXPECT_EQ(array.strides[0], 12);
  ASSERT_EQ(shmring_array_of(&format, &info, SHMRING_WHOLE, &array), SHMRING_OK) << shmring_last_error();
  EXPECT_EQ(array.shape[0], 12);
  EXPECT_EQ(array.shape[1], 10);
  EXPECT_EQ(shmring_array_of(&format, &info, 2, &array), SHMRING_INVALID);
  EXPECT_NE(std::string(shmring_last_error()).find("NV12 10x8 has 2 planes"), std::string::npos)
      << shmring_last_error();
  EXPECT_EQ(shmring_array_of(&format, &info, -2, &array), SHMRING_INVALID);
  EXPECT_EQ(shmring_array_of(nullptr, &info, 0, &array), SHMRING_INVALID);
  EXPECT_EQ(shmring_array_of(&format, nullptr, 0, &array), SHMRING_INVALID);
  EXPECT_EQ(shmring_array_of(&format, &info, 0, nullptr), SHMRING_INVALID);
  array.struct_size = 0;
  EXPECT_EQ(shmring_array_of(&format, &info, 0, &array), SHMRING_INVALID);
  EXPECT_NE(std::string(shmring_last_error()).find("SHMRING_ARRAY_INIT"), std::string::npos) << shmring_last_error();
  EXPECT_EQ(shmring_pixel_format_of(nullptr), SHMRING_BYTES);
  EXPECT_EQ(shmring_pixel_format_of("v210"), SHMRING_BYTES);
}

TEST_F(CApi, PublishesArraysOfNumbersAndRefusesOneThatIsTooShort) {
  shmring_format format = SHMRING_FORMAT_INIT;
  shmring_array array = SHMRING_ARRAY_INIT;
  char caps[256];
  array.kind = 'i';
  array.item_size = 2;
  array.dimensions = 2;
  array.shape[0] = 4;
  array.shape[1] = 8;
  ASSERT_EQ(shmring_format_array(&format, &array, caps, sizeof caps), 64u) << shmring_last_error();
  ASSERT_EQ(shmring_publisher_set_format(publisher, &format), SHMRING_OK) << shmring_last_error();
  const std::vector<std::int16_t> numbers(32, -5);
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = 62;
  EXPECT_EQ(shmring_publisher_write(publisher, numbers.data(), &info), SHMRING_INVALID);
  EXPECT_NE(std::string(shmring_last_error()).find("62 bytes"), std::string::npos) << shmring_last_error();
  info.size = 64;
  ASSERT_EQ(shmring_publisher_write(publisher, numbers.data(), &info), SHMRING_OK) << shmring_last_error();
  format.caps = "application/x-ndarray, dtype=(string)int17, shape=(int)< 4 >";
  EXPECT_EQ(shmring_publisher_set_format(publisher, &format), SHMRING_INVALID);
  EXPECT_EQ(shmring_format_array(nullptr, &array, caps, sizeof caps), 0u);
  EXPECT_EQ(shmring_format_array(&format, nullptr, caps, sizeof caps), 0u);
  EXPECT_EQ(shmring_format_array(&format, &array, nullptr, 256), 0u);
  EXPECT_EQ(shmring_format_array(&format, &array, caps, 255), 0u);
  array.dimensions = 9;
  EXPECT_EQ(shmring_format_array(&format, &array, caps, sizeof caps), 0u);
}

TEST_F(CApi, ALoanEndsOnceHoweverOftenItIsEnded) {
  shmring_loan loan = SHMRING_LOAN_INIT, copy;
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  ASSERT_EQ(shmring_publisher_loan(publisher, &loan), SHMRING_OK);
  copy = loan;
  ASSERT_EQ(shmring_publisher_publish(publisher, &loan, &info), SHMRING_OK);
  EXPECT_EQ(shmring_publisher_publish(publisher, &loan, &info), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_publish(publisher, &copy, &info), SHMRING_INVALID);
  shmring_publisher_discard(publisher, &copy);

  ASSERT_EQ(shmring_publisher_loan(publisher, &loan), SHMRING_OK);
  shmring_publisher_discard(publisher, &loan);
  shmring_publisher_discard(publisher, &loan);
  shmring_ring_stats stats = SHMRING_RING_STATS_INIT;
  shmring_publisher_stats(publisher, &stats, nullptr, 0, 0, nullptr);
  EXPECT_EQ(stats.loaned, 0u);
}

TEST_F(CApi, ALoanThatIsTooLargeEndsToo) {
  shmring_loan loan = SHMRING_LOAN_INIT;
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = 1001;
  ASSERT_EQ(shmring_publisher_loan(publisher, &loan), SHMRING_OK);
  EXPECT_EQ(shmring_publisher_publish(publisher, &loan, &info), SHMRING_TOO_LARGE);
  shmring_ring_stats stats = SHMRING_RING_STATS_INIT;
  shmring_publisher_stats(publisher, &stats, nullptr, 0, 0, nullptr);
  EXPECT_EQ(stats.loaned, 0u);
}

TEST_F(CApi, LoansStillOutEndWithThePublisher) {
  shmring_loan loan = SHMRING_LOAN_INIT;
  ASSERT_EQ(shmring_publisher_loan(publisher, &loan), SHMRING_OK);
  shmring_publisher_close(publisher);
  publisher = nullptr;
  EXPECT_TRUE(dir.names().empty());
}

TEST_F(CApi, KeepsEachThreadsSentence) {
  EXPECT_EQ(write(2000), SHMRING_TOO_LARGE);
  const std::string mine = shmring_last_error();
  EXPECT_NE(mine.find("2000 bytes"), std::string::npos);
  std::thread([&] { EXPECT_STREQ(shmring_last_error(), ""); }).join();
  EXPECT_EQ(shmring_last_error(), mine);
}

TEST_F(CApi, SaysItsVersionAsTheHeadersDo) {
  EXPECT_STREQ(shmring_version(), SHMRING_VERSION_STRING);
  EXPECT_EQ(std::to_string(SHMRING_VERSION_MAJOR) + "." + std::to_string(SHMRING_VERSION_MINOR) + "." +
                std::to_string(SHMRING_VERSION_MICRO),
            shmring_version());
}

TEST_F(CApi, EndsTheStream) {
  shmring_frame* frame;
  ASSERT_EQ(write(), SHMRING_OK);
  ASSERT_EQ(shmring_publisher_end(publisher), SHMRING_OK);
  ASSERT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_OK);
  shmring_frame_release(frame);
  EXPECT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_END);
  EXPECT_EQ(frame, nullptr);
}

TEST_F(CApi, DisconnectsAReaderThatDoesNotWaitForTheNextPublisher) {
  shmring_reader_options o = SHMRING_READER_OPTIONS_INIT;
  o.socket_path = path.c_str();
  o.worker = "once";
  o.reconnect = false;
  shmring_reader_close(std::exchange(reader, nullptr));  // the ring has room for one
  ASSERT_TRUE(support::eventually([&] { return shmring_reader_open(&o, &reader) == SHMRING_OK; }));
  shmring_frame* frame = nullptr;
  ASSERT_EQ(write(), SHMRING_OK);
  ASSERT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_OK) << shmring_last_error();
  shmring_frame_release(frame);
  shmring_publisher_close(std::exchange(publisher, nullptr));
  EXPECT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_DISCONNECTED);
  EXPECT_EQ(frame, nullptr);
}

TEST_F(CApi, ShowsARingToAnObserver) {
  shmring_frame* frame;
  ASSERT_EQ(write(), SHMRING_OK);
  ASSERT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_OK) << shmring_last_error();  // it is let in
  shmring_frame_release(frame);
  shmring_observer* observer;
  ASSERT_EQ(shmring_observer_open(path.c_str(), kPatience, &observer), SHMRING_OK) << shmring_last_error();
  shmring_ring_stats stats = SHMRING_RING_STATS_INIT;
  shmring_reader_account lanes[4];
  std::size_t count = 99;
  ASSERT_EQ(shmring_observer_stats(observer, kPatience, &stats, lanes, sizeof lanes[0], 4, &count), SHMRING_OK);
  EXPECT_EQ(stats.published, 1u);
  EXPECT_EQ(stats.readers, 1u);
  ASSERT_EQ(count, 1u);
  EXPECT_STREQ(lanes[0].worker, "worker");
  shmring_observer_close(observer);
}

TEST_F(CApi, LendsTheRingsMappingForAsLongAsItIsWanted) {
  shmring_memory memory = SHMRING_MEMORY_INIT;
  EXPECT_EQ(shmring_reader_memory(reader, &memory), SHMRING_DISCONNECTED) << "it has not read yet";
  shmring_frame* frame = nullptr;
  ASSERT_EQ(write(), SHMRING_OK);
  ASSERT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_OK);
  shmring_memory unset{};
  EXPECT_EQ(shmring_reader_memory(reader, &unset), SHMRING_INVALID);
  ASSERT_EQ(shmring_reader_memory(reader, &memory), SHMRING_OK);
  const auto* const begin = static_cast<const std::byte*>(memory.data);
  const auto* const data = static_cast<const std::byte*>(shmring_frame_data(frame));
  EXPECT_TRUE(begin <= data && data + 1000 <= begin + memory.size);
  const auto offset = static_cast<std::size_t>(data - begin);
  shmring_memory same = SHMRING_MEMORY_INIT;
  ASSERT_EQ(shmring_reader_memory(reader, &same), SHMRING_OK);
  EXPECT_EQ(same.data, memory.data);
  EXPECT_EQ(same.generation, memory.generation);
  shmring_memory_release(&same);
  shmring_memory_release(&same);
  // Another ring is another generation; the first one stays where it is until it is released, and counts as no frame held.
  shmring_frame_release(frame);
  ASSERT_EQ(shmring_publisher_resize(publisher, 2000), SHMRING_OK);
  ASSERT_EQ(write(2000), SHMRING_OK);
  ASSERT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_OK);
  shmring_memory next = SHMRING_MEMORY_INIT;
  ASSERT_EQ(shmring_reader_memory(reader, &next), SHMRING_OK);
  EXPECT_NE(next.generation, memory.generation);
  shmring_reader_stats stats = SHMRING_READER_STATS_INIT;
  ASSERT_EQ(shmring_reader_stats_get(reader, &stats), SHMRING_OK);
  EXPECT_EQ(stats.held, 1u);
  shmring_frame_release(frame);
  shmring_memory_release(&next);
  shmring_reader_close(std::exchange(reader, nullptr));
  shmring_publisher_close(std::exchange(publisher, nullptr));
  EXPECT_TRUE(support::payload_intact({begin + offset, 1000}));
  shmring_memory_release(&memory);
  EXPECT_EQ(memory.data, nullptr);
}

TEST_F(CApi, SaysWhyMemoryIsNotToBeHad) {
  const support::TempDir other;
  const std::string elsewhere = other.file("ring");
  shmring_publisher_options o = SHMRING_PUBLISHER_OPTIONS_INIT;
  o.socket_path = elsewhere.c_str();
  o.slot_size = 1ull << 32;
  o.slots = 200;
  shmring_publisher* huge;
  EXPECT_EQ(shmring_publisher_open(&o, &huge), SHMRING_NO_MEMORY);
  EXPECT_NE(std::string(shmring_last_error()).find("MiB"), std::string::npos);
  EXPECT_TRUE(other.names().empty());
}

}  // namespace
