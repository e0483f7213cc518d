// SPDX-License-Identifier: LGPL-2.1-or-later
// Lanes of a ring as workers.
#include "ring/lanes.hpp"

#include "ring/account_fields.hpp"

namespace supplier {
bool left_by_itself(const shmring_reader_account& lane) {
  return lane.state != SHMRING_READER_ACTIVE && lane.reason[0] == '\0';
}

Observation observe(const shmring_reader_account& lane, bool expecting) {
  Observation seen;
  seen.worker = lane.worker;
  seen.generation = lane.generation;
  seen.offered = lane.offered;
  seen.delivered = lane.delivered;
  seen.dropped = lane.dropped;
  seen.pending = lane.pending;
  seen.held = lane.held;
  seen.stale = lane.stale;
  seen.consecutive_drops = lane.consecutive_drops;
  seen.last_offered_at = lane.last_offered_at;
  seen.last_consumed_at = lane.last_released_at;
  seen.last_consumed_sequence = lane.last_taken_sequence;
  seen.unfinished_since = lane.unfinished_since;
  seen.expecting = expecting;
  seen.age = lane.age.p50;
  seen.ages = lane.age;
  seen.holds = lane.hold;
  seen.gone = lane.state != SHMRING_READER_ACTIVE;
  seen.reason = lane.reason;
  return seen;
}

Owned<GstStructure> sink_stats(const shmring::RingStats& stats, bool expecting, const HealthMonitor& monitor) {
  auto structure = adopt(gst_structure_new_empty("application/x-shmringsink-stats"));
  set_fields(structure.get(), stats.ring);
  GValue lanes = G_VALUE_INIT;
  g_value_init(&lanes, GST_TYPE_ARRAY);
  for (const shmring_reader_account& lane : stats.accounts) {
    auto worker = monitor.describe("reader", observe(lane, expecting));
    set_fields(worker.get(), lane, true);
    GValue entry = G_VALUE_INIT;
    g_value_init(&entry, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&entry, worker.release());
    gst_value_array_append_and_take_value(&lanes, &entry);
  }
  gst_structure_take_value(structure.get(), "accounts", &lanes);
  return structure;
}

}  // namespace supplier
