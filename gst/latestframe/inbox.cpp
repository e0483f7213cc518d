// SPDX-License-Identifier: LGPL-2.1-or-later
// The reading side of the inbox.
#include "latestframe/inbox.hpp"

#include "core/relax.hpp"
#include "transport/clock.hpp"

namespace supplier::latestframe {
namespace {

constexpr std::int64_t kAsleep = -1;

}  // namespace

[[gnu::hot]] ItemRef Inbox::take(shmring::Pace* pace) {
  std::int64_t before = kAsleep;  // times_preempted() when we began to stay awake
  for (;;) {
    if (closed_.load(std::memory_order_seq_cst)) return {};
    if (slot_.load(std::memory_order_relaxed)) {
      ItemRef item = clear();
      if (item) {
        if (pace) pace->arrived(item->at);
        if (before != kAsleep && shmring::lost_processor(shmring::now() - item->at, before)) pace->preempted();
        return item;
      }
    }
    before = kAsleep;
    const auto window = pace ? pace->next(shmring::now()) : shmring::Pace::Window{};
    if (!window) {
      bell_.wait([this] { return ready(); });
      continue;
    }
    std::uint64_t now = shmring::now();
    if (now < window.from) {
      bell_.wait([this] { return ready(); }, window.from);
      now = shmring::now();
      if (now >= window.from) pace->woke(window.from, now);
      if (now < window.from || ready()) continue;
    }
    before = shmring::times_preempted();
    if (!spin(window.until, before)) pace->preempted();
  }
}

// False: somebody else needed the processor.
[[gnu::hot]] bool Inbox::spin(std::uint64_t until, std::int64_t before) const {
  std::uint64_t now = shmring::now();
  for (unsigned looks = 1; now < until && !ready(); ++looks) {
    for (int i = 0; i < 16 && !ready(); ++i) shmring::relax();
    if (looks % shmring::kLooksBeforeYield == 0) shmring::give_way();
    const std::uint64_t then = std::exchange(now, shmring::now());
    if (!ready() && shmring::lost_processor(now - then, before)) return false;
  }
  return true;
}

}  // namespace supplier::latestframe
