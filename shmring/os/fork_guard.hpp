// SPDX-License-Identifier: LGPL-2.1-or-later
// Tells a handle whether it is still in the process that made it. A forked child shares its parent's memory and sockets; if it released a
// frame or said goodbye, it would do so in the parent's name.
#pragma once

#include <cstdint>

#include "abi/atomic.hpp"

namespace shmring {

class ForkGuard {
 public:
  // Belongs to the calling process. Any thread, and in a child made at any moment of its parent's.
  ForkGuard();

  // One load: the word is in a page that the kernel wipes in every child (MADV_WIPEONFORK), also one made by a bare system call. Where the
  // kernel does not do that, the C library's fork() wipes it.
  bool in_child() const { return word_->load(std::memory_order_relaxed) != generation_; }

 private:
  Word64* word_;
  std::uint64_t generation_;
};

}  // namespace shmring
