// SPDX-License-Identifier: LGPL-2.1-or-later
// How to look at a word again and again without hurting anybody.
#pragma once

#include <thread>

namespace shmring {

// Between two looks: a few nanoseconds in which the core's other half gets on.
inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Every few microseconds, whoever waits for this very processor goes first: the one who looks has nothing to do, and the one who is waited
// for may be queued behind it. Nobody moves it to an idle core in time; without this a publisher was seen to wait for 2 ms.
constexpr unsigned kLooksBeforeYield = 16;  // of some 0.5 us each
inline void give_way() { std::this_thread::yield(); }

}  // namespace shmring
