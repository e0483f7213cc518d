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
  bool slots_grow = false;        // require() may make them larger than slot_size
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

// Any thread may call anything at any time. Frames of several threads are published one after the other, each whole.
// Nothing here waits for a reader; the spin lock between the publisher's own threads is held for a bounded number of steps. Only calls that
// make, replace or close a ring, and those that look at readers, wait for each other.
class Publisher {
 public:
  // IN_USE names the live publisher of the path; NO_MEMORY and SYSTEM give sizes and names.
  static Result<std::unique_ptr<Publisher>> open(const PublisherOptions& options);
  // As close().
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // Says goodbye to the readers and frees the path. From then on all that can fail is DISCONNECTED. Frames that readers hold, and loans, stay
  // valid.
  void close();

  // The format of frames published from now on; ids are given by the ring.
  Result<void> set_format(const shmring_format& format);
  // A new ring with another slot size on the same path; readers move over by themselves. NO_MEMORY: it does not fit, or so many former
  // rings are held (the error message names the holders); the present one goes on.
  // `loans` as in the options, within `slots` where those were given; 0: as many as now.
  Result<void> resize(std::uint64_t slot_size, std::uint32_t loans = 0);
  // resize(), where slots are smaller (if they grow) or loans are fewer (if the options gave no number of slots).
  Result<void> require(std::uint64_t slot_size, std::uint32_t loans);
  std::uint64_t slot_size() const;  // 0: closed
  // Slots never become larger by require().
  std::uint64_t largest_slot_size() const;

  // FULL at once when no slot is free, or all loans but `spare` are out; `spare` says nothing where there are no more loans than that.
  Result<Loan> loan(std::uint32_t spare = 0);
  // Publishes a loan once: INVALID if it was published before, is of an older ring, or info.size exceeds the slot; the caller then copies it.
  // INVALID, and counted as malformed, if the format is a picture that does not lie within info.size.
  // Sets info.sequence and info.published_at.
  Result<void> publish(Loan& loan, shmring_frame_info& info);
  // Copies the parts, one after the other, into a slot and publishes it; info.size is set to their sum. FULL and TOO_LARGE are counted.
  Result<void> write(std::span<const std::span<const std::byte>> parts, shmring_frame_info& info);
  // Looks at once whether a reader with drop-newest would lose the next frame, for callers that can keep it back for a while. `needs_slot`: the
  // frame is not in a loan. `give_up`: readers that would lose it are not looked at again until they have room. Cheap.
  bool lacks_room(bool needs_slot, bool give_up = false);
  // Counts a frame that was offered but cannot be published (no slot): every active lane's account sees it.
  void count_dropped();
  // Counts a frame that was offered but is not what its format says.
  void count_malformed();

  // End of stream for every reader, after what was published.
  void end();
  void set_latency(std::uint64_t latency);
  // Tells once of requests for a key frame that readers sent since it last did, and at most once in 500 ms. Cheap: for each frame.
  bool key_frame_requested();

  RingStats stats() const;  // all 0 once closed
  // News of the socket's path (its file was removed), once; empty: none.
  std::string take_notice();
  // Attached readers now. Cheap.
  std::uint32_t readers() const;
  // True in a forked child: nothing can be done with the copy there but to destroy it, which leaves the parent's alone.
  bool in_child() const;

 private:
  struct Impl;
  explicit Publisher(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shmring
