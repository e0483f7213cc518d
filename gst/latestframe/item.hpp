// SPDX-License-Identifier: LGPL-2.1-or-later
// An item of the fan-out: a frame and what belongs to it, shared by all that still need it.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "base/owned.hpp"
#include "latestframe/stream_state.hpp"

namespace supplier::latestframe {

struct Item {
  Owned<GstMiniObject> frame;  // a buffer, a buffer list or a GAP event; read-only while the item holds it
  StreamStateRef stream_state;
  std::uint64_t sequence = 0;  // its place among all that was handed in, from 1
  std::uint64_t number = 0;    // its place among all that was published, from 1
  std::uint64_t at = 0;        // when it was handed in
  std::uint32_t epoch = 0;     // between which flushes
  bool delta = false;          // cannot be decoded without the frames before it

  bool is_event() const { return GST_IS_EVENT(frame.get()); }

 private:
  friend class ItemRef;
  std::atomic<std::uint32_t> refs{1};
};

// Any thread may let go of the last one.
class ItemRef {
 public:
  ItemRef() = default;
  static ItemRef make() { return ItemRef(new Item); }
  explicit ItemRef(Item* adopted) : item_(adopted) {}
  ItemRef(const ItemRef& other) : item_(other.item_) {
    if (item_) item_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  ItemRef(ItemRef&& other) noexcept : item_(std::exchange(other.item_, nullptr)) {}
  ItemRef& operator=(ItemRef other) noexcept {
    std::swap(item_, other.item_);
    return *this;
  }
  ~ItemRef() {
    // acq_rel: what every holder did with the item is before its end.
    if (item_ && item_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete item_;
  }

  explicit operator bool() const { return item_ != nullptr; }
  Item* operator->() const { return item_; }
  Item* get() const { return item_; }
  [[nodiscard]] Item* release() { return std::exchange(item_, nullptr); }

 private:
  Item* item_ = nullptr;
};

// Tells downstream that frames are missing before this one. The frame is shared, so the flag goes on a copy of its
// description; the memory is shared. The frame itself is given where the flag is there already, or where the buffer
// belongs to a pool: a pool throws memory away that comes back while a copy still shares it, and would allocate anew for
// every frame.
Owned<GstMiniObject> with_discont(GstMiniObject* frame);

}  // namespace supplier::latestframe
