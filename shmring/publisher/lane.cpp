// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publisher/lane.hpp"

#include <ctime>

#include "os/clock.hpp"
#include "publisher/ring.hpp"

namespace shmring {
namespace {

// A block with the longest queue, up to the next page.
constexpr std::size_t kBlockSize = (sizeof(LaneBlock) + sizeof(std::uint32_t) * kMaxDepth + 4095) / 4096 * 4096;
constexpr std::uint64_t kSlowWakeup = 200'000;  // ns
// Scores a slow wake-up 4 and a quick one -1. A reader whose score says "more than three slow ones" is disconnected.
constexpr std::uint32_t kSlowScore = 4, kSlowLimit = 3 * kSlowScore + 1;

std::uint64_t thread_time() {
  timespec t;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

}  // namespace

Lane::Lane(Grant granted, std::uint32_t number, ProcessId reader, Fd reader_pidfd, const Ring& ring)
    : grant(std::move(granted)),
      ring_id(ring.id()),
      index(number),
      process(reader),
      pidfd(std::move(reader_pidfd)),
      block(ring.lane_block(number)),
      geometry(LaneGeometry::make(ring.geometry().slot_count)),
      own_(private_memory(kBlockSize + geometry.total_size)),
      page(reinterpret_cast<LanePage*>(own_.data() + kBlockSize)),
      counters(reinterpret_cast<LaneCounters*>(reinterpret_cast<std::byte*>(page) + geometry.counters_offset)),
      writer(*reinterpret_cast<LaneBlock*>(own_.data()), *page, grant.depth, grant.max_held,
             grant.policy != SHMRING_DROP_NEWEST) {
  block.head.store(0, std::memory_order_relaxed);  // a former lane's
}

void Lane::equip(UntrustedFd connection, Doorbell its_doorbell, SharedMemory shared) {
  socket = std::move(connection);
  doorbell = std::move(its_doorbell);
  memory = std::move(shared);
  page = reinterpret_cast<LanePage*>(memory.mapping.data());
  counters = reinterpret_cast<LaneCounters*>(memory.mapping.data() + geometry.counters_offset);
  page->waiting.store(1, std::memory_order_relaxed);  // the first frame notifies
}

// A reader can make its doorbell expensive (hundreds of epoll instances hang on it). What counts is processor time, not time spent waiting for a
// processor; it is only asked for after a notification that was long. And a virtual machine that stands still for a moment counts that as the
// thread's, too: only a reader that is slow most of the time is disconnected.
[[gnu::hot]] void Lane::notify() {
  wakeups.add();
  const std::uint32_t score = slow_wakeups.load(std::memory_order_relaxed);
  const std::uint64_t cpu = score ? thread_time() : 0;
  const std::uint64_t start = now();
  doorbell.notify();
  const bool slow = now() - start >= kSlowWakeup && (!score || thread_time() - cpu >= kSlowWakeup);
  if (!slow && !score) return;
  const std::uint32_t after = slow ? score + kSlowScore : score - 1;
  slow_wakeups.store(after, std::memory_order_relaxed);
  if (after >= kSlowLimit) violation.store(&kSlowWakeups, std::memory_order_release);
}

}  // namespace shmring
