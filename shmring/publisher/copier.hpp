// SPDX-License-Identifier: LGPL-2.1-or-later
// Copies frames into slots. Which way is fastest depends on the processor, and on whether a slot is still in the caches when its turn
// comes: trials in this very process decide, now and then anew.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace shmring {

// Not thread-safe.
class Copier {
 public:
  using Parts = std::span<const std::span<const std::byte>>;
  enum class Way : std::uint8_t {
    plain,       // memcpy
    fetching,    // the slot's lines fetched some way ahead, which memory far from the caches takes its time for
    past_caches  // not fetched at all
  };
  static constexpr std::size_t kWays = 3;
  // Smaller frames are copied plainly: a slot of theirs is in the caches, as good as always.
  static constexpr std::uint64_t kMedium = 256 << 10;
  // Smaller frames never go past the caches: a reader that finds them there gains more than the writer would.
  static constexpr std::uint64_t kLarge = 8 << 20;

  Way copy(Parts parts, std::uint64_t size, std::byte* to);

  // After a trial; `best`: of each way, the best time, ns. Only a clear gain is worth another way than the plain one.
  static Way fastest(const std::array<std::uint64_t, kWays>& best);

  static constexpr unsigned kTrial = 8;    // frames each way
  static constexpr unsigned kStay = 1000;  // frames until the next trial

 private:
  std::uint64_t size_ = 0;                   // that the trial is about
  unsigned frames_ = 0;                      // since it began
  std::array<std::uint64_t, kWays> best_{};  // of each way, ns
};

}  // namespace shmring
