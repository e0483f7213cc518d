// SPDX-License-Identifier: LGPL-2.1-or-later
// Slots given back by other threads of the publisher's process: one bit a slot, set by any thread, taken under the spin lock. Wait-free.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "abi/atomic.hpp"

namespace shmring {

template <class Ops = HardwareOps>
class FreedSlots {
 public:
  explicit FreedSlots(std::uint32_t slots) : words_((slots + 63) / 64) {}

  // release: pairs with the acquire in take; what this thread did with the slot is before its next use.
  void give(std::uint32_t slot) {
    Ops::fetch_or(words_[slot / 64], std::uint64_t{1} << (slot % 64), std::memory_order_release);
  }

  // Calls `each` for every slot that was given since.
  template <class Each>
  void take(Each&& each) {
    for (std::uint32_t word = 0; word < words_.size(); ++word) {
      if (Ops::load(words_[word], std::memory_order_relaxed) == 0) continue;
      for (std::uint64_t bits = Ops::exchange(words_[word], std::uint64_t{0}, std::memory_order_acquire); bits != 0;
           bits &= bits - 1)
        each(word * 64 + static_cast<std::uint32_t>(std::countr_zero(bits)));
    }
  }

  const void* first_word() const { return words_.data(); }  // for tests that count every access

 private:
  std::vector<Word64> words_;
};

}  // namespace shmring
