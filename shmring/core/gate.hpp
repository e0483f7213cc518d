// SPDX-License-Identifier: LGPL-2.1-or-later
// Lets one of the publisher's own threads at a time to the ledger: publishing, borrowing, and the control thread when the publisher is idle.
// Never held across a system call or a wait; no reader has any part in it.
#pragma once

#include <atomic>
#include <thread>

namespace shmring {

class Gate {
 public:
  void lock() {
    // acquire: pairs with the release in unlock. Bound: the other thread's few hundred instructions, or its time off the processor.
    while (taken_.exchange(true, std::memory_order_acquire)) {
      for (int i = 0; i < 64 && taken_.load(std::memory_order_relaxed); ++i) pause();
      if (taken_.load(std::memory_order_relaxed)) std::this_thread::yield();
    }
  }
  bool try_lock() { return !taken_.exchange(true, std::memory_order_acquire); }
  void unlock() { taken_.store(false, std::memory_order_release); }

 private:
  static void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  alignas(64) std::atomic<bool> taken_{false};
};

}  // namespace shmring
