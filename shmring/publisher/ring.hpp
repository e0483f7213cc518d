// SPDX-License-Identifier: LGPL-2.1-or-later
// One ring: its memory, the slot references, its lanes. A publisher has one live ring, and older ones whose last frames
// are still held. Everything not marked otherwise is called with the publisher's spin lock held.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "abi/geometry.hpp"
#include "lane/freed_slots.hpp"
#include "lane/slot_refs.hpp"
#include "os/memory.hpp"
#include "publisher/lane.hpp"

namespace shmring {

// A format as it is written into slots. The id is a hash of all the rest: the same format has the same id in every ring.
struct StoredFormat {
  FormatArea area{};
  std::uint64_t least_size = 0;  // of a frame whose planes are the format's
  static Result<std::unique_ptr<StoredFormat>> make(const shmring_format& format);
};

class Ring {
 public:
  // Any thread: makes memory and seals it.
  static Result<std::shared_ptr<Ring>> create(std::uint32_t slots, std::uint32_t loans, std::uint32_t lanes,
                                              std::uint32_t max_depth, std::uint64_t slot_size);

  const RingGeometry& geometry() const { return geometry_; }
  std::uint64_t id() const { return id_; }
  std::uint32_t loans() const { return loans_; }
  const Fd& memory() const { return memory_.fd; }
  std::byte* payload(std::uint32_t slot) const {
    return base() + geometry_.payload_offset + slot * geometry_.slot_stride;
  }
  LaneBlock& lane_block(std::uint32_t lane) const;
  RingHeader& header() const { return *reinterpret_cast<RingHeader*>(base()); }

  // A slot for this process; false: none is free, or all `loans` but `spare` (where there are more) are out already.
  bool lend(std::uint32_t& slot, std::uint32_t spare = 0);
  // Any thread, without the spin lock: gives a lent slot back. Wait-free.
  void give_back(std::uint32_t slot);

  // Prefetches the cache lines that publish() writes.
  void prepare(std::uint32_t slot) const;
  // Writes the descriptor and offers the frame to every active lane. The slot stays lent. Returns how many lanes to notify;
  // `sleeper` is one of them.
  std::uint32_t publish(std::uint32_t slot, const shmring_frame_info& info, const StoredFormat* format,
                        std::uint64_t now, std::shared_ptr<Lane>& sleeper);
  void offer_nothing(std::uint64_t now);
  // Tells whether an active reader with drop-newest would lose the next frame: its lane is full, or it has slots and no other is free for a
  // frame that needs one. `give_up`: such readers are left out until they have room again.
  bool lacks_room(bool needs_slot, bool give_up);

  // Carries out what the control thread wants of its lanes; cheap when it wants nothing. True: readers that sleep may have got a frame, and
  // the control thread must be woken to notify them.
  [[nodiscard]] bool apply_changes(std::uint64_t now) {
    if (!changes_.load(std::memory_order_relaxed) || !changes_.exchange(false, std::memory_order_acquire)) return false;
    apply(now);
    return mark_sleepers();
  }
  // Takes back all released slots, so that the stats are current.
  void collect_all();

  // The control thread's side, without the spin lock.
  void add_lane(std::shared_ptr<Lane> lane, Lane::Stage wanted);
  void want(Lane& lane, Lane::Stage stage);                                   // only forwards
  std::vector<std::shared_ptr<Lane>> take_freed_lanes();                      // forgets them
  const std::vector<std::shared_ptr<Lane>>& lanes() const { return lanes_; }  // control thread, or under its lock
  // Makes the next publish look at ended lanes, too.
  void nudge() { changes_.store(true, std::memory_order_release); }
  bool has_changes() const { return changes_.load(std::memory_order_relaxed); }

  // Any thread, as of the last call that changed them; the three always add up to the slots.
  struct Slots {
    std::uint32_t free, owned, loaned;
  };
  Slots slots() const;

 private:
  Ring(const RingGeometry& geometry, SharedMemory memory, std::uint32_t loans, std::uint64_t id);
  std::byte* base() const { return memory_.mapping.data(); }
  SlotDescriptor& descriptor(std::uint32_t slot) const;
  void apply(std::uint64_t now);
  bool mark_sleepers();
  void deactivate(Lane& lane);
  void forget(Lane& lane);
  bool took_newest(const std::string& name);
  void collect_ended();
  void offer(Lane& lane, std::uint32_t slot, std::uint64_t sequence, std::uint64_t now);
  void take_back_returned();
  void note_slots();

  const RingGeometry geometry_;
  const SharedMemory memory_;
  const std::uint64_t id_;
  const std::uint32_t loans_;

  SlotRefs slot_refs_;
  std::vector<std::uint64_t> format_ids_;  // what each slot's format area holds
  std::vector<Lane*> active_;
  std::vector<Lane*> ended_;  // draining or retired
  static constexpr std::uint32_t kNone = UINT32_MAX;
  std::uint32_t newest_ = kNone;  // kept for readers that come
  std::uint64_t newest_sequence_ = 0;
  // Readers that took the frame of that sequence and are gone: one that comes back under the name is not given it again. Hashes of names, the
  // oldest is overwritten.
  struct Gone {
    std::uint64_t name = 0;
    std::uint64_t taken = 0;
  };
  std::array<Gone, kMaxLanes> gone_{};
  std::size_t next_gone_ = 0;
  std::uint32_t lent_ = 0;
  FreedSlots<> freed_slots_;  // by give_back, not yet taken back

  Word64 slot_counts_{0};  // free in the upper half, lent in the lower
  std::atomic<bool> changes_{false};
  std::array<std::atomic<Lane*>, kMaxLanes> table_{};
  std::vector<std::shared_ptr<Lane>> lanes_;  // the control thread's
};

}  // namespace shmring
