// SPDX-License-Identifier: LGPL-2.1-or-later
// Ends a hung test: names it, prints the stack of every thread, aborts. Every test has one by itself (main.cpp); a test
// that needs another limit sets it with Watchdog::limit(). Tests never assert a maximum time in any other way.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace support {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// Factor by which sanitizers and an emulator slow programs down.
#if defined(__SANITIZE_THREAD__) || defined(EMULATED)
inline constexpr int kSlowdown = 8;
#elif defined(__SANITIZE_ADDRESS__)
inline constexpr int kSlowdown = 4;
#else
inline constexpr int kSlowdown = 1;
#endif

inline constexpr std::chrono::seconds kDefaultLimit{60};

class Watchdog {
 public:
  Watchdog();
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Starts the time of a test, or of a part of one.
  void watch(std::string what, std::chrono::seconds limit);
  void rest();

  // Gives the running test a limit of its own, from now on.
  static void limit(std::chrono::seconds limit);

 private:
  void run();

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::string what_;
  std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
  bool started_ = false;
  bool quit_ = false;
  std::thread thread_;
};

// Looks every few milliseconds whether `holds()`, for at most `limit`; says whether it ever did.
template <class Condition>
bool eventually(Condition holds, std::chrono::milliseconds limit = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + limit * kSlowdown;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace support
