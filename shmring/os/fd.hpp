// SPDX-License-Identifier: LGPL-2.1-or-later
// A file descriptor with an owner.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "abi/result.hpp"

namespace shmring {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset() { Fd().swap(*this); }
  Fd duplicate() const { return Fd(::fcntl(fd_, F_DUPFD_CLOEXEC, 0)); }

 private:
  void swap(Fd& other) noexcept { std::swap(fd_, other.fd_); }
  int fd_ = -1;
};

// The error of a system call that just failed.
inline Error system_error(const char* call, int error = errno) {
  const Status status = error == ENOMEM || error == ENOSPC ? SHMRING_NO_MEMORY : SHMRING_SYSTEM;
  const char* const advice = error == EMFILE ? ": this process may open no more files (ulimit -n)" : "";
  return {status, std::string(call) + ": " + std::strerror(error) + advice};
}

}  // namespace shmring
