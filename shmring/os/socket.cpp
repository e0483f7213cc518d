// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/socket.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "abi/wire.hpp"
#include "lane/crash_point.hpp"
#include "os/path_lock.hpp"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

namespace shmring {
namespace {

constexpr std::uint64_t kPatience = 2'000'000'000;  // ns, for another start at the same path
constexpr int kTriesWhileClosing = 10;              // a millisecond longer apart each time
constexpr std::size_t kMostOfKernel = 253;          // descriptors with one message

std::atomic<bool> pidfd_by_number{false}, descriptors_from_anybody{false};

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

bool poll_for(int fd, short events, int timeout_ms) {
  pollfd p{fd, events, 0};
  return ::poll(&p, 1, timeout_ms) > 0;
}

Error in_use(const std::string& path, std::uint32_t pid) {
  return {SHMRING_IN_USE, path + " has a publisher already (process " + std::to_string(pid) +
                              "): stop that one, or choose another path"};
}

// The answer on a connection to `path`: IN_USE with the publisher's process; success where its publisher is dead. Nothing: it is closing.
std::optional<Result<void>> who_answers(const Fd& probe, const std::string& path) {
  std::uint32_t pid = peer_of(probe.get()).process.pid;
  const auto hello = wire::make_hello(wire::kVersion, wire::Role::observer);
  std::array<std::byte, wire::kMaxMessage> buffer;
  if (!send_message(probe.get(), hello)) return std::nullopt;  // closed between our connect and this
  if (poll_for(probe.get(), POLLIN, 1000)) {
    const auto received = receive_message(probe.get(), buffer);
    if (const auto welcome = wire::parse_welcome({buffer.data(), received.size})) pid = welcome->publisher_pid;
    if (received.kind == Received::Kind::message) return in_use(path, pid);
    if (received.kind == Received::Kind::closed) return std::nullopt;
  }
  // A process that listens but does not answer is stopped, or a child that inherited the socket of a publisher that died.
  if (pid != 0 && (::kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM)) return in_use(path, pid);
  return Result<void>();
}

// IN_USE, or success when the path is free (a dead one's file is removed).
Result<void> clear_path(const std::string& path, bool waits) {
  for (int tries = 1;; ++tries) {
    struct stat file;
    if (::lstat(path.c_str(), &file) != 0)
      return errno == ENOENT ? Result<void>() : Result<void>(system_error(("looking for " + path).c_str()));
    if (!S_ISSOCK(file.st_mode))
      return {SHMRING_IN_USE, path + " is there already and is no socket: choose another path, or remove it"};
    auto probe = connect_to(path);
    if (!probe && probe.status() != SHMRING_DISCONNECTED) return probe.error();
    if (!probe) break;
    const std::uint32_t pid = peer_of(probe->get()).process.pid;
    if (!waits) return in_use(path, pid);
    const auto answer = who_answers(*probe, path);
    if (answer && !*answer) return *answer;
    if (answer) break;
    // One that closes, perhaps in this very process, has removed its file already, or is about to.
    if (tries == kTriesWhileClosing) return in_use(path, pid);
    ::poll(nullptr, 0, tries);
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return system_error(("removing the dead socket " + path).c_str());
  return {};
}

}  // namespace

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> check_path(const std::string& path) {
  constexpr std::size_t most = sizeof(sockaddr_un::sun_path) - 1;
  if (path.empty()) return {SHMRING_INVALID, "the socket path is empty"};
  if (path.size() > most)
    return {SHMRING_INVALID, "the socket path has " + std::to_string(path.size()) + " bytes, a socket takes " +
                                 std::to_string(most) + ": choose a shorter one (" + path + ")"};
  if (path.find('\0') != std::string::npos) return {SHMRING_INVALID, "the socket path contains a zero byte"};
  return {};
}

Result<void> check_place(const std::string& path) {
  if (auto ok = check_path(path); !ok) return ok;
  const auto refuse = [](std::string text) { return Result<void>(Error{SHMRING_INVALID, std::move(text)}); };
  struct stat file;
  if (::stat(path.c_str(), &file) == 0) {
    if (S_ISSOCK(file.st_mode)) return {};
    if (S_ISDIR(file.st_mode))
      return refuse(path + " is a folder: give the path of the publisher's socket, which may be in it");
    return refuse(path + " is a file, not a socket: give the path that the publisher has as its socket-path");
  }
  const int error = errno;
  const std::string folder = folder_of(path);
  if (error == ENOENT && ::stat(folder.c_str(), &file) == 0 && S_ISDIR(file.st_mode)) return {};
  if (error == ENOENT || error == ENOTDIR)
    return refuse("no publisher can be at " + path + ": " + folder +
                  (error == ENOENT ? " does not exist" : " is not a folder") +
                  "; create it, or give the path that the publisher has as its socket-path");
  if (error == EACCES)
    return refuse("no publisher can be found at " + path + ": this user may not search the folder " + folder +
                  " (permission x)");
  return Result<void>(system_error(path.c_str(), error));
}

Result<Listener> Listener::bind(const std::string& path, std::uint32_t perms) { return bind(path, perms, true); }

Result<Listener> Listener::bind_at_once(const std::string& path, std::uint32_t perms) {
  return bind(path, perms, false);
}

Result<Listener> Listener::bind(const std::string& path, std::uint32_t perms, bool waits) {
  if (auto ok = check_path(path); !ok) return ok.error();
  auto lock = PathLock::take(path, waits ? kPatience : 0);
  if (!lock) return lock.error();
  if (auto ok = clear_path(path, waits); !ok) return ok.error();
  SHMRING_CRASH_POINT(path_cleared);

  Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return system_error("socket");
  // The file gets the socket's own mode: no process can connect before it is set.
  if (::fchmod(fd.get(), perms & 0777) != 0) return system_error("fchmod");
  const sockaddr_un address = address_of(path);
  const auto bind = [&] { return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0; };
  bool bound = bind();
  if (!bound && (errno == ENOSPC || errno == EDQUOT)) {
    lock->release();  // its file has the last room that there is
    bound = bind();
  }
  if (!bound) {
    const bool full = errno == ENOSPC || errno == EDQUOT;
    const Error error = system_error(("creating the socket " + path).c_str());
    return Error{SHMRING_SYSTEM, error.text + (full ? ": the folder is full, make room or choose another" : "")};
  }
  struct stat file;
  if (::lstat(path.c_str(), &file) != 0) return system_error("lstat");
  const bool refuses = refuse_descriptors(fd.get());
  Listener listener(std::move(fd), refuses, path, file);
  SHMRING_CRASH_POINT(socket_bound);
  // Restores the mode bits that the umask took away.
  const bool open_to_readers = ::chmod(path.c_str(), perms & 0777) == 0;
  if (!open_to_readers || ::listen(listener.fd(), kBacklog) != 0) {
    const Error error = system_error(((open_to_readers ? "listen on " : "chmod ") + path).c_str());
    ::unlink(path.c_str());
    return error;
  }
  // Where starts cannot be told apart by a lock, another one may have taken this file for a dead publisher's.
  if (listener.place() == Place::lost)
    return {SHMRING_IN_USE, "another publisher took " + path + " at the same moment"};
  SHMRING_CRASH_POINT(listening);
  return listener;
}

void Listener::close() {
  if (!fd_) return;
  // Needs no lock: as long as we listen, a publisher that starts finds us alive and leaves the file alone.
  if (place() == Place::kept) ::unlink(path_.c_str());
  SHMRING_CRASH_POINT(file_removed);
  fd_.reset();
}

Listener::Place Listener::place() const {
  struct stat file;
  if (::lstat(path_.c_str(), &file) != 0) return errno == ENOENT || errno == ENOTDIR ? Place::lost : Place::unknown;
  return file.st_ino == file_.st_ino && file.st_dev == file_.st_dev ? Place::kept : Place::lost;
}

UntrustedFd Listener::accept() const {
  return UntrustedFd(Fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)), refuses_);
}

