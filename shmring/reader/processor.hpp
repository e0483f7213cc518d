// SPDX-License-Identifier: LGPL-2.1-or-later
// The processor this thread looks from: whether it had it to itself, and how to leave it.
#pragma once

#include <sys/resource.h>

#include <cstdint>

#include "reader/courtesy.hpp"

namespace shmring {

// How often somebody else was given this thread's processor before it was done, also where it gave way.
inline std::int64_t times_preempted() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
}

// Whether others ran here during a pause of that many ns while looking; `before` is times_preempted() from when the looking began.
// A virtual machine also pauses as a whole, when nobody here wants anything.
inline bool others_ran(std::uint64_t pause, std::int64_t before) {
  return pause > Courtesy::kShared && times_preempted() != before;
}

// Moves the calling thread to another processor that it may use, if there is one; where it may run is as before afterwards, and the kernel
// is free to move it again. Some tens of microseconds.
void step_aside();

}  // namespace shmring
