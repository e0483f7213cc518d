// SPDX-License-Identifier: LGPL-2.1-or-later
// What readers ask of the application: a key frame. It hears of all requests together at most once in 500 ms, because each key frame takes
// bit rate from every reader. Any thread may call; nothing waits.
#pragma once

#include <atomic>
#include <cstdint>

namespace shmring {

class KeyRequests {
 public:
  static constexpr std::uint64_t kInterval = 500'000'000;  // ns

  // False: another request is pending, which this one joins.
  bool add() { return !pending_.exchange(true, std::memory_order_relaxed); }
  bool pending() const { return pending_.load(std::memory_order_relaxed); }
  // True once for all that is pending. What comes sooner than kInterval after that stays pending until then.
  bool take(std::uint64_t now) {
    std::uint64_t due = due_.load(std::memory_order_relaxed);
    if (!pending() || now < due) return false;
    return due_.compare_exchange_strong(due, now + kInterval, std::memory_order_relaxed) &&
           pending_.exchange(false, std::memory_order_relaxed);
  }

 private:
  std::atomic<bool> pending_{false};
  std::atomic<std::uint64_t> due_{0};
};

}  // namespace shmring
