// SPDX-License-Identifier: LGPL-2.1-or-later
// Stats of the control thread: the account of each name over all its lanes, and the STATS message.
#include <algorithm>
#include <cstring>
#include <vector>

#include "lane/crash_point.hpp"
#include "os/clock.hpp"
#include "publisher/control.hpp"

namespace shmring {
namespace {

// Counters that outlive a lane.
void add_counters(shmring_reader_account& stats, const Lane& lane) {
  const auto account = lane.writer.account();
  stats.offered += account.offered;
  stats.delivered += account.delivered;
  stats.dropped += account.dropped;
  stats.pending += account.pending;
  stats.wakeups += lane.wakeups.get();
  stats.stale += lane.counters->stale.load(std::memory_order_relaxed);
  stats.last_offered_at = std::max(stats.last_offered_at, lane.last_offered_at.get());
  stats.last_taken_at = std::max(stats.last_taken_at, lane.counters->taken_at.load(std::memory_order_relaxed));
  stats.last_released_at = std::max(stats.last_released_at, lane.counters->released_at.load(std::memory_order_relaxed));
  stats.last_taken_sequence =
      std::max(stats.last_taken_sequence, lane.counters->taken_sequence.load(std::memory_order_relaxed));
  stats.drop_policy = lane.grant.policy;
  stats.wake = lane.grant.wake;
  stats.pid = lane.process.pid;
  stats.depth = lane.grant.depth;
  stats.max_held = lane.grant.max_held;
  stats.consecutive_drops = lane.writer.consecutive_drops();
}

// Values of the moment: state, pending, held.
void add_present(shmring_reader_account& stats, const Lane& lane) {
  const auto account = lane.writer.account();
  const std::uint32_t held =
      std::min(lane.counters->held.load(std::memory_order_relaxed), lane.grant.depth + lane.grant.max_held);
  stats.held += held;
  // A reader that keeps its last frame while it sleeps is idle, not busy.
  const bool sleeps = lane.page->waiting.load(std::memory_order_relaxed) != 0;
  if (account.pending != 0 || (held != 0 && !sleeps))
    stats.unfinished_since = std::max({lane.busy_since.get(), lane.counters->taken_at.load(std::memory_order_relaxed),
                                       lane.counters->released_at.load(std::memory_order_relaxed)});
}

}  // namespace

void Control::forget_freed(Ring& ring) {
  for (const auto& lane : ring.take_freed_lanes()) {
    Name& name = name_of(lane->grant.name);
    add_counters(name.total, *lane);
    name.total.dropped += name.total.pending;  // can no longer be taken
    name.total.pending = 0;
    name.age.add(lane->counters->age);
    name.hold.add(lane->counters->hold);
    SHMRING_CRASH_POINT(lane_forgotten);
  }
}

void Control::fill_stats(RingStats& stats) const {
  stats.ring.refused_readers = refused_readers_;
  std::copy(violations_.begin(), violations_.end(), stats.ring.violations);
  for (std::size_t i = 0; i < violations_.size(); ++i)
    if (i != SHMRING_VIOLATION_SILENCE) stats.ring.protocol_violations += violations_[i];
  stats.ring.rings = static_cast<std::uint32_t>(1 + old_rings_.size());
  std::vector<Ring*> rings;
  for (const auto& ring : old_rings_) rings.push_back(ring.get());
  rings.push_back(ring_.get());

  for (const auto& [text, name] : names_) {
    shmring_reader_account lane = name.total;
    wire::set_text(lane.worker, text);
    lane.generation = name.generation;
    lane.state = SHMRING_READER_GONE;
    auto age = std::make_unique<Histogram>(), hold = std::make_unique<Histogram>();
    age->add(name.age);
    hold->add(name.hold);
    for (const Ring* ring : rings)
      for (const auto& l : ring->lanes()) {
        if (l->grant.name != text) continue;
        add_counters(lane, *l);
        add_present(lane, *l);
        age->add(l->counters->age);
        hold->add(l->counters->hold);
        const bool ended = l->wanted.load() >= Lane::Stage::retired;
        if (ended && lane.state == SHMRING_READER_GONE) lane.state = SHMRING_READER_RETIRED;
        if (!ended) lane.state = SHMRING_READER_ACTIVE;
      }
    if (departs(text, name.generation)) lane.state = SHMRING_READER_ACTIVE;
    if (lane.state == SHMRING_READER_ACTIVE) {
      lane.reason[0] = '\0';
      // Sent on to the new ring, where frames wait for it, and it does not come.
      if (name.moving != 0 && lane.unfinished_since == 0 && shared_.last_published_at.get() > name.moving_since)
        lane.unfinished_since = name.moving_since;
    }
    lane.age = age->summary();
    lane.hold = hold->summary();
    stats.accounts.push_back(lane);
  }
  std::stable_sort(stats.accounts.begin(), stats.accounts.end(),
                   [](const auto& a, const auto& b) { return a.state < b.state; });
  stats.ring.readers = shared_.readers.load(std::memory_order_relaxed);
}

void Control::add_stats(RingStats& stats) const {
  const std::lock_guard lock(mutex_);
  collect_old_rings();
  fill_stats(stats);
}

void Control::collect_old_rings() const {
  for (const auto& ring : old_rings_) ring->collect_all();
}

Control::Next Control::send_stats(Connection& c) {
  RingStats stats{};
  shared_.collect();
  collect_old_rings();
  fill_stats(stats);
  shared_.fill_ring_stats(stats.ring);
  auto head = wire::make<wire::Stats>();
  head.ring_size = sizeof stats.ring;
  head.lane_size = sizeof(shmring_reader_account);
  head.lane_count = static_cast<std::uint32_t>(stats.accounts.size());
  std::vector<std::byte> bytes(sizeof head + sizeof stats.ring +
                               stats.accounts.size() * sizeof(shmring_reader_account));
  std::memcpy(bytes.data(), &head, sizeof head);
  std::memcpy(bytes.data() + sizeof head, &stats.ring, sizeof stats.ring);
  if (!stats.accounts.empty())
    std::memcpy(bytes.data() + sizeof head + sizeof stats.ring, stats.accounts.data(),
                stats.accounts.size() * sizeof(shmring_reader_account));
  if (!send_message(c.fd(), bytes) && hung_up(c.fd())) return Next::close;
  rest(c);
  return Next::keep;
}

}  // namespace shmring
