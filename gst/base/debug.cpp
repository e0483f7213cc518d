// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/debug.hpp"

namespace supplier {

GstDebugCategory* health_category() {
  static GstDebugCategory* const category = _gst_debug_category_new("framehealth", 0, "health of a worker");
  return category;
}

GstDebugCategory* frame_category() {
  static GstDebugCategory* const category =
      _gst_debug_category_new("shmringframe", 0, "frames on their way into the ring");
  return category;
}

}  // namespace supplier
