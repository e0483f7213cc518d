// SPDX-License-Identifier: LGPL-2.1-or-later
// A frame's whole way makes no system call while no reader sleeps: done under a filter that ends the process at the first one.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <functional>

#include <gtest/gtest.h>

#include "child_process.hpp"
#include "publisher/publisher.hpp"
#include "reader/reader.hpp"
#include "temp_dir.hpp"
#include "watchdog.hpp"

namespace shmring {
namespace {

// From here on this thread may only end the process. (Where the kernel has no clock in user space, asking for the time is one, too.)
bool forbid_system_calls() {
  std::array<sock_filter, 5> code = {{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                                      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
                                      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 1, 0),
                                      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
                                      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
  const sock_fprog program = {static_cast<unsigned short>(code.size()), code.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

bool publish(Publisher& publisher) {
  auto loan = publisher.loan();
  if (!loan) return false;
  loan->bytes()[0] = std::byte{7};
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = 1000;
  return publisher.publish(*loan, info).status() == SHMRING_OK;
}

// A ring and its readers in a process of their own; `work` runs in there, and how it ended is the answer.
support::Ending in_a_child(const std::function<int(Publisher&, std::array<std::unique_ptr<Reader>, 3>&)>& work) {
  const support::TempDir dir;
  auto child = support::ChildProcess::fork([&] {
    PublisherOptions po;
    po.socket_path = dir.file("ring");
    po.slot_size = 1000;
    po.max_readers = 3;
    auto publisher = *Publisher::open(po);
    std::array<std::unique_ptr<Reader>, 3> readers;
    for (std::size_t i = 0; i < readers.size(); ++i) {
      ReaderOptions ro;
      ro.socket_path = po.socket_path;
      ro.worker = "reader-" + std::to_string(i);
      ro.drop_policy = static_cast<shmring_policy>(i);
      readers[i] = *Reader::open(ro);
      while (!readers[i]->connected() || publisher->readers() != i + 1) (void)readers[i]->read(1'000'000);
    }
    // The first frame of each lane rings, and so does the control thread's for several: over before the filter.
    if (!publish(*publisher)) return 2;
    for (auto& reader : readers)
      if (!reader->read(SHMRING_WAIT_FOREVER)) return 3;
    ::usleep(100'000);
    ::_exit(work(*publisher, readers));  // nothing is closed: that would be a system call
  });
  return child.wait().value_or(support::Ending{-1, -1});
}

TEST(SystemCalls, APublisherAndItsReadersMakeNoneWhileNoneSleeps) {
  if (support::kSanitized) GTEST_SKIP() << "a sanitizer makes some of its own";
  support::Watchdog::limit(std::chrono::seconds(60));
  const auto ending = in_a_child([](Publisher& publisher, auto& readers) {
    if (!forbid_system_calls()) return 4;
    for (int i = 0; i < 10'000; ++i) {
      if (!publish(publisher)) return 5;
      for (auto& reader : readers) {
        auto frame = reader->read(SHMRING_WAIT_FOREVER);
        if (!frame || frame->bytes()[0] != std::byte{7}) return 6;
      }
    }
    return 0;
  });
  EXPECT_EQ(ending.signal, 0) << "it made a system call";
  EXPECT_EQ(ending.code, 0);
}

TEST(SystemCalls, AReaderThatSleepsCostsThePublisherOne) {
  support::Watchdog::limit(std::chrono::seconds(60));
  const auto ending = in_a_child([](Publisher& publisher, auto& readers) {
    for (auto& reader : readers)
      if (reader->read(0)) return 7;  // finds nothing: its doorbell is armed
    if (!forbid_system_calls()) return 4;
    publish(publisher);
    return 0;
  });
  EXPECT_EQ(ending.signal, SIGSYS) << "the filter lets system calls pass";
}

}  // namespace
}  // namespace shmring
