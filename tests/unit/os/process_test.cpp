// SPDX-License-Identifier: LGPL-2.1-or-later
// End of a process, told by its handle.
#include "os/process.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "os/socket.hpp"

namespace shmring {
namespace {

// A child that ends as `end` says, and is not waited for until reap().
struct Child {
  template <class End>
  explicit Child(End end) : pid(::fork()) {
    if (pid == 0) {
      end();
      ::_exit(0);
    }
    pidfd = open_pidfd(static_cast<std::uint32_t>(pid));
    id = {static_cast<std::uint32_t>(pid), ::getuid()};
  }
  ~Child() { reap(); }
  void wait_for_end() const {
    siginfo_t info;
    ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
  }
  void reap() {
    if (pid > 0) ::waitpid(pid, nullptr, 0);
    pid = -1;
  }
  pid_t pid;
  Fd pidfd;
  ProcessId id;
};

TEST(Process, ThatLivesHasNoExitStatus) {
  Child child([] { ::pause(); });
  EXPECT_FALSE(exit_status(child.pidfd, child.id));
  ::kill(child.pid, SIGKILL);
}

TEST(Process, ThatWasNotWaitedForTellsHowItEnded) {
  const Child killed([] { ::raise(SIGKILL); }), ended([] { ::_exit(3); });
  killed.wait_for_end();
  ended.wait_for_end();
  EXPECT_EQ(exit_status(killed.pidfd, killed.id), SIGKILL);
  EXPECT_EQ(exit_status(ended.pidfd, ended.id), 3 << 8);
}

TEST(Process, ThatWasWaitedForTellsHowItEndedOrNothing) {
  Child killed([] { ::raise(SIGKILL); });
  killed.reap();
  EXPECT_EQ(exit_status(killed.pidfd, killed.id).value_or(SIGKILL), SIGKILL);  // Linux 6.15 and newer know
}

TEST(Process, OfAnotherUserIsNotJudgedByWhatThatUserMayNotSee) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const Child killed([] { ::raise(SIGKILL); });
  killed.wait_for_end();
  Child asker([&] {
    if (::setuid(65534) != 0) ::_exit(2);
    const auto status = exit_status(killed.pidfd, killed.id);
    ::_exit(!status || *status == SIGKILL ? 0 : 1);
  });
  int status = -1;
  ::waitpid(asker.pid, &status, 0);
  asker.pid = -1;
  EXPECT_EQ(status, 0);
}

TEST(Process, ThatWasKilledIsNamedWithItsSignalAndOneThatExitedIsNot) {
  const Child killed([] { ::raise(SIGKILL); }), ended([] { ::_exit(3); });
  killed.wait_for_end();
  ended.wait_for_end();
  EXPECT_EQ(reason_of_end(killed.pidfd, killed.id), "its process was killed by signal 9 (SIGKILL)");
  EXPECT_EQ(reason_of_end(ended.pidfd, ended.id), "");
}

}  // namespace
}  // namespace shmring
