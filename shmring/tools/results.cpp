// SPDX-License-Identifier: LGPL-2.1-or-later
#include "results.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>

#include <fmt/format.h>

#include <shmring/results.hpp>

#include "complain.hpp"
#include "interrupt.hpp"
#include "text.hpp"

namespace shmring::tools {
bool results(const std::string& path, std::uint64_t count) {
  inspect(path);  // a reader would wait for the publisher
  ResultReader reader({.socket_path = path, .worker = "results-" + std::to_string(getpid()), .reconnect = false});
  const Interrupt interrupt;
  std::uint64_t shown = 0;
  while (!interrupt.asked() && !reader.ended() && (count == 0 || shown < count)) {
    try {
      // In short waits, for a signal that another thread of the process got.
      const auto result = reader.read(std::chrono::milliseconds(200));
      if (!result) continue;
      ++shown;
      fmt::print("{}\n", printable(to_json(*result)));
      if (std::fflush(stdout) != 0) break;
    } catch (const Error& error) {
      if (error.status() != SHMRING_DISCONNECTED || shown == 0) throw;
      break;  // the publisher is gone
    }
  }
  if (reader.refused() > 0) complain(fmt::format("{}: {} frames were no results", path, reader.refused()));
  return shown > 0;
}

}  // namespace shmring::tools
