// SPDX-License-Identifier: LGPL-2.1-or-later
// Shared by all random checkers: the command line, the seeds, the time, and what is printed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace support {

// Result of one round; "" is no fault.
struct Outcome {
  std::string summary, fault;
};

//   PROGRAM [--seed N] [--seconds S] [--round-seed N]
//
// Rounds of random length until the time is over or one ends with a fault. It prints its seed at once; each round has a seed
// of its own, and with --round-seed all have that one. What it returns is for main(): 1 after a fault.
int run_rounds(int argc, char** argv, const std::function<Outcome(std::uint64_t seed, double seconds)>& round);

}  // namespace support
