/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The element `resultjoin`: results of workers onto the frames they are of. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_RESULT_JOIN (gst_result_join_get_type())
G_DECLARE_FINAL_TYPE(GstResultJoin, gst_result_join, GST, RESULT_JOIN, GstElement)

GST_ELEMENT_REGISTER_DECLARE(resultjoin);

G_END_DECLS
