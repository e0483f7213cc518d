// SPDX-License-Identifier: LGPL-2.1-or-later
// The publisher of a sink, shared with the pools it gave away: these may outlive its run, and the sink itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>

#include "abi/result.hpp"
#include "publisher/publisher.hpp"

namespace supplier {

// Any thread may call anything. Frames are published one at a time; looking and lending do not wait for that.
class Outlet {
 public:
  // Begins to listen. A slot size of 0: see require().
  shmring::Result<void> open(shmring::PublisherOptions options);
  // Says goodbye to the readers and frees the path. Waits for no reader.
  void close();

  shmring::Result<void> set_format(const shmring_format& format);
  // Makes slots of at least `size` bytes, `buffers` of them for pools, unless the slots' size or number was given.
  shmring::Result<void> require(std::uint64_t size, std::uint32_t buffers = 0);
  // What require() can come to.
  std::uint64_t largest() const;
  std::uint64_t slot_size() const;  // 0 while closed

  // For a pool. FULL at once if there is no free slot of `size` bytes, or only the one that write() needs: upstream may keep
  // what it had from the pool, and push a copy of it.
  shmring::Result<shmring::Loan> loan(std::uint64_t size);
  shmring::Result<void> publish(shmring::Loan& loan, shmring_frame_info& info);
  shmring::Result<void> write(std::span<const std::span<const std::byte>> parts, shmring_frame_info& info);
  // Counts a frame that is not what its caps say.
  void count_malformed();
  void end();
  void set_latency(std::uint64_t latency);

  std::uint32_t readers() const;
  std::string take_notice() const;                  // about the socket's path, once
  std::optional<shmring::RingStats> stats() const;  // nothing while closed

 private:
  mutable std::shared_mutex life_;  // shared: to use publisher_; alone: to make or end it. Before turn_
  std::unique_ptr<shmring::Publisher> publisher_;
  bool size_given_ = false;  // under life_; the next too
  bool count_given_ = false;
  std::mutex turn_;                       // for what the publisher wants from one thread at a time
  std::atomic<std::uint32_t> loans_ = 0;  // changes under turn_
};

}  // namespace supplier
