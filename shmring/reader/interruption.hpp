// SPDX-License-Identifier: LGPL-2.1-or-later
// Interrupts the calls of a reader: a flag, and a descriptor that wakes a waiting call. Any thread.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "abi/result.hpp"
#include "os/fd.hpp"

namespace shmring {

class Interruption {
 public:
  explicit Interruption(Fd event) : event_(std::move(event)) {}
  static Result<Fd> make_event() {
    Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event) return system_error("eventfd");
    return event;
  }

  void set(bool on) {
    on_.store(on, std::memory_order_relaxed);
    std::uint64_t count = 1;
    [[maybe_unused]] const auto done =
        on ? ::write(event_.get(), &count, sizeof count) : ::read(event_.get(), &count, sizeof count);
  }
  explicit operator bool() const { return on_.load(std::memory_order_relaxed); }
  // Readable while set.
  int fd() const { return event_.get(); }
  // Pauses for `ms`, or until it is set.
  void pause(int ms) const {
    pollfd event{event_.get(), POLLIN, 0};
    ::poll(&event, 1, ms);
  }

 private:
  const Fd event_;
  std::atomic<bool> on_{false};
};

}  // namespace shmring
