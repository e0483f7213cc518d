// SPDX-License-Identifier: LGPL-2.1-or-later
#include "latestframe/lost_frames_log.hpp"

#include "os/clock.hpp"

GST_DEBUG_CATEGORY_EXTERN(gst_latest_frame_debug);
#define GST_CAT_DEFAULT gst_latest_frame_debug

namespace supplier::latestframe {

[[gnu::cold]] void LostFramesLog::record(GstPad* pad, const Step& step) {
  if (gst_debug_category_get_threshold(GST_CAT_DEFAULT) < GST_LEVEL_DEBUG) return;
  const std::uint64_t now = shmring::now();
  if (step.refused != 0) {
    GST_LOG_OBJECT(pad, "frame %" G_GUINT64_FORMAT " is older than max-frame-age", guint64{step.refused});
    if (const std::uint64_t count = refused_.due(now))
      GST_DEBUG_OBJECT(pad,
                       "refused frames older than max-frame-age, last number %" G_GUINT64_FORMAT
                       "; times since the last such line: %" G_GUINT64_FORMAT,
                       guint64{step.refused}, guint64{count});
  }
  if (!step.gap || !step.item) return;
  GST_LOG_OBJECT(pad, "frames before %" G_GUINT64_FORMAT " are missing", guint64{step.item->number});
  if (const std::uint64_t count = missed_.due(now))
    GST_DEBUG_OBJECT(pad,
                     "dropped frames before number %" G_GUINT64_FORMAT
                     ": newer ones came while the branch was busy; times since the last such line: %" G_GUINT64_FORMAT,
                     guint64{step.item->number}, guint64{count});
}

}  // namespace supplier::latestframe
