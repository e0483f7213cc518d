// SPDX-License-Identifier: LGPL-2.1-or-later
// Copying a pad's sticky events, and what goes with them.
#include "latestframe/stickies.hpp"

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

GstCaps* Stickies::caps_of() const {
  GstCaps* found = nullptr;
  if (caps) gst_event_parse_caps(caps, &found);
  return found;
}

bool Stickies::has(const GstEvent* event) const {
  return std::any_of(events.begin(), events.end(), [event](const auto& one) { return one.get() == event; });
}

bool Stickies::lists(GstBuffer* header) const {
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

void Stickies::add(GstBuffer* header, std::uint64_t serial) {
  if (std::any_of(headers.begin(), headers.end(), [&](const Header& had) { return equal(had.buffer.get(), header); }))
    headers.clear();
  headers.push_back({share(header), serial});
}

std::shared_ptr<Stickies> stickies_of(GstPad* pad, const Stickies* before) {
  auto stickies = std::make_shared<Stickies>();
  gst_pad_sticky_events_foreach(
      pad,
      [](GstPad*, GstEvent** event, gpointer into) -> gboolean {
        if (GST_EVENT_TYPE(*event) != GST_EVENT_EOS) static_cast<Stickies*>(into)->events.push_back(share(*event));
        return TRUE;
      },
      stickies.get());
  for (const auto& event : stickies->events)
    if (GST_EVENT_TYPE(event.get()) == GST_EVENT_CAPS) stickies->caps = event.get();
  const GstCaps* caps = stickies->caps_of();
  const GstCaps* old = before ? before->caps_of() : nullptr;
  if (caps && old && (caps == old || gst_caps_is_equal(caps, old)))
    for (const Header& header : before->headers)
      stickies->headers.push_back({share(header.buffer.get()), header.serial});
  stickies->raw_video =
      caps && gst_caps_get_size(caps) > 0 && gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw");
  return stickies;
}

}  // namespace supplier::latestframe
