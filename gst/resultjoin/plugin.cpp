// SPDX-License-Identifier: LGPL-2.1-or-later
// Registration of the plugin `resultjoin`.
#include "resultjoin/gstresultjoin.h"

static gboolean plugin_init(GstPlugin* plugin) { return GST_ELEMENT_REGISTER(resultjoin, plugin); }

#define PACKAGE "gst-frame-supplier"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, resultjoin, "Results of workers on their frames", plugin_init,
                  PACKAGE_VERSION, "LGPL", GST_PACKAGE_NAME, GST_PACKAGE_ORIGIN)
