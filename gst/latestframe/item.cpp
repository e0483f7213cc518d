// SPDX-License-Identifier: LGPL-2.1-or-later
// Using items again.
#include "latestframe/item.hpp"

namespace supplier::latestframe {

ItemPool::~ItemPool() {
  for (Item* list : {spare_, freed_slots_.load(std::memory_order_acquire)})
    while (list) delete std::exchange(list, list->next);
}

[[gnu::hot]] Item* ItemPool::get() {
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

[[gnu::hot]] void ItemPool::unref(Item* item) {
  // acq_rel: what every holder did with the item is before it is emptied.
  if (item->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) item->home->put_back(item);
}

[[gnu::hot]] void ItemPool::put_back(Item* item) {
  item->frame.reset();
  item->stream_state.reset();
  item->next = freed_slots_.load(std::memory_order_relaxed);
  while (!freed_slots_.compare_exchange_weak(item->next, item, std::memory_order_release, std::memory_order_relaxed)) {
  }
}

}  // namespace supplier::latestframe
