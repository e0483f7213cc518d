// SPDX-License-Identifier: LGPL-2.1-or-later
// The account of a ring and of each of its readers, as STATS messages carry it.
#pragma once

#include <vector>

#include <shmring/types.h>

namespace shmring {

struct RingStats {
  shmring_ring_stats ring;
  std::vector<shmring_reader_account> accounts;  // attached ones first, then the gone
};

}  // namespace shmring
