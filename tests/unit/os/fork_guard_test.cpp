// SPDX-License-Identifier: LGPL-2.1-or-later
// A handle knows whether it is still in the process that made it.
#include "os/fork_guard.hpp"

#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include <gtest/gtest.h>

#include "child_process.hpp"

namespace shmring {
namespace {

using support::ChildProcess;

TEST(ForkGuard, KnowsTheProcessThatMadeIt) {
  const ForkGuard guard;
  EXPECT_FALSE(guard.in_child());
  auto child = ChildProcess::fork([&] { return guard.in_child() ? 0 : 1; });
  EXPECT_EQ(child.wait()->code, 0);
  EXPECT_FALSE(guard.in_child());
}

TEST(ForkGuard, OfAChildIsAtHomeInTheChildAndNotInItsChild) {
  const ForkGuard parents;
  auto child = ChildProcess::fork([&] {
    const ForkGuard own;
    if (own.in_child() || !parents.in_child()) return 1;
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(own.in_child() && parents.in_child() ? 0 : 1);
    int status = 1;
    ::waitpid(pid, &status, 0);
    return status == 0 ? 0 : 2;
  });
  EXPECT_EQ(child.wait()->code, 0);
}

// A lock that another thread had at the fork would never be let go of in the child.
TEST(ForkGuard, IsMadeInAChildWhateverTheOtherThreadsOfItsParentAreAt) {
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) const ForkGuard guard;
  });
  for (int i = 0; i < 300; ++i) {
    auto child = ChildProcess::fork([] { return ForkGuard().in_child() ? 1 : 0; });
    const auto ended = child.wait();
    EXPECT_TRUE(ended && ended->code == 0) << i;
    if (!ended) break;
  }
  stop = true;
  busy.join();
}

// A fork that pthread_atfork never hears of.
TEST(ForkGuard, NoticesAChildMadeByABareSystemCall) {
  const ForkGuard guard;
  const auto pid = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (pid == 0) ::_exit(guard.in_child() ? 0 : 1);
  int status = 1;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace shmring
