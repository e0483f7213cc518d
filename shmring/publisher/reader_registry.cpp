// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publisher/reader_registry.hpp"

#include <algorithm>
#include <memory>

#include "abi/wire.hpp"
#include "lane/crash_point.hpp"
#include "os/clock.hpp"

namespace shmring {
namespace {

constexpr std::size_t kMaxNames = 64;

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

ReaderRegistry::Entry& ReaderRegistry::of(const std::string& name) {
  if (const auto found = entries_.find(name); found != entries_.end()) return found->second;
  if (entries_.size() >= kMaxNames) {
    // The one that is gone longest is forgotten; those attached are not many more.
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it)
      if (it->second.gone_at != 0 && (oldest == entries_.end() || it->second.gone_at < oldest->second.gone_at))
        oldest = it;
    if (oldest != entries_.end()) entries_.erase(oldest);
  }
  Entry& added = entries_[name];
  added.gone_at = now();  // until it attaches
  return added;
}

const ReaderRegistry::Entry* ReaderRegistry::find(const std::string& name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

void ReaderRegistry::sent_on(const Lane& lane, std::uint64_t now) {
  Entry& entry = of(lane.grant.name);
  entry.sent_on = lane.process.pid;
  entry.sent_on_process = lane.pidfd ? lane.pidfd.duplicate() : Fd();
  entry.sent_on_at = now;
}

bool ReaderRegistry::was_sent_on(const std::string& name, std::uint32_t pid) const {
  const Entry* entry = find(name);
  return entry && entry->sent_on != 0 && entry->sent_on == pid &&
         !(entry->sent_on_process && readable(entry->sent_on_process.get()));
}

void ReaderRegistry::on_its_way(const std::string& name) {
  Entry& entry = of(name);
  entry.gone_at = 0;
  entry.left_at = 0;
}

std::uint32_t ReaderRegistry::attached(const std::string& name, bool goes_on) {
  Entry& entry = of(name);
  entry.gone_at = 0;
  entry.left_at = 0;
  entry.sent_on = 0;
  entry.sent_on_process.reset();
  if (!goes_on) ++entry.generation;
  return entry.generation;
}

void ReaderRegistry::ended(const std::string& name, const std::string& reason, bool goes_on, std::uint64_t now) {
  Entry& entry = of(name);
  wire::set_text(entry.total.reason, reason);
  entry.gone_at = now;
  if (goes_on) entry.left_at = now;
}

std::uint64_t ReaderRegistry::on_its_way_since(const std::string& name) const {
  const Entry* entry = find(name);
  return entry ? entry->left_at : 0;
}

std::uint32_t ReaderRegistry::generation(const std::string& name) const {
  const Entry* entry = find(name);
  return entry ? entry->generation : 0;
}

void ReaderRegistry::explain(const std::string& name, std::uint32_t generation, const std::string& reason) {
  const auto found = entries_.find(name);
  if (found != entries_.end() && found->second.generation == generation)
    wire::set_text(found->second.total.reason, reason);
}

void ReaderRegistry::add(const Lane& lane) {
  Entry& entry = of(lane.grant.name);
  add_counters(entry.total, lane);
  entry.total.dropped += entry.total.pending;  // can no longer be taken
  entry.total.pending = 0;
  entry.age.add(lane.counters->age);
  entry.hold.add(lane.counters->hold);
  SHMRING_CRASH_POINT(lane_forgotten);
}

std::vector<shmring_reader_account> ReaderRegistry::accounts(
    std::span<const Lane* const> lanes, std::uint64_t last_published_at,
    const std::function<bool(const std::string& name, std::uint32_t generation)>& ending) const {
  std::vector<shmring_reader_account> all;
  for (const auto& [name, entry] : entries_) {
    shmring_reader_account account = entry.total;
    wire::set_text(account.worker, name);
    account.generation = entry.generation;
    account.state = SHMRING_READER_GONE;
    auto age = std::make_unique<Histogram>(), hold = std::make_unique<Histogram>();
    age->add(entry.age);
    hold->add(entry.hold);
    for (const Lane* lane : lanes) {
      if (lane->grant.name != name) continue;
      add_counters(account, *lane);
      add_present(account, *lane);
      age->add(lane->counters->age);
      hold->add(lane->counters->hold);
      const bool ended = lane->wanted.load() >= Lane::Stage::retired;
      if (ended && account.state == SHMRING_READER_GONE) account.state = SHMRING_READER_RETIRED;
      if (!ended) account.state = SHMRING_READER_ACTIVE;
    }
    if (ending(name, entry.generation)) account.state = SHMRING_READER_ACTIVE;
    if (account.state == SHMRING_READER_ACTIVE) {
      account.reason[0] = '\0';
      // Sent on to the new ring, where frames wait for it, and it does not come.
      if (entry.sent_on != 0 && account.unfinished_since == 0 && last_published_at > entry.sent_on_at)
        account.unfinished_since = entry.sent_on_at;
    }
    account.age = age->summary();
    account.hold = hold->summary();
    all.push_back(account);
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.state < b.state; });
  return all;
}

}  // namespace shmring
