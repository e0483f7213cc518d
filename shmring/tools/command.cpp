// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <shmring/shmring.hpp>

#include "stats_output.hpp"

namespace {

using namespace shmring::tools;

constexpr std::chrono::seconds patience{2};
enum Exit { ok = 0, no_ring = 1, bad_usage = 2 };

int show(const std::string& path, bool json, double watch) {
  const shmring::Observer observer(path, patience);
  const bool clear_screen = watch > 0 && !json && isatty(STDOUT_FILENO) == 1;
  for (;;) {
    const shmring::Stats stats = observer.stats();
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

int shmring::tools::run(int argc, const char* const* argv) {
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
  } catch (const shmring::Error& error) {
    fmt::print(stderr, "shmring: {}: {}\n", path, error.what());
    return no_ring;
  } catch (const std::exception& error) {
    fmt::print(stderr, "shmring: {}\n", error.what());
    return no_ring;
  }
}
