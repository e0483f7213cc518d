// SPDX-License-Identifier: LGPL-2.1-or-later
// Debug categories of what the elements share. Each plugin links its own copy of the code; GStreamer keeps one category for a name.
#pragma once

#include <gst/gst.h>

namespace supplier {

GstDebugCategory* health_category();  // "framehealth": states of workers, whichever element watches them
GstDebugCategory* frame_category();   // "shmringframe": what of a frame crosses the ring

}  // namespace supplier
