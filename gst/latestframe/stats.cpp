// SPDX-License-Identifier: LGPL-2.1-or-later
// Stats as structures.
#include "latestframe/stats.hpp"

namespace supplier::latestframe {

Owned<GstStructure> branch_stats(const Branch& branch) {
  auto stats = branch.home().monitor().describe("application/x-latestframe-pad-stats", branch.watched().seen);
  gst_structure_set(stats.get(), "events-dropped", G_TYPE_UINT64, guint64{branch.events_dropped()}, nullptr);
  return stats;
}

Owned<GstStructure> fanout_stats(Fanout& fanout) {
  const Flow flow = fanout.flow();
  auto stats = adopt(gst_structure_new(
      "application/x-latestframe-stats", "received", G_TYPE_UINT64, guint64{flow.received}, "published", G_TYPE_UINT64,
      guint64{flow.published}, "inbox-drops", G_TYPE_UINT64, guint64{flow.mailbox_drops}, "discarded", G_TYPE_UINT64,
      guint64{flow.discarded}, "copied", G_TYPE_UINT64, guint64{flow.copied}, nullptr));
  GValue branches = G_VALUE_INIT;
  gst_value_array_init(&branches, 0);
  for (const auto& member : fanout.members()) {
    GValue branch = G_VALUE_INIT;
    g_value_init(&branch, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&branch, branch_stats(*member.branch).release());
    gst_value_array_append_and_take_value(&branches, &branch);
  }
  gst_structure_take_value(stats.get(), "branches", &branches);
  return stats;
}

}  // namespace supplier::latestframe
