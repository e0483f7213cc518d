// SPDX-License-Identifier: LGPL-2.1-or-later
// Copying a pad's sticky events, and what goes with them.
#include "latestframe/stream_state.hpp"

#include <algorithm>

namespace supplier::latestframe {

namespace {

bool equal(GstBuffer* a, GstBuffer* b) {
  if (gst_buffer_get_size(a) != gst_buffer_get_size(b)) return false;
  GstMapInfo map;
  if (!gst_buffer_map(a, &map, GST_MAP_READ)) return false;
  const bool same = gst_buffer_memcmp(b, 0, map.data, map.size) == 0;
  gst_buffer_unmap(a, &map);
  return same;
}

}  // namespace

GstCaps* StreamState::caps_of() const {
  GstCaps* found = nullptr;
  if (caps) gst_event_parse_caps(caps, &found);
  return found;
}

bool StreamState::has(const GstEvent* event) const {
  return std::any_of(events.begin(), events.end(), [event](const auto& one) { return one.get() == event; });
}

bool StreamState::lists(GstBuffer* header) const {
  const GstCaps* now = caps_of();
  const GValue* list = now && gst_caps_get_size(now) > 0
                           ? gst_structure_get_value(gst_caps_get_structure(now, 0), "streamheader")
                           : nullptr;
  if (!list || !GST_VALUE_HOLDS_ARRAY(list)) return false;
  for (guint i = 0; i < gst_value_array_get_size(list); ++i) {
    const GValue* listed = gst_value_array_get_value(list, i);
    if (GST_VALUE_HOLDS_BUFFER(listed) && gst_value_get_buffer(listed) && equal(header, gst_value_get_buffer(listed)))
      return true;
  }
  return false;
}

void StreamState::add(GstBuffer* header, std::uint64_t serial) {
  if (std::any_of(headers.begin(), headers.end(), [&](const Header& had) { return equal(had.buffer.get(), header); }))
    headers.clear();
  headers.push_back({share(header), serial});
}

std::shared_ptr<StreamState> stream_state_of(GstPad* pad, const StreamState* before) {
  auto stream_state = std::make_shared<StreamState>();
  gst_pad_sticky_events_foreach(
      pad,
      [](GstPad*, GstEvent** event, gpointer into) -> gboolean {
        if (GST_EVENT_TYPE(*event) != GST_EVENT_EOS) static_cast<StreamState*>(into)->events.push_back(share(*event));
        return TRUE;
      },
      stream_state.get());
  for (const auto& event : stream_state->events)
    if (GST_EVENT_TYPE(event.get()) == GST_EVENT_CAPS) stream_state->caps = event.get();
  const GstCaps* caps = stream_state->caps_of();
  const GstCaps* old = before ? before->caps_of() : nullptr;
  if (caps && old && (caps == old || gst_caps_is_equal(caps, old)))
    for (const Header& header : before->headers)
      stream_state->headers.push_back({share(header.buffer.get()), header.serial});
  stream_state->raw_video =
      caps && gst_caps_get_size(caps) > 0 && gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw");
  return stream_state;
}

}  // namespace supplier::latestframe
