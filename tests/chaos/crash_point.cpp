// SPDX-License-Identifier: LGPL-2.1-or-later
// Dies at the crash point that the environment names: CRASH_AT=name or CRASH_AT=name:count.
#include "core/crash_point.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>

#include <unistd.h>

namespace shmring {
namespace {

constexpr const char* kNames[] = {
#define SHMRING_CRASH_POINT_TEXT(name, after) #name,
    SHMRING_PUBLISHER_CRASH_POINTS(SHMRING_CRASH_POINT_TEXT) SHMRING_READER_CRASH_POINTS(SHMRING_CRASH_POINT_TEXT)
#undef SHMRING_CRASH_POINT_TEXT
};

struct Chosen {
  std::string name;
  std::atomic<long> left{1};
  Chosen() {
    const char* given = std::getenv("CRASH_AT");
    if (!given) return;
    name = given;
    if (const auto colon = name.find(':'); colon != std::string::npos) {
      left = std::stol(name.substr(colon + 1));
      name.resize(colon);
    }
  }
};

}  // namespace

void crash_point(CrashPoint point) {
  static Chosen chosen;
  if (chosen.name == kNames[static_cast<int>(point)] && --chosen.left == 0) ::kill(::getpid(), SIGKILL);
}

}  // namespace shmring
