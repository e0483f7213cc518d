// SPDX-License-Identifier: LGPL-2.1-or-later
// Lanes of a ring as workers.
#include "ring/lanes.hpp"

#include "ring/enums.hpp"

namespace supplier {
namespace {

const char* state_name(shmring_reader_state state) {
  switch (state) {
    case SHMRING_READER_ACTIVE:
      return "active";
    case SHMRING_READER_RETIRED:
      return "retired";
    case SHMRING_READER_GONE:
      break;
  }
  return "gone";
}

}  // namespace

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
  const shmring_ring_stats& ring = stats.ring;
  auto structure = adopt(gst_structure_new(
      "application/x-shmringsink-stats", "offered", G_TYPE_UINT64, guint64{ring.sequence}, "published", G_TYPE_UINT64,
      guint64{ring.published}, "copied", G_TYPE_UINT64, guint64{ring.copied}, "streamed", G_TYPE_UINT64,
      guint64{ring.streamed}, "dropped-no-slot", G_TYPE_UINT64, guint64{ring.no_slot}, "dropped-too-large",
      G_TYPE_UINT64, guint64{ring.too_large}, "dropped-malformed", G_TYPE_UINT64, guint64{ring.malformed}, "slot-size",
      G_TYPE_UINT64, guint64{ring.slot_size}, "slots", G_TYPE_UINT64, guint64{ring.slots}, "slots-free", G_TYPE_UINT64,
      guint64{ring.free_slots}, "slots-owned", G_TYPE_UINT64, guint64{ring.owned}, "slots-loaned", G_TYPE_UINT64,
      guint64{ring.loaned}, "memory", G_TYPE_UINT64, guint64{ring.memory}, "rings", G_TYPE_UINT64, guint64{ring.rings},
      "readers", G_TYPE_UINT64, guint64{ring.readers}, "refused-readers", G_TYPE_UINT64, guint64{ring.refused_readers},
      "protocol-violations", G_TYPE_UINT64, guint64{ring.protocol_violations}, "last-published-at", G_TYPE_UINT64,
      guint64{ring.last_published_at}, nullptr));

  auto violations = adopt(gst_structure_new_empty("violations"));
  for (std::size_t i = 0; i < SHMRING_VIOLATIONS; ++i)
    if (const char* name = shmring::violation_name(i))
      gst_structure_set(violations.get(), name, G_TYPE_UINT64, guint64{ring.violations[i]}, nullptr);
  gst_structure_set(structure.get(), "violations", GST_TYPE_STRUCTURE, violations.get(), nullptr);

  GValue lanes = G_VALUE_INIT;
  g_value_init(&lanes, GST_TYPE_ARRAY);
  for (const shmring_reader_account& lane : stats.accounts) {
    auto worker = monitor.describe("reader", observe(lane, expecting));
    gst_structure_set(worker.get(), "reader-state", G_TYPE_STRING, state_name(lane.state), "pid", G_TYPE_UINT64,
                      guint64{lane.pid}, "drop-policy", G_TYPE_STRING, policy_name(lane.drop_policy), "wake",
                      G_TYPE_STRING, wake_name(lane.wake), "depth", G_TYPE_UINT64, guint64{lane.depth}, "max-held",
                      G_TYPE_UINT64, guint64{lane.max_held}, "wakeups", G_TYPE_UINT64, guint64{lane.wakeups},
                      "last-taken-at", G_TYPE_UINT64, guint64{lane.last_taken_at}, nullptr);
    GValue entry = G_VALUE_INIT;
    g_value_init(&entry, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&entry, worker.release());
    gst_value_array_append_and_take_value(&lanes, &entry);
  }
  gst_structure_take_value(structure.get(), "accounts", &lanes);
  return structure;
}

}  // namespace supplier
