/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A source pad of `latestframe`: one branch. */
#pragma once

#include <memory>

#include <gst/gst.h>

#include "latestframe/fanout.hpp"

G_BEGIN_DECLS

#define GST_TYPE_LATEST_FRAME_PAD (gst_latest_frame_pad_get_type())
G_DECLARE_FINAL_TYPE(GstLatestFramePad, gst_latest_frame_pad, GST, LATEST_FRAME_PAD, GstPad)

G_END_DECLS

/* A floating reference to a new pad that belongs to `fanout`. */
GstPad* gst_latest_frame_pad_new(const std::shared_ptr<supplier::latestframe::Fanout>& fanout, GstPadTemplate* templ,
                                 const char* name, const supplier::Limits& limits);

/* Inactive for good; what is inside a push ends when it comes back. */
void gst_latest_frame_pad_retire(GstPad* pad);

namespace supplier::latestframe {

// The structure of the pad's property `stats`.
Owned<GstStructure> branch_stats(Fanout& fanout, const Branch& branch);

}  // namespace supplier::latestframe
