// SPDX-License-Identifier: LGPL-2.1-or-later
// Rings that a reader left and still holds frames of. They count against what it was granted: a frame of each size would keep a ring of
// each size.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "reader/attachment.hpp"

namespace shmring {

// Changed by the reading thread, with the reader's mutex; read by it without, and by others with it.
class FormerRings {
 public:
  FormerRings() = default;
  FormerRings(const FormerRings&) = delete;
  FormerRings& operator=(const FormerRings&) = delete;
  ~FormerRings() {
    for (Attachment* a : rings_) a->unref();
  }

  bool empty() const { return rings_.empty(); }
  // Takes over the reader's own reference.
  void add(Attachment* left) { rings_.push_back(left); }
  // Frames that are held.
  std::uint32_t held() const {
    std::uint32_t sum = 0;
    for (const Attachment* a : rings_) sum += a->held();
    return sum;
  }
  // Forgets rings whose frames were all released; answers how many frames of the others are held.
  [[gnu::cold, gnu::noinline]] std::uint32_t forget_released(std::mutex& readers) {
    const std::lock_guard lock(readers);
    std::erase_if(rings_, [](Attachment* a) {
      if (a->held() != 0) return false;
      a->unref();
      return true;
    });
    return held();
  }

 private:
  std::vector<Attachment*> rings_;
};

}  // namespace shmring
