// SPDX-License-Identifier: LGPL-2.1-or-later
// The health properties, the same on every pad and element that has a worker, and their values.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include <glib-object.h>

#include "base/health.hpp"

namespace supplier {

// A worker's name as it may be used: UTF-8 without control characters, 1 to 63 bytes.
bool valid_worker_name(const char* name);

// Any thread.
class HealthProperties {
 public:
  enum class Worker { none, own };  // whether there is a property `worker`: not where one object has many workers
  static constexpr guint kCount = 6;
  static constexpr const char* kAgeLimit = "Frame age above which a worker is reported slow, in ns (0 = disabled)";

  // Installs worker, stall-timeout, max-frame-age, max-drop-rate, interval and post-messages as first … first + 5.
  // `max_frame_age` is the text of that property, where more depends on it than a state.
  static void install(GObjectClass* klass, guint first, Worker worker, const char* max_frame_age = kAgeLimit);

  explicit HealthProperties(guint first) : first_(first) {}
  // False: the id is none of these.
  bool set(guint id, const GValue* value);
  bool get(guint id, GValue* value) const;

  Limits limits() const;
  void set_limits(const Limits& limits);
  // The name that was set, else `fallback` (the element's or pad's own).
  std::string worker(const char* fallback) const;

 private:
  const guint first_;
  mutable std::mutex lock_;  // a leaf: nothing is called under it
  Limits limits_;
  std::optional<std::string> worker_;
};

}  // namespace supplier
