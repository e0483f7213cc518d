// SPDX-License-Identifier: LGPL-2.1-or-later
// Keeps a frame back while a reader with drop-newest has no room for it, for files. The publisher never waits: it is asked again and again, at
// growing intervals.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include <gst/base/gstbasesink.h>

#include "publisher/publisher.hpp"

namespace supplier {

class RoomWait {
 public:
  explicit RoomWait(GstBaseSink* element) : element_(element) {}

  std::atomic<std::uint64_t> longest{0};  // max-wait, ns; 0: never

  // The streaming thread, with the preroll lock. A reader that had no room in all that time loses frames as without a wait, until it has some
  // again.
  GstFlowReturn wait(shmring::Publisher& publisher, bool needs_slot);
  // Any thread: ends waiting, or allows it again.
  void unlock(bool on);

 private:
  GstBaseSink* const element_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool unlocked_ = false;  // guarded by mutex_
};

}  // namespace supplier
