// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/doorbell.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace shmring {

Result<Doorbell> Doorbell::make() {
  Doorbell doorbell;
  doorbell.event_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!doorbell.event_) return system_error("eventfd");
  doorbell.poll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!doorbell.poll_) return system_error("epoll_create1");
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;  // the reader cannot read the eventfd: each ring is told once
  if (::epoll_ctl(doorbell.poll_.get(), EPOLL_CTL_ADD, doorbell.event_.get(), &event) != 0)
    return system_error("epoll_ctl");
  return doorbell;
}

[[gnu::hot]] void Doorbell::notify() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(event_.get(), &one, sizeof one);  // full after 2^64 notifications
}

[[gnu::hot]] Drained drain_doorbell(int doorbell) {
  epoll_event event;
  const int events = ::epoll_wait(doorbell, &event, 1, 0);
  return events > 0 ? Drained::notification : events == 0 || errno == EINTR ? Drained::nothing : Drained::no_doorbell;
}

[[gnu::hot]] void wait_for_event(int epoll, std::uint64_t timeout) {
  const timespec t{static_cast<time_t>(timeout / 1'000'000'000u), static_cast<long>(timeout % 1'000'000'000u)};
  const timespec* limit = timeout == SHMRING_WAIT_FOREVER ? nullptr : &t;
  epoll_event event;
  if (::epoll_pwait2(epoll, &event, 1, limit, nullptr) >= 0 || errno == EINTR) return;
  pollfd all{epoll, POLLIN, 0};  // the call is younger than this kernel, or forbidden
  ::ppoll(&all, 1, limit, nullptr);
}

}  // namespace shmring
