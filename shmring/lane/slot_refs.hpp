// SPDX-License-Identifier: LGPL-2.1-or-later
// References to slots: which lanes and loans hold each one. Kept in the publisher's private memory; no word that a reader can write is ever part of it.
// Not thread-safe: guarded by the publisher's spin lock. Allocates in its constructor only.
#pragma once

#include <cstdint>
#include <vector>

#include "lane/static_vector.hpp"

namespace shmring {

class SlotRefs {
 public:
  explicit SlotRefs(std::uint32_t slots) : owners_(slots, 0), free_(slots) {
    for (std::uint32_t slot = slots; slot-- > 0;) free_.push_back(slot);
  }

  std::uint32_t slots() const { return static_cast<std::uint32_t>(owners_.size()); }
  std::uint32_t free_slots() const { return free_.size(); }
  bool any_free() const { return !free_.empty(); }

  // The slot freed last comes first: its cache lines are the warmest. Call only when any_free(). The caller is its first owner.
  std::uint32_t acquire() {
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    owners_[slot] = 1;
    return slot;
  }
  void ref(std::uint32_t slot) { ++owners_[slot]; }
  void unref(std::uint32_t slot) {
    if (--owners_[slot] == 0) free_.push_back(slot);
  }

 private:
  std::vector<std::uint16_t>
      owners_;  // lanes that have it queued or held + this process's loan + the pin of the newest frame
  StaticVector<std::uint32_t> free_;  // last in, first out
};

}  // namespace shmring
