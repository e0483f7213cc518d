// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/process.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string_view>

namespace shmring {
namespace {

// PIDFD_GET_INFO of <linux/pidfd.h>, from Linux 6.13 on; the exit code from 6.15 on.
struct PidfdInfo {
  std::uint64_t mask;
  std::uint64_t cgroup;
  std::uint32_t ids[11];
  std::int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr unsigned long kGetInfo = _IOWR(0xFF, 11, PidfdInfo);
constexpr std::uint64_t kInfoExit = 1u << 3;

std::optional<int> status_of_reaped(const Fd& pidfd) {
  PidfdInfo info{};
  info.mask = kInfoExit;
  if (::ioctl(pidfd.get(), kGetInfo, &info) != 0 || (info.mask & kInfoExit) == 0) return {};
  return info.exit_code;
}

// Last word of /proc/PID/stat (exit code) of a zombie. The kernel shows 0 without the permission to see it.
std::optional<int> status_of_zombie(const Fd& pidfd, ProcessId process) {
  if (::geteuid() != 0 && ::geteuid() != process.uid) return {};
  const Fd file(::open(("/proc/" + std::to_string(process.pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> buffer;
  const ssize_t size = file ? ::read(file.get(), buffer.data(), buffer.size()) : -1;
  // It was still there after the read: the number is not another process's yet.
  if (size <= 0 || ::syscall(SYS_pidfd_send_signal, pidfd.get(), 0, nullptr, 0u) != 0) return {};
  const std::string_view text(buffer.data(), static_cast<std::size_t>(size));
  const auto name_end = text.rfind(')'), last = text.rfind(' ');
  if (name_end == std::string_view::npos || name_end + 2 >= text.size() || text[name_end + 2] != 'Z') return {};
  return std::atoi(std::string(text.substr(last + 1)).c_str());
}

}  // namespace

std::optional<int> exit_status(const Fd& pidfd, ProcessId process) {
  if (const auto status = status_of_reaped(pidfd)) return status;
  if (const auto status = status_of_zombie(pidfd, process)) return status;
  return status_of_reaped(pidfd);  // its parent may have waited for it just now
}

std::string reason_of_end(const Fd& pidfd, ProcessId process) {
  const auto status = exit_status(pidfd, process);
  if (!status) return "its process ended without closing the reader";
  if (!WIFSIGNALED(*status)) return {};
  const int signal = WTERMSIG(*status);
  const char* const name = ::sigabbrev_np(signal);
  return "its process was killed by signal " + std::to_string(signal) + (name ? std::string(" (SIG") + name + ")" : "");
}

}  // namespace shmring
