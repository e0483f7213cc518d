// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <ctime>

#include <cstdint>

namespace shmring {

// Now on CLOCK_MONOTONIC, ns: the one clock that all processes of a machine share.
inline std::uint64_t now() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

}  // namespace shmring