Result<Fd> connect_to(const std::string& path) {
  if (auto ok = check_path(path); !ok) return ok.error();
  Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return system_error("socket");
  const sockaddr_un address = address_of(path);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  if (errno == EACCES || errno == EPERM)
    return {SHMRING_REFUSED, "connecting to " + path +
                                 " is not permitted: check the publisher's perms and the permissions of the folder"};
  if (errno == EAGAIN)
    return {SHMRING_IN_USE, path + ": the publisher is not accepting connections (stopped, or its backlog is full)"};
  if (errno == EPROTOTYPE)
    return {SHMRING_SYSTEM, path + " is a socket of another type: give the path of a publisher's socket"};
  if (auto ok = check_place(path); !ok) return {SHMRING_DISCONNECTED, ok.error().text};
  return {SHMRING_DISCONNECTED, "no publisher at " + path + ": start one, or choose another path"};
}

bool send_message(int socket, std::span<const std::byte> bytes, std::span<const int> descriptors) {
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kMostOfKernel * sizeof(int))] = {};
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(head), descriptors.data(), descriptors.size_bytes());
  }
  ssize_t sent;
  do sent = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(bytes.size());
}

Received receive_message(int socket, std::span<std::byte> buffer) {
  Received result;
  iovec part{buffer.data(), buffer.size()};
  // Room for all: the kernel would close the others, while we wait.
  alignas(cmsghdr) char control[CMSG_SPACE(kMostOfKernel * sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got;
  // A peer that closes with messages of ours unread leaves ECONNRESET, which is told once and before the messages that it sent itself.
  bool reset = false;
  do got = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (got < 0 && (errno == EINTR || (errno == ECONNRESET && !std::exchange(reset, true))));
  if (got < 0) {
    result.kind = errno == EAGAIN ? Received::Kind::nothing : Received::Kind::closed;
    return result;
  }
  std::size_t count = 0;
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < n; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(head) + i * sizeof fd, sizeof fd);
      UntrustedFd owned{Fd(fd)};
      if (count++ < result.descriptors.size()) result.descriptors[count - 1] = std::move(owned);
    }
  }
  result.size = static_cast<std::size_t>(got);
  // An empty message and a closed connection look the same on a SEQPACKET socket; the protocol has no empty messages.
  result.lost_descriptors = (message.msg_flags & MSG_CTRUNC) != 0;
  const bool whole = (message.msg_flags & MSG_TRUNC) == 0 && count <= result.descriptors.size();
  result.kind = got == 0                            ? Received::Kind::closed
                : !whole || result.lost_descriptors ? Received::Kind::broken
                                                    : Received::Kind::message;
  return result;
}

