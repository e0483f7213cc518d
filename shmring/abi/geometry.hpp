// SPDX-License-Identifier: LGPL-2.1-or-later
// Where everything lies in a ring and in a lane: computed by the publisher, recomputed and compared by the reader.
#pragma once

#include <cstdint>

#include "abi/layout.hpp"
#include "abi/result.hpp"

namespace shmring {

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t to) { return (value + to - 1) / to * to; }

struct RingGeometry {
  std::uint32_t slot_count = 0;
  std::uint32_t lane_count = 0;
  std::uint64_t slot_size = 0;
  std::uint64_t slot_stride = 0;
  std::uint64_t lane_stride = 0;
  std::uint64_t lanes_offset = 0;
  std::uint64_t slots_offset = 0;
  std::uint64_t formats_offset = 0;
  std::uint64_t payload_offset = 0;
  std::uint64_t total_size = 0;

  // INVALID (the message has the values) when a number is out of its range.
  static Result<RingGeometry> make(std::uint32_t slots, std::uint32_t lanes, std::uint32_t max_depth,
                                   std::uint64_t slot_size);
  // Reads an untrusted header once. Accepts it only if every number is in range and the parts lie inside `mapped` bytes without
  // touching each other. PROTOCOL otherwise.
  static Result<RingGeometry> from_header(const RingHeader& header, std::uint64_t mapped);

  void write_header(RingHeader& header, std::uint64_t ring_id) const;
};

// The two parts of a lane memfd, from the ring's slot count alone.
struct LaneGeometry {
  std::uint64_t counters_offset;
  std::uint64_t total_size;
  static constexpr LaneGeometry make(std::uint32_t slot_count) {
    const std::uint64_t counters = round_up(sizeof(LanePage) + 8ull * slot_count, kLine);
    return {counters, round_up(counters + sizeof(LaneCounters), kPage)};
  }
};

}  // namespace shmring
