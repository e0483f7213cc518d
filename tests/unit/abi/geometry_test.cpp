// SPDX-License-Identifier: LGPL-2.1-or-later
// Where everything lies in a ring: what the publisher computes the reader accepts, and nothing else that could lead it
// astray.
#include "abi/geometry.hpp"

#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace shmring {
namespace {

// A header as a publisher writes it, in a page of its own.
class Header {
 public:
  Header() : geometry_(*RingGeometry::make(12, 2, 5, 100'000)) { geometry_.write_header(get(), 42); }
  RingHeader& get() { return *reinterpret_cast<RingHeader*>(page_); }
  const RingGeometry& geometry() const { return geometry_; }
  Status read(std::uint64_t mapped) { return RingGeometry::from_header(get(), mapped).status(); }
  Status read() { return read(geometry_.total_size); }

 private:
  RingGeometry geometry_;
  alignas(kPage) unsigned char page_[kPage] = {};
};

TEST(RingGeometry, ReadsBackWhatItWrote) {
  Header header;
  const auto read = *RingGeometry::from_header(header.get(), header.geometry().total_size);
  EXPECT_EQ(std::memcmp(&read, &header.geometry(), sizeof read), 0);
}

TEST(RingGeometry, PutsEveryPartBehindTheOneBefore) {
  for (const std::uint32_t slots : {2u, 12u, 16384u})
    for (const std::uint32_t lanes : {1u, 63u})
      for (const std::uint32_t depth : {1u, 256u})
        for (const std::uint64_t size : {1ull, 4096ull, 6'220'800ull}) {
          const auto g = *RingGeometry::make(slots, lanes, depth, size);
          EXPECT_GE(g.lanes_offset, sizeof(RingHeader));
          EXPECT_GE(g.lane_stride, sizeof(LaneBlock) + 4ull * depth);
          EXPECT_GE(g.slots_offset, g.lanes_offset + lanes * g.lane_stride);
          EXPECT_GE(g.formats_offset, g.slots_offset + slots * sizeof(SlotDescriptor));
          EXPECT_GE(g.payload_offset, g.formats_offset + slots * kFormatStride);
          EXPECT_EQ(g.payload_offset % kPage, 0u);
          EXPECT_EQ(g.total_size, g.payload_offset + slots * g.slot_stride);
        }
}

TEST(RingGeometry, RefusesWhatIsOutOfRangeWithTheFigure) {
  const auto text = [](std::uint32_t slots, std::uint32_t lanes, std::uint32_t depth, std::uint64_t size) {
    const auto made = RingGeometry::make(slots, lanes, depth, size);
    EXPECT_EQ(made.status(), SHMRING_INVALID);
    return made.error().text;
  };
  EXPECT_NE(text(1, 1, 1, 1).find("slots 1 "), std::string::npos);
  EXPECT_NE(text(16385, 1, 1, 1).find("slots 16385 "), std::string::npos);
  EXPECT_NE(text(2, 0, 1, 1).find("max-readers 0 "), std::string::npos);
  EXPECT_NE(text(2, 64, 1, 1).find("max-readers 64 "), std::string::npos);
  EXPECT_NE(text(2, 1, 0, 1).find("depth 0 "), std::string::npos);
  EXPECT_NE(text(2, 1, 257, 1).find("depth 257 "), std::string::npos);
  EXPECT_NE(text(2, 1, 1, 0).find("slot size 0 "), std::string::npos);
  EXPECT_NE(text(2, 1, 1, (1ull << 32) + 1).find("slot size 4294967297 "), std::string::npos);
  EXPECT_NE(text(16384, 1, 1, 1ull << 32).find("more than 1 TiB"), std::string::npos);
}

TEST(RingGeometry, KeepsALanesCountersOffTheAcknowledgements) {
  for (std::uint32_t slots = 2; slots <= kMaxSlots; slots *= 2) {
    const auto g = LaneGeometry::make(slots);
    EXPECT_GE(g.counters_offset, sizeof(LanePage) + 8ull * slots);
    EXPECT_EQ(g.counters_offset % kLine, 0u);
    EXPECT_GE(g.total_size, g.counters_offset + sizeof(LaneCounters));
    EXPECT_EQ(g.total_size % kPage, 0u);
  }
}

// Every one of them, believed, would lead a reader out of the mapping, or parts into each other.
TEST(RingGeometry, BelievesNoHeaderThatLies) {
  const std::vector<std::pair<const char*, std::function<void(RingHeader&)>>> lies = {
      {"magic", [](RingHeader& h) { h.magic ^= 1; }},
      {"layout_version", [](RingHeader& h) { h.layout_version++; }},
      {"header_size: too small", [](RingHeader& h) { h.header_size = sizeof(RingHeader) - 8; }},
      {"header_size: over the page", [](RingHeader& h) { h.header_size = kPage + 8; }},
      {"total_size", [](RingHeader& h) { h.total_size += kPage; }},
      {"slot_count: one", [](RingHeader& h) { h.slot_count = 1; }},
      {"slot_count: more than fit", [](RingHeader& h) { h.slot_count *= 2; }},
      {"slot_count: beyond the limit", [](RingHeader& h) { h.slot_count = UINT32_MAX; }},
      {"lane_count: none", [](RingHeader& h) { h.lane_count = 0; }},
      {"lane_count: more than fit", [](RingHeader& h) { h.lane_count = 63; }},
      {"lane_count: beyond the limit", [](RingHeader& h) { h.lane_count = UINT32_MAX; }},
      {"slot_size: none", [](RingHeader& h) { h.slot_size = 0; }},
      {"slot_size: over the stride", [](RingHeader& h) { h.slot_size = h.slot_stride + 1; }},
      {"slot_size: huge", [](RingHeader& h) { h.slot_size = UINT64_MAX; }},
      {"slot_stride: not whole pages", [](RingHeader& h) { h.slot_stride += 8; }},
      {"slot_stride: over the end", [](RingHeader& h) { h.slot_stride += kPage; }},
      {"slot_stride: its product wraps", [](RingHeader& h) { h.slot_stride = 1ull << 63; }},
      {"lane_stride: none", [](RingHeader& h) { h.lane_stride = 0; }},
      {"lane_stride: not whole lines", [](RingHeader& h) { h.lane_stride = 8; }},
      {"lane_stride: over a page", [](RingHeader& h) { h.lane_stride = 2 * kPage; }},
      {"format_stride", [](RingHeader& h) { h.format_stride = 4096; }},
      {"lanes_offset: in the header", [](RingHeader& h) { h.lanes_offset = 0; }},
      {"lanes_offset: behind all", [](RingHeader& h) { h.lanes_offset = UINT64_MAX - kPage + 1; }},
      {"lanes_offset: misaligned", [](RingHeader& h) { h.lanes_offset += 4; }},
      {"slots_offset: among the lanes", [](RingHeader& h) { h.slots_offset = h.lanes_offset; }},
      {"slots_offset: among the formats", [](RingHeader& h) { h.slots_offset = h.formats_offset; }},
      {"formats_offset: among the slots", [](RingHeader& h) { h.formats_offset = h.slots_offset; }},
      {"formats_offset: behind all", [](RingHeader& h) { h.formats_offset = UINT64_MAX - kPage + 1; }},
      {"payload_offset: among the formats", [](RingHeader& h) { h.payload_offset = h.formats_offset; }},
      {"payload_offset: behind all", [](RingHeader& h) { h.payload_offset = h.total_size; }},
      {"payload_offset: misaligned", [](RingHeader& h) { h.payload_offset += 64; }},
  };
  for (const auto& [what, lie] : lies) {
    Header header;
    ASSERT_EQ(header.read(), SHMRING_OK);
    lie(header.get());
    EXPECT_EQ(header.read(), SHMRING_PROTOCOL) << what;
  }
}

TEST(RingGeometry, NeedsTheMappingItSpeaksOf) {
  Header header;
  EXPECT_EQ(header.read(0), SHMRING_PROTOCOL);
  EXPECT_EQ(header.read(header.geometry().total_size - kPage), SHMRING_PROTOCOL);
}

TEST(RingGeometry, NamesBothLayoutsWhenTheyDiffer) {
  Header header;
  header.get().layout_version = 7;
  const auto read = RingGeometry::from_header(header.get(), header.geometry().total_size);
  EXPECT_EQ(read.error().text, "the ring has layout 7, this library knows layout 1");
}

}  // namespace
}  // namespace shmring
