// SPDX-License-Identifier: LGPL-2.1-or-later
// Metas of a buffer as the ring's metadata, for what a frame's descriptor has no word for. docs/abi.md has the bytes.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <gst/gst.h>
#include <gst/video/video.h>

#include <shmring/types.h>

#include "base/frame_parts.hpp"
#include "base/owned.hpp"

namespace supplier {

// GstReferenceTimestampMeta, GstVideoRegionOfInterestMeta and GstCustomMeta cross with every GStreamer; with 1.24 and newer also
// GstAnalyticsRelationMeta and each meta that gst_meta_serialize() knows. GstVideoMeta, GstVideoCropMeta and GstAudioMeta do not: the frame's bytes and planes say the same.
class MetasWriter {
 public:
  // As many of the buffer's metas as can cross and find room; borrowed until the next call.
  // `parts`: the buffers that the frame is made of, if they are several.
  std::span<const std::byte> write(GstBuffer* buffer, std::span<const FramePart> parts = {});
  // Metas that could not cross or found no room, so far. Any thread.
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  bool add(const GstMeta& meta);
  bool put(const shmring_meta& meta);
  bool add_reference(const GstReferenceTimestampMeta& meta);
  bool add_region(const GstVideoRegionOfInterestMeta& meta);
  bool add_custom(const GstMeta& meta);
  bool add_analytics(const GstMeta& meta);
  bool add_serialized(const GstMeta& meta);

  std::array<std::byte, SHMRING_METADATA_SIZE> bytes_;
  std::size_t used_ = 0;
  std::atomic<std::uint64_t> dropped_{0};
  Owned<GstCaps> reference_;  // of the last timestamp, and its text: they are the same for all frames
  Owned<gchar> reference_text_;
};

// Application bytes become a GstCustomMeta "ShmRingMetadata", whose field `bytes` is a GBytes; MetasWriter takes such a one back.
class MetasReader {
 public:
  MetasReader();
  // False: some of it makes no sense, and is left out.
  bool add_to(GstBuffer* buffer, std::span<const std::byte> metadata);
  // The buffers that the last frame is made of; none if it is one.
  std::span<const FramePart> parts() const { return parts_; }

 private:
  bool add(GstBuffer* buffer, const shmring_meta& meta);
  bool add_reference(GstBuffer* buffer, const shmring_meta& meta);
  bool read_parts(std::span<const std::byte> record);

  std::vector<FramePart> parts_;
  std::string reference_text_;  // of the last timestamp, and what it means
  Owned<GstCaps> reference_;
};

}  // namespace supplier
