// SPDX-License-Identifier: LGPL-2.1-or-later
// Counts and times the frames at one point of a pipeline.
#include "frame_watch.hpp"

namespace supplier {
namespace {

const char* failure_text(GstFlowReturn failure) {
  switch (failure) {
    case GST_FLOW_EOS:
      return "downstream has ended: it returned eos";
    case GST_FLOW_NOT_LINKED:
      return "downstream is not linked";
    case GST_FLOW_NOT_NEGOTIATED:
      return "downstream refused the format: it returned not-negotiated";
    default:
      return "downstream failed: it returned error";
  }
}

}  // namespace

void FrameWatch::enter(std::uint64_t count, GstClockTime running_time, std::uint64_t now) {
  add(offered_, count);
  last_offered_at_.store(now, std::memory_order_relaxed);
  arrival_.store(GST_CLOCK_TIME_IS_VALID(running_time) ? static_cast<std::int64_t>(now - running_time) : kNoOffset,
                 std::memory_order_relaxed);
  record(waits_, left_, now);
  entered_ = {now, era_.load(std::memory_order_relaxed)};
  busy_since_.store(now, std::memory_order_release);
}

bool FrameWatch::leave(std::uint64_t count, GstFlowReturn result, std::uint64_t now) {
  record(holds_, entered_, now);
  left_ = {now, era_.load(std::memory_order_relaxed)};
  bool news = false;
  if (result >= GST_FLOW_OK) {
    consecutive_drops_.store(0, std::memory_order_relaxed);
    last_consumed_sequence_.store(offered_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    last_consumed_at_.store(now, std::memory_order_relaxed);
    news = !worked_.load(std::memory_order_relaxed);
    worked_.store(true, std::memory_order_relaxed);
    failure_.store(GST_FLOW_OK, std::memory_order_relaxed);
    add(delivered_, count);
  } else {
    if (result == GST_FLOW_FLUSHING) {
      add(discarded_, count);
    } else {
      add(consecutive_drops_, count);
      news = failure_.exchange(result, std::memory_order_relaxed) == GST_FLOW_OK;
    }
    add(dropped_, count);
  }
  busy_since_.store(0, std::memory_order_release);
  return news;
}

void FrameWatch::restart() {
  failure_.store(GST_FLOW_OK, std::memory_order_relaxed);
  ended_.store(false, std::memory_order_relaxed);
  left_ = {};
}

void FrameWatch::begin_run() {
  restart();
  worked_.store(false, std::memory_order_relaxed);
  arrival_.store(kNoOffset, std::memory_order_relaxed);
  add(generation_, std::uint64_t{1});
}

void FrameWatch::set_timing(bool timing) {
  const std::uint32_t era = era_.load(std::memory_order_relaxed);
  if ((era & 1) != timing) era_.store(era + 1, std::memory_order_relaxed);
}

void FrameWatch::record(shmring::Histogram& times, Mark since, std::uint64_t now) const {
  if (since.at && (since.era & 1) && since.era == era_.load(std::memory_order_relaxed)) times.record(now - since.at);
}

Observation FrameWatch::observe(std::int64_t clock_offset) const {
  Observation seen;
  std::uint64_t busy_since = 0;
  // From the inner counters to the outer one, so that the account balances whatever happens meanwhile; and again while
  // something does, so that `pending` is what is inside the worker and not what passed between two loads.
  for (int tries = 0; tries < 100; ++tries) {
    seen.discarded = discarded_.load(std::memory_order_acquire);
    seen.dropped = dropped_.load(std::memory_order_acquire);
    seen.delivered = delivered_.load(std::memory_order_acquire);
    busy_since = busy_since_.load(std::memory_order_acquire);
    seen.offered = offered_.load(std::memory_order_acquire);
    if (seen.delivered == delivered_.load(std::memory_order_acquire) &&
        seen.dropped == dropped_.load(std::memory_order_acquire))
      break;
  }
  seen.pending = seen.offered - seen.delivered - seen.dropped;
  seen.generation = generation_.load(std::memory_order_relaxed);
  seen.consecutive_drops = consecutive_drops_.load(std::memory_order_relaxed);
  seen.last_offered_at = last_offered_at_.load(std::memory_order_relaxed);
  seen.last_consumed_at = last_consumed_at_.load(std::memory_order_relaxed);
  seen.last_consumed_sequence = last_consumed_sequence_.load(std::memory_order_relaxed);
  // An event before the first frame is preparation (a model is loaded at the caps): neither work nor a missing frame.
  const bool preparing = busy_since && !seen.pending && !worked_.load(std::memory_order_relaxed);
  seen.unfinished_since = preparing ? 0 : busy_since;
  seen.expecting = !preparing && !ended_.load(std::memory_order_relaxed);
  const std::int64_t arrival = arrival_.load(std::memory_order_relaxed);
  if (arrival != kNoOffset && clock_offset != kNoOffset) seen.lateness = arrival + clock_offset;
  seen.holds = holds_.summary();
  seen.waits = waits_.summary();
  const GstFlowReturn failure = failure_.load(std::memory_order_relaxed);
  seen.gone = failure != GST_FLOW_OK;
  if (seen.gone) seen.reason = failure_text(failure);
  return seen;
}

}  // namespace supplier
