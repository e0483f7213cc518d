// SPDX-License-Identifier: LGPL-2.1-or-later
// The library's log: rare events and their reasons, never anything on a frame's way.
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <type_traits>

#include <shmring/types.h>

namespace shmring {

// The most detailed level that anything receives; SHMRING_LOG_NONE: the log is off. Set by set_log() and by SHMRING_LOG.
extern std::atomic<int> log_threshold;

void set_log(shmring_log_callback callback, void* user, shmring_log_level level);
void write_log(shmring_log_level level, const std::string& text) noexcept;

template <class Part>
void append_to_log(std::string& text, const Part& part) {
  if constexpr (std::is_convertible_v<const Part&, std::string_view>)
    text += part;
  else
    text += std::to_string(part);
}

// Joins the parts, texts and numbers, to one line. Costs one relaxed load and a branch while the log is off.
template <class... Parts>
void log(shmring_log_level level, const Parts&... parts) noexcept {
  if (log_threshold.load(std::memory_order_relaxed) < level) [[likely]]
    return;
  try {
    std::string text;
    (append_to_log(text, parts), ...);
    write_log(level, text);
  } catch (const std::exception&) {  // no memory for the line
  }
}

}  // namespace shmring
