// SPDX-License-Identifier: LGPL-2.1-or-later
// The socket between the two sides: a path, whole messages, descriptors along with them. Nothing here ever blocks.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include "abi/result.hpp"
#include "os/fd.hpp"
#include "os/process.hpp"
#include "os/untrusted_fd.hpp"

namespace shmring {

// A listening socket and the file it made. The file is removed with it, if it is still ours.
class Listener {
 public:
  // IN_USE names the live publisher. A file left by a dead one is replaced. Of two that start at once one wins (PathLock). Waits for a
  // second at most for an answer of the process that has the path, and for two seconds for others that start there.
  static Result<Listener> bind(const std::string& path, std::uint32_t perms);
  // The same without waiting: IN_USE also where a process listens that does not answer at once, or another one is starting.
  static Result<Listener> bind_at_once(const std::string& path, std::uint32_t perms);
  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) noexcept = default;
  // Removes the file; call in the process that made it.
  void close();

  static constexpr int kBacklog = 64;
  int fd() const { return fd_.get(); }
  // Tells whether the file at the path is still the one that this made; `unknown` while the folder may not be searched.
  enum class Place { kept, lost, unknown };
  Place place() const;
  // A connection, or an invalid one with errno. No descriptors come by it where the kernel can refuse them.
  UntrustedFd accept() const;

 private:
  static Result<Listener> bind(const std::string& path, std::uint32_t perms, bool waits);
  Listener(Fd fd, bool refuses, std::string path, struct stat file)
      : fd_(std::move(fd)), refuses_(refuses), path_(std::move(path)), file_(file) {}
  Fd fd_;
  bool refuses_;  // descriptors; its connections inherit that
  std::string path_;
  struct stat file_;
};

// DISCONNECTED: no process listens there. IN_USE: one listens, but its backlog is full.
Result<Fd> connect_to(const std::string& path);
// INVALID: empty or longer than a socket address takes.
Result<void> check_path(const std::string& path);
// The same, and whether anything stands in the way of a socket at the path: fails where a folder or a file of another kind is there, or
// where its folder is missing.
Result<void> check_place(const std::string& path);
std::string folder_of(const std::string& path);

// False: the peer does not read (EAGAIN) or is gone.
bool send_message(int socket, std::span<const std::byte> bytes, std::span<const int> descriptors = {});
template <class Message>
requires std::is_trivially_copyable_v<Message>  // a container is sent as a span of what it holds, never as itself
bool send_message(int socket, const Message& message, std::span<const int> descriptors = {}) {
  return send_message(socket, std::as_bytes(std::span(&message, 1)), descriptors);
}

constexpr std::size_t kMaxDescriptors = 4;  // with one message

struct Received {
  enum class Kind {
    message,
    nothing,
    closed,
    broken
  } kind = Kind::nothing;         // broken: too long, or more descriptors than ever sent
  bool lost_descriptors = false;  // broken because some did not arrive: this process may open no more files
  std::size_t size = 0;
  std::array<UntrustedFd, kMaxDescriptors> descriptors;
};
Received receive_message(int socket, std::span<std::byte> buffer);
// From now on the kernel refuses to bring descriptors from the peer. False: before Linux 6.16; they come and are closed.
bool refuse_descriptors(int socket);
// As before Linux 6.16, for tests.
void force_descriptors_from_anybody(bool on);

// The process at the other end: the reader of an accepted connection, or the process that called listen().
struct Peer {
  ProcessId process;
  Fd pidfd;               // readable once the process is gone; invalid where the kernel cannot tell
  bool starving = false;  // invalid only because this process may open no more files
};
Peer peer_of(int socket);
// As before Linux 6.5, for tests: the pidfd by number, with a small race.
void force_pidfd_by_number(bool on);
Fd open_pidfd(std::uint32_t pid);
bool is_pidfd(int fd);
bool readable(int fd);
// Tells whether the other end is closed.
bool hung_up(int socket);

}  // namespace shmring
