// SPDX-License-Identifier: LGPL-2.1-or-later
// Copies stats into the caller's structures, as far as their struct_size reaches.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "abi/stats.hpp"
#include "capi/status.hpp"

namespace shmring::capi {

// Where a program wants a ring's figures: a structure, and an array whose elements may be of another size than ours.
struct StatsPlace {
  shmring_ring_stats* ring;
  shmring_reader_account* accounts;
  std::size_t account_size;
  std::size_t capacity;
  std::size_t* count;

  Status check() const {
    if (!ring) return fail(SHMRING_INVALID, "the place for the ring's figures must not be NULL");
    if (ring->struct_size == 0) return not_initialised("shmring_ring_stats", "SHMRING_RING_STATS_INIT");
    if (accounts && account_size == 0)
      return fail(SHMRING_INVALID, "account_size is 0: give sizeof(shmring_reader_account)");
    return SHMRING_OK;
  }

  Status fill(const RingStats& stats) const {
    if (accounts) {
      auto* to = reinterpret_cast<std::byte*>(accounts);
      const std::size_t known = std::min(account_size, sizeof(shmring_reader_account));
      for (std::size_t i = 0; i < std::min(capacity, stats.accounts.size()); ++i, to += account_size) {
        std::memcpy(to, &stats.accounts[i], known);
        std::memset(to + known, 0, account_size - known);
      }
    }
    if (count) *count = stats.accounts.size();
    return capi::fill(ring, stats.ring, "shmring_ring_stats", "SHMRING_RING_STATS_INIT");
  }
};

}  // namespace shmring::capi
