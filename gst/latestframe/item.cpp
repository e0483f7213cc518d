// SPDX-License-Identifier: LGPL-2.1-or-later
// Using items again; the flag of a gap, on a copy.
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

ItemPool::~ItemPool() {
  for (Item* list : {spare_, freed_slots_.load(std::memory_order_acquire)})
    while (list) delete std::exchange(list, list->next);
}

Item* ItemPool::get() {
  // acquire: pairs with the release in put_back(); the item is empty.
  if (!spare_) spare_ = freed_slots_.exchange(nullptr, std::memory_order_acquire);
  Item* item = spare_;
  if (item) {
    spare_ = std::exchange(item->next, nullptr);
  } else {
    item = new Item;
    item->home = this;
    size_.fetch_add(1, std::memory_order_relaxed);
  }
  item->refs.store(1, std::memory_order_relaxed);
  return item;
}

void ItemPool::unref(Item* item) {
  // acq_rel: what every holder did with the item is before it is emptied.
  if (item->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) item->home->put_back(item);
}

void ItemPool::put_back(Item* item) {
  item->frame.reset();
  item->stream_state.reset();
  item->next = freed_slots_.load(std::memory_order_relaxed);
  while (!freed_slots_.compare_exchange_weak(item->next, item, std::memory_order_release, std::memory_order_relaxed)) {
  }
}

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
