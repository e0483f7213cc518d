// SPDX-License-Identifier: LGPL-2.1-or-later
// Invariants of a publisher's stats at any moment, and from one look to the next.
#pragma once

#include <map>
#include <span>
#include <string>

#include "board.hpp"

namespace chaos {

class Snapshots {
 public:
  Snapshots(Board& board, std::uint32_t publisher, std::string whose)
      : board_(board), publisher_(publisher), whose_(std::move(whose)) {}

  // Faults go to the board.
  void check(const shmring_ring_stats& ring, std::span<const shmring_reader_account> lanes);
  bool any() const { return count_ != 0; }
  const shmring_ring_stats& ring() const { return ring_; }
  const std::map<std::string, shmring_reader_account>& lanes() const { return lanes_; }

 private:
  void check_lane(const shmring_reader_account& lane, const shmring_ring_stats& ring);
  void fail(const std::string& text);

  Board& board_;
  const std::uint32_t publisher_;
  const std::string whose_;
  std::uint64_t count_ = 0;
  shmring_ring_stats ring_ = SHMRING_RING_STATS_INIT;    // the last ones
  std::map<std::string, shmring_reader_account> lanes_;  // by name
};

}  // namespace chaos
