// SPDX-License-Identifier: LGPL-2.1-or-later
// Forks without exec at any moment of the parent's threads: a child ends what its parent opened, quietly, and the parent notices nothing.
// And what the kernel refuses: a status with a sentence that names the call, never the end of the process.
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <shmring/inspect.h>
#include <shmring/publisher.h>
#include <shmring/reader.h>

#include "child_process.hpp"
#include "payload.hpp"
#include "refuse_calls.hpp"
#include "temp_dir.hpp"
#include "watchdog.hpp"

namespace {

using support::ChildProcess;

constexpr std::uint64_t kPatience = 20'000'000'000, kSize = 1000;
constexpr int kSkipped = 77;

class Handles : public testing::Test {
 protected:
  shmring_status open_publisher(std::uint32_t loans = 8) {
    shmring_publisher_options o = SHMRING_PUBLISHER_OPTIONS_INIT;
    o.socket_path = path.c_str();
    o.slot_size = kSize;
    o.loans = loans;
    o.max_readers = 2;
    return shmring_publisher_open(&o, &publisher);
  }
  shmring_status open_reader() {
    shmring_reader_options o = SHMRING_READER_OPTIONS_INIT;
    o.socket_path = path.c_str();
    o.worker = "worker";
    return shmring_reader_open(&o, &reader);
  }
  shmring_status write() {
    std::vector<std::byte> bytes(kSize);
    support::fill_payload(bytes, ++written);
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.size = kSize;
    return shmring_publisher_write(publisher, bytes.data(), &info);
  }
  bool whole(const shmring_frame* frame) const {
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    shmring_frame_info_get(frame, &info);
    const auto* data = static_cast<const std::byte*>(shmring_frame_data(frame));
    return support::payload_intact({data, info.size});
  }
  // Errors of a publisher and then a reader while the calls are refused with `error`; empty: they could be opened.
  struct Told {
    shmring_status publisher, reader;
    std::string publishers, readers;
  };
  Told refused(const std::vector<long>& calls, int error) {
    Told told{};
    auto child = ChildProcess::fork([&] {
      if (!support::refuse_calls(calls, error)) return kSkipped;
      const auto p = open_publisher();
      std::printf("%d %s\n", static_cast<int>(p), p == SHMRING_OK ? "" : shmring_last_error());
      const auto r = open_reader();
      std::printf("%d %s\n", static_cast<int>(r), r == SHMRING_OK ? "" : shmring_last_error());
      std::fflush(stdout);
      shmring_reader_close(reader);
      shmring_publisher_close(publisher);
      return 0;
    });
    const auto ending = child.wait();
    EXPECT_TRUE(ending && ending->signal == 0) << child.output();
    if (!ending || ending->code == kSkipped) return told;
    std::istringstream lines(child.output());
    int status = 0;
    lines >> status;
    std::getline(lines, told.publishers);
    told.publisher = static_cast<shmring_status>(status);
    lines >> status;
    std::getline(lines, told.readers);
    told.reader = static_cast<shmring_status>(status);
    return told;
  }

