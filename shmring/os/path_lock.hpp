// SPDX-License-Identifier: LGPL-2.1-or-later
// One start at a time for a socket path: an empty file beside the socket, locked while a publisher takes the path.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "abi/result.hpp"
#include "os/fd.hpp"

namespace shmring {

// Making the file takes the right to write to the folder, and opening it the publisher's user: a reader can do neither. The file goes with
// the lock; a process that dies meanwhile leaves it, unlocked, and the next start removes it.
class PathLock {
 public:
  // IN_USE: another process kept it for `patience` ns. Where no such file can be made (no room, no permission) or locked, starts go on
  // without: a socket cannot be made there either, or is made by one that replaces a dead one's.
  static Result<PathLock> take(const std::string& path, std::uint64_t patience);
  PathLock(PathLock&&) noexcept = default;
  PathLock& operator=(PathLock&&) = delete;
  ~PathLock() { release(); }
  void release();

 private:
  explicit PathLock(std::string name, Fd file = {}) : name_(std::move(name)), file_(std::move(file)) {}
  const std::string name_;
  Fd file_;
};

}  // namespace shmring
