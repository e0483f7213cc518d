// SPDX-License-Identifier: LGPL-2.1-or-later
// One reader as its publisher keeps it: connection, memory, the writer's end, figures.
//
// Two threads share it. The control thread makes it, says in `wanted` what is to become of it and destroys it; whoever holds the
// publisher's gate carries that out and says so in `applied`. A lane is destroyed only after applied == freed.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "core/geometry.hpp"
#include "core/lane_writer.hpp"
#include "transport/doorbell.hpp"
#include "transport/memory.hpp"
#include "transport/socket.hpp"

namespace shmring {

// Why a peer is sent away: how it is counted, and what it and the figures are told.
struct Offence {
  shmring_offence kind;
  const char* sentence;
};
inline constexpr Offence kWrongTail{SHMRING_OFFENCE_TAIL, "it moved its tail to where no frame is"};
inline constexpr Offence kDearBell{SHMRING_OFFENCE_BELL, "ringing its bell costs the publisher too much"};

struct Lane : std::enable_shared_from_this<Lane> {
  enum class Stage : std::uint8_t {
    prepared,  // not yet offered anything
    active,
    draining,  // gets no more frames, may take what waits (its ring is being replaced)
    retired,   // what waited is taken back, what it holds is its own
    freed,     // owns nothing
  };

  struct Grant {
    std::string name;
    shmring_policy policy;
    shmring_wake wake;
    std::uint32_t depth;
    std::uint32_t max_held;
  };

  Lane(Grant granted, std::uint32_t number, Peer peer, ForeignFd connection, Doorbell doorbell, SharedMemory own,
       LaneBlock& block, std::uint32_t slots)
      : grant(std::move(granted)),
        index(number),
        process(peer.process),
        pidfd(std::move(peer.pidfd)),
        socket(std::move(connection)),
        bell(std::move(doorbell)),
        memory(std::move(own)),
        page(*reinterpret_cast<LanePage*>(memory.mapping.data())),
        counters(*reinterpret_cast<LaneCounters*>(memory.mapping.data() + LaneGeometry::make(slots).counters_offset)),
        writer(block, page, grant.depth, grant.max_held, grant.policy != SHMRING_DROP_NEWEST) {
    page.waiting.store(1, std::memory_order_relaxed);  // the first frame rings
  }

  const Grant grant;
  const std::uint32_t index;
  const ProcessId process;
  const Fd pidfd;
  const ForeignFd socket;
  Doorbell bell;
  SharedMemory memory;
  LanePage& page;
  LaneCounters& counters;  // the reader's words: shown, never believed
  LaneWriter<> writer;     // under the gate

  std::atomic<Stage> wanted{Stage::prepared};
  std::atomic<Stage> applied{Stage::prepared};
  // Any thread. It found that the reader broke the rules; the control thread ends the lane.
  std::atomic<const Offence*> offence{nullptr};
  std::atomic<bool> ring_later{false};  // the control thread is to ring its bell

  Counter bells;
  Counter last_offered_at;
  Counter busy_since;                       // when it last went from owning nothing to owning something
  Counter owned;                            // slots, once it gets no more frames
  std::atomic<std::uint32_t> suspicion{0};  // that its bell is dear

  // Any thread; never waits.
  void ring_bell();
};

}  // namespace shmring
