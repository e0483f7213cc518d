// SPDX-License-Identifier: LGPL-2.1-or-later
// The processor's own pause between two polls of a word.
#pragma once

namespace shmring {

// A few nanoseconds in which the other hardware thread of this core runs.
inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace shmring
