// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publisher/rings.hpp"

#include <algorithm>
#include <map>
#include <new>
#include <utility>

#include "os/clock.hpp"
#include "os/log.hpp"

namespace shmring {
namespace {

// From leaving one ring to asking for the next. One that reads now and then needs some calls for it.
constexpr std::uint64_t kOnItsWay = 10'000'000'000;  // ns

bool waits(const Lane& lane) { return lane.wanted.load() == Lane::Stage::awaited; }

}  // namespace

Rings::Rings(const PublisherOptions& options, std::shared_ptr<Ring> first, ReaderRegistry& registry,
             std::atomic<std::uint32_t>& readers)
    : options_(options), registry_(registry), readers_(readers), present_(std::move(first)) {}

Ring* Rings::of(const Lane& lane) const {
  if (in_present(lane)) return present_.get();
  const auto found =
      std::find_if(former_.begin(), former_.end(), [&](const auto& ring) { return ring->id() == lane.ring_id; });
  return found == former_.end() ? nullptr : found->get();
}

std::vector<const Lane*> Rings::lanes() const {
  std::vector<const Lane*> all;
  const auto add = [&](const Ring& ring) {
    for (const auto& lane : ring.lanes()) all.push_back(lane.get());
  };
  for (const auto& ring : former_) add(*ring);
  add(*present_);
  return all;
}

// Lanes whose reader is on its way; those of the oldest ring first.
template <class Each>
void Rings::each_place(Each each) const {
  const auto in = [&](const Ring& ring) {
    for (const auto& lane : ring.lanes())
      if (waits(*lane)) each(lane);
  };
  for (const auto& ring : former_) in(*ring);
  in(*present_);
}

Result<std::shared_ptr<Lane>> Rings::let_in(const std::string& name, const Lane::Ask& asked, ProcessId process,
                                            Fd& pidfd) {
  if (auto kept = kept_place(name, asked, process.pid)) return kept;
  auto made = make_lane(name, asked, process, std::move(pidfd));
  if (made) {
    std::erase_if(coming_, [](const auto& lane) { return lane.expired(); });
    coming_.push_back(*made);
  }
  return made;
}

Result<std::shared_ptr<Lane>> Rings::make_lane(const std::string& name, const Lane::Ask& asked, ProcessId process,
                                               Fd pidfd) const {
  std::vector<Resident> residents;
  const auto add = [&](const Lane& lane, bool reads, std::uint64_t share) {
    residents.push_back({lane.grant.name, lane.process.pid, lane.index, reads, static_cast<std::uint32_t>(share),
                         lane.grant.wake == SHMRING_WAKE_ADAPTIVE});
  };
  const auto all = [](const Lane& lane) { return lane.grant.depth + lane.grant.max_held; };
  for (const auto& lane : present_->lanes()) {
    const bool reads = lane->wanted.load() <= Lane::Stage::active;
    const bool freed = lane->applied.load() == Lane::Stage::freed;
    add(*lane, reads, reads ? all(*lane) : freed ? 0 : lane->owned.get());
  }
  for (const auto& coming : coming_)
    if (const auto lane = coming.lock(); lane && lane->wanted.load() == Lane::Stage::prepared)
      add(*lane, true, all(*lane));
  const RingShape shape{present_->geometry().slot_count, present_->loans(), present_->geometry().lane_count};
  auto admitted = admit(name, asked, options_, shape, residents);
  if (!admitted) return admitted.error();
  return std::make_shared<Lane>(std::move(admitted->grant), admitted->index, process, std::move(pidfd), *present_);
}

// Another reader of that name takes what was kept for the first, as it would take its name.
std::shared_ptr<Lane> Rings::kept_place(const std::string& name, const Lane::Ask& asked, std::uint32_t pid) {
  std::shared_ptr<Lane> found;
  bool in_use = false;
  const auto has_nothing = [&](const Lane& lane) { return !in_present(lane) && lane.writer.account().pending == 0; };
  each_place([&](const std::shared_ptr<Lane>& lane) {
    if (lane->grant.name != name) return;
    in_use |= static_cast<bool>(lane->socket);
    const bool same = lane->process.pid == pid && lane->grant.asked == asked;
    if (same && !found && !has_nothing(*lane)) found = lane;
  });
  if (in_use) return nullptr;
  each_place([&](const std::shared_ptr<Lane>& lane) {
    if (lane->grant.name == name && (!found || has_nothing(*lane))) end(*lane);
  });
  return found;
}

void Rings::begin(const std::shared_ptr<Lane>& lane) {
  if (lane->wanted.load() == Lane::Stage::prepared)
    present_->add_lane(lane, Lane::Stage::active);
  else
    present_->want(*lane, Lane::Stage::active);
  count_readers();
}

void Rings::drain(Lane& lane) const {
  Ring* const ring = of(lane);
  if (!ring) return;
  ring->want(lane, Lane::Stage::draining);
  (void)ring->apply_changes(now());  // its reader is told to move, which wakes it
}

void Rings::end(Lane& lane) const {
  if (Ring* const ring = of(lane)) ring->want(lane, Lane::Stage::retired);
  count_readers();
}

void Rings::free(Lane& lane) const {
  if (Ring* const ring = of(lane)) ring->want(lane, Lane::Stage::freed);
  count_readers();
}

void Rings::replace(std::shared_ptr<Ring> ring, const std::function<void()>& publish_there) {
  former_.push_back(present_);
  const std::shared_ptr<Ring> before = std::exchange(present_, std::move(ring));
  for (const auto& coming : coming_)
    if (const auto lane = coming.lock(); lane && lane->wanted.load() == Lane::Stage::prepared)
      lane->wanted.store(Lane::Stage::retired);  // of no ring any more
  coming_.clear();
  keep_places(*before);
  publish_there();
  count_readers();
}

// Where there is no room or no memory, the reader begins with the newest frame, as one that comes for the first time.
void Rings::keep_places(const Ring& before) try {
  for (const auto& lane : before.lanes()) {
    if (lane->wanted.load() > Lane::Stage::active) continue;
    Fd pidfd = lane->pidfd ? lane->pidfd.duplicate() : Fd();
    if (lane->pidfd && !pidfd) continue;  // its end would not be found
    if (auto kept = make_lane(lane->grant.name, lane->grant.asked, lane->process, std::move(pidfd)))
      present_->add_lane(*std::move(kept), Lane::Stage::awaited);
  }
  // Keeps frames of former rings only as far as growing needs, and none for policy latest.
  std::uint64_t kept = 0;
  for (auto ring = former_.rbegin(); ring != former_.rend(); ++ring) {
    bool any = false;
    for (const auto& lane : (*ring)->lanes()) {
      if (!waits(*lane)) continue;
      if (lane->grant.policy == SHMRING_LATEST ||
          kept + (*ring)->geometry().total_size > present_->geometry().total_size)
        end(*lane);
      else
        any = true;
    }
    if (any) kept += (*ring)->geometry().total_size;
  }
} catch (const std::bad_alloc&) {
}

void Rings::give_up_places(const std::string& name, std::uint32_t pid) const {
  each_place([&](const std::shared_ptr<Lane>& lane) {
    if (lane->grant.name == name && lane->process.pid == pid) end(*lane);
  });
}

bool Rings::give_up_former_places() const {
  bool any = false;
  each_place([&](const std::shared_ptr<Lane>& lane) {
    if (in_present(*lane)) return;
    end(*lane);
    any = true;
  });
  return any;
}

// Gives up the place of a reader whose process ended, or that has been on its way for too long.
void Rings::look_at_place(Lane& lane, std::uint64_t now) {
  const std::uint64_t left_at = registry_.on_its_way_since(lane.grant.name);
  const bool ended = lane.process_ended();
  if (!ended && (left_at == 0 || now - left_at < kOnItsWay)) return;
  const std::string reason =
      ended ? reason_of_end(lane.pidfd, lane.process) : std::string("it did not come to the new ring");
  registry_.ended(lane.grant.name, reason, false, now);
  log(SHMRING_LOG_INFO, options_.socket_path, ": the place kept for reader '", lane.grant.name,
      "' is given up: ", reason);
  end(lane);
}

void Rings::follow(std::uint64_t now) {
  const auto look = [&](const Ring& ring) {
    bool any_ended = false;
    for (const auto& lane : ring.lanes()) {
      if (waits(*lane)) look_at_place(*lane, now);
      if (lane->wanted.load() < Lane::Stage::retired) continue;
      any_ended = true;
      if (lane->process_ended()) free(*lane);
    }
    return any_ended;
  };
  if (look(*present_)) present_->nudge();
  for (const auto& ring : former_) {
    look(*ring);
    ring->nudge();
    (void)ring->apply_changes(now);  // whoever reads there has been told to move
    forget_freed(*ring);
  }
  std::erase_if(former_, [](const auto& ring) { return ring->lanes().empty(); });
}

bool Rings::to_follow() const {
  const auto& lanes = present_->lanes();
  return !former_.empty() || std::any_of(lanes.begin(), lanes.end(), [](const auto& lane) {
    return lane->wanted.load(std::memory_order_relaxed) != Lane::Stage::active;
  });
}

void Rings::forget_freed(Ring& ring) {
  for (const auto& lane : ring.take_freed_lanes()) registry_.add(*lane);
}

void Rings::collect_former() const {
  for (const auto& ring : former_) ring->collect_all();
}

std::uint64_t Rings::held_of_former(const std::string& name, std::uint32_t pid) const {
  std::uint64_t held = 0;
  for (const auto& ring : former_)
    for (const auto& lane : ring->lanes())
      if (lane->process.pid == pid && lane->grant.name == name) held += lane->owned.get();
  return held;
}

std::string Rings::holders_of_former() const {
  std::map<std::string, std::uint64_t> frames;
  for (const auto& ring : former_)
    for (const auto& lane : ring->lanes())
      frames["'" + lane->grant.name + "' (process " + std::to_string(lane->process.pid) + ")"] += lane->owned.get();
  std::string text;
  for (const auto& [holder, count] : frames) {
    if (!text.empty()) text += ", ";
    text += std::to_string(count) + " frames by " + holder;
  }
  return text;
}

void Rings::count_readers() const {
  const auto& lanes = present_->lanes();
  readers_.store(
      static_cast<std::uint32_t>(std::count_if(
          lanes.begin(), lanes.end(), [](const auto& lane) { return lane->wanted.load() <= Lane::Stage::active; })),
      std::memory_order_relaxed);
}

}  // namespace shmring
