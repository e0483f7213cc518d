/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The element shmringsrc. */
#pragma once

#include <gst/base/gstpushsrc.h>
#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SHM_RING_SRC (gst_shm_ring_src_get_type())
G_DECLARE_FINAL_TYPE(GstShmRingSrc, gst_shm_ring_src, GST, SHM_RING_SRC, GstPushSrc)

GST_ELEMENT_REGISTER_DECLARE(shmringsrc)

G_END_DECLS
