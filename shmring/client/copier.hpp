// SPDX-License-Identifier: LGPL-2.1-or-later
// Copies frames into slots. Large ones past the caches, where a trial in this very process shows that this is faster.
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
  // Smaller frames fit the caches, and a reader that finds them there gains more than the writer would.
  static constexpr std::uint64_t kLarge = 8 << 20;

  // True: past the caches.
  bool copy(Parts parts, std::uint64_t size, std::byte* to);

  // After a trial whether to go past the caches: the best times of each way, ns.
  static constexpr bool worth_it(std::uint64_t plain, std::uint64_t streaming) { return streaming < plain - plain / 8; }

 private:
  static constexpr unsigned kTrial = 8;  // frames each way

  std::uint64_t size_ = 0;  // that the trial is about
  unsigned tried_ = 0;
  std::array<std::uint64_t, 2> best_{};  // ns: plain, streaming
};

}  // namespace shmring
