// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ring/room_wait.hpp"

#include <algorithm>
#include <chrono>

#include "base/clock.hpp"

GST_DEBUG_CATEGORY_EXTERN(gst_shm_ring_sink_debug);
#define GST_CAT_DEFAULT gst_shm_ring_sink_debug

namespace supplier {
namespace {

// Between looks; ns.
constexpr std::uint64_t kShortestPause = 100'000;
constexpr std::uint64_t kLongestPause = 5'000'000;

}  // namespace

void RoomWait::unlock(bool on) {
  const std::lock_guard lock(mutex_);
  unlocked_ = on;
  changed_.notify_all();
}

GstFlowReturn RoomWait::wait(shmring::Publisher& publisher, bool needs_slot) {
  const std::uint64_t most = longest;
  if (most == 0 || !publisher.lacks_room(needs_slot)) return GST_FLOW_OK;
  std::uint64_t begin = monotonic_now(), passed = 0, pause = kShortestPause;
  do {
    std::unique_lock lock(mutex_);
    const std::chrono::nanoseconds time(std::min(pause, most - passed));
    if (changed_.wait_for(lock, time, [this] { return unlocked_; })) {
      lock.unlock();
      if (const GstFlowReturn flow = gst_base_sink_wait_preroll(element_); flow != GST_FLOW_OK) return flow;
      begin = monotonic_now();  // readers may have been paused as well
    }
    pause = std::min(2 * pause, kLongestPause);
    passed = monotonic_now() - begin;
  } while (publisher.lacks_room(needs_slot, passed >= most));
  if (passed >= most) GST_DEBUG_OBJECT(element_, "a reader had no room for max-wait, it is not waited for");
  return GST_FLOW_OK;
}

}  // namespace supplier
