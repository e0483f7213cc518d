// SPDX-License-Identifier: LGPL-2.1-or-later
// Primitives for a polling thread: time, count of preemptions, pause, yield.
#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <thread>

#include "os/clock.hpp"
#include "os/relax.hpp"

namespace shmring {

// A policy of SpinWaiter: a test passes one with a simulated clock.
struct ThisThread {
  static std::uint64_t now() { return shmring::now(); }
  // Involuntary context switches of the calling thread so far. A system call of 0.3 µs.
  static std::int64_t preemptions() {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nivcsw;
  }
  static void relax() { shmring::relax(); }
  static void yield() { std::this_thread::yield(); }
};

}  // namespace shmring
