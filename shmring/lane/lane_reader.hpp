// SPDX-License-Identifier: LGPL-2.1-or-later
// The reader's end of its lane: take, release, arm the doorbell. take, arm and disarm belong to one thread; release to any.
#pragma once

#include <cstdint>

#include "abi/atomic.hpp"
#include "abi/layout.hpp"
#include "lane/crash_point.hpp"

namespace shmring {

template <class Ops = HardwareOps>
class LaneReader {
 public:
  LaneReader(const LaneBlock& block, LanePage& page, std::uint32_t depth) : block_(block), page_(page), depth_(depth) {}

  static constexpr std::uint32_t kEmpty = UINT32_MAX;

  // The slot of the next frame, now owned by the caller, or kEmpty. Each failed round means that the publisher evicted a frame meanwhile;
  // after kRounds of them it answers kEmpty, and the caller looks again. `expect` is told of a slot before it is ours, to prefetch it: the
  // exchange and the frame's lines then come at the same time, not one after the other.
  template <class Expect>
  std::uint32_t take(Expect expect) {
    // acquire: pairs with the eviction in LaneWriter::evict_oldest. A thread that sees a tail moved by the publisher also sees the head
    // stored before; with an older head the lane would look full of frames that were never there.
    std::uint64_t tail = Ops::load(page_.tail, std::memory_order_acquire);
    for (int round = 0; round < kRounds; ++round) {
      // acquire: pairs with the release of head in LaneWriter::offer.
      const std::uint64_t head = Ops::load(block_.head, std::memory_order_acquire);
      if (head == tail) return kEmpty;
      // relaxed: head published it. If another frame's stands here by now, ours was evicted and the exchange fails.
      const std::uint32_t slot = Ops::load(block_.entry[place(tail)], std::memory_order_relaxed);
      SHMRING_CRASH_POINT(entry_read);
      expect(slot);
      // release: pairs with the acquire in LaneWriter::absorb_taken; the entry is read before it is overwritten. A failure loads tail anew.
      if (Ops::compare_exchange(page_.tail, tail, tail + 1, std::memory_order_release)) return slot;
    }
    return kEmpty;
  }
  std::uint32_t take() {
    return take([](std::uint32_t) {});
  }

  // relaxed: take() orders what it takes, and arm() makes sure that no frame is overlooked.
  bool empty() const {
    return Ops::load(block_.head, std::memory_order_relaxed) == Ops::load(page_.tail, std::memory_order_relaxed);
  }

  // Idempotent, in any order. release: pairs with the acquire in LaneWriter::collect.
  void release(std::uint32_t slot, std::uint64_t sequence) {
    Ops::store(page_.ack[slot], sequence, std::memory_order_release);
  }

  // Announces that the reader will sleep. Drain the doorbell first, then arm, then sleep only if this returns true.
  bool arm() {
    Ops::store(page_.waiting, 1u, std::memory_order_relaxed);
    SHMRING_CRASH_POINT(armed);
    Ops::fence();  // pairs with the fence before LaneWriter::claim_wakeup
    return empty();
  }
  // Tests before it writes: an unmodified line stays in the publisher's cache.
  void disarm() {
    if (Ops::load(page_.waiting, std::memory_order_relaxed) != 0)
      Ops::store(page_.waiting, 0u, std::memory_order_relaxed);
  }

 private:
  static constexpr int kRounds = 64;

  // A division costs as much as the rest, and a mailbox needs none.
  std::uint64_t place(std::uint64_t n) const { return depth_ == 1 ? 0 : n % depth_; }

  const LaneBlock& block_;
  LanePage& page_;
  const std::uint32_t depth_;
};

}  // namespace shmring
