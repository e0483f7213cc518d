// SPDX-License-Identifier: LGPL-2.1-or-later
// The reading side of the mailbox.
#include "latestframe/mailbox.hpp"

#include "os/clock.hpp"

namespace supplier::latestframe {

ItemRef Mailbox::take(shmring::SpinWaiter* waiter) {
  for (;;) {
    if (closed_.load(std::memory_order_seq_cst)) return {};
    if (slot_.load(std::memory_order_relaxed)) {
      if (ItemRef item = clear()) {
        if (waiter) waiter->record_arrival(item->at, shmring::now());
        return item;
      }
    }
    const auto window = waiter ? waiter->next(shmring::now()) : shmring::SpinWaiter::Window{};
    if (!window) {
      bell_.wait([this] { return ready(); });
      continue;
    }
    std::uint64_t now = shmring::now();
    if (now < window.from) {
      bell_.wait([this] { return ready(); }, window.from);
      now = shmring::now();
      waiter->record_wakeup(window.from, now);
      if (now < window.from || ready()) continue;
    }
    waiter->begin();
    waiter->spin(window, [this] { return ready(); });
  }
}

}  // namespace supplier::latestframe
