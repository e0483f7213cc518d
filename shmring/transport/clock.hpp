// SPDX-License-Identifier: LGPL-2.1-or-later
// The time that all processes of a machine agree on, and whether this thread had its processor to itself.
#pragma once

#include <sys/resource.h>

#include <ctime>

#include <cstdint>

#include "core/courtesy.hpp"

namespace shmring {

// Now on CLOCK_MONOTONIC, ns.
inline std::uint64_t now() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

// How often somebody else was given this thread's processor before it was done.
inline std::int64_t times_preempted() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
}

// Whether a pause of that many ns, while looking, was others' need for this processor; `before` is times_preempted() from when the looking began.
// A virtual machine also pauses as a whole, when nobody here wants anything.
inline bool lost_processor(std::uint64_t pause, std::int64_t before) {
  return pause > Courtesy::kPause && times_preempted() != before;
}

}  // namespace shmring
