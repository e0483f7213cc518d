// SPDX-License-Identifier: LGPL-2.1-or-later
// The publisher: one live ring on a socket path, that never waits for a reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <shmring/types.h>

#include "abi/result.hpp"
#include "abi/stats.hpp"

namespace shmring {

class Ring;

struct PublisherOptions {
  std::string socket_path;        // of the socket; its folder must exist
  std::uint32_t perms = 0600;     // of the socket file
  std::uint64_t slot_size = 0;    // the largest frame, bytes
  std::uint32_t slots = 0;        // 0 = 1 + loans + max_readers × (depth + max_held)
  std::uint32_t loans = 2;        // slots that this process may hold at once, filling or still sharing them
  std::uint32_t max_readers = 1;  // 1 = exclusive
  std::uint32_t depth = 5;        // the most a reader may ask for
  std::uint32_t max_held = 4;     // the most a reader may ask for
  shmring_policy drop_policy = SHMRING_DROP_NEWEST;
};

// A slot in this process's hands: first being filled, after publish() only read. Its slot is kept until the Loan is destroyed, which any
// thread may do, also after the Publisher is gone. Move-only.
class Loan {
 public:
  Loan() = default;
  Loan(Loan&& other) noexcept;
  Loan& operator=(Loan&& other) noexcept;
  ~Loan();

  explicit operator bool() const { return ring_ != nullptr; }
  // Writable until published; never longer than the slot.
  std::span<std::byte> bytes() const;
  bool published() const { return published_; }

 private:
  friend class Publisher;
  friend class Ring;
  Loan(std::shared_ptr<Ring> ring, std::uint32_t slot) : ring_(std::move(ring)), slot_(slot) {}
  void reset();

  std::shared_ptr<Ring> ring_;
  std::uint32_t slot_ = 0;
  bool published_ = false;
};

// Threads: loan(), stats(), set_latency() and the destruction of loans from any thread; the rest from one thread at a time.
// Nothing here waits for a reader; the spin lock between the publisher's own threads is held for a bounded number of steps.
class Publisher {
 public:
  // IN_USE names the live publisher of the path; NO_MEMORY and SYSTEM give sizes and names.
  static Result<std::unique_ptr<Publisher>> open(const PublisherOptions& options);
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // What frames published from now on are; ids are given by the ring.
  Result<void> set_format(const shmring_format& format);
  // A new ring with another slot size on the same path; readers move over by themselves. NO_MEMORY: it does not fit, or so many former
  // rings are held (the error message names the holders); the present one goes on.
  // `loans` as in the options, within `slots` where those were given; 0: as many as now.
  Result<void> resize(std::uint64_t slot_size, std::uint32_t loans = 0);
  std::uint64_t slot_size() const;

  // FULL at once when no slot is free, or all loans but `spare` are out.
  Result<Loan> loan(std::uint32_t spare = 0);
  // Publishes a loan once: INVALID if it was published before, is of an older ring, or info.size exceeds the slot; the caller then copies it.
  // INVALID, and counted as malformed, if the format is a picture that does not lie within info.size.
  // Sets info.sequence and info.published_at.
  Result<void> publish(Loan& loan, shmring_frame_info& info);
  // Copies the parts, one after the other, into a slot and publishes it; info.size is set to their sum. FULL and TOO_LARGE are counted.
  Result<void> write(std::span<const std::span<const std::byte>> parts, shmring_frame_info& info);
  // Counts a frame that was offered but cannot be published (no slot): every active lane's account sees it.
  void count_dropped();
  // Counts a frame that was offered but is not what its format says.
  void count_malformed();

  // End of stream for every reader, after what was published.
  void end();
  void set_latency(std::uint64_t latency);

  RingStats stats() const;
  // What there is to tell about the socket's path (its file was removed), once; empty: nothing. Any thread.
  std::string take_notice();
  // Attached readers now. Cheap.
  std::uint32_t readers() const;
  // Whether this is the copy in a forked child: nothing can be done with it there but to destroy it, which leaves the parent's alone.
  bool in_child() const;

 private:
  struct Impl;
  explicit Publisher(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shmring
