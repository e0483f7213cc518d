// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst_fixture.hpp"

#include <cstdlib>

namespace support {

// What `meson test` sets, for programs started by hand.
void init_gstreamer() {
  setenv("GST_PLUGIN_PATH", SUPPORT_PLUGIN_PATH, 0);
  setenv("GST_REGISTRY", SUPPORT_REGISTRY, 0);
  setenv("GST_REGISTRY_FORK", "no", 0);  // the scanner program cannot load plugins built with a sanitizer
  gst_init(nullptr, nullptr);
}

}  // namespace support
