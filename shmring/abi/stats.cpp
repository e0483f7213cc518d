// SPDX-License-Identifier: LGPL-2.1-or-later
#include "abi/stats.hpp"

#include <iterator>

namespace shmring {

const char* offence_name(std::size_t offence) {
  constexpr const char* names[] = {"message", "descriptors", "silence", "seals", "tail", "bell"};
  return offence < std::size(names) ? names[offence] : nullptr;
}

}  // namespace shmring
