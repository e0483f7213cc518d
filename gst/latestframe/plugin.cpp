// SPDX-License-Identifier: LGPL-2.1-or-later
// Registration of the plugin `latestframe`.
#include "latestframe/gstlatestframe.h"

static gboolean plugin_init(GstPlugin* plugin) { return GST_ELEMENT_REGISTER(latestframe, plugin); }

#define PACKAGE "gst-frame-supplier"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, latestframe, "Fan-out of the newest frame", plugin_init,
                  PACKAGE_VERSION, "LGPL", GST_PACKAGE_NAME, GST_PACKAGE_ORIGIN)