  const support::TempDir dir;
  const std::string path = dir.file("ring");
  shmring_publisher* publisher = nullptr;
  shmring_reader* reader = nullptr;
  std::uint64_t written = 0;
};

TEST_F(Handles, AreEndedInAChildWhateverItsParentsThreadsAreAt) {
  // A thread of the parent may be inside the allocator at the fork. The C library makes its own usable in the child.
  // AddressSanitizer of GCC 12 does not: the child was seen waiting for the lock of its quarantine. ThreadSanitizer follows
  // no child of a process with threads.
  if (support::kSanitized) GTEST_SKIP() << "a sanitizer's allocator stays locked in the child";
  ASSERT_EQ(open_publisher(), SHMRING_OK) << shmring_last_error();
  ASSERT_EQ(open_reader(), SHMRING_OK) << shmring_last_error();
  shmring_frame* held = nullptr;
  ASSERT_EQ(write(), SHMRING_OK);
  ASSERT_EQ(shmring_reader_read(reader, kPatience, &held), SHMRING_OK) << shmring_last_error();
  shmring_observer* observer = nullptr;
  ASSERT_EQ(shmring_observer_open(path.c_str(), kPatience, &observer), SHMRING_OK);
  shmring_loan mine = SHMRING_LOAN_INIT;
  ASSERT_EQ(shmring_publisher_loan(publisher, &mine), SHMRING_OK);

  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  busy.emplace_back([&] {
    for (int i = 0; !stop; ++i) {
      (void)write();
      if (i % 50 == 49) {
        EXPECT_EQ(shmring_publisher_resize(publisher, kSize + static_cast<unsigned>(i % 3) * 4096), SHMRING_OK);
      }
    }
  });
  busy.emplace_back([&] {
    for (shmring_loan loan = SHMRING_LOAN_INIT; !stop;)
      if (shmring_publisher_loan(publisher, &loan) == SHMRING_OK) shmring_publisher_discard(publisher, &loan);
  });
  busy.emplace_back([&] {
    for (shmring_ring_stats stats = SHMRING_RING_STATS_INIT; !stop;) {
      (void)shmring_publisher_stats(publisher, &stats, nullptr, 0, 0, nullptr);
    }
  });
  busy.emplace_back([&] {
    while (!stop) {
      shmring_frame* frame = nullptr;
      if (shmring_reader_read(reader, 1'000'000, &frame) != SHMRING_OK) continue;
      EXPECT_TRUE(whole(frame));
      shmring_frame_release(frame);
    }
  });
  busy.emplace_back([&] {
    for (shmring_reader_stats stats = SHMRING_READER_STATS_INIT; !stop;) {
      (void)shmring_reader_stats_get(reader, &stats);
    }
  });

  for (int round = 0; round < 60; ++round) {
    auto child = ChildProcess::fork([&] {
      if (!whole(held)) return 1;
      shmring_ring_stats ring = SHMRING_RING_STATS_INIT;
      shmring_loan loan = mine;
      shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
      if (shmring_publisher_stats(publisher, &ring, nullptr, 0, 0, nullptr) != SHMRING_FORKED) return 2;
      if (shmring_publisher_publish(publisher, &loan, &info) != SHMRING_FORKED) return 3;
      if (shmring_publisher_resize(publisher, 5000) != SHMRING_FORKED) return 4;
      if (shmring_publisher_end(publisher) != SHMRING_FORKED) return 5;
      shmring_format format = SHMRING_FORMAT_INIT;
      if (shmring_publisher_set_format(publisher, &format) != SHMRING_FORKED) return 6;
      shmring_publisher_set_latency(publisher, 1);
      shmring_reader_interrupt(reader, true);
      shmring_reader_flush(reader);
      (void)shmring_reader_connected(reader);
      (void)shmring_reader_latency(reader);
      shmring_reader_stats stats = SHMRING_READER_STATS_INIT;
      (void)shmring_reader_stats_get(reader, &stats);
      const auto end_reader = [&] {
        shmring_frame_release(held);
        shmring_reader_close(reader);
      };
      const auto end_publisher = [&] {
        if (round % 2 == 0) shmring_publisher_discard(publisher, &mine);
        shmring_publisher_close(publisher);
      };
      round % 3 == 0 ? end_reader() : end_publisher();
      shmring_observer_close(observer);
      round % 3 == 0 ? end_publisher() : end_reader();
      return 0;
    });
    const auto ended = child.wait();
    EXPECT_TRUE(ended && ended->success()) << "round " << round << ": " << (ended ? ended->code : -1) << ", signal "
                                           << (ended ? ended->signal : 0) << child.output();
    if (!ended || !ended->success()) break;
  }
  stop = true;
  for (auto& thread : busy) thread.join();

  EXPECT_TRUE(whole(held));
  EXPECT_TRUE(std::string(path) == dir.file("ring") && dir.names().size() == 1);
  EXPECT_TRUE(support::eventually([&] {
    shmring_frame* frame = nullptr;
    if (shmring_reader_read(reader, 0, &frame) == SHMRING_OK) shmring_frame_release(frame);
    shmring_ring_stats stats = SHMRING_RING_STATS_INIT;
    EXPECT_EQ(shmring_observer_stats(observer, kPatience, &stats, nullptr, 0, 0, nullptr), SHMRING_OK);
    return stats.readers == 1;
  }));
  shmring_observer_close(observer);
  shmring_publisher_discard(publisher, &mine);
  shmring_frame_release(held);
  shmring_reader_close(reader);
  shmring_publisher_close(publisher);
}

// Before Linux 4.14, in gVisor, or where a filter forbids it. In a program of its own, which has asked the kernel for nothing yet.
TEST_F(Handles, KnowAForkWhereTheKernelWipesNoPage) {
  if (!std::getenv("NO_PAGE_IS_WIPED")) {
    auto program = ChildProcess::spawn({"/proc/self/exe", "--gtest_filter=Handles.KnowAForkWhereTheKernelWipesNoPage"},
                                       {{{"NO_PAGE_IS_WIPED", "1"}}, ""});
    const auto ended = program.wait();
    EXPECT_TRUE(ended && ended->success()) << program.output();
    return;
  }
  if (!support::refuse_calls({SYS_madvise}, EPERM)) GTEST_SKIP() << "filters are not permitted here";
  ASSERT_EQ(open_publisher(), SHMRING_OK) << shmring_last_error();
  ASSERT_EQ(open_reader(), SHMRING_OK) << shmring_last_error();
  shmring_frame* frame = nullptr;
  ASSERT_EQ(write(), SHMRING_OK);
  ASSERT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_OK) << shmring_last_error();
  EXPECT_TRUE(whole(frame));
  auto child = ChildProcess::fork([&] {
    if (write() != SHMRING_FORKED) return 1;
    shmring_frame_release(frame);
    shmring_reader_close(reader);
    shmring_publisher_close(publisher);
    return 0;
  });
  EXPECT_TRUE(child.wait()->success()) << child.output();
  EXPECT_TRUE(whole(frame));
  EXPECT_EQ(write(), SHMRING_OK);
  shmring_frame_release(frame);
  shmring_reader_close(reader);
  shmring_publisher_close(publisher);
}

