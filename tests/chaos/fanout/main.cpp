// SPDX-License-Identifier: LGPL-2.1-or-later
// A latestframe whose branches come and go, are unlinked, blocked and restarted, while frames, lists, caps, flushes, ends,
// queries and changes of state come by from several threads; what a branch gets is judged as it comes.
//
//   random_branches [--seed N] [--seconds S] [--round-seed N]
//
// --round-seed repeats a single round's decisions. Ends with 1 after the first fault, with what was wrong and the seeds; a
// round that hangs ends with the stacks of all threads.
#include <cstring>
#include <filesystem>
#include <fstream>

#include "gst_fixture.hpp"
#include "round.hpp"
#include "rounds.hpp"

namespace {

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

// Detached threads end by themselves; while they do, objects cannot be looked at.
std::string left_behind(int threads_before) {
  if (!support::eventually([=] { return threads() <= threads_before; })) return "threads are left after the round";
  std::string all;
  for (const std::string& object : support::live_objects()) all += "\n  " + object;
  return all.empty() ? "" : "still alive after the round:" + all;
}

}  // namespace

int main(int argc, char** argv) {
  support::init_gstreamer();
  g_log_set_handler("GStreamer", G_LOG_LEVEL_WARNING, without_expected_warnings, nullptr);
  support::Watchdog watchdog;
  const int threads_before = threads();
  return support::run_rounds(argc, argv, [&](std::uint64_t seed, double seconds) {
    watchdog.watch("the round of --round-seed " + std::to_string(seed), support::kDefaultLimit);
    support::Outcome outcome;
    {
      fanout_chaos::Round round(seed);
      outcome.fault = round.run(seconds);
      outcome.summary = round.summary();
    }
    if (outcome.fault.empty()) outcome.fault = left_behind(threads_before);
    return outcome;
  });
}
