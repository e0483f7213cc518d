// SPDX-License-Identifier: LGPL-2.1-or-later
// The layout of shared memory. This file is the ABI between processes; docs/abi.md is its text.
//
// Two kinds of memory, so that the kernel enforces write access:
//
//   ring memfd   one a publisher; it writes, every reader maps it read-only (sealed against any other mapping)
//     +0          RingHeader       fixed after creation, but for `latency`
//     +lanes      LaneBlock[]      `lane_stride` each: head and entries, how frames reach one reader
//     +slots      SlotDescriptor[] what the frame in a slot is
//     +formats    FormatArea[]     what kind of frame it is; rewritten only when it differs from the last in this slot; and its metadata
//     +payload    the frames, `slot_stride` each, page aligned
//
//   lane memfd   one a reader; only that reader and the publisher map it, both write
//     +0          LanePage         waiting, tail, ack[slot_count]
//     +counters   LaneCounters     the reader's own account
//
// A frame's way: the publisher fills a slot that has no owner, writes its descriptor, stores the slot's number into an entry of each lane and
// then that lane's head. The reader sees head > tail, reads the entry and moves tail by a compare-exchange: the slot is now its own until
// it stores the frame's sequence into ack[slot]. Under drop-oldest and latest the publisher moves tail by the same compare-exchange: the side
// that wins it has the slot, so a frame has one owner at every instruction. The owner of each slot is kept in the publisher's private
// memory (lane/slot_refs.hpp); everything in a lane memfd is a hint that is checked, and a reader that dies anywhere leaves nothing to repair.
//
// Words are 32 or 64 bits, naturally aligned, little-endian; offsets are from the start of the memory; no pointers, no packing.
#pragma once

#include <cstddef>
#include <cstdint>

#include <shmring/types.h>

#include "abi/atomic.hpp"
#include "abi/histogram.hpp"

namespace shmring {

constexpr std::uint64_t kRingMagic = 0x31474E4952'4D4853;  // "SHMRING1" in memory
constexpr std::uint32_t kLayoutVersion = 1;
constexpr std::uint32_t kMaxDepth = 256;
constexpr std::uint32_t kMaxHeld = 256;
constexpr std::uint32_t kMaxLanes = SHMRING_MAX_READERS;
constexpr std::uint32_t kMaxSlots = 16384;
constexpr std::uint64_t kMaxSlotSize = 1ull << 32;
constexpr std::uint64_t kMaxRingSize = 1ull << 40;
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kLine = 128;  // two cache lines: prefetchers fetch them in pairs

struct RingHeader {
  std::uint64_t magic;
  std::uint32_t layout_version;
  std::uint32_t header_size;
  std::uint64_t ring_id;  // differs for every ring ever made, as far as a random number can
  std::uint64_t total_size;
  std::uint32_t slot_count;
  std::uint32_t lane_count;
  std::uint64_t slot_size;
  std::uint64_t slot_stride;
  std::uint64_t lanes_offset;
  std::uint64_t lane_stride;
  std::uint64_t slots_offset;
  std::uint64_t formats_offset;
  std::uint64_t format_stride;
  std::uint64_t payload_offset;
  std::uint64_t reserved[3];
  Word64 latency;  // ns that the pipeline before the ring adds; the publisher may change it at any time
};
static_assert(sizeof(RingHeader) == 136);

// The publisher's half of a lane. Frame n of a lane is entry[n % depth]; those in [tail, head) wait.
struct LaneBlock {
  Word64 head;     // frames ever put into this lane
  Word32 entry[];  // slot numbers; `depth` of them
};
static_assert(sizeof(LaneBlock) == 8 && offsetof(LaneBlock, entry) == 8);

// Written by the publisher while it owns the slot; the store of a head that leads to it publishes it (release), the reader's load of that
// head (acquire) makes it readable. The first line is all that most readers touch.
struct SlotDescriptor {
  std::uint64_t sequence;
  std::uint64_t size;
  std::uint64_t published_at;
  std::uint64_t pts;
  std::uint64_t dts;
  std::uint64_t duration;
  std::uint64_t format_id;
  std::uint32_t flags;
  std::uint16_t plane_count;  // 0: the format's planes apply
  std::uint16_t extras;       // which of the second line's fields mean anything, a set of Extra
  std::uint64_t offset;
  shmring_plane planes[SHMRING_MAX_PLANES];
  std::uint32_t metadata_size;  // bytes in the format area's `metadata`
  std::uint32_t reserved[13];
};
static_assert(sizeof(shmring_plane) == 16 && sizeof(SlotDescriptor) == 192 && offsetof(SlotDescriptor, offset) == 64);

enum Extra : std::uint16_t { kHasOffset = 1, kHasMetadata = 2 };

constexpr std::uint64_t kFormatStride = 16384;
constexpr std::uint64_t kMetadataSize = SHMRING_METADATA_SIZE;
struct FormatArea {
  std::uint64_t id;
  std::uint32_t pixel_format;
  std::uint32_t width;
  std::uint32_t height;
  std::uint32_t plane_count;
  shmring_plane planes[SHMRING_MAX_PLANES];
  std::uint32_t caps_size;  // bytes without the closing zero
  std::uint32_t reserved;
  char caps[kFormatStride - 96 - kMetadataSize];  // with a closing zero
  std::byte metadata[kMetadataSize];              // the frame's own, written with its descriptor; no part of the format
};
static_assert(sizeof(FormatArea) == kFormatStride && offsetof(FormatArea, caps) == 96);

// The reader's half of a lane. Both sides write tail and waiting; ack is the reader's. The publisher looks at waiting with every frame: it
// has a line of its own, which stays in both caches while the reader is awake. Tail and the first acks are looked at together.
struct LanePage {
  Word32 waiting;  // 1: the reader sleeps, or is about to: ring
  std::uint32_t reserved[31];
  Word64 tail;   // frames that left the lane: taken, or evicted by the publisher
  Word64 ack[];  // per slot: the sequence last released there
};
static_assert(sizeof(LanePage) == kLine + 8 && offsetof(LanePage, tail) == kLine &&
              offsetof(LanePage, ack) == kLine + 8);

// Written by the reader for monitoring only: the publisher decides nothing by it.
struct LaneCounters {
  Word64 taken_at;
  Word64 taken_sequence;
  Word64 released_at;
  Word64 stale;
  Word32 held;
  std::uint32_t reserved[7];
  Histogram age;   // publish to take
  Histogram hold;  // take to release
};
static_assert(sizeof(Histogram) == 1136 && sizeof(LaneCounters) == 2336);

}  // namespace shmring
