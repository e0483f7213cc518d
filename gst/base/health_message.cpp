// SPDX-License-Identifier: LGPL-2.1-or-later
// A worker's health as a GstStructure.
#include "base/health_message.hpp"

namespace supplier {
namespace {

void add_times(GstStructure* structure, const char* what, const shmring_times& times) {
  const std::string name = what;
  gst_structure_set(structure, (name + "-p50").c_str(), G_TYPE_UINT64, guint64{times.p50}, (name + "-p99").c_str(),
                    G_TYPE_UINT64, guint64{times.p99}, (name + "-max").c_str(), G_TYPE_UINT64, guint64{times.max},
                    nullptr);
}

}  // namespace

Owned<GstStructure> health_structure(const char* name, const Observation& seen, const Verdict& verdict) {
  auto structure = adopt(gst_structure_new(
      name, "worker", G_TYPE_STRING, seen.worker.c_str(), "state", G_TYPE_STRING, state_name(verdict.state),
      "previous-state", G_TYPE_STRING, state_name(verdict.previous), "reason", G_TYPE_STRING, verdict.reason.c_str(),
      "generation", G_TYPE_UINT64, guint64{seen.generation}, "at", G_TYPE_UINT64, guint64{verdict.at}, "offered",
      G_TYPE_UINT64, guint64{seen.offered}, "delivered", G_TYPE_UINT64, guint64{seen.delivered}, "dropped",
      G_TYPE_UINT64, guint64{seen.dropped}, "pending", G_TYPE_UINT64, guint64{seen.pending}, "discarded", G_TYPE_UINT64,
      guint64{seen.discarded}, "held", G_TYPE_UINT64, guint64{seen.held}, "stale", G_TYPE_UINT64, guint64{seen.stale},
      "consecutive-drops", G_TYPE_UINT64, guint64{seen.consecutive_drops}, "drop-rate", G_TYPE_DOUBLE,
      verdict.drop_rate, "last-offered-at", G_TYPE_UINT64, guint64{seen.last_offered_at}, "last-consumed-at",
      G_TYPE_UINT64, guint64{seen.last_consumed_at}, "last-consumed-seq", G_TYPE_UINT64,
      guint64{seen.last_consumed_sequence}, "unfinished-since", G_TYPE_UINT64, guint64{seen.unfinished_since}, "age",
      G_TYPE_UINT64, guint64{seen.age}, nullptr));
  add_times(structure.get(), "age", seen.ages);
  add_times(structure.get(), "hold", seen.holds);
  add_times(structure.get(), "wait", seen.waits);
  if (seen.lateness) gst_structure_set(structure.get(), "lateness", G_TYPE_INT64, gint64{*seen.lateness}, nullptr);
  if (!seen.pad.empty()) gst_structure_set(structure.get(), "pad", G_TYPE_STRING, seen.pad.c_str(), nullptr);
  return structure;
}

}  // namespace supplier
