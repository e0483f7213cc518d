// SPDX-License-Identifier: LGPL-2.1-or-later
// Exit status of another process, from its pidfd.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "os/fd.hpp"

namespace shmring {

// The number of a process and of its user, as the kernel gave them for a connection. The number says which process it was only together with
// a handle: it is given to another one later.
struct ProcessId {
  std::uint32_t pid = 0;
  std::uint32_t uid = 0;
};

// The status that waitpid() gives its parent. Nothing: it lives, or the kernel cannot tell (before Linux 6.15 only while it was not waited for
// it, and only about processes of this user).
std::optional<int> exit_status(const Fd& pidfd, ProcessId process);

// Why a reader whose process ended is reported as dead, or an empty text: it ended by itself.
std::string reason_of_end(const Fd& pidfd, ProcessId process);

}  // namespace shmring
