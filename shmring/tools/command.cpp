// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include <fmt/format.h>

#include <shmring/shmring.hpp>

#include "arguments.hpp"
#include "complain.hpp"
#include "hz.hpp"
#include "results.hpp"
#include "rings.hpp"
#include "snap.hpp"
#include "stats_output.hpp"
#include "top.hpp"

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
    if (std::fflush(stdout) != 0 || watch <= 0) return ok;
    if (!json && !clear_screen) fmt::print("\n");
    std::this_thread::sleep_for(std::chrono::duration<double>(watch));
  }
}

int no_ring_in(const std::string& path) {
  complain(path + ": no ring has a publisher here");
  return no_ring;
}

int list(const std::string& path, bool json) {
  Rings folder(path);
  const auto rings = folder.look();
  for (const std::string& sentence : folder.silent()) complain(sentence);
  if (rings.empty()) return folder.silent().empty() ? no_ring_in(path) : no_ring;
  if (!json) fmt::print("{}", list_text(rings));
  for (const Look& look : rings)
    if (json) fmt::print("{}\n", to_json(look.path, look.stats, look.at));
  return ok;
}

int run_one(const std::string& command, const Arguments& with) {
  if (command == "list") return list(with.path, with.json);
  if (command == "top")
    return top(with.path, with.interval, with.count, order_of(with.sort)) ? ok : no_ring_in(with.path);
  if (command == "hz") return hz(with.path, with.seconds, with.json) ? ok : no_ring;
  if (command == "results") return results(with.path, with.count) ? ok : no_ring;
  if (command == "snap") {
    snap(with.path, with.file, with.timeout);
    return ok;
  }
  return show(with.path, with.json, with.watch);
}

// Else the next file or socket that is opened would be the output. Writing there fails as before.
void fill_standard_descriptors() {
  for (int descriptor = open("/dev/null", O_RDONLY); descriptor >= 0; descriptor = dup(descriptor))
    if (descriptor > STDERR_FILENO) {
      close(descriptor);
      return;
    }
}

}  // namespace

int shmring::tools::run(int argc, const char* const* argv) {
  fill_standard_descriptors();
  CLI::App app("", "shmring");
  Arguments arguments;
  define(app, arguments);
  try {
    app.parse(argc, argv);
    const int status = run_one(app.get_subcommands().front()->get_name(), arguments);
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
    complain("the output was not taken: it is closed, or the disk is full");
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? ok : bad_usage;
  } catch (const std::system_error& error) {  // its text begins with the file
    complain(error.what());
  } catch (const std::exception& error) {
    const std::string said = error.what();
    complain(said.find(arguments.path + ':') == std::string::npos ? arguments.path + ": " + said : said);
  }
  return no_ring;
}
