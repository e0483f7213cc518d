// SPDX-License-Identifier: LGPL-2.1-or-later
#include "abi/check.hpp"

#include <cstring>
#include <string>

#include "abi/video.hpp"

namespace shmring {
namespace {

// Copies memory that another process may be writing, so that no later look can differ from the checked one.
void snapshot(void* to, const void* from, std::size_t size) {
  std::memcpy(to, from, size);
  std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler must not read the original again
}

bool overlaps_or_exceeds(std::uint64_t begin, std::uint64_t size, std::uint64_t floor, std::uint64_t ceiling) {
  return begin < floor || begin > ceiling || size > ceiling - begin;
}

}  // namespace

Result<RingGeometry> RingGeometry::from_header(const RingHeader& shared, std::uint64_t mapped) {
  if (mapped < kPage) return {SHMRING_PROTOCOL, "the ring is smaller than its header"};
  alignas(RingHeader) unsigned char bytes[sizeof(RingHeader)];
  snapshot(bytes, &shared, sizeof bytes);
  const RingHeader& h = *reinterpret_cast<const RingHeader*>(bytes);
  if (h.magic != kRingMagic) return {SHMRING_PROTOCOL, "this memory is not a ring"};
  if (h.layout_version != kLayoutVersion)
    return {SHMRING_PROTOCOL, "the ring has layout " + std::to_string(h.layout_version) +
                                  ", this library knows layout " + std::to_string(kLayoutVersion)};
  const Error bad{SHMRING_PROTOCOL, "the ring's header contradicts itself"};
  if (h.header_size < sizeof(RingHeader) || h.header_size > kPage || h.total_size != mapped ||
      h.total_size > kMaxRingSize)
    return bad;
  if (h.slot_count < 2 || h.slot_count > kMaxSlots || h.lane_count == 0 || h.lane_count > kMaxLanes) return bad;
  if (h.slot_size == 0 || h.slot_size > kMaxSlotSize || h.slot_stride < h.slot_size || h.slot_stride > 2 * kMaxSlotSize)
    return bad;
  if (h.slot_stride % kPage || h.lane_stride % kLine || h.lane_stride == 0 || h.lane_stride > kPage) return bad;
  if (h.format_stride != kFormatStride) return bad;
  if (h.lanes_offset % kLine || h.slots_offset % kPage || h.formats_offset % kPage || h.payload_offset % kPage)
    return bad;
  if (overlaps_or_exceeds(h.lanes_offset, h.lane_count * h.lane_stride, kPage, h.slots_offset) ||
      overlaps_or_exceeds(h.slots_offset, h.slot_count * sizeof(SlotDescriptor), h.lanes_offset, h.formats_offset) ||
      overlaps_or_exceeds(h.formats_offset, h.slot_count * kFormatStride, h.slots_offset, h.payload_offset) ||
      overlaps_or_exceeds(h.payload_offset, h.slot_count * h.slot_stride, h.formats_offset, h.total_size))
    return bad;
  RingGeometry g;
  g.slot_count = h.slot_count;
  g.lane_count = h.lane_count;
  g.slot_size = h.slot_size;
  g.slot_stride = h.slot_stride;
  g.lane_stride = h.lane_stride;
  g.lanes_offset = h.lanes_offset;
  g.slots_offset = h.slots_offset;
  g.formats_offset = h.formats_offset;
  g.payload_offset = h.payload_offset;
  g.total_size = h.total_size;
  return g;
}

[[gnu::hot]] bool check_descriptor(const SlotDescriptor& shared, const RingGeometry& geometry, SlotDescriptor& copy) {
  // The second line is fetched only for frames that use it.
  snapshot(&copy, &shared, offsetof(SlotDescriptor, offset));
  if (copy.size > geometry.slot_size || copy.plane_count > SHMRING_MAX_PLANES) return false;
  if (copy.extras || copy.plane_count)
    snapshot(&copy.offset, &shared.offset, offsetof(SlotDescriptor, reserved) - offsetof(SlotDescriptor, offset));
  for (unsigned i = 0; i < copy.plane_count; ++i)
    if (copy.planes[i].offset > copy.size) return false;
  return !(copy.extras & kHasMetadata) || copy.metadata_size <= kMetadataSize;
}

void copy_metadata(const FormatArea& shared, std::uint32_t size, std::byte* to) { snapshot(to, shared.metadata, size); }

bool check_format(const FormatArea& shared, FormatArea& copy) {
  constexpr std::size_t head = offsetof(FormatArea, caps);
  snapshot(&copy, &shared, head);
  if (copy.caps_size >= sizeof copy.caps || copy.plane_count > SHMRING_MAX_PLANES) return false;
  if (copy.width > 1u << 20 || copy.height > 1u << 20) return false;
  if (!pixel_layout(static_cast<shmring_pixel_format>(copy.pixel_format)))
    copy.pixel_format = SHMRING_BYTES;  // a newer publisher's: its caps still say it
  for (unsigned i = 0; i < copy.plane_count; ++i)
    if (copy.planes[i].offset > kMaxSlotSize) return false;
  snapshot(copy.caps, shared.caps, copy.caps_size);
  copy.caps[copy.caps_size] = '\0';
  return std::memchr(copy.caps, '\0', copy.caps_size) == nullptr;
}

}  // namespace shmring
