// SPDX-License-Identifier: LGPL-2.1-or-later
// Waits on a word and wakes the waiters: one system call each, and none when no thread waits.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>
#include <ctime>

namespace supplier::latestframe {

inline constexpr std::uint64_t kForever = 0;

namespace futex {

// Returns when woken, when the word is not `seen`, at `deadline` (CLOCK_MONOTONIC, ns), or for no reason at all.
inline void wait(const std::atomic<std::uint32_t>& word, std::uint32_t seen, std::uint64_t deadline = kForever) {
  timespec at{};
  at.tv_sec = static_cast<time_t>(deadline / 1'000'000'000);
  at.tv_nsec = static_cast<long>(deadline % 1'000'000'000);
  syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, seen, deadline == kForever ? nullptr : &at, nullptr,
          FUTEX_BITSET_MATCH_ANY);
}

inline void wake(const std::atomic<std::uint32_t>& word, int sleepers) {
  syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, sleepers, nullptr, nullptr, 0);
}

}  // namespace futex

// Many sleepers, all woken together.
class EventCount {
 public:
  std::uint32_t look() const { return word_.load(std::memory_order_seq_cst); }

  // Sleeps until a beat or `deadline`, unless there was a beat since `seen` was looked at.
  void wait(std::uint32_t seen, std::uint64_t deadline = kForever) {
    // seq_cst on both words: either beat() counts this sleeper, or the kernel finds that the word is not `seen`.
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    futex::wait(word_, seen, deadline);
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
  }

  void beat() {
    word_.fetch_add(1, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) != 0) futex::wake(word_, INT_MAX);
  }

 private:
  alignas(64) std::atomic<std::uint32_t> word_{0};
  alignas(64) std::atomic<std::uint32_t> sleepers_{0};
};

// One sleeper. Ringing costs a system call only while it sleeps.
class Bell {
 public:
  void ring() {
    // seq_cst: the caller has stored what `ready` looks at. Either this load sees the sleeper, or ready() sees that.
    if (asleep_.load(std::memory_order_seq_cst) != 0 && asleep_.exchange(0, std::memory_order_seq_cst) != 0)
      futex::wake(asleep_, 1);
  }

  // Sleeps until rung or `deadline`; at once if ready() holds. May return for no reason.
  template <class Ready>
  void wait(Ready ready, std::uint64_t deadline = kForever) {
    asleep_.store(1, std::memory_order_seq_cst);
    if (!ready()) futex::wait(asleep_, 1, deadline);
    asleep_.store(0, std::memory_order_relaxed);
  }

 private:
  alignas(64) std::atomic<std::uint32_t> asleep_{0};
};

}  // namespace supplier::latestframe
