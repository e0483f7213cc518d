// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/frame_parts.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

namespace supplier {
namespace {

// Elementary streams have theirs in caps as well, but their decoders and muxers take them from there. Matroska and FLV
// cannot be joined between two clusters or tags.
constexpr std::string_view kContainers[] = {"application/ogg", "application/x-gdp", "audio/ogg", "video/ogg"};

bool same_time(GstClockTime first, GstClockTime other) { return other == first || !GST_CLOCK_TIME_IS_VALID(other); }

}  // namespace

Owned<GstBufferList> stream_headers(const GstCaps* caps) {
  const GstStructure* structure = gst_caps_get_structure(caps, 0);
  const GValue* headers = gst_structure_get_value(structure, "streamheader");
  if (std::find(std::begin(kContainers), std::end(kContainers), gst_structure_get_name(structure)) ==
          std::end(kContainers) ||
      !headers || !GST_VALUE_HOLDS_ARRAY(headers))
    return nullptr;
  auto list = adopt(gst_buffer_list_new());
  for (guint i = 0; i < gst_value_array_get_size(headers); ++i) {
    const GValue* header = gst_value_array_get_value(headers, i);
    GstBuffer* bytes = GST_VALUE_HOLDS_BUFFER(header) ? gst_value_get_buffer(header) : nullptr;
    if (!bytes) continue;
    GstBuffer* buffer = gst_buffer_copy_region(bytes, GST_BUFFER_COPY_MEMORY, 0, static_cast<gsize>(-1));
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_HEADER);
    gst_buffer_list_add(list.get(), buffer);
  }
  return gst_buffer_list_length(list.get()) ? std::move(list) : nullptr;
}

bool begins_with_headers(GstBuffer* frame, GstBufferList* headers) {
  GstMapInfo first;
  if (!gst_buffer_map(gst_buffer_list_get(headers, 0), &first, GST_MAP_READ)) return false;
  const bool same = gst_buffer_memcmp(frame, 0, first.data, first.size) == 0;
  gst_buffer_unmap(gst_buffer_list_get(headers, 0), &first);
  return same;
}

guint end_of_unit(GstBufferList* list, guint begin, std::uint64_t room) {
  GstBuffer* first = gst_buffer_list_get(list, begin);
  const guint limit = MIN(gst_buffer_list_length(list), begin + static_cast<guint>(kMostParts));
  std::uint64_t size = gst_buffer_get_size(first);
  guint end = begin + 1;
  for (; end < limit; ++end) {
    GstBuffer* next = gst_buffer_list_get(list, end);
    size += gst_buffer_get_size(next);
    if (size > room || !same_time(GST_BUFFER_PTS(first), GST_BUFFER_PTS(next)) ||
        !same_time(GST_BUFFER_DTS(first), GST_BUFFER_DTS(next)) ||
        GST_BUFFER_DURATION(first) != GST_BUFFER_DURATION(next))
      break;
  }
  return end;
}

Owned<GstBufferList> list_of(GstBuffer* frame, std::span<const FramePart> parts, const StreamFormat& format) {
  const gsize whole = gst_buffer_get_size(frame);
  gsize at = 0;
  for (const FramePart& part : parts) at += part.size;
  if (at != whole) return nullptr;
  auto list = adopt(gst_buffer_list_new_sized(static_cast<guint>(parts.size())));
  at = 0;
  for (const FramePart& part : parts) {
    const auto metas = at == 0 ? GST_BUFFER_COPY_META : GST_BUFFER_COPY_NONE;
    GstBuffer* buffer = gst_buffer_copy_region(
        frame, static_cast<GstBufferCopyFlags>(GST_BUFFER_COPY_TIMESTAMPS | GST_BUFFER_COPY_MEMORY | metas), at,
        part.size);
    GST_BUFFER_OFFSET(buffer) = GST_BUFFER_OFFSET(frame);
    set_flags(buffer, part.flags, format);
    if (at == 0 && GST_BUFFER_FLAG_IS_SET(frame, GST_BUFFER_FLAG_DISCONT))
      GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
    gst_buffer_list_add(list.get(), buffer);
    at += part.size;
  }
  return list;
}

}  // namespace supplier
