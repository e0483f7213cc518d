// SPDX-License-Identifier: LGPL-2.1-or-later
// Frames of several buffers: packets of MPEG-TS or RTP that an element pushes as one list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <gst/gst.h>

#include "base/frame_codec.hpp"
#include "base/owned.hpp"

namespace supplier {

// One buffer of a frame, as it stands in the frame's metadata.
struct FramePart {
  std::uint32_t size;
  std::uint32_t flags;  // SHMRING_FRAME_*
};
constexpr std::size_t kMostParts = 384;  // 3 KiB of the metadata

// One past the last buffer that belongs to the frame which begins at `begin`: of the same times, or without any, together
// at most `room` bytes.
guint end_of_unit(GstBufferList* list, guint begin, std::uint64_t room);

// The frame's buffers again, sharing its memory. NULL: the parts are not the whole frame.
Owned<GstBufferList> list_of(GstBuffer* frame, std::span<const FramePart> parts, const StreamFormat& format);

// Header of a stream of bytes with these caps (GDP, Ogg), for readers that come later; NULL: nothing.
Owned<GstBufferList> stream_headers(const GstCaps* caps);
// Tells whether a frame is the beginning of such a stream itself.
bool begins_with_headers(GstBuffer* frame, GstBufferList* headers);

}  // namespace supplier
