// SPDX-License-Identifier: LGPL-2.1-or-later
// Publishers and readers of a ring, as real processes, in a random schedule, against a model that knows the documentation only.
//
//   random_schedules [--seed N] [--seconds S] [--round-seed N]
//
// Ends with 1 after the first fault, with the seeds, the last events, and what was expected and seen. The program is its own publisher
// and reader.
#include <csignal>
#include <string>

#include "round.hpp"
#include "rounds.hpp"

namespace {

int child(const std::string& role, const std::string& file, std::uint32_t number) {
  std::signal(SIGPIPE, SIG_IGN);
  chaos::Board& board = *chaos::Board::open(file);
  return role == "publisher" ? chaos::run_publisher(board, number) : chaos::run_reader(board, number);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && (argv[1] == std::string("publisher") || argv[1] == std::string("reader")))
    return child(argv[1], argv[2], static_cast<std::uint32_t>(std::stoul(argv[3])));
  std::signal(SIGPIPE, SIG_IGN);
  return support::run_rounds(argc, argv, [](std::uint64_t seed, double seconds) {
    chaos::Round round("/proc/self/exe", seed, seconds);
    const std::string fault = round.run();
    return support::Outcome{round.summary(), fault};
  });
}
