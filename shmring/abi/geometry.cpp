// SPDX-License-Identifier: LGPL-2.1-or-later
#include "abi/geometry.hpp"

#include <string>

namespace shmring {

Result<RingGeometry> RingGeometry::make(std::uint32_t slots, std::uint32_t lanes, std::uint32_t max_depth,
                                        std::uint64_t slot_size) {
  if (slot_size == 0 || slot_size > kMaxSlotSize)
    return {SHMRING_INVALID, "slot size " + std::to_string(slot_size) + " is not between 1 and 4294967296 bytes"};
  if (lanes == 0 || lanes > kMaxLanes)
    return {SHMRING_INVALID, "max-readers " + std::to_string(lanes) + " is not between 1 and 63"};
  if (max_depth == 0 || max_depth > kMaxDepth)
    return {SHMRING_INVALID, "depth " + std::to_string(max_depth) + " is not between 1 and 256"};
  if (slots < 2 || slots > kMaxSlots)
    return {SHMRING_INVALID, "slots " + std::to_string(slots) + " is not between 2 and 16384"};
  RingGeometry g;
  g.slot_count = slots;
  g.lane_count = lanes;
  g.slot_size = slot_size;
  g.slot_stride = round_up(slot_size, kPage);
  g.lane_stride = round_up(sizeof(LaneBlock) + 4ull * max_depth, kLine);
  g.lanes_offset = kPage;
  g.slots_offset = round_up(g.lanes_offset + lanes * g.lane_stride, kPage);
  g.formats_offset = round_up(g.slots_offset + slots * sizeof(SlotDescriptor), kPage);
  g.payload_offset = g.formats_offset + slots * kFormatStride;
  g.total_size = g.payload_offset + slots * g.slot_stride;
  if (g.total_size > kMaxRingSize)
    return {SHMRING_INVALID,
            std::to_string(slots) + " slots of " + std::to_string(slot_size) + " bytes are more than 1 TiB"};
  return g;
}

void RingGeometry::write_header(RingHeader& h, std::uint64_t ring_id) const {
  h.layout_version = kLayoutVersion;
  h.header_size = sizeof(RingHeader);
  h.ring_id = ring_id;
  h.total_size = total_size;
  h.slot_count = slot_count;
  h.lane_count = lane_count;
  h.slot_size = slot_size;
  h.slot_stride = slot_stride;
  h.lanes_offset = lanes_offset;
  h.lane_stride = lane_stride;
  h.slots_offset = slots_offset;
  h.formats_offset = formats_offset;
  h.format_stride = kFormatStride;
  h.payload_offset = payload_offset;
  h.magic = kRingMagic;
}

}  // namespace shmring
