// SPDX-License-Identifier: LGPL-2.1-or-later
#include "common/frame_parts.hpp"

namespace supplier {
namespace {

bool same_time(GstClockTime first, GstClockTime other) { return other == first || !GST_CLOCK_TIME_IS_VALID(other); }

}  // namespace

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
