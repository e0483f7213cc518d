// SPDX-License-Identifier: LGPL-2.1-or-later
// The clock of all times: the ring's.
#pragma once

#include <cstdint>
#include <ctime>

namespace supplier {

// Now on CLOCK_MONOTONIC, ns.
inline std::uint64_t monotonic_now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace supplier
