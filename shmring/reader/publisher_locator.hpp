// SPDX-License-Identifier: LGPL-2.1-or-later
// Finds the publisher's socket: tries at once, whenever something appears in its folder, and every 100 ms in any case.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <string>

#include "abi/result.hpp"
#include "os/fd.hpp"

namespace shmring {

class PublisherLocator {
 public:
  explicit PublisherLocator(std::string path) : path_(std::move(path)) {}
  Result<void> start();
  // Fails where no publisher can ever be: a folder or a file of another kind is there, or the folder is missing.
  static Result<void> check_place(const std::string& path);

  // Readable when a try is due; empties itself in due().
  std::array<int, 2> descriptors() const { return {timer_.get(), inotify_.get()}; }
  bool due();
  // ns until the next try.
  std::uint64_t pause() const;
  // DISCONNECTED: no publisher. IN_USE: it does not accept connections. The next try is scheduled.
  Result<Fd> connect();
  // Why the last try failed; empty once a publisher was found.
  const std::string& reason() const { return reason_; }
  // Tells whether another publisher has the path by now than the one connected to (which may be stopped, or a child that inherited its socket).
  bool replaced();
  // Each time twice as long, until it worked().
  void retry_later();
  void found();
  void worked() { back_off_ = 0; }

 private:
  void watch_folder();
  bool folder_changed();
  void empty_timer();
  void set_timer(std::uint64_t after);

  const std::string path_;
  std::string reason_;
  Fd timer_, inotify_;
  struct stat file_ {};  // the socket connected to
  int watch_ = -1;
  std::uint64_t back_off_ = 0;  // ns
  std::uint64_t next_ = 0;      // when to try, on CLOCK_MONOTONIC; 0: at once
};

}  // namespace shmring
