// SPDX-License-Identifier: LGPL-2.1-or-later
// The plugin: a ring of frames in shared memory between processes.
#include <gst/gst.h>

#include "ring/gstshmringsink.h"
#include "ring/gstshmringsrc.h"

static gboolean plugin_init(GstPlugin* plugin) {
  return GST_ELEMENT_REGISTER(shmringsink, plugin) && GST_ELEMENT_REGISTER(shmringsrc, plugin);
}

#define PACKAGE GST_PACKAGE_NAME
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, shmring,
                  "Shares frames with other processes through a ring in shared memory", plugin_init, PACKAGE_VERSION,
                  "LGPL", GST_PACKAGE_NAME, GST_PACKAGE_ORIGIN)
