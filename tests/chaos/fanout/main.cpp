// SPDX-License-Identifier: LGPL-2.1-or-later
// A latestframe whose branches come and go, are unlinked, blocked and restarted, while frames, lists, caps, flushes, ends,
// queries and changes of state come by from several threads; what a branch gets is judged as it comes.
//
//   random_branches [--seed N] [--seconds S] [--round-seed N]
//
// Prints its seed at once; --round-seed repeats a single round's decisions. Ends with 1 after the first fault, with what was
// wrong and the seeds; a round that hangs ends with the stacks of all threads.
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <random>

#include "gst_fixture.hpp"
#include "round.hpp"

namespace {

int usage() {
  std::cerr << "usage: random_branches [--seed N] [--seconds S] [--round-seed N]\n";
  return 2;
}

// While states change and flushes come, frames do come without a segment, and GStreamer says so each time.
void without_expected_warnings(const gchar* domain, GLogLevelFlags level, const gchar* text, gpointer) {
  if (!std::strstr(text, "Got data flow before") && !std::strstr(text, "Sticky event misordering"))
    g_log_default_handler(domain, level, text, nullptr);
}

// But for those of GStreamer's pool, which wait for more to do.
int threads() {
  int count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    count += name.rfind("pool-", 0) != 0;
  }
  return count;
}

// Threads that nobody joins end by themselves; while they do, objects cannot be looked at.
std::string left_behind(int threads_before) {
  if (!support::eventually([=] { return threads() <= threads_before; })) return "threads are left after the round";
  std::string all;
  for (const std::string& object : support::live_objects()) all += "\n  " + object;
  return all.empty() ? "" : "still alive after the round:" + all;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t seed = std::random_device()();
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
  support::init_gstreamer();
  g_log_set_handler("GStreamer", G_LOG_LEVEL_WARNING, without_expected_warnings, nullptr);
  std::cout << "--seed " << seed << " --seconds " << seconds << std::endl;
  std::mt19937_64 random(seed);
  support::Watchdog watchdog;
  const int threads_before = threads();
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  int rounds = 0;
  do {
    const std::uint64_t drawn = random();
    const double length = 0.2 + static_cast<double>(random() % 1500) / 1000;
    const std::uint64_t round_seed = only.value_or(drawn);
    watchdog.watch("the round of --round-seed " + std::to_string(round_seed), support::kDefaultLimit);
    std::string fault, summary;
    {
      fanout_chaos::Round round(round_seed);
      fault = round.run(length);
      summary = round.summary();
    }
    if (fault.empty()) fault = left_behind(threads_before);
    std::cout << "round " << ++rounds << " (--round-seed " << round_seed << "): " << summary << std::endl;
    if (fault.empty()) continue;
    std::cout << fault << "\nrepeat: --seed " << seed << ", or this round for " << seconds << " s: --round-seed "
              << round_seed << std::endl;
    return 1;
  } while (std::chrono::steady_clock::now() < end);
  std::cout << rounds << " rounds, no fault" << std::endl;
  return 0;
}
