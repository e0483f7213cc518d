// SPDX-License-Identifier: LGPL-2.1-or-later
// The command `shmring`: looks at a live ring. It takes no lane and maps no memory, so it costs readers and publisher
// nothing.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <shmring/inspect.h>
#include <shmring/version.h>

#include "stats_output.hpp"

namespace {

using namespace shmring::tools;

constexpr std::uint64_t patience = 2'000'000'000;
enum Exit { ok = 0, no_ring = 1, bad_usage = 2 };

using Observer = std::unique_ptr<shmring_observer, decltype(&shmring_observer_close)>;

Observer look(const std::string& path) {
  shmring_observer* observer = nullptr;
  if (shmring_observer_open(path.c_str(), patience, &observer) != SHMRING_OK) return {nullptr, shmring_observer_close};
  return {observer, shmring_observer_close};
}

shmring_status fetch(shmring_observer* observer, RingStats& stats) {
  std::size_t count = 16;
  do {
    stats.lanes.resize(count);
    const shmring_status status = shmring_observer_stats(observer, patience, &stats.ring, stats.lanes.data(),
                                                         sizeof stats.lanes[0], stats.lanes.size(), &count);
    if (status != SHMRING_OK) return status;
  } while (count > stats.lanes.size());
  stats.lanes.resize(count);
  return SHMRING_OK;
}

int fail(const std::string& path) {
  fmt::print(stderr, "shmring: {}: {}\n", path, shmring_last_error());
  return no_ring;
}

int show(const std::string& path, bool json, double watch) {
  const Observer observer = look(path);
  if (!observer) return fail(path);
  const bool clear_screen = watch > 0 && !json && isatty(STDOUT_FILENO) == 1;
  for (;;) {
    RingStats stats;
    if (fetch(observer.get(), stats) != SHMRING_OK) return fail(path);
    const std::uint64_t now = shmring_now();
    if (clear_screen) fmt::print("\033[H\033[2J");
    fmt::print("{}", json ? to_json(path, stats, now) + "\n" : to_text(path, stats, now));
    // The output is closed, or the disk is full: nothing is left to do.
    if (std::fflush(stdout) != 0) return no_ring;
    if (watch <= 0) return ok;
    if (!json && !clear_screen) fmt::print("\n");
    std::this_thread::sleep_for(std::chrono::duration<double>(watch));
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Looks at rings of frames in shared memory.", "shmring");
  app.set_version_flag("--version", shmring_version());
  app.require_subcommand(1);

  std::string path;
  bool json = false;
  double watch = 0;
  CLI::App* const command = app.add_subcommand("stat", "Shows a live ring: its slots, its readers and their accounts");
  command->add_option("path", path, "The publisher's socket, as in the elements' socket-path")->required();
  command->add_flag("--json", json, "One JSON object a line; times are ns on CLOCK_MONOTONIC");
  command->add_option("--watch", watch, "Show again every so many seconds, until the publisher is gone")
      ->check(CLI::Range(0.05, 86400.0))
      ->type_name("SECONDS");
  command->footer(
      "For every reader: offered = delivered + dropped + pending. AGE is from publish to take, HOLD from take to "
      "release.\n"
      "PENDING is of its depth, HELD of the most it may hold.\n\n"
      "Exit status: 0 shown, 1 no ring there (any more), 2 wrong usage.");

  try {
    app.parse(argc, argv);
    return show(path, json, watch);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? ok : bad_usage;
  } catch (const std::exception& error) {
    fmt::print(stderr, "shmring: {}\n", error.what());
    return no_ring;
  }
}
