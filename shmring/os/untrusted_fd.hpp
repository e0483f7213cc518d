// SPDX-License-Identifier: LGPL-2.1-or-later
// A descriptor that came from somebody whom we do not trust, or a connection with such a one.
#pragma once

#include <cstddef>
#include <utility>

#include "os/fd.hpp"
#include "os/fork_guard.hpp"

namespace shmring {

// Whoever closes the last descriptor of a TCP connection with unsent data, or of a file of a file system in user space, waits as long as the
// stranger likes; and closing a connection closes the descriptors in messages that nobody read. So a thread of its own closes it.
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
  // It turned out to be harmless.
  Fd trust() { return std::move(fd_); }

  // How many are being closed. More than a few: somebody makes us wait on purpose, and no new strangers should be let in.
  static std::size_t closing();
  static constexpr std::size_t kTooMany = 16;

 private:
  Fd fd_;
  bool harmless_ = false;
  ForkGuard guard_;
};

}  // namespace shmring
