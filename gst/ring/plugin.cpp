// SPDX-License-Identifier: LGPL-2.1-or-later
// The plugin: a ring of frames in shared memory between processes.
#include <gst/gst.h>

#include "os/log.hpp"
#include "ring/gstshmringsink.h"
#include "ring/gstshmringsrc.h"

GST_DEBUG_CATEGORY_STATIC(shmring_debug);
#define GST_CAT_DEFAULT shmring_debug

// The library's lines, in a category of their own.
static void forward_log(shmring_log_level level, const char* text, void* /*user*/) {
  static_assert(int{SHMRING_LOG_ERROR} == int{GST_LEVEL_ERROR} && int{SHMRING_LOG_WARNING} == int{GST_LEVEL_WARNING});
  const int shifted = level >= SHMRING_LOG_INFO ? level + 1 : level;  // GStreamer has one more level before INFO
  GST_CAT_LEVEL_LOG(GST_CAT_DEFAULT, static_cast<GstDebugLevel>(shifted), nullptr, "%s", text);
}

static gboolean plugin_init(GstPlugin* plugin) {
  GST_DEBUG_CATEGORY_INIT(shmring_debug, "shmring", 0, "both ends of the ring: readers that attach and leave");
  shmring::set_log(forward_log, nullptr, SHMRING_LOG_DEBUG);
  return GST_ELEMENT_REGISTER(shmringsink, plugin) && GST_ELEMENT_REGISTER(shmringsrc, plugin);
}

#define PACKAGE GST_PACKAGE_NAME
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, shmring,
                  "Shares frames with other processes through a ring in shared memory", plugin_init, PACKAGE_VERSION,
                  "LGPL", GST_PACKAGE_NAME, GST_PACKAGE_ORIGIN)
