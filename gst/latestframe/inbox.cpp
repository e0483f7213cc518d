// SPDX-License-Identifier: LGPL-2.1-or-later
// The reading side of the inbox.
#include "latestframe/inbox.hpp"

#include <algorithm>
#include <utility>

#include "os/clock.hpp"
#include "os/relax.hpp"
#include "reader/processor.hpp"

namespace supplier::latestframe {

[[gnu::hot]] ItemRef Inbox::take(shmring::Pace* pace) {
  for (;;) {
    if (closed_.load(std::memory_order_seq_cst)) return {};
    if (slot_.load(std::memory_order_relaxed)) {
      ItemRef item = clear();
      if (item) {
        if (pace) learn(item->at, *pace);
        return item;
      }
    }
    looked_at_ = 0;
    if (std::exchange(misplaced_, false)) shmring::step_aside();
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
    preempted_ = shmring::times_preempted();
    spin(window.until, *pace);
  }
}

[[gnu::hot]] void Inbox::spin(std::uint64_t until, shmring::Pace& pace) {
  looked_at_ = shmring::now();
  for (unsigned looks = 1; looked_at_ < until && !ready(); ++looks) {
    for (int i = 0; i < 16 && !ready(); ++i) shmring::relax();
    if (looks % shmring::kLooksBeforeYield == 0) shmring::give_way();
    if (ready()) return;
    const std::uint64_t now = shmring::now(), pause = now - std::exchange(looked_at_, now);
    if (pause > shmring::Courtesy::kPause && shmring::others_ran(pause, preempted_)) {
      misplaced_ |= pace.shared(pause);
      return;
    }
  }
}

// An item that was handed in at that time was taken: whether others ran here while it was looked for.
[[gnu::hot]] void Inbox::learn(std::uint64_t at, shmring::Pace& pace) {
  pace.arrived(at);
  const std::uint64_t now = shmring::now(), looked = std::exchange(looked_at_, 0);
  if (looked == 0 || !shmring::others_ran(now - looked, preempted_)) return;
  // While we gave way the publisher may have run here: then the frame is fresh, and nothing was lost.
  misplaced_ |= pace.shared(std::min(now - looked, now - std::min(now, at)));
}

}  // namespace supplier::latestframe
