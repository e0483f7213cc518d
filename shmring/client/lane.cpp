// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/lane.hpp"

#include <ctime>
#include <iterator>

#include "transport/clock.hpp"

namespace shmring {
namespace {

constexpr std::uint64_t kSlowBell = 200'000;  // ns

std::uint64_t thread_time() {
  timespec t;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

}  // namespace

const char* offence_name(std::size_t offence) {
  constexpr const char* names[] = {"message", "descriptors", "silence", "seals", "tail", "bell"};
  return offence < std::size(names) ? names[offence] : nullptr;
}

// A reader can make its bell expensive (a thousand epoll instances hang on it). Twice over the limit, in processor time and not in time
// spent waiting for a processor, is once too often.
[[gnu::hot]] void Lane::ring_bell() {
  bells.add();
  const bool timed = slow_bells.load(std::memory_order_relaxed) != 0;
  const std::uint64_t cpu = timed ? thread_time() : 0;
  const std::uint64_t start = now();
  bell.ring();
  if (now() - start < kSlowBell) return;
  if (!timed) {
    slow_bells.store(1, std::memory_order_relaxed);  // from now on it is timed
  } else if (thread_time() - cpu > kSlowBell && slow_bells.fetch_add(1, std::memory_order_relaxed) >= 2) {
    offence.store(&kDearBell, std::memory_order_release);
  }
}

}  // namespace shmring
