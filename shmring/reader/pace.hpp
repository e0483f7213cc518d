// SPDX-License-Identifier: LGPL-2.1-or-later
// Keeps a reader to a rate. Until the next frame is due, its descriptor is quiet whatever the publisher does, and its lane is not armed, so that no
// frame in between wakes it.
#pragma once

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "abi/result.hpp"
#include "os/fd.hpp"

namespace shmring {

class Pace {
 public:
  // `interval`: ns between frames. `inner`: the descriptor that is readable when a frame may be there; `interruption`: one that always counts.
  // Both outlive this.
  static Result<Pace> make(std::uint64_t interval, int inner, int interruption) {
    Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!timer) return system_error("timerfd_create");
    Fd outer(::epoll_create1(EPOLL_CLOEXEC));
    if (!outer) return system_error("epoll_create1");
    for (const int fd : {timer.get(), inner, interruption}) {
      epoll_event event{};
      event.events = EPOLLIN;
      if (::epoll_ctl(outer.get(), EPOLL_CTL_ADD, fd, &event) != 0) return system_error("epoll_ctl");
    }
    return Pace(interval, inner, std::move(timer), std::move(outer));
  }

  // Readable when a read would not wait.
  int fd() const { return outer_.get(); }
  // In a forked child, where the destructor must not run.
  void abandon() {
    for (const int fd : {timer_.get(), outer_.get()}) ::close(fd);
  }
  // ns until the next frame is due; 0: it is.
  std::uint64_t left(std::uint64_t now) const { return now < due_ ? due_ - now : 0; }
  // A frame was taken. One that was a little late does not make the rate lower.
  void took(std::uint64_t now) {
    due_ = now < due_ + interval_ ? due_ + interval_ : now + interval_;
    listen(0);
    itimerspec at{};
    at.it_value.tv_sec = static_cast<time_t>(due_ / 1'000'000'000);
    at.it_value.tv_nsec = static_cast<long>(due_ % 1'000'000'000);
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &at, nullptr);
    resting_ = true;
  }
  // The next frame is due, and is read now.
  void go_on() {
    if (!std::exchange(resting_, false)) return;
    std::uint64_t count;
    [[maybe_unused]] const auto got = ::read(timer_.get(), &count, sizeof count);
    listen(EPOLLIN);
  }

 private:
  Pace(std::uint64_t interval, int inner, Fd timer, Fd outer)
      : interval_(interval), inner_(inner), timer_(std::move(timer)), outer_(std::move(outer)) {}
  void listen(std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    ::epoll_ctl(outer_.get(), EPOLL_CTL_MOD, inner_, &event);
  }

  std::uint64_t interval_;
  int inner_;
  Fd timer_, outer_;
  std::uint64_t due_ = 0;
  bool resting_ = false;
};

}  // namespace shmring
