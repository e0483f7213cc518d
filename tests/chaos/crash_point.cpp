// SPDX-License-Identifier: LGPL-2.1-or-later
// Action at the crash points, set by the environment. CRASH_AT=name or CRASH_AT=name:count: the process dies at this one.
// JITTER=seed:often:longest: at each one, OFTEN times of 1,000, the thread sleeps for up to LONGEST microseconds, as if it had lost the
// processor.
#include "lane/crash_point.hpp"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "random/random.hpp"

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

struct Jitter {
  std::uint64_t seed = 0;
  unsigned often = 0, longest = 1;
  std::atomic<std::uint64_t> threads{0};
  Jitter() {
    const char* given = std::getenv("JITTER");
    unsigned long long number = 0;
    if (given && std::sscanf(given, "%llu:%u:%u", &number, &often, &longest) == 3) seed = number;
  }
  void sleep() {
    if (often == 0) return;
    static thread_local chaos::Random random(seed ^ static_cast<std::uint64_t>(::getpid()) << 32 ^ ++threads);
    if (random.below(1000) < often) ::usleep(random.below(longest));
  }
};

}  // namespace

void crash_point(CrashPoint point) {
  static Jitter jitter;
  jitter.sleep();
  static Chosen chosen;
  if (chosen.name == kNames[static_cast<int>(point)] && --chosen.left == 0) ::kill(::getpid(), SIGKILL);
}

}  // namespace shmring
