// SPDX-License-Identifier: LGPL-2.1-or-later
// The times of frames that a program publishes: completed, converted from the wall clock, and how late they come.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <ctime>

#include <shmring/types.h>

#include "os/clock.hpp"

namespace shmring::capi {

// Any thread may call anything.
class Times {
 public:
  // Makes times of CLOCK_MONOTONIC of what the program gave: now for a frame without any, a converted time for one of the wall clock.
  void complete(shmring_frame_info& info) {
    if (info.pts == SHMRING_TIME_NONE && info.dts == SHMRING_TIME_NONE) {
      if (!(info.flags & SHMRING_FRAME_HEADER)) info.pts = now();
      return;
    }
    convert(info.pts);
    convert(info.dts);
  }

  // The program says its latency itself: none is measured.
  void latency_given() { given_.store(true, std::memory_order_relaxed); }
  // A published frame: the latency to report if it is more than was reported before, else 0.
  std::uint64_t new_latency(const shmring_frame_info& info) {
    if (info.pts >= info.published_at ||
        info.published_at - info.pts <= known_.load(std::memory_order_relaxed) + kTolerance)
      return 0;
    return measure(info.published_at - info.pts);
  }

 private:
  static constexpr std::uint64_t kMillisecond = 1'000'000;
  static constexpr std::uint64_t kTolerance = 20 * kMillisecond;  // what a GstVideoSink allows for
  static constexpr std::uint64_t kStep = 10 * kMillisecond;
  static constexpr std::uint64_t kLongest =
      10'000 * kMillisecond;  // what is later counts from another moment, such as a file's start
  static constexpr std::uint64_t kWallClock = 1'500'000'000ull * 1000 * kMillisecond;  // 2017; as an uptime 47 years
  static constexpr std::uint64_t kWallClockEnds = 5'000'000'000ull * 1000 * kMillisecond;  // 2128

  [[gnu::always_inline]] void convert(std::uint64_t& time) {
    if (time >= kWallClock && time < kWallClockEnds) time = from_wall_clock(time);
  }
  // The difference of the clocks is kept unless the wall clock was set: measured anew for each frame it would make their times jitter.
  [[gnu::cold, gnu::noinline]] std::uint64_t from_wall_clock(std::uint64_t time) {
    timespec wall;
    ::clock_gettime(CLOCK_REALTIME, &wall);
    const std::uint64_t ahead =
        static_cast<std::uint64_t>(wall.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(wall.tv_nsec) - now();
    std::uint64_t known = ahead_.load(std::memory_order_relaxed);
    if (std::max(ahead, known) - std::min(ahead, known) > kJump) ahead_.store(known = ahead, std::memory_order_relaxed);
    return time > known ? time - known : 0;
  }
  [[gnu::cold, gnu::noinline]] std::uint64_t measure(std::uint64_t late) {
    if (late > kLongest || given_.load(std::memory_order_relaxed)) return 0;
    const std::uint64_t latency = (late + kStep - 1) / kStep * kStep;
    known_.store(latency, std::memory_order_relaxed);
    return latency;
  }

  static constexpr std::uint64_t kJump = 1000 * kMillisecond;

  std::atomic<std::uint64_t> known_{0};  // the latency reported last
  std::atomic<std::uint64_t> ahead_{0};  // the wall clock, of CLOCK_MONOTONIC
  std::atomic<bool> given_{false};
};

}  // namespace shmring::capi
