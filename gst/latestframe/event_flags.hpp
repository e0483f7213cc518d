// SPDX-License-Identifier: LGPL-2.1-or-later
// Type flags of events and queries. GStreamer's own macros mix two enumerations, which C++20 objects to.
#pragma once

#include <gst/gst.h>

namespace supplier::latestframe {

inline bool is_sticky(const GstEvent* event) {
  return gst_event_type_get_flags(GST_EVENT_TYPE(event)) & GST_EVENT_TYPE_STICKY;
}
inline bool is_serialized(const GstEvent* event) {
  return gst_event_type_get_flags(GST_EVENT_TYPE(event)) & GST_EVENT_TYPE_SERIALIZED;
}
inline bool is_serialized(const GstQuery* query) {
  return gst_query_type_get_flags(GST_QUERY_TYPE(query)) & GST_QUERY_TYPE_SERIALIZED;
}

}  // namespace supplier::latestframe
