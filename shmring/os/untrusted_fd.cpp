// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/untrusted_fd.hpp"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <exception>
#include <thread>

namespace shmring {
namespace {

std::atomic<std::size_t> closing_now{0};

// The threads are not in a child; no thread there closes anything.
[[maybe_unused]] const int at_fork = ::pthread_atfork(nullptr, nullptr, [] { closing_now = 0; });

}  // namespace

std::size_t UntrustedFd::closing() { return closing_now; }

UntrustedFd::~UntrustedFd() {
  if (!fd_ || harmless_ || guard_.in_child()) return;  // in a child: the last to close it is the parent
  ++closing_now;
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([fd = std::move(fd_)]() mutable {
      fd.reset();
      --closing_now;
    }).detach();
  } catch (const std::exception&) {
    --closing_now;  // neither a thread nor memory for one is to be had: it was closed here
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace shmring
