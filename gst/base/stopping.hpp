// SPDX-License-Identifier: LGPL-2.1-or-later
// Tells downstream that is being stopped, and answers a push with what it meets first, from downstream that failed.
#pragma once

#include "base/owned.hpp"

namespace supplier {

// Behind this pad is an element that is being stopped, or was just now, by itself or with a bin around it.
inline bool is_stopping(GstPad* source) {
  const auto sink = adopt(gst_pad_get_peer(source));
  if (sink && !gst_pad_is_active(sink.get())) return true;
  for (auto at = adopt(sink ? gst_object_get_parent(GST_OBJECT(sink.get())) : nullptr); at;
       at = adopt(gst_object_get_parent(at.get()))) {
    if (!GST_IS_ELEMENT(at.get())) continue;
    GST_OBJECT_LOCK(at.get());
    const bool stops = GST_STATE(at.get()) >= GST_STATE_PAUSED && GST_STATE_TARGET(at.get()) < GST_STATE_PAUSED;
    GST_OBJECT_UNLOCK(at.get());
    if (stops) return true;
  }
  return false;
}

}  // namespace supplier
