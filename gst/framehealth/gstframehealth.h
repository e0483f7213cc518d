/* SPDX-License-Identifier: LGPL-2.1-or-later
 * framehealth: watches the worker behind it and reports its health on the bus. */
#ifndef GST_FRAME_HEALTH_H
#define GST_FRAME_HEALTH_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_FRAME_HEALTH (gst_frame_health_get_type())
G_DECLARE_FINAL_TYPE(GstFrameHealth, gst_frame_health, GST, FRAME_HEALTH, GstElement)

GST_ELEMENT_REGISTER_DECLARE(framehealth)

G_END_DECLS

#endif
