// SPDX-License-Identifier: LGPL-2.1-or-later
// Every way to get a frame to another process, behind one face: the ring, its rivals, the floors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace bench {

// Made before the fork; then one process uses the writer's half, another the reader's half.
class Transport {
 public:
  explicit Transport(std::size_t frame_size) : size(frame_size) {}
  virtual ~Transport() = default;

  virtual void open_writer() {}
  // Where the next frame is to be written; nullptr: no room at the moment.
  virtual std::byte* room() = 0;
  virtual void send() = 0;

  virtual void open_reader() {}
  // The next frame, waited for.
  virtual const std::byte* receive() = 0;
  virtual void release() {}

  const std::size_t size;
};

struct TransportKind {
  std::string name;
  std::function<std::unique_ptr<Transport>(const std::string& folder, std::size_t size)> make;
};

// Header of each frame.
struct Head {
  std::uint64_t number = 0;
  std::uint64_t complete_at = 0;  // when the payload was there, just before it was sent
};

std::vector<TransportKind> our_rings();  // "ring block", "ring adaptive", and "ring copying" that fills by a memcpy
TransportKind latest_ring();             // "ring latest": one frame waits, always the newest
std::vector<TransportKind> rivals();     // iceoryx, ZeroMQ, unix socket, pipe, TCP: those that this build has
std::vector<TransportKind>
bare_wakes();  // eventfd, futex: nothing but the wake-up, the payload in a plain shared mapping

// Starts iceoryx's daemon for the time of its life, where this build has iceoryx.
class Daemon {
 public:
  explicit Daemon(const std::string& folder);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

 private:
  int pid_ = 0;
};

}  // namespace bench
