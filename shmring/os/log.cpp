// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/log.hpp"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <shared_mutex>

namespace shmring {
namespace {

constexpr const char* kNames[] = {"none", "error", "warning", "info", "debug"};

int level_of_environment() {
  const char* wanted = std::getenv("SHMRING_LOG");
  if (!wanted || !*wanted) return SHMRING_LOG_NONE;
  for (int level = SHMRING_LOG_NONE; level <= SHMRING_LOG_DEBUG; ++level)
    if (std::string_view(wanted) == kNames[level]) return level;
  std::fprintf(stderr, "shmring: SHMRING_LOG=%s is unknown: use none, error, warning, info or debug\n", wanted);
  return SHMRING_LOG_NONE;
}

// Shared while a callback runs: after set_log() has returned the former one runs no more.
std::shared_mutex mutex;
shmring_log_callback callback_ = nullptr;
void* user_ = nullptr;
thread_local bool in_callback = false;

}  // namespace

std::atomic<int> log_threshold{level_of_environment()};

void set_log(shmring_log_callback callback, void* user, shmring_log_level level) {
  const std::lock_guard lock(mutex);
  callback_ = callback;
  user_ = user;
  log_threshold.store(level, std::memory_order_relaxed);
}

void write_log(shmring_log_level level, const std::string& text) noexcept {
  if (in_callback) return;  // a callback that uses the library would call itself
  const std::shared_lock lock(mutex);
  if (log_threshold.load(std::memory_order_relaxed) < level) return;
  in_callback = true;
  if (callback_)
    callback_(level, text.c_str(), user_);
  else
    std::fprintf(stderr, "shmring[%s] %s\n", kNames[level], text.c_str());
  in_callback = false;
}

}  // namespace shmring
