// SPDX-License-Identifier: LGPL-2.1-or-later
// Lanes of a ring as workers: their health, and their counters in shmringsink's `stats`.
#pragma once

#include <gst/gst.h>

#include <shmring/types.h>

#include "base/health.hpp"
#include "base/health_monitor.hpp"
#include "base/owned.hpp"
#include "publisher/publisher.hpp"

namespace supplier {

// The reader left with BYE: it is no longer reported.
bool left_by_itself(const shmring_reader_account& lane);
// `expecting`: the stream has begun and not ended.
Observation observe(const shmring_reader_account& lane, bool expecting);
// application/x-shmringsink-stats.
Owned<GstStructure> sink_stats(const shmring::RingStats& stats, bool expecting, const HealthMonitor& monitor);

}  // namespace supplier
