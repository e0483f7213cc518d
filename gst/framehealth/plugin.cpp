// SPDX-License-Identifier: LGPL-2.1-or-later
// Registers the element with GStreamer.
#include "gstframehealth.h"

#define PACKAGE "gst-frame-supplier"

static gboolean plugin_init(GstPlugin* plugin) { return GST_ELEMENT_REGISTER(framehealth, plugin); }

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, framehealth, "Health of workers on the bus", plugin_init,
                  PACKAGE_VERSION, "LGPL", GST_PACKAGE_NAME, GST_PACKAGE_ORIGIN)
