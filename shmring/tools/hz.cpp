// SPDX-License-Identifier: LGPL-2.1-or-later
#include "hz.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include <shmring/shmring.hpp>

#include "interrupt.hpp"
#include "rhythm.hpp"

namespace shmring::tools {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

bool say(const Rhythm& rhythm, const char* span, bool json) {
  if (json)
    fmt::print("{}\n", rhythm.json(span));
  else
    fmt::print("{}{}\n", span == std::string_view("all") ? "all: " : "", rhythm.text());
  return std::fflush(stdout) == 0;
}

}  // namespace

bool hz(const std::string& path, double seconds, bool json) {
  inspect(path);  // a reader would wait for the publisher
  Reader reader({.socket_path = path,
                 .worker = "hz-" + std::to_string(getpid()),
                 .drop_policy = SHMRING_DROP_OLDEST,
                 .reconnect = false});
  const Interrupt interrupt;
  Rhythm all, second;
  const std::uint64_t begin = shmring_now();
  const std::uint64_t end = seconds > 0 ? begin + static_cast<std::uint64_t>(seconds * 1e9) : UINT64_MAX;
  std::uint64_t due = begin + kSecond;
  for (std::uint64_t now = begin; now < end && !interrupt.asked() && !reader.ended(); now = shmring_now()) {
    if (now >= due) {
      if (!say(second, "second", json)) break;
      second.restart();
      due += kSecond;
    }
    // In short waits, for a signal that another thread of the process got.
    const std::uint64_t until = std::min({due, end, now + kSecond / 5});
    try {
      const auto frame = reader.read(std::chrono::nanoseconds(until > now ? until - now : 0));
      if (!frame) continue;
      const auto age = static_cast<std::uint64_t>(frame->age().count());
      all.add(frame->info(), age);
      second.add(frame->info(), age);
    } catch (const Error& error) {
      if (error.status() != SHMRING_DISCONNECTED || all.frames() == 0) throw;
      break;  // the publisher is gone
    }
  }
  say(all, "all", json);
  return all.frames() > 0;
}

}  // namespace shmring::tools
