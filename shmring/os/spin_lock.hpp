// SPDX-License-Identifier: LGPL-2.1-or-later
// Lets one of the publisher's own threads at a time to the slot references: publishing, borrowing, and the control thread when the publisher is idle.
// Never held across a system call or a wait; no reader has any part in it.
#pragma once

#include <atomic>
#include <thread>

#include "abi/atomic.hpp"
#include "os/relax.hpp"

namespace shmring {

template <class Ops = HardwareOps>
class BasicSpinLock {
 public:
  void lock() {
    // Bound: the other thread's few hundred instructions, or its time off the processor.
    while (!try_lock()) {
      for (int i = 0; i < 64 && Ops::load(taken_, std::memory_order_relaxed); ++i) relax();
      if (Ops::load(taken_, std::memory_order_relaxed)) std::this_thread::yield();
    }
  }
  // acquire: pairs with the release in unlock; what the other thread did to the slot references are done.
  bool try_lock() { return !Ops::exchange(taken_, true, std::memory_order_acquire); }
  void unlock() { Ops::store(taken_, false, std::memory_order_release); }

 private:
  alignas(64) std::atomic<bool> taken_{false};
};

using SpinLock = BasicSpinLock<>;

}  // namespace shmring
