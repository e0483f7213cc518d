// SPDX-License-Identifier: LGPL-2.1-or-later
// The publisher's end of one lane: queue, evict, take back. Wait-free: every loop is bounded by depth + max held.
// Everything read from the lane page is range-checked here and nowhere else; a reader can only cheat itself.
// Not thread-safe: guarded by the publisher's spin lock; any thread may read the counters.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "abi/atomic.hpp"
#include "abi/layout.hpp"
#include "lane/crash_point.hpp"
#include "lane/slot_refs.hpp"
#include "lane/static_vector.hpp"

namespace shmring {

// A number with one writer that others may read.
class Counter {
 public:
  // acquire: pairs with the release in set(); a thread that sees a number sees what was counted before it.
  std::uint64_t get() const { return value_.load(std::memory_order_acquire); }
  void set(std::uint64_t value) { value_.store(value, std::memory_order_release); }
  void add(std::uint64_t n = 1) { set(get() + n); }

 private:
  Word64 value_{0};
};

template <class Ops = HardwareOps>
class LaneWriter {
 public:
  LaneWriter(LaneBlock& block, LanePage& page, std::uint32_t depth, std::uint32_t max_held, bool evicts)
      : block_(&block),
        page_(&page),
        depth_(depth),
        quota_(depth + max_held),
        evicts_(evicts),
        queue_(depth),
        held_(quota_ + depth) {
    block.head.store(0, std::memory_order_relaxed);
    page.tail.store(0, std::memory_order_relaxed);
  }

  // Goes on in the memory that the reader has mapped, where head and tail are 0. What waits is found there, in order, all of it at once: a
  // reader that wants the newest must not find an older one alone. Until now no reader had the other end.
  void move_to(LaneBlock& block, LanePage& page) {
    const std::uint64_t waiting = queued();
    std::rotate(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(place(tail_)), queue_.end());
    block_ = &block;
    page_ = &page;
    tail_ = 0;
    head_.set(waiting);
    for (std::uint64_t i = 0; i < waiting; ++i) Ops::store(block.entry[i], queue_[i].slot, std::memory_order_relaxed);
    SHMRING_CRASH_POINT(entry_stored);
    // release: as in put().
    Ops::store(block.head, waiting, std::memory_order_release);
    SHMRING_CRASH_POINT(head_stored);
  }

  enum class Offer { queued, dropped, violation };

  // Offers the frame in `slot`; a queued one becomes an owner of the slot. `follow`: looks at what the reader took and released in any case,
  // not only when the lane seems full. In a rush of frames that spares a cache line's way to the reader and back.
  Offer offer(std::uint32_t slot, std::uint64_t sequence, SlotRefs& slot_refs, bool follow = true) {
    offered_.add();
    if (follow || full()) {
      if (!absorb_taken()) return refuse(Offer::violation);
      if (!held_.empty()) collect(slot_refs);
    }
    if (full()) {
      // Evict first, then entry, then head: only so is the slot that is given back the one that the reader can no longer take.
      if (!evicts_ || queued() == 0) return refuse(Offer::dropped);
      if (evict_oldest(slot_refs)) {
        evicted_.add();
        consecutive_drops_.add();
      } else if (const std::uint64_t before = tail_; !absorb_taken() || tail_ == before) {
        return refuse(
            Offer::violation);  // the reader was faster, so there must be room now; a tail that flickers makes none
      } else {
        // Slots released before that take are room, too: without it the newest frame would be dropped.
        collect(slot_refs);
        if (queued() + held_.size() >= quota_) return refuse(Offer::dropped);
      }
    }
    slot_refs.ref(slot);
    put({slot, sequence});
    return Offer::queued;
  }

  // True if the reader sleeps and must be notified now. Call after one Ops::fence() behind all heads: that fence pairs with
  // the one in LaneReader::arm; without either, both sides may miss the other's store and the reader sleeps for ever.
  bool claim_wakeup() {
    return Ops::load(page_->waiting, std::memory_order_relaxed) != 0 &&
           Ops::exchange(page_->waiting, 0u, std::memory_order_relaxed) != 0;
  }

  // Takes back what the reader released. Bound: the frames it holds.
  void collect(SlotRefs& slot_refs) {
    for (std::uint32_t i = 0; i < held_.size();) {
      // acquire: pairs with the release in LaneReader::release; the reader's last look at the slot is before our next write to it.
      if (Ops::load(page_->ack[held_[i].slot], std::memory_order_acquire) == held_[i].sequence) {
        slot_refs.unref(held_[i].slot);
        SHMRING_CRASH_POINT(slot_taken_back);
        held_[i] = held_.back();
        held_.pop_back();
      } else {
        ++i;
      }
    }
  }

  // A frame was offered that has no slot.
  void offer_nothing() {
    offered_.add();
    refuse(Offer::dropped);
  }

