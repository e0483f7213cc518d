// SPDX-License-Identifier: LGPL-2.1-or-later
// The rounds of a random checker, one after the other.
#include "rounds.hpp"

#include <chrono>
#include <exception>
#include <iostream>
#include <optional>
#include <random>

namespace support {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::uint64_t seed = std::random_device()();
  double seconds = 30;
  std::optional<std::uint64_t> only;  // the seed of every round
};

std::optional<Options> read_options(int argc, char** argv) try {
  Options options;
  if (argc % 2 == 0) return {};
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i], value = argv[i + 1];
    if (option == "--seed")
      options.seed = std::stoull(value);
    else if (option == "--seconds")
      options.seconds = std::stod(value);
    else if (option == "--round-seed")
      options.only = std::stoull(value);
    else
      return {};
  }
  return options;
} catch (const std::exception&) {
  return {};  // no number
}

}  // namespace

int run_rounds(int argc, char** argv, const std::function<Outcome(std::uint64_t, double)>& round) {
  const auto options = read_options(argc, argv);
  if (!options) {
    std::cerr << "usage: " << argv[0] << " [--seed N] [--seconds S] [--round-seed N]\n";
    return 2;
  }
  std::cout << "--seed " << options->seed << " --seconds " << options->seconds << std::endl;
  std::mt19937_64 random(options->seed);
  const auto end = Clock::now() + std::chrono::duration<double>(options->seconds);
  int rounds = 0;
  do {
    // The numbers are drawn in this order whatever happens, so that a round does not depend on the one before.
    const std::uint64_t drawn = random(), seed = options->only.value_or(drawn);
    const double length = 0.2 + static_cast<double>(random() % 1800) / 1000;
    const Outcome outcome = round(seed, length);
    std::cout << "round " << ++rounds << " (--round-seed " << seed << "): " << outcome.summary << std::endl;
    if (outcome.fault.empty()) continue;
    std::cout << outcome.fault << "\nrepeat: --seed " << options->seed << ", or this round for " << options->seconds
              << " s: --round-seed " << seed << std::endl;
    return 1;
  } while (Clock::now() < end);
  std::cout << rounds << " rounds, no fault" << std::endl;
  return 0;
}

}  // namespace support
