/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The element shmringsink. */
#pragma once

#include <gst/base/gstbasesink.h>
#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SHM_RING_SINK (gst_shm_ring_sink_get_type())
G_DECLARE_FINAL_TYPE(GstShmRingSink, gst_shm_ring_sink, GST, SHM_RING_SINK, GstBaseSink)

GST_ELEMENT_REGISTER_DECLARE(shmringsink)

G_END_DECLS
