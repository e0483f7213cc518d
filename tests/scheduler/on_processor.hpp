// SPDX-License-Identifier: LGPL-2.1-or-later
// Processors: keeping a thread on one, and how soon another thread is elsewhere.
#pragma once

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <functional>
#include <thread>

namespace support {

// Keeps the calling thread on one as long as it lives; after that the thread may leave, but is there still.
class OnProcessor {
 public:
  explicit OnProcessor(int cpu) {
    ::sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ::sched_setaffinity(0, sizeof one, &one);
  }
  ~OnProcessor() { ::sched_setaffinity(0, sizeof before_, &before_); }
  OnProcessor(const OnProcessor&) = delete;
  OnProcessor& operator=(const OnProcessor&) = delete;

  // How many this thread may use.
  static int allowed() {
    cpu_set_t set;
    return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
  }

 private:
  cpu_set_t before_{};
};

// A publisher that calls `publish` every 5 ms from one processor, and somebody who looks for what it publishes by `take`, until it is false: after how many frames that
// one was elsewhere for eight in a row, when it began where the publisher is. The least of three rounds: a loaded machine moves
// threads. `end` ends the taker.
inline int frames_until_apart(const std::function<void()>& publish, const std::function<bool()>& take,
                              const std::function<void()>& end) {
  const int shared = ::sched_getcpu();
  std::atomic<bool> begin{true};
  std::atomic<int> apart{0};
  std::thread taker([&] {
    while (take()) {
      if (begin.exchange(false)) {
        const OnProcessor here(shared);
        apart = 0;
      } else {
        apart = ::sched_getcpu() == shared ? 0 : apart + 1;
      }
    }
  });
  int least = INT_MAX;
  {
    const OnProcessor here(shared);
    auto due = std::chrono::steady_clock::now();
    for (int round = 0; round < 3; ++round) {
      int frames = 0;
      for (begin = true; begin || apart < 8; ++frames) {
        std::this_thread::sleep_until(due += std::chrono::milliseconds(5));
        // What it takes to make a frame.
        for (const auto made = due + std::chrono::microseconds(200); std::chrono::steady_clock::now() < made;) {
        }
        publish();
      }
      least = std::min(least, frames);
    }
  }
  end();
  taker.join();
  return least;
}

}  // namespace support
