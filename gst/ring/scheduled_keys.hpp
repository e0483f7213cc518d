// SPDX-License-Identifier: LGPL-2.1-or-later
// Requests for a key frame at a certain running time, as a recorder sends for its next file. A ring takes requests for now only, so each is
// kept here until a frame of its time comes.
#pragma once

#include <atomic>
#include <cstddef>
#include <iterator>
#include <mutex>
#include <set>

#include <gst/gst.h>

namespace supplier {

class ScheduledKeys {
 public:
  static constexpr std::size_t kMost = 16;  // of many the earliest are kept

  // Any thread.
  void add(GstClockTime running_time) {
    const std::lock_guard lock(mutex_);
    times_.insert(running_time);
    if (times_.size() > kMost) times_.erase(std::prev(times_.end()));
    earliest_.store(*times_.begin(), std::memory_order_relaxed);
  }
  // Cheap: for each frame.
  bool any() const { return earliest_.load(std::memory_order_relaxed) != GST_CLOCK_TIME_NONE; }
  // True if some were for this time or earlier; they are done with.
  bool take(GstClockTime running_time) {
    const std::lock_guard lock(mutex_);
    const auto later = times_.upper_bound(running_time);
    const bool due = later != times_.begin();
    times_.erase(times_.begin(), later);
    earliest_.store(times_.empty() ? GST_CLOCK_TIME_NONE : *times_.begin(), std::memory_order_relaxed);
    return due;
  }
  void forget() { take(GST_CLOCK_TIME_NONE); }

 private:
  std::mutex mutex_;
  std::set<GstClockTime> times_;  // guarded by the mutex
  std::atomic<GstClockTime> earliest_{GST_CLOCK_TIME_NONE};
};

}  // namespace supplier
