// SPDX-License-Identifier: LGPL-2.1-or-later
// The publisher's side: room for one item, and the bell of the one thread that empties it. Putting an item in is one
// exchange and, only if that thread sleeps, one wake-up. The publisher never waits here for anything.
#pragma once

#include <atomic>

#include "latestframe/futex.hpp"
#include "latestframe/item.hpp"
#include "reader/pace.hpp"

namespace supplier::latestframe {

class Inbox {
 public:
  ~Inbox() { clear(); }

  // The item that was still in there, or nothing.
  ItemRef put(ItemRef item) {
    Item* out = slot_.exchange(item.release(), std::memory_order_seq_cst);
    bell_.ring();
    return ItemRef(out);
  }
  // Whatever is in there.
  ItemRef clear() { return ItemRef(slot_.exchange(nullptr, std::memory_order_acq_rel)); }

  // The next item; nothing once it was closed. With `pace` it stays awake when the next one is due. For one thread.
  ItemRef take(shmring::Pace* pace);

  void close() {
    closed_.store(true, std::memory_order_seq_cst);
    bell_.ring();
  }
  void open() { closed_.store(false, std::memory_order_seq_cst); }

 private:
  bool ready() const { return slot_.load(std::memory_order_seq_cst) || closed_.load(std::memory_order_seq_cst); }
  void spin(std::uint64_t until, shmring::Pace& pace);
  void learn(std::uint64_t at, shmring::Pace& pace);

  alignas(64) std::atomic<Item*> slot_{nullptr};
  Bell bell_;
  std::atomic<bool> closed_{false};

  // Of the thread that takes.
  std::uint64_t looked_at_ = 0;  // when it last saw that there was nothing, while looking; 0: asleep, or elsewhere
  std::int64_t preempted_ = 0;   // times_preempted() when it began to look
  bool misplaced_ = false;       // look from another processor the next time
};

}  // namespace supplier::latestframe
