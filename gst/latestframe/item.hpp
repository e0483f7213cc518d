// SPDX-License-Identifier: LGPL-2.1-or-later
// An item of the fan-out: a frame and what belongs to it. Items are counted references and are used again, so
// that nothing is allocated per frame.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "base/owned.hpp"
#include "latestframe/stream_state.hpp"

namespace supplier::latestframe {

class ItemPool;

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
  friend class ItemPool;
  friend class ItemRef;
  ItemPool* home = nullptr;
  std::atomic<std::uint32_t> refs{0};
  Item* next = nullptr;
};

class ItemPool {
 public:
  ItemPool() = default;
  ~ItemPool();
  ItemPool(const ItemPool&) = delete;
  ItemPool& operator=(const ItemPool&) = delete;

  // An empty item with one reference. One thread at a time.
  Item* get();
  // Any thread.
  static void unref(Item* item);

  // How many there are: as many as were ever out at the same time.
  std::uint64_t size() const { return size_.load(std::memory_order_relaxed); }

 private:
  void put_back(Item* item);

  Item* spare_ = nullptr;                    // for get() only
  std::atomic<Item*> freed_slots_{nullptr};  // any thread puts, only get() takes, and takes all: no ABA
  std::atomic<std::uint64_t> size_{0};
};

class ItemRef {
 public:
  ItemRef() = default;
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
    if (item_) ItemPool::unref(item_);
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