  // Follows the reader's tail; false when it is nowhere between the last one and head.
  bool absorb_taken() {
    // acquire: pairs with the compare-exchange in LaneReader::take; the reader has read its entry before we overwrite it.
    const std::uint64_t tail = Ops::load(page_->tail, std::memory_order_acquire);
    if (tail == tail_) return true;
    if (tail - tail_ > head_.get() - tail_) return false;
    delivered_.add(tail - tail_);
    for (; tail_ != tail; ++tail_) held_.push_back(queue_[place(tail_)]);
    last_taken_ = held_.back().sequence;
    consecutive_drops_.set(0);
    return true;
  }

  // Stops delivery. Queued frames are evicted (if the tail is valid); taken frames stay owned until freed.
  void retire(SlotRefs& slot_refs) {
    // Each round evicts a frame or finds one taken. A tail that oscillates is a protocol violation after the bound.
    for (std::uint32_t round = 0; round < 2 * depth_ && absorb_taken() && queued() != 0; ++round)
      if (evict_oldest(slot_refs)) evicted_.add();
    for (; tail_ != head_.get(); ++tail_) {  // the reader broke the protocol: it may be reading any of these
      held_.push_back(queue_[place(tail_)]);
      evicted_.add();
    }
  }

  // The process is gone: everything comes back.
  void free_all(SlotRefs& slot_refs) {
    retire(slot_refs);
    for (const Item& item : held_) slot_refs.unref(item.slot);
    held_.clear();
  }

  // Any thread. What the reader took counts as delivered once absorb_taken() followed it; until then it is pending. Each of the three that
  // are counted only ever grows, and all of them add up at every moment.
  struct Account {
    std::uint64_t offered, delivered, dropped, pending;
  };
  Account account() const {
    // A frame is offered before it is delivered or dropped, so these are read in the opposite order.
    const std::uint64_t delivered = delivered_.get(), dropped = refused_.get() + evicted_.get();
    const std::uint64_t offered = offered_.get();
    return {offered, delivered, dropped, offered - delivered - dropped};
  }

  std::uint64_t consecutive_drops() const { return consecutive_drops_.get(); }
  std::uint32_t held() const { return held_.size(); }
  // The sequence of the last frame that the reader took, as far as its tail was followed; 0: none.
  std::uint64_t last_taken() const { return last_taken_; }
  // Tells whether the next offer would be dropped, or evict a frame, as far as the reader was followed.
  bool full() const { return queued() == depth_ || queued() + held_.size() >= quota_; }
  bool owns_nothing() const { return held_.empty() && queued() == 0; }

  // Prefetches what the next offer and claim_wakeup touch.
  void prefetch_lines(bool follow) const {
    prefetch_to_write(block_);
    prefetch(&page_->waiting);
    if (follow) prefetch(&page_->tail);
  }

 private:
  struct Item {
    std::uint32_t slot;
    std::uint64_t sequence;
  };

  [[gnu::always_inline]] void put(Item item) {
    const std::uint64_t at = place(head_.get());
    queue_[at] = item;
    // relaxed: head publishes it. A reader that sees it too early, instead of the evicted one that stood here, finds tail moved.
    Ops::store(block_->entry[at], item.slot, std::memory_order_relaxed);
    SHMRING_CRASH_POINT(entry_stored);
    head_.add();
    // release: pairs with the acquire of head in LaneReader::take; it publishes slot, descriptor and entry.
    Ops::store(block_->head, head_.get(), std::memory_order_release);
    SHMRING_CRASH_POINT(head_stored);
  }
  std::uint64_t queued() const { return head_.get() - tail_; }
  // A division costs as much as the rest, and a mailbox needs none.
  std::uint64_t place(std::uint64_t n) const { return depth_ == 1 ? 0 : n % depth_; }
  Offer refuse(Offer why) {
    refused_.add();
    consecutive_drops_.add();
    return why;
  }
  // One attempt; success means that the reader can no longer take it. release: pairs with the acquires of tail in LaneReader::take: a
  // thread that sees this tail sees the head before it.
  bool evict_oldest(SlotRefs& slot_refs) {
    std::uint64_t expected = tail_;
    if (!Ops::compare_exchange(page_->tail, expected, tail_ + 1, std::memory_order_release)) return false;
    SHMRING_CRASH_POINT(oldest_evicted);
    slot_refs.unref(queue_[place(tail_)].slot);
    ++tail_;
    return true;
  }

  LaneBlock* block_;
  LanePage* page_;
  const std::uint32_t depth_;
  const std::uint32_t quota_;  // depth + max held: the most slots this lane may own
  const bool evicts_;
  std::uint64_t tail_ = 0;  // as far as the reader's tail has been followed
  std::uint64_t last_taken_ = 0;
  std::vector<Item> queue_;  // what entry[] says, in memory that the reader cannot write
  StaticVector<Item> held_;  // taken, not yet acknowledged
  Counter head_, offered_, delivered_, refused_, evicted_, consecutive_drops_;
};

}  // namespace shmring
