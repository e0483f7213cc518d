// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/path_lock.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "lane/crash_point.hpp"
#include "os/clock.hpp"
#include "os/socket.hpp"

namespace shmring {
namespace {

bool same_file(const struct stat& a, const struct stat& b) { return a.st_ino == b.st_ino && a.st_dev == b.st_dev; }

// After open() failed with `error`: whether a file of that name is there, or could be, so that trying again may help.
bool may_be_had_later(const std::string& name, int error) {
  if (error == EROFS || error == ENOSPC || error == EDQUOT || error == EPERM) return false;
  struct stat present;
  return ::lstat(name.c_str(), &present) == 0 ||
         ::faccessat(AT_FDCWD, folder_of(name).c_str(), W_OK | X_OK, AT_EACCESS) == 0;
}

}  // namespace

Result<PathLock> PathLock::take(const std::string& path, std::uint64_t patience) {
  const std::string name = path + ".lock", folder = folder_of(path);
  const std::uint64_t start = now();
  for (;; ::poll(nullptr, 0, 1)) {
    // Never written to, so an existing file is not harmed; and a pipe of that name cannot block the call.
    Fd file(::open(name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    if (!file) {
      const int error = errno;
      struct stat present;
      if (::stat(folder.c_str(), &present) != 0 || !S_ISDIR(present.st_mode)) {
        const Error why = system_error(("the socket's folder " + folder).c_str(), error);
        return Error{SHMRING_SYSTEM, why.text + ": create it first, or choose another path"};
      }
      if (error == EMFILE || error == ENFILE || error == ENOMEM)
        return system_error(("opening " + name).c_str(), error);
      if (!may_be_had_later(name, error)) return PathLock(name);
      if (now() - start >= patience)
        return {SHMRING_IN_USE, name + " is in the way (" + std::strerror(error) +
                                    "): another user is starting a publisher at " + path +
                                    ", or left this file; if no publisher is starting, remove it"};
      continue;
    }
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
      // The one before us may have removed the file that we opened.
      struct stat opened, present;
      if (::fstat(file.get(), &opened) != 0 || ::lstat(name.c_str(), &present) != 0 || !same_file(opened, present))
        continue;
      SHMRING_CRASH_POINT(path_locked);
      return PathLock(name, std::move(file));
    }
    if (errno != EWOULDBLOCK && errno != EINTR) {  // a file system without locks
      ::unlink(name.c_str());
      return PathLock(name);
    }
    if (now() - start >= patience)
      return {SHMRING_IN_USE, "another process is starting a publisher at " + path +
                                  " and does not come to an end (it holds " + name +
                                  "): stop that one, or choose another path"};
  }
}

void PathLock::release() {
  if (file_) ::unlink(name_.c_str());
  file_.reset();
}

}  // namespace shmring