TEST_F(Handles, AreRefusedWithTheCallThatFailed) {
  for (const auto& [calls, name] : {std::pair<std::vector<long>, const char*>{{SYS_eventfd2}, "eventfd: "},
                                    {{SYS_epoll_create1}, "epoll_create1: "},
                                    {{SYS_epoll_ctl}, "epoll_ctl: "}}) {
    const Told told = refused(calls, EMFILE);
    if (told.publishers.empty()) GTEST_SKIP() << "filters are not permitted here";
    EXPECT_EQ(told.publisher, SHMRING_SYSTEM);
    EXPECT_NE(told.publishers.find(name), std::string::npos) << told.publishers;
    EXPECT_EQ(told.reader, SHMRING_SYSTEM);
    EXPECT_NE(told.readers.find(name), std::string::npos) << told.readers;
    EXPECT_TRUE(dir.names().empty()) << name;
  }
  for (const auto& [call, name] : {std::pair<long, const char*>{SYS_memfd_create, "memfd_create: "},
                                   {SYS_ftruncate, "ftruncate: "},
                                   {SYS_fallocate, "fallocate: "},
                                   {SYS_socket, "socket: "},
                                   {SYS_fchmod, "fchmod: "},
                                   {SYS_listen, "listen on "},
                                   {SYS_bind, "creating the socket "}}) {
    const Told told = refused({call}, EPERM);
    EXPECT_EQ(told.publisher, SHMRING_SYSTEM) << name;
    EXPECT_NE(told.publishers.find(name), std::string::npos) << told.publishers;
    EXPECT_TRUE(dir.names().empty()) << name;
  }
}

TEST_F(Handles, AreRefusedWhereNoThreadIsToBeHad) {
  const Told told = refused({SYS_clone, SYS_clone3}, EAGAIN);
  if (told.publishers.empty()) GTEST_SKIP() << "filters are not permitted here";
  EXPECT_EQ(told.publisher, SHMRING_SYSTEM);
  EXPECT_NE(told.publishers.find("starting a thread: "), std::string::npos) << told.publishers;
  EXPECT_EQ(told.reader, SHMRING_OK) << told.readers;  // needs none
  EXPECT_TRUE(dir.names().empty());
}

}  // namespace
