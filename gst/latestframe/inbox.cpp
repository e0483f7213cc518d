// SPDX-License-Identifier: LGPL-2.1-or-later
// The reading side of the inbox.
#include "latestframe/inbox.hpp"

#include "transport/clock.hpp"

namespace supplier::latestframe {
namespace {

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ItemRef Inbox::take(Pace* pace) {
  for (;;) {
    if (closed_.load(std::memory_order_seq_cst)) return {};
    if (slot_.load(std::memory_order_relaxed)) {
      ItemRef item = clear();
      if (item) {
        if (pace) pace->arrived(item->at);
        return item;
      }
    }
    const auto plan = pace ? pace->plan(shmring::now()) : Pace::Plan{};
    if (!plan) {
      bell_.wait([this] { return ready(); });
      continue;
    }
    std::uint64_t now = shmring::now();
    if (now < plan.sleep_until) {
      bell_.wait([this] { return ready(); }, plan.sleep_until);
      now = shmring::now();
      if (ready()) continue;
      if (now < plan.sleep_until) continue;
      pace->woke(plan.sleep_until, now);
    }
    spin(*pace, plan.spin_until);
  }
}

void Inbox::spin(Pace& pace, std::uint64_t until) const {
  std::uint64_t now = shmring::now();
  while (now < until && !ready()) {
    for (int i = 0; i < 16 && !ready(); ++i) pause();
    const std::uint64_t then = std::exchange(now, shmring::now());
    if (now - then > Pace::kPreempted) return pace.preempted();
  }
}

}  // namespace supplier::latestframe
