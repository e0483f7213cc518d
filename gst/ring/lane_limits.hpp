// SPDX-License-Identifier: LGPL-2.1-or-later
// Limits of single workers: what shmringsink's property `worker-limits` says.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include <gst/gst.h>

#include "base/health.hpp"

namespace supplier {

// Any thread.
class LaneLimits {
 public:
  // A GST_TYPE_ARRAY of structures. Returns an error message and changes nothing if it is invalid.
  std::optional<std::string> set(const GValue* array);
  void get(GValue* array) const;
  // The limits of this worker, where it has none of its own `common`.
  Limits of(const char* worker, Limits common) const;

 private:
  struct Own {
    std::optional<std::uint64_t> stall_timeout, max_frame_age, interval;
    std::optional<double> max_drop_rate;
  };

  static std::optional<std::string> read(const GstStructure* entry, Own& own);

  mutable std::mutex lock_;  // a leaf: nothing is called under it
  std::map<std::string, Own, std::less<>> workers_;
};

}  // namespace supplier
