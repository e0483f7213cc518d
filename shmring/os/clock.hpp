// SPDX-License-Identifier: LGPL-2.1-or-later
// The time that all processes of a machine agree on.
#pragma once

#include <cstdint>
#include <ctime>

namespace shmring {

// Now on CLOCK_MONOTONIC, ns.
inline std::uint64_t now() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

}  // namespace shmring
