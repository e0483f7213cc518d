// SPDX-License-Identifier: LGPL-2.1-or-later
// State shared by all branches: the slot with the newest frame, the position of the stream, and what branches ask of
// upstream.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

#include "base/owned.hpp"
#include "latestframe/event_count.hpp"
#include "latestframe/item.hpp"

namespace supplier::latestframe {

// When upstream is asked for a key frame: for all branches together at most once in half a second, because each key
// frame costs the branches that need none some of their bit rate. What comes sooner waits and becomes one request.
// Guarded by the lock of Newest.
class KeyRequests {
 public:
  static constexpr std::uint64_t kInterval = 500'000'000;

  // True if upstream may be asked now; it is counted as asked then.
  bool ask(std::uint64_t now) {
    if (now < next_at_) return false;
    next_at_ = now + kInterval;
    return true;
  }
  // When upstream may be asked next.
  std::uint64_t next_at() const { return next_at_; }

  // A request of downstream that came too soon. Gives back the one that it takes the place of.
  Owned<GstEvent> keep(Owned<GstEvent> request) { return std::exchange(kept_, std::move(request)); }
  bool has_kept() const { return kept_ != nullptr; }
  Owned<GstEvent> take_kept() { return std::exchange(kept_, nullptr); }

  // Of requests for a key frame at a certain time: whether the last one was for another.
  bool first_for(GstClockTime running_time) { return std::exchange(scheduled_, running_time) != running_time; }

  // A run has ended. Gives back what was kept.
  Owned<GstEvent> forget() {
    next_at_ = 0;
    scheduled_ = GST_CLOCK_TIME_NONE;
    return take_kept();
  }

 private:
  std::uint64_t next_at_ = 0;
  Owned<GstEvent> kept_;
  GstClockTime scheduled_ = GST_CLOCK_TIME_NONE;
};

// A pipeline seeks by asking every sink, so the same seek comes up through every branch. It goes upstream once.
class Seeks {
 public:
  // True if this one was not seen before.
  bool first(std::uint32_t seqnum) {
    std::lock_guard hold(lock_);
    if (std::find(seen_.begin(), seen_.end(), seqnum) != seen_.end()) return false;
    seen_[next_++ % seen_.size()] = seqnum;
    return true;
  }

 private:
  std::mutex lock_;
  std::array<std::uint32_t, 16> seen_{};  // 0 is GST_SEQNUM_INVALID
  std::size_t next_ = 0;
};

// The end of the stream; it comes after the frame before it.
struct End {
  Owned<GstEvent> event;
  StreamStateRef stream_state;
  std::uint64_t position = 0;  // the sequence of the last frame before it
  std::uint64_t serial = 0;    // which end; 0: the stream goes on
};

// The sticky events as upstream sent them last; they come after the frame before them.
struct Announced {
  StreamStateRef stream_state;  // NULL: none yet, or flushed
  std::uint64_t position = 0;   // the sequence of the last frame before them
  std::uint64_t serial = 0;     // how often they were announced
};

struct Newest {
  // Held for a few instructions, never while GStreamer is called; the publisher's streaming thread takes it for events
  // only, never for a frame. It guards everything here and in every branch.
  std::mutex lock;
  // Beaten after every change that a branch may wait for.
  EventCount event_count;

  ItemRef item;
  std::uint64_t number = 0;   // of the newest frame published
  std::uint64_t reached = 0;  // every frame up to this sequence has been published, overwritten or discarded
  std::uint64_t at = 0;       // when the newest frame was handed in
  std::uint32_t epoch = 0;    // odd while upstream flushes
  End end;
  Announced announced;
  std::uint64_t ends = 0;  // how many there were
  KeyRequests keys;
};

}  // namespace supplier::latestframe
