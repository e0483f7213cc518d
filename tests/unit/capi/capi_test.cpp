// SPDX-License-Identifier: LGPL-2.1-or-later
// The C API as a program sees it: through the installed headers and the shared library only.
#include <cstddef>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <shmring/inspect.h>
#include <shmring/publisher.h>
#include <shmring/reader.h>
#include <shmring/shmring.h>

#include "payload.hpp"
#include "temp_dir.hpp"

namespace {

constexpr std::uint64_t kPatience = 20'000'000'000;

class CApi : public testing::Test {
 protected:
  void SetUp() override {
    shmring_publisher_options o = SHMRING_PUBLISHER_OPTIONS_INIT;
    o.socket_path = path.c_str();
    o.slot_size = 1000;
    ASSERT_EQ(shmring_publisher_open(&o, &publisher), SHMRING_OK) << shmring_last_error();
    shmring_reader_options r = SHMRING_READER_OPTIONS_INIT;
    r.socket_path = path.c_str();
    r.worker = "worker";
    ASSERT_EQ(shmring_reader_open(&r, &reader), SHMRING_OK) << shmring_last_error();
  }
  void TearDown() override {
    shmring_reader_close(reader);
    shmring_publisher_close(publisher);
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
  shmring_loan loan;
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
  EXPECT_EQ(shmring_publisher_loan(publisher, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_write(publisher, nullptr, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_set_format(nullptr, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_resize(nullptr, 1), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_end(nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_publisher_stats(nullptr, nullptr, nullptr, 0, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_reader_open(nullptr, &reader), SHMRING_INVALID);
  EXPECT_EQ(shmring_reader_read(reader, 0, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_reader_stats_get(nullptr, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_reader_fileno(nullptr), -1);
  EXPECT_FALSE(shmring_reader_connected(nullptr));
  EXPECT_EQ(shmring_observer_open(nullptr, 0, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_observer_stats(nullptr, 0, nullptr, nullptr, 0, nullptr), SHMRING_INVALID);
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

// Structures that were zeroed instead of initialised: every call that takes one names the macro, and nothing is published.
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
  shmring_loan loan;
  ASSERT_EQ(shmring_publisher_loan(publisher, &loan), SHMRING_OK);
  EXPECT_EQ(shmring_publisher_publish(publisher, &loan, &info), SHMRING_INVALID);
  EXPECT_TRUE(says("SHMRING_FRAME_INFO_INIT")) << shmring_last_error();
  shmring_ring_stats stats{};
  shmring_publisher_stats(publisher, &stats, nullptr, 0, nullptr);
  EXPECT_EQ(stats.loaned, 0u);
  EXPECT_EQ(stats.sequence, 0u);
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
  shmring_ring_stats stats;
  std::memset(static_cast<void*>(&stats), 0x5A, sizeof stats);
  stats.struct_size = offsetof(shmring_ring_stats, caps);
  ASSERT_EQ(shmring_publisher_stats(publisher, &stats, nullptr, 0, nullptr), SHMRING_OK);
  EXPECT_EQ(stats.published, 1u);
  EXPECT_EQ(stats.caps[0], 0x5A);
  shmring_frame_release(frame);
}

TEST_F(CApi, ALoanEndsOnceHoweverOftenItIsEnded) {
  shmring_loan loan, copy;
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
  shmring_ring_stats stats{};
  shmring_publisher_stats(publisher, &stats, nullptr, 0, nullptr);
  EXPECT_EQ(stats.loaned, 0u);
}

TEST_F(CApi, ALoanThatIsTooLargeEndsToo) {
  shmring_loan loan;
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = 1001;
  ASSERT_EQ(shmring_publisher_loan(publisher, &loan), SHMRING_OK);
  EXPECT_EQ(shmring_publisher_publish(publisher, &loan, &info), SHMRING_TOO_LARGE);
  shmring_ring_stats stats{};
  shmring_publisher_stats(publisher, &stats, nullptr, 0, nullptr);
  EXPECT_EQ(stats.loaned, 0u);
}

TEST_F(CApi, LoansStillOutEndWithThePublisher) {
  shmring_loan loan;
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

TEST_F(CApi, NamesEveryStatus) {
  for (int status = SHMRING_OK; status <= SHMRING_FORKED; ++status)
    EXPECT_STRNE(shmring_status_name(static_cast<shmring_status>(status)), "unknown") << status;
  EXPECT_STREQ(shmring_status_name(static_cast<shmring_status>(15)), "unknown");
}

TEST_F(CApi, SaysItsVersionAsTheHeadersDo) {
  EXPECT_STREQ(shmring_version(), SHMRING_VERSION_STRING);
  EXPECT_EQ(std::to_string(SHMRING_VERSION_MAJOR) + "." + std::to_string(SHMRING_VERSION_MINOR) + "." +
                std::to_string(SHMRING_VERSION_MICRO),
            shmring_version());
}

TEST_F(CApi, EndsAndDisconnects) {
  shmring_frame* frame;
  ASSERT_EQ(write(), SHMRING_OK);
  ASSERT_EQ(shmring_publisher_end(publisher), SHMRING_OK);
  ASSERT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_OK);
  shmring_frame_release(frame);
  EXPECT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_END);
  EXPECT_EQ(frame, nullptr);
}

TEST_F(CApi, ShowsARingToAnObserver) {
  shmring_observer* observer;
  ASSERT_EQ(shmring_observer_open(path.c_str(), kPatience, &observer), SHMRING_OK) << shmring_last_error();
  ASSERT_EQ(write(), SHMRING_OK);
  shmring_ring_stats stats{};
  shmring_reader_account lanes[4];
  std::size_t count = 99;
  ASSERT_EQ(shmring_observer_stats(observer, kPatience, &stats, lanes, 4, &count), SHMRING_OK);
  EXPECT_EQ(stats.published, 1u);
  EXPECT_LE(count, 1u);  // the reader may not have been let in yet
  shmring_observer_close(observer);
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
