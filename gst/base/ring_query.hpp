// SPDX-License-Identifier: LGPL-2.1-or-later
// Question by which an element learns that the OFFSET of the buffers it gets is their sequence in a ring, and which ring that is.
#pragma once

#include <optional>
#include <string>

#include <gst/gst.h>

#include "base/owned.hpp"

namespace supplier {

inline constexpr char kRingQuery[] = "shmring-sequence";  // answered by shmringsrc

inline bool is_ring_query(GstQuery* query) {
  const GstStructure* question = GST_QUERY_TYPE(query) == GST_QUERY_CUSTOM ? gst_query_get_structure(query) : nullptr;
  return question && gst_structure_has_name(question, kRingQuery);
}

inline void answer_ring_query(GstQuery* query, const std::string& socket_path) {
  if (g_utf8_validate(socket_path.c_str(), -1, nullptr))
    gst_structure_set(gst_query_writable_structure(query), "socket-path", G_TYPE_STRING, socket_path.c_str(), nullptr);
}

// Asks upstream of a sink pad. Nothing: OFFSETs are no sequences. Else the ring's socket path; empty: not known.
inline std::optional<std::string> ring_before(GstPad* sink) {
  const auto query = adopt(gst_query_new_custom(GST_QUERY_CUSTOM, gst_structure_new_empty(kRingQuery)));
  if (!gst_pad_peer_query(sink, query.get())) return std::nullopt;
  const char* const path = gst_structure_get_string(gst_query_get_structure(query.get()), "socket-path");
  return path ? path : "";
}

}  // namespace supplier
