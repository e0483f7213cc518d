// SPDX-License-Identifier: LGPL-2.1-or-later
// A reader's hold on one ring: both mappings and the frames it took. Lives as long as the reader is attached or a frame of it is held,
// so a frame stays valid whatever becomes of reader and publisher.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <shmring/reader.h>

#include "abi/check.hpp"
#include "abi/geometry.hpp"
#include "abi/wire.hpp"
#include "lane/lane_reader.hpp"
#include "os/memory.hpp"

namespace shmring {
class Attachment;
}

// A slot that may be held; there is one for each slot, made at attach, so that taking a frame allocates nothing.
struct shmring_frame {
  shmring::Attachment* owner = nullptr;
  std::uint32_t slot = 0;
  std::atomic<bool> held{false};  // while false, no thread writes to the rest
  std::uint64_t format_id = 0;
  std::uint64_t taken_at = 0;
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  std::unique_ptr<shmring::FormatArea> format;  // the checked copy of what this slot's format area last held
  std::unique_ptr<std::array<std::byte, shmring::kMetadataSize>>
      metadata;  // a copy; made for the first frame that has some
};

namespace shmring {

class Attachment {
 public:
  // Checks and maps what a WELCOME brought. PROTOCOL: the memory is not what it claims to be.
  static Result<Attachment*> make(const wire::Welcome& welcome, const Fd& ring, const Fd& lane);

  // The reader's own reference; frames have theirs.
  void unref();

  enum class Took { frame, empty, too_many, broken };
  // Takes the next frame. broken: the ring holds corrupt data; detach. `elsewhere`: frames
  // that the reader holds of former rings, which count as well.
  Took take(shmring_frame*& frame, std::uint32_t elsewhere);
  // Any thread; in a forked child only the memory is let go of.
  void release(shmring_frame* frame);

  // Prefetches what take() reads: after a sleep it is no longer in the cache.
  void prepare() const;

  bool empty() const { return lane_reader_.empty(); }
  bool arm() { return lane_reader_.arm(); }
  void disarm() { lane_reader_.disarm(); }
  std::uint64_t latency() const { return header().latency.load(std::memory_order_relaxed); }
  // As long as the reader has its own reference.
  std::uint32_t held() const { return references_.load(std::memory_order_relaxed) - 1; }
  const wire::Welcome& granted() const { return welcome_; }
  // The whole ring, which stays mapped as long as it is shared.
  std::shared_ptr<const Mapping> memory() const { return ring_; }
  const std::byte* payload(const shmring_frame& frame) const {
    return base_ + geometry_.payload_offset + frame.slot * geometry_.slot_stride;
  }
  LaneCounters& counters() const { return counters_; }
  // Fills in the granted options and the times of this ring's frames.
  void describe(shmring_reader_stats& stats, Histogram& age, Histogram& hold) const;

 private:
  Attachment(const wire::Welcome& welcome, const RingGeometry& geometry, Mapping ring, Mapping lane);
  ~Attachment() = default;
  const RingHeader& header() const { return *reinterpret_cast<const RingHeader*>(base_); }
  template <class T>
  const T& at(std::uint64_t offset) const {
    return *reinterpret_cast<const T*>(base_ + offset);
  }
  bool read_format(shmring_frame& frame, std::uint64_t id);
  void read_metadata(shmring_frame& frame, std::uint32_t size);

  const wire::Welcome welcome_;
  const RingGeometry geometry_;
  const ForkGuard guard_;
  const std::shared_ptr<const Mapping> ring_;
  const std::byte* const base_;  // of the ring
  const Mapping lane_;
  LaneCounters& counters_;
  LaneReader<> lane_reader_;
  std::vector<shmring_frame> frames_;
  std::uint64_t last_sequence_ = 0;
  std::atomic<std::uint32_t> references_{1};  // the reader's, and one for each frame held
};

}  // namespace shmring
