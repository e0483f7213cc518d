// SPDX-License-Identifier: LGPL-2.1-or-later
// Copying a pad's sticky events.
#include "latestframe/stickies.hpp"

namespace supplier::latestframe {

GstCaps* Stickies::caps_of() const {
  GstCaps* found = nullptr;
  if (caps) gst_event_parse_caps(caps, &found);
  return found;
}

StickiesRef stickies_of(GstPad* pad) {
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
  stickies->raw_video =
      caps && gst_caps_get_size(caps) > 0 && gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw");
  return stickies;
}

}  // namespace supplier::latestframe
