// SPDX-License-Identifier: LGPL-2.1-or-later
// Keeps a source with few buffers going. A branch that is stuck keeps its frame, and a queue or a sink behind a branch
// may keep more; from a pool of limited size they could take the last buffer, and the source would stop for ever.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "latestframe/stream_state.hpp"

namespace supplier::latestframe {

class PoolGuard {
 public:
  PoolGuard() = default;
  ~PoolGuard() { forget(); }
  PoolGuard(const PoolGuard&) = delete;
  PoolGuard& operator=(const PoolGuard&) = delete;

  struct Admitted {
    Owned<GstMiniObject> frame;  // NULL: it had to be dropped, for its memory cannot be copied
    bool tell = false;           // frames have been copied or dropped for a while, and no message says so yet
  };

  // The frame itself if its pool can spare it, or else a copy in memory of our own. For the distribution thread.
  // The caps of `stream_state` say what kind of memory downstream expects.
  Admitted admit(Owned<GstMiniObject> frame, const StreamState& stream_state);

  // True while buffers of a limited pool are out.
  bool watching() const { return watching_.load(std::memory_order_relaxed); }
  // Lets go of the buffers that are not downstream any more. Any thread.
  void give_back();
  // Upstream may take another pool from now on. Any thread.
  void reconsider();
  // The end of a run. Not while admit() runs.
  void forget();

  std::uint64_t copied() const { return copied_.load(std::memory_order_relaxed); }
  // The number of buffers that the pool has that ran short.
  guint buffers() const { return buffers_.load(std::memory_order_relaxed); }

  // The number of buffers of a pool that may be downstream, of so many that it has (0: any number). The others are upstream's: one
  // that it fills and one on the way; of three one must do for both, and fewer are never lent.
  static constexpr guint room_of(guint buffers) {
    if (buffers == 0) return G_MAXUINT;
    return buffers > 3 ? buffers - 2 : buffers == 3 ? 2 : 0;
  }

 private:
  // A pool that was never configured does not say how many buffers it has (libcamera's has four).
  static constexpr guint kUnknown = 4;
  // So much more shortage than plenty is worth telling: 30 copies in a row, or 45 with as many frames lent between them.
  static constexpr unsigned kWorthTelling = 90;

  bool limited(GstBufferPool* pool);
  bool lend(GstMiniObject* frame);
  Owned<GstMiniObject> copy_of(GstMiniObject* frame, const GstCaps* caps);
  Owned<GstBuffer> copy_of(GstBuffer* buffer, bool any_memory);
  Owned<GstBuffer> take(gsize size);

  // Of the distribution thread.
  Owned<GstBufferPool> copies_;  // memory of our own, used again
  gsize copies_size_ = 0;
  unsigned shortage_ = 0;  // a copy counts three, a frame lent takes one away
  bool told_ = false;

  std::atomic<bool> watching_{false};
  std::atomic<std::uint64_t> copied_{0};
  std::atomic<guint> buffers_{0};
  std::mutex lock_;                    // a leaf, guards what follows
  Owned<GstBufferPool> pool_;          // of limited size
  Owned<GstBufferPool> unlimited_;     // looked at last
  guint room_ = 0;                     // in `out_`
  std::vector<Owned<GstBuffer>> out_;  // buffers of `pool_` that were lent
};

}  // namespace supplier::latestframe
