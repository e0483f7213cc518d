// SPDX-License-Identifier: LGPL-2.1-or-later
// Publishers and readers of a ring, as real processes, in a random schedule, against a model that knows the documentation only.
//
//   random_schedules [--seed N] [--seconds S] [--round-seed N]
//
// Prints its seed at once; --round-seed repeats a single round. Ends with 1 after the first fault, with the seeds, the last events, and
// what was expected and seen. The program is its own publisher and reader.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <random>
#include <string>

#include "round.hpp"

namespace {

using Clock = std::chrono::steady_clock;

int child(const std::string& role, const std::string& file, std::uint32_t number) {
  std::signal(SIGPIPE, SIG_IGN);
  chaos::Board& board = *chaos::Board::open(file);
  return role == "publisher" ? chaos::run_publisher(board, number) : chaos::run_reader(board, number);
}

int usage() {
  std::cerr << "usage: random_schedules [--seed N] [--seconds S] [--round-seed N]\n";
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && (argv[1] == std::string("publisher") || argv[1] == std::string("reader")))
    return child(argv[1], argv[2], static_cast<std::uint32_t>(std::stoul(argv[3])));
  std::uint64_t seed = std::uint64_t{std::random_device()()};
  double seconds = 30;
  std::optional<std::uint64_t> only;
  if (argc % 2 == 0) return usage();
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--seed")
      seed = std::stoull(argv[i + 1]);
    else if (option == "--seconds")
      seconds = std::stod(argv[i + 1]);
    else if (option == "--round-seed")
      only = std::stoull(argv[i + 1]);
    else
      return usage();
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::cout << "--seed " << seed << " --seconds " << seconds << std::endl;
  chaos::Random random(seed);
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  int rounds = 0;
  do {
    // The numbers are drawn in this order whatever happens, so that a round does not depend on the one before.
    const std::uint64_t drawn = random.next();
    const double length = 0.3 + random.below(2000) / 1000.0;
    const std::uint64_t round_seed = only.value_or(drawn);
    chaos::Round round("/proc/self/exe", round_seed, length);
    const std::string fault = round.run();
    std::cout << "round " << ++rounds << " (--round-seed " << round_seed << "): " << round.summary() << std::endl;
    if (fault.empty()) continue;
    std::cout << fault << "repeat: --seed " << seed << ", or this round for " << seconds << " s: --round-seed "
              << round_seed << std::endl;
    return 1;
  } while (Clock::now() < end);
  std::cout << rounds << " rounds, no fault" << std::endl;
  return 0;
}
