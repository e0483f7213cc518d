// SPDX-License-Identifier: LGPL-2.1-or-later
// A descriptor received from an untrusted process, or a connection with one.
#pragma once

#include <cstddef>
#include <utility>

#include "os/fd.hpp"
#include "os/fork_guard.hpp"

namespace shmring {

// close() may block on a descriptor from an untrusted process: a TCP connection with unsent data, a file in FUSE. Closing a connection also
// closes the descriptors in its unread messages. So a thread of its own calls close().
class UntrustedFd {
 public:
  UntrustedFd() = default;
  // harmless: known to be closed at once.
  explicit UntrustedFd(Fd fd, bool harmless = false) : fd_(std::move(fd)), harmless_(harmless) {}
  UntrustedFd(UntrustedFd&& other) noexcept = default;
  UntrustedFd& operator=(UntrustedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(harmless_, other.harmless_);
    std::swap(guard_, other.guard_);
    return *this;
  }
  ~UntrustedFd();

  const Fd& fd() const { return fd_; }
  int get() const { return fd_.get(); }
  explicit operator bool() const { return static_cast<bool>(fd_); }
  void reset() { const UntrustedFd closed = std::move(*this); }
  // Marks the descriptor as safe to close at once.
  Fd trust() { return std::move(fd_); }

  // Number of descriptors being closed. Above kTooMany new connections should wait: a peer blocks close() on purpose.
  static std::size_t closing();
  static constexpr std::size_t kTooMany = 16;

 private:
  Fd fd_;
  bool harmless_ = false;
  ForkGuard guard_;
};

}  // namespace shmring
