// SPDX-License-Identifier: LGPL-2.1-or-later
// State shared by all branches: the slot with the newest frame, and the position of the stream.
#pragma once

#include <mutex>

#include "latestframe/event_count.hpp"
#include "latestframe/item.hpp"
#include "latestframe/key_requests.hpp"

namespace supplier::latestframe {

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
