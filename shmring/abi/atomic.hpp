// SPDX-License-Identifier: LGPL-2.1-or-later
// The seam for atomic operations. Storage is always std::atomic, so the layout never depends on it; the operations go through a policy,
// so that a test can run the same algorithms step by step in every order (tests/unit/lane/interleavings_test.cpp).
#pragma once

#include <atomic>
#include <cstdint>

namespace shmring {

using Word32 = std::atomic<std::uint32_t>;
using Word64 = std::atomic<std::uint64_t>;

// Other processes see these words: they must be plain, lock-free memory.
static_assert(Word32::is_always_lock_free && sizeof(Word32) == 4);
static_assert(Word64::is_always_lock_free && sizeof(Word64) == 8);

// Prefetches the line. Never faults, whatever the address.
inline void prefetch(const void* line) { __builtin_prefetch(line, 0); }
inline void prefetch_to_write(const void* line) { __builtin_prefetch(line, 1); }

struct HardwareOps {
  template <class T>
  static T load(const std::atomic<T>& word, std::memory_order order) {
    return word.load(order);
  }
  template <class T>
  static void store(std::atomic<T>& word, T value, std::memory_order order) {
    word.store(value, order);
  }
  template <class T>
  static T exchange(std::atomic<T>& word, T value, std::memory_order order) {
    return word.exchange(value, order);
  }
  template <class T>
  static void fetch_or(std::atomic<T>& word, T bits, std::memory_order order) {
    word.fetch_or(bits, order);
  }
  // `success` orders what was stored; a failure loads with acquire.
  template <class T>
  static bool compare_exchange(std::atomic<T>& word, T& expected, T desired, std::memory_order success) {
    return word.compare_exchange_strong(expected, desired, success, std::memory_order_acquire);
  }
  static void fence() {
#if defined(__SANITIZE_THREAD__)
    // ThreadSanitizer does not know fences; a read-modify-write on one word orders the same for it.
    static std::atomic<int> word{0};
    word.fetch_add(1, std::memory_order_seq_cst);
#else
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
  }
};

}  // namespace shmring
