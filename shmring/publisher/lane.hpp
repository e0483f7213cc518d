// SPDX-License-Identifier: LGPL-2.1-or-later
// One reader as seen by its publisher: connection, memory, the writer's end of the lane, stats.
//
// Until the lane is active its words are in memory that no other process has. So frames can wait for a reader that was sent on to a new
// ring, from the first one on, and one that never comes has nothing to cheat with.
//
// Two threads share it. The control thread makes it, stores the next stage in `wanted` and destroys it; the thread that holds
// the publisher's spin lock carries that out and stores it in `applied`. A lane is destroyed only after applied == freed.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "abi/geometry.hpp"
#include "lane/lane_writer.hpp"
#include "os/doorbell.hpp"
#include "os/memory.hpp"
#include "os/socket.hpp"

namespace shmring {

class Ring;

// Reason for a disconnect: the counter it adds to, and the text for the peer and the stats.
struct Violation {
  shmring_violation kind;
  const char* text;
};
inline constexpr Violation kWrongTail{SHMRING_VIOLATION_TAIL, "it moved its tail outside the queued frames"};
inline constexpr Violation kSlowWakeups{SHMRING_VIOLATION_WAKEUPS,
                                        "waking this reader repeatedly took more than 200 µs of CPU time"};

struct Lane : std::enable_shared_from_this<Lane> {
  enum class Stage : std::uint8_t {
    prepared,  // not yet offered anything
    awaited,   // its reader was sent on to this ring and is on its way; frames wait for it
    active,
    draining,  // gets no more frames, may take what waits (its ring is being replaced)
    retired,   // what waited is taken back, what it holds is its own
    freed,     // owns nothing
  };

  // Options requested by a reader; 0: the publisher's value.
  struct Ask {
    std::uint8_t policy;
    std::uint8_t wake;
    std::uint32_t depth;
    std::uint32_t max_held;
    bool operator==(const Ask&) const = default;
  };
  struct Grant {
    std::string name;
    Ask asked;
    shmring_policy policy;
    shmring_wake wake;
    std::uint32_t depth;
    std::uint32_t max_held;
  };

  Lane(Grant granted, std::uint32_t number, ProcessId reader, Fd reader_pidfd, const Ring& ring);
  // The control thread, before the lane is active: the reader's connection, and the memory that it is about to map.
  void equip(UntrustedFd connection, Doorbell its_doorbell, SharedMemory shared);
  // With the spin lock: from now on the reader finds its frames in that memory.
  void open() { writer.move_to(block, *page); }
  // The control thread: gives back the memory that the lane had until then, if it is open.
  void drop_own_memory() {
    // acquire: pairs with the release in Ring::apply(), which opened the lane before.
    if (applied.load(std::memory_order_acquire) == Stage::active) own_ = Mapping();
  }

  // Tells whether the reader's process is gone, as far as its handle says.
  bool process_ended() const { return pidfd && readable(pidfd.get()); }

  const Grant grant;
  const std::uint64_t ring_id;
  const std::uint32_t index;
  const ProcessId process;
  const Fd pidfd;    // none where the kernel cannot tell of its end
  LaneBlock& block;  // in the ring
  const LaneGeometry geometry;
  UntrustedFd socket;
  Doorbell doorbell;
  SharedMemory memory;

 private:
  Mapping own_;  // block and page while no reader has them

 public:
  LanePage* page;
  LaneCounters* counters;  // written by the reader: shown, never used for a decision
  LaneWriter<> writer;     // under the spin lock
  bool given_up = false;  // under the spin lock: no frame is kept back for it until it has room, see Ring::lacks_room()

  std::atomic<Stage> wanted{Stage::prepared};
  std::atomic<Stage> applied{Stage::prepared};
  // Set by any thread on a protocol violation; the control thread then ends the lane.
  std::atomic<const Violation*> violation{nullptr};
  std::atomic<bool> notify_later{false};  // the control thread is to notify its reader

  Counter wakeups;
  Counter last_offered_at;
  Counter busy_since;                          // when it last went from owning nothing to owning something
  Counter owned;                               // slots, once it gets no more frames
  std::atomic<std::uint32_t> slow_wakeups{0};  // score of slow wake-ups, see notify()

  // Any thread; never waits.
  void notify();
};

}  // namespace shmring
