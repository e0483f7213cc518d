// SPDX-License-Identifier: LGPL-2.1-or-later
#include "abi/stats.hpp"

#include <iterator>

namespace shmring {

const char* violation_name(std::size_t violation) {
  constexpr const char* names[] = {"message", "descriptors", "silence", "seals", "tail", "wakeups"};
  return violation < std::size(names) ? names[violation] : nullptr;
}

}  // namespace shmring