bool refuse_descriptors(int socket) {
  const int off = 0;
  return !descriptors_from_anybody && ::setsockopt(socket, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off) == 0;
}

void force_descriptors_from_anybody(bool on) { descriptors_from_anybody = on; }

void force_pidfd_by_number(bool on) { pidfd_by_number = on; }

Fd open_pidfd(std::uint32_t pid) {
  return Fd(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0u)));
}

Peer peer_of(int socket) {
  Peer peer;
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return peer;
  peer.process = {static_cast<std::uint32_t>(credentials.pid), credentials.uid};
  int fd = -1;
  size = sizeof fd;
  if (!pidfd_by_number && ::getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) == 0)
    peer.pidfd = Fd(fd);
  else if (peer.process.pid != 0)  // 0: in a process namespace that we cannot see into
    peer.pidfd = open_pidfd(peer.process.pid);
  peer.starving = !peer.pidfd && (errno == EMFILE || errno == ENFILE || errno == ENOMEM);
  return peer;
}

// Nothing is sent by signal 0; only what is no pidfd is refused with EBADF.
bool is_pidfd(int fd) { return ::syscall(SYS_pidfd_send_signal, fd, 0, nullptr, 0u) == 0 || errno != EBADF; }

bool readable(int fd) { return poll_for(fd, POLLIN, 0); }

bool hung_up(int socket) {
  pollfd p{socket, POLLRDHUP, 0};
  return ::poll(&p, 1, 0) > 0;
}

}  // namespace shmring
