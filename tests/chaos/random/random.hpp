// SPDX-License-Identifier: LGPL-2.1-or-later
// The one source of chance: a seed gives the same decisions on every machine, which the distributions of the standard library do not promise.
#pragma once

#include <cstdint>

namespace chaos {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  // splitmix64
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // 0 to n - 1.
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(next() % n); }
  std::uint32_t between(std::uint32_t least, std::uint32_t most) { return least + below(most - least + 1); }
  bool chance(std::uint32_t percent) { return below(100) < percent; }
  // A generator of its own for something that happens beside.
  Random fork() { return Random(next()); }

 private:
  std::uint64_t state_;
};

}  // namespace chaos
