// SPDX-License-Identifier: LGPL-2.1-or-later
// The flag of a gap, on a copy.
#include "latestframe/item.hpp"

namespace supplier::latestframe {
namespace {

bool may_be_flagged(const GstBuffer* buffer) {
  return buffer && !buffer->pool && !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT);
}

Owned<GstBuffer> flagged(GstBuffer* buffer) {
  auto copy = adopt(gst_buffer_copy(buffer));
  GST_BUFFER_FLAG_SET(copy.get(), GST_BUFFER_FLAG_DISCONT);
  return copy;
}

}  // namespace

Owned<GstMiniObject> with_discont(GstMiniObject* frame) {
  if (GST_IS_BUFFER(frame) && may_be_flagged(GST_BUFFER_CAST(frame)))
    return Owned<GstMiniObject>(GST_MINI_OBJECT_CAST(flagged(GST_BUFFER_CAST(frame)).release()));
  if (GST_IS_BUFFER_LIST(frame)) {
    GstBufferList* list = GST_BUFFER_LIST_CAST(frame);
    GstBuffer* first = gst_buffer_list_length(list) ? gst_buffer_list_get(list, 0) : nullptr;
    if (may_be_flagged(first)) {
      GstBufferList* copy = gst_buffer_list_copy(list);
      gst_buffer_list_remove(copy, 0, 1);
      gst_buffer_list_insert(copy, 0, flagged(first).release());
      return Owned<GstMiniObject>(GST_MINI_OBJECT_CAST(copy));
    }
  }
  return share(frame);
}

}  // namespace supplier::latestframe
