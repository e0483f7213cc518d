// SPDX-License-Identifier: LGPL-2.1-or-later
// The sticky events and stream headers as they were when a frame came in: what a branch must have sent before it sends
// the frame.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <gst/gst.h>

#include "base/owned.hpp"

namespace supplier::latestframe {

// Type flags of events and queries. GStreamer's own macros mix two enumerations, which C++20 objects to.
inline bool is_sticky(const GstEvent* event) {
  return gst_event_type_get_flags(GST_EVENT_TYPE(event)) & GST_EVENT_TYPE_STICKY;
}
inline bool is_serialized(const GstEvent* event) {
  return gst_event_type_get_flags(GST_EVENT_TYPE(event)) & GST_EVENT_TYPE_SERIALIZED;
}
inline bool is_serialized(const GstQuery* query) {
  return gst_query_type_get_flags(GST_QUERY_TYPE(query)) & GST_QUERY_TYPE_SERIALIZED;
}

// A buffer without a frame in it, which the caps list as a "streamheader" and decoders and files need once, before the
// first frame.
struct Header {
  Owned<GstBuffer> buffer;
  std::uint64_t serial = 0;  // from 1, in the order they came
};

struct StreamState {
  std::vector<Owned<GstEvent>> events;  // in the pad's order; without EOS, which is a step of its own
  GstEvent* caps = nullptr;             // one of them
  std::vector<Header> headers;          // of these caps
  bool raw_video = false;

  GstCaps* caps_of() const;  // borrowed, or NULL
  bool has(const GstEvent* event) const;
  bool lists(GstBuffer* header) const;
  // A header that comes again begins the headers anew: decoders were told to forget the first ones.
  void add(GstBuffer* header, std::uint64_t serial);
};

// Shared by every frame between two changes; never changed.
using StreamStateRef = std::shared_ptr<const StreamState>;

// The headers stay while the caps stay; `before` may be NULL.
std::shared_ptr<StreamState> stream_state_of(GstPad* pad, const StreamState* before);

}  // namespace supplier::latestframe
