// SPDX-License-Identifier: LGPL-2.1-or-later
#include "arguments.hpp"

#include "snap.hpp"
#include "top_page.hpp"

namespace shmring::tools {
namespace {

CLI::App& subcommand(CLI::App& app, const char* name, const char* description) {
  return *app.add_subcommand(name, description)->fallthrough(false);
}

void takes_ring(CLI::App& command, Arguments& arguments) {
  command.add_option("RING", arguments.path, "The publisher's socket, as in the elements' socket-path")
      ->required()
      ->type_name("");
}

void takes_folder(CLI::App& command, Arguments& arguments) {
  arguments.path = ".";
  command.add_option("FOLDER", arguments.path, "Where the sockets are, or one of them; this folder without it")
      ->type_name("");
}

CLI::Option* takes_seconds(CLI::App& command, const char* name, double& value, const char* description) {
  return command.add_option(name, value, description)->check(CLI::Range(0.05, 86400.0))->type_name("SECONDS");
}

void takes_json(CLI::App& command, Arguments& arguments) {
  command.add_flag("--json", arguments.json, "One JSON object a line; times are ns, moments on CLOCK_MONOTONIC");
}

}  // namespace

void define(CLI::App& app, Arguments& arguments) {
  app.description("Looks at rings of frames in shared memory.");
  app.set_version_flag("--version", shmring_version());
  app.require_subcommand(1);
  const std::string status = "Exit status: 0 shown, 1 no ring there (any more) or no frame, 2 wrong usage.";
  app.footer(status);

  CLI::App& list = subcommand(app, "list", "Lists the rings of a folder");
  takes_folder(list, arguments);
  takes_json(list, arguments);
  list.footer("A socket without a publisher is left out. It takes no reader's place.");

  CLI::App& top = subcommand(app, "top", "Shows the rings of a folder and their readers, live");
  takes_folder(top, arguments);
  takes_seconds(top, "--interval", arguments.interval, "Time between two pages (1)");
  top.add_option("--count", arguments.count, "Ends after so many pages")->type_name("PAGES");
  top.add_option("--sort", arguments.sort, "Order of the rings, and of the readers of each (name)")
      ->check(CLI::IsMember(order_names()))
      ->type_name("");
  top.footer(
      "RATE is frames a second: of a ring those offered, of a reader those taken. DROPS are frames a second.\n"
      "In a terminal: n, f, d and a sort by name, rate, drops and age, r turns the order round, q ends it.\n"
      "It takes no reader's place.");

  CLI::App& stat = subcommand(app, "stat", "Shows a live ring: its slots, its readers and their accounts");
  takes_ring(stat, arguments);
  takes_json(stat, arguments);
  takes_seconds(stat, "--watch", arguments.watch, "Show again every so many seconds, until the publisher is gone");
  stat.footer(
      "For every reader: offered = delivered + dropped + pending. AGE is from publish to take, HOLD from take to "
      "release.\n"
      "PENDING is of its depth, HELD of the most it may hold. It takes no reader's place.");

  CLI::App& hz = subcommand(app, "hz", "Measures a ring's rate, its jitter and its gaps");
  takes_ring(hz, arguments);
  takes_seconds(hz, "--seconds", arguments.seconds, "How long it measures; until Ctrl-C without it");
  takes_json(hz, arguments);
  hz.footer(
      "One line each second, and one of all at the end. Jitter is the standard deviation of the time between two\n"
      "publishings, age is from publish to take, missed are frames that did not reach it. It takes a reader's place.");

  CLI::App& results = subcommand(app, "results", "Prints the results of a worker");
  takes_ring(results, arguments);
  results.add_option("--count", arguments.count, "Ends after so many results")->type_name("RESULTS");
  results.footer(
      "One JSON object a line, as docs/results.md has it, until Ctrl-C or the end of the stream. What is no result is\n"
      "passed over, and counted at the end. It takes a reader's place.");

  CLI::App& snap = subcommand(app, "snap", "Writes the newest frame of a ring to a file");
  takes_ring(snap, arguments);
  snap.add_option("FILE", arguments.file, "Its ending says what it becomes: .png, .jpg or .npy")
      ->required()
      ->check(wrong_ending, "")
      ->type_name("");
  takes_seconds(snap, "--timeout", arguments.timeout, "How long it waits for a frame (5)");
  snap.footer(
      "A .npy file has the frame's array as Python's frame.array has it. Pictures are made by gst-launch-1.0 with\n"
      "this project's plugins. It takes a reader's place for that moment.");
  for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    command->footer(command->get_footer() + "\n\n" + status);
}

}  // namespace shmring::tools
