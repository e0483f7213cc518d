// SPDX-License-Identifier: LGPL-2.1-or-later
// A histogram of durations in fixed memory: eight steps an octave from 128 ns to 73 min, so a value is accurate to 12.5 %.
// Lives in shared or private memory; zero bytes are an empty histogram. Method: the bucketing of HdrHistogram (Gil Tene).
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

#include <shmring/types.h>

#include "abi/atomic.hpp"

namespace shmring {

class Histogram {
 public:
  static constexpr unsigned kLowBits = 7, kHighBits = 42, kSteps = 8;
  static constexpr unsigned kBuckets = 2 + (kHighBits - kLowBits) * kSteps;

  // Any thread. Two relaxed additions and, seldom, a larger maximum.
  void record(std::uint64_t ns) {
    buckets_[index(ns)].fetch_add(1, std::memory_order_relaxed);
    if (ns > max_.load(std::memory_order_relaxed)) max_.store(ns, std::memory_order_relaxed);
  }

  // Any thread; what is being recorded meanwhile may or may not be in it. The memory may be untrusted: any content gives an answer.
  shmring_times summary() const {
    std::array<std::uint32_t, kBuckets> seen;
    std::uint64_t count = 0;
    for (unsigned i = 0; i < kBuckets; ++i) count += seen[i] = buckets_[i].load(std::memory_order_relaxed);
    const std::uint64_t max = max_.load(std::memory_order_relaxed);
    return {count, percentile(seen, count, 50, max), percentile(seen, count, 99, max), max};
  }

  // Adds what another one counted.
  void add(const Histogram& other) {
    for (unsigned i = 0; i < kBuckets; ++i)
      buckets_[i].fetch_add(other.buckets_[i].load(std::memory_order_relaxed), std::memory_order_relaxed);
    const std::uint64_t max = other.max_.load(std::memory_order_relaxed);
    if (max > max_.load(std::memory_order_relaxed)) max_.store(max, std::memory_order_relaxed);
  }

  static constexpr unsigned index(std::uint64_t ns) {
    if (ns < (1ull << kLowBits)) return 0;
    if (ns >= (1ull << kHighBits)) return kBuckets - 1;
    const unsigned octave = static_cast<unsigned>(std::bit_width(ns)) - 1;
    const unsigned step = static_cast<unsigned>(ns >> (octave - 3)) & (kSteps - 1);
    return 1 + (octave - kLowBits) * kSteps + step;
  }
  // The middle of a bucket.
  static constexpr std::uint64_t middle(unsigned bucket) {
    if (bucket == 0) return 1ull << (kLowBits - 1);
    if (bucket >= kBuckets - 1) return 1ull << kHighBits;
    const unsigned octave = kLowBits + (bucket - 1) / kSteps, step = (bucket - 1) % kSteps;
    const std::uint64_t width = 1ull << (octave - 3);
    return (1ull << octave) + step * width + width / 2;
  }

 private:
  static std::uint64_t percentile(const std::array<std::uint32_t, kBuckets>& seen, std::uint64_t count,
                                  unsigned percent, std::uint64_t max) {
    if (count == 0) return 0;
    const std::uint64_t rank = (count * percent + 99) / 100;
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < kBuckets; ++i)
      if ((sum += seen[i]) >= rank) return middle(i) < max ? middle(i) : max;
    return max;
  }

  std::array<Word32, kBuckets> buckets_;
  Word64 max_;
};

}  // namespace shmring
