// SPDX-License-Identifier: LGPL-2.1-or-later
// Copies stats into the caller's structures, as far as their struct_size reaches.
#pragma once

#include <algorithm>
#include <cstring>

#include "abi/stats.hpp"

namespace shmring::capi {

inline void copy_stats(const RingStats& stats, shmring_ring_stats* ring, shmring_reader_account* lanes,
                       std::size_t capacity, std::size_t* count) {
  if (ring) {
    const std::size_t size = ring->struct_size ? std::min(ring->struct_size, sizeof *ring) : sizeof *ring;
    std::memcpy(ring, &stats.ring, size);
    ring->struct_size = size;
  }
  if (lanes) std::copy_n(stats.accounts.begin(), std::min(capacity, stats.accounts.size()), lanes);
  if (count) *count = stats.accounts.size();
}

}  // namespace shmring::capi
