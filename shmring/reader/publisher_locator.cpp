// SPDX-License-Identifier: LGPL-2.1-or-later
#include "reader/publisher_locator.hpp"

#include <sys/inotify.h>
#include <sys/timerfd.h>

#include <algorithm>

#include "os/clock.hpp"
#include "os/log.hpp"
#include "os/socket.hpp"

namespace shmring {
namespace {
constexpr std::uint64_t kFirst = 1'000'000, kLongest = 100'000'000;  // ns
}

Result<void> PublisherLocator::check_place(const std::string& path) { return shmring::check_place(path); }

Result<void> PublisherLocator::start() {
  timer_ = Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_) return system_error("timerfd_create");
  // Without inotify (its number is limited for each user) the timer does it alone.
  inotify_ = Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  set_timer(1);
  return {};
}

void PublisherLocator::watch_folder() {
  if (watch_ >= 0 || !inotify_) return;
  watch_ = ::inotify_add_watch(inotify_.get(), folder_of(path_).c_str(),
                               IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR);
}

bool PublisherLocator::folder_changed() {
  bool seen = false;
  alignas(inotify_event) char events[4096];
  for (ssize_t n; inotify_ && (n = ::read(inotify_.get(), events, sizeof events)) > 0;) {
    for (ssize_t at = 0; at < n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(events + at);
      if (event->mask & (IN_DELETE_SELF | IN_IGNORED)) watch_ = -1;
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
    seen = true;
  }
  return seen;
}

void PublisherLocator::set_timer(std::uint64_t after) {
  itimerspec t{};
  t.it_value.tv_sec = static_cast<time_t>(after / 1'000'000'000u);
  t.it_value.tv_nsec = static_cast<long>(after % 1'000'000'000u);
  ::timerfd_settime(timer_.get(), 0, &t, nullptr);
  next_ = now() + after;
}

bool PublisherLocator::due() {
  // The file is there before its owner listens: try quickly at first.
  if (folder_changed()) next_ = back_off_ = 0;
  empty_timer();
  return now() >= next_;
}

void PublisherLocator::empty_timer() {
  std::uint64_t count;
  [[maybe_unused]] const auto got = ::read(timer_.get(), &count, sizeof count);
}

bool PublisherLocator::replaced() {
  empty_timer();
  folder_changed();
  set_timer(kLongest);
  struct stat file;
  if (::stat(path_.c_str(), &file) != 0) return false;
  return file.st_ino != file_.st_ino || file.st_dev != file_.st_dev || file.st_ctim.tv_sec != file_.st_ctim.tv_sec ||
         file.st_ctim.tv_nsec != file_.st_ctim.tv_nsec;
}

std::uint64_t PublisherLocator::pause() const {
  const std::uint64_t t = now();
  return t >= next_ ? 0 : next_ - t;
}

Result<Fd> PublisherLocator::connect() {
  watch_folder();  // before the try: what appears after it is seen
  if (::stat(path_.c_str(), &file_) != 0) file_ = {};
  auto connected = connect_to(path_);
  if (connected) {
    set_timer(kLongest);
  } else {
    if (reason_ != connected.error().text) log(SHMRING_LOG_DEBUG, "searching: ", connected.error().text);
    reason_ = connected.error().text;
    retry_later();
  }
  return connected;
}

void PublisherLocator::retry_later() {
  back_off_ = std::clamp(back_off_ * 2, kFirst, kLongest);
  set_timer(back_off_);
}

void PublisherLocator::found() {
  reason_.clear();
  // Nothing is due while a publisher is there, and other changes in the folder must not wake the reader.
  if (watch_ >= 0) ::inotify_rm_watch(inotify_.get(), watch_);
  folder_changed();
  watch_ = -1;
  const itimerspec off{};
  ::timerfd_settime(timer_.get(), 0, &off, nullptr);
  next_ = 0;
}

}  // namespace shmring
