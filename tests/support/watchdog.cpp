// SPDX-License-Identifier: LGPL-2.1-or-later
// The thread that watches the tests, and the stacks it prints.
#include "watchdog.hpp"

#include <execinfo.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace support {
namespace {

Watchdog* the_watchdog = nullptr;

int stack_signal() { return SIGRTMAX - 2; }

// Runs on each thread in turn.
void print_own_stack(int) {
  void* frames[48];
  backtrace_symbols_fd(frames, backtrace(frames, 48), STDERR_FILENO);
}

void print_all_stacks() {
  struct sigaction action = {};
  action.sa_handler = print_own_stack;
  sigaction(stack_signal(), &action, nullptr);
  const auto self = syscall(SYS_gettid);
  std::error_code ignored;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
    const long id = std::strtol(task.path().filename().c_str(), nullptr, 10);
    if (id == self) continue;
    std::fprintf(stderr, "--- thread %ld\n", id);
    syscall(SYS_tgkill, getpid(), id, stack_signal());
    std::this_thread::sleep_for(std::chrono::milliseconds(100 * kSlowdown));  // one after the other on the page
  }
}

}  // namespace

Watchdog::Watchdog() {
  void* warm[1];
  backtrace(warm, 1);  // loads libgcc now rather than in a signal handler
  the_watchdog = this;
  thread_ = std::thread([this] { run(); });
  // A thread that starts allocates. A test that forks meanwhile would leave its child an AddressSanitizer whose
  // allocator is locked for ever: only the C library's own is made usable in a child.
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return started_; });
}

Watchdog::~Watchdog() {
  the_watchdog = nullptr;
  {
    std::lock_guard lock(mutex_);
    quit_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::watch(std::string what, std::chrono::seconds limit) {
  {
    std::lock_guard lock(mutex_);
    what_ = std::move(what);
    deadline_ = std::chrono::steady_clock::now() + limit * kSlowdown;
  }
  changed_.notify_one();
}

void Watchdog::rest() {
  std::lock_guard lock(mutex_);
  deadline_ = std::chrono::steady_clock::time_point::max();
}

void Watchdog::limit(std::chrono::seconds limit) {
  if (!the_watchdog) return;
  {
    std::lock_guard lock(the_watchdog->mutex_);
    the_watchdog->deadline_ = std::chrono::steady_clock::now() + limit * kSlowdown;
  }
  the_watchdog->changed_.notify_one();
}

void Watchdog::run() {
  std::unique_lock lock(mutex_);
  started_ = true;
  changed_.notify_one();
  while (!quit_) {
    if (deadline_ == std::chrono::steady_clock::time_point::max()) {
      changed_.wait(lock);
    } else if (std::chrono::steady_clock::now() < deadline_) {
      changed_.wait_until(lock, deadline_);
    } else {
      std::fprintf(stderr, "\nwatchdog: %s hangs; its threads:\n", what_.c_str());
      print_all_stacks();
      std::abort();
    }
  }
}

}  // namespace support
