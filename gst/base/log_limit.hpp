// SPDX-License-Identifier: LGPL-2.1-or-later
// Limits a log line that could come with every frame.
#pragma once

#include <cstdint>
#include <utility>

namespace supplier {

class LogLimit {
 public:
  static constexpr std::uint64_t kBetweenLines = 1'000'000'000;  // ns

  // Counts one. How many came since the last line if a line is due (the first at once, then one a second), else 0.
  std::uint64_t due(std::uint64_t now) {
    ++count_;
    if (last_ != 0 && now - last_ < kBetweenLines) return 0;
    last_ = now;
    return std::exchange(count_, 0);
  }

 private:
  std::uint64_t last_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace supplier
