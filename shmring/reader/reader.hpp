// SPDX-License-Identifier: LGPL-2.1-or-later
// The reader: finds the publisher, waits for frames, holds them without copying.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <shmring/reader.h>

#include "abi/result.hpp"

namespace shmring {

class Mapping;

struct ReaderOptions {
  std::string socket_path;
  std::string worker;  // empty: the program's name and process number
  shmring_policy drop_policy = SHMRING_POLICY_DEFAULT;
  shmring_wake wake = SHMRING_WAKE_BLOCK;
  std::uint32_t depth = 0;          // 0: as granted
  std::uint32_t max_held = 0;       // 0: as granted
  std::uint64_t max_frame_age = 0;  // ns, 0: off
  bool reconnect = true;            // wait for the next publisher after this one's death
  double max_rate = 0;              // frames taken a second at most, 0: no limit
};

// The same with a name; INVALID says what cannot be asked for.
Result<ReaderOptions> complete(ReaderOptions options);

// A frame held: read-only memory shared with the publisher, valid until destroyed (any thread), whatever becomes of reader and publisher.
// Move-only; costs no heap.
class Frame {
 public:
  Frame() = default;
  explicit Frame(shmring_frame* held) : held_(held) {}
  Frame(Frame&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  Frame& operator=(Frame&& other) noexcept {
    std::swap(held_, other.held_);
    return *this;
  }
  ~Frame();

  explicit operator bool() const { return held_ != nullptr; }
  std::span<const std::byte> bytes() const;
  const shmring_frame_info& info() const;  // planes filled in from the format
  shmring_format format() const;           // its caps are valid as long as the frame
  std::uint64_t format_id() const;         // cheap; differs whenever the format differs, also across publishers
  // For the C API: the frame without its owner, and back.
  const shmring_frame* get() const { return held_; }
  shmring_frame* release() { return std::exchange(held_, nullptr); }

 private:
  shmring_frame* held_ = nullptr;
};

// A whole ring as the reader has it mapped, which stays so as long as this is shared.
struct RingMemory {
  std::shared_ptr<const Mapping> mapping;
  std::uint64_t generation = 0;  // differs for each ring
};

// Threads: read(), latest(), flush() from one thread at a time; the rest from any.
class Reader {
 public:
  static Result<std::unique_ptr<Reader>> open(const ReaderOptions& options);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // timeout in ns: 0 looks once, SHMRING_WAIT_FOREVER waits.
  Result<Frame> read(std::uint64_t timeout);
  Result<Frame> latest(std::uint64_t timeout);
  void flush();
  void interrupt(bool on);
  int fileno() const;
  bool connected() const;
  std::uint64_t latency() const;
  std::uint32_t max_held() const;  // granted; 0 while no publisher was found yet
  std::uint32_t held() const;
  std::uint64_t attachments() const;
  // Asks the publisher for a key frame. DISCONNECTED: none is attached; REFUSED: its version knows no such request. Any thread.
  Result<void> request_key_frame();
  shmring_reader_stats stats() const;
  // Of the ring that it is attached to; none while it is not. Any thread.
  RingMemory memory() const;

 private:
  struct Impl;
  explicit Reader(std::unique_ptr<Impl> impl);
  Result<Frame> take(std::uint64_t timeout);
  Result<Frame> take_latest(std::uint64_t timeout);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shmring
