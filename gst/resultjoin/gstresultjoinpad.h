/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A results pad of `resultjoin`. */
#pragma once

#include <memory>

#include <gst/gst.h>

#include "resultjoin/joiner.hpp"

G_BEGIN_DECLS

#define GST_TYPE_RESULT_JOIN_PAD (gst_result_join_pad_get_type())
G_DECLARE_FINAL_TYPE(GstResultJoinPad, gst_result_join_pad, GST, RESULT_JOIN_PAD, GstPad)

G_END_DECLS

/* A floating reference to a new pad, whose results go to `joiner`. */
GstPad* gst_result_join_pad_new(const std::shared_ptr<supplier::resultjoin::Joiner>& joiner, GstPadTemplate* templ,
                                const char* name);

/* No frame waits for it any more. */
void gst_result_join_pad_retire(GstPad* pad);

namespace supplier::resultjoin {

// The structure of the pad's property `stats`.
Owned<GstStructure> pad_stats(GstPad* pad);

}  // namespace supplier::resultjoin
