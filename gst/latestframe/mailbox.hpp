// SPDX-License-Identifier: LGPL-2.1-or-later
// The publisher's side: room for one item, and the doorbell of the one thread that empties it. Putting an item in is one
// exchange and, only if that thread sleeps, one wake-up. The publisher never waits here for anything.
#pragma once

#include <atomic>

#include "latestframe/event_count.hpp"
#include "latestframe/item.hpp"
#include "reader/spin_waiter.hpp"

namespace supplier::latestframe {

class Mailbox {
 public:
  ~Mailbox() { clear(); }

  // The item that was still in there, or nothing.
  ItemRef put(ItemRef item) {
    Item* out = slot_.exchange(item.release(), std::memory_order_seq_cst);
    bell_.ring();
    return ItemRef(out);
  }
  // Whatever is in there.
  ItemRef clear() { return ItemRef(slot_.exchange(nullptr, std::memory_order_acq_rel)); }

  // The next item; nothing once it was closed. With `waiter` it spins when the next one is due. For one thread.
  ItemRef take(shmring::SpinWaiter* waiter);

  void close() {
    closed_.store(true, std::memory_order_seq_cst);
    bell_.ring();
  }
  void open() { closed_.store(false, std::memory_order_seq_cst); }

 private:
  bool ready() const { return slot_.load(std::memory_order_seq_cst) || closed_.load(std::memory_order_seq_cst); }

  alignas(64) std::atomic<Item*> slot_{nullptr};
  Bell bell_;
  std::atomic<bool> closed_{false};
};

}  // namespace supplier::latestframe
