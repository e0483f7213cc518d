// SPDX-License-Identifier: LGPL-2.1-or-later
// Question by which an element learns that the OFFSET of the buffers it gets is their sequence in a ring.
#pragma once

#include <gst/gst.h>

#include "base/owned.hpp"

namespace supplier {

inline constexpr char kRingQuery[] = "shmring-sequence";  // answered by shmringsrc

inline bool is_ring_query(GstQuery* query) {
  const GstStructure* question = GST_QUERY_TYPE(query) == GST_QUERY_CUSTOM ? gst_query_get_structure(query) : nullptr;
  return question && gst_structure_has_name(question, kRingQuery);
}

// Asks upstream of a sink pad.
inline bool offsets_are_sequences(GstPad* sink) {
  const auto query = adopt(gst_query_new_custom(GST_QUERY_CUSTOM, gst_structure_new_empty(kRingQuery)));
  return gst_pad_peer_query(sink, query.get());
}

}  // namespace supplier
