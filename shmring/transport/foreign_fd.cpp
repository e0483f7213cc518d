// SPDX-License-Identifier: LGPL-2.1-or-later
#include "transport/foreign_fd.hpp"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <system_error>
#include <thread>

namespace shmring {
namespace {

std::atomic<std::size_t> closing_now{0};

// The threads are not in a child; nobody it knows closes anything.
[[maybe_unused]] const int at_fork = ::pthread_atfork(nullptr, nullptr, [] { closing_now = 0; });

}  // namespace

std::size_t ForeignFd::closing() { return closing_now; }

ForeignFd::~ForeignFd() {
  if (!fd_ || harmless_) return;
  ++closing_now;
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([fd = std::move(fd_)]() mutable {
      fd.reset();
      --closing_now;
    }).detach();
  } catch (const std::system_error&) {
    --closing_now;  // no thread is to be had: it was closed here
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace shmring
