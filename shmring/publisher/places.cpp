// SPDX-License-Identifier: LGPL-2.1-or-later
// Readers on their way to a new ring. Each has a lane there before it is told, so that no frame is lost to it meanwhile; when the ring is
// replaced again before it came, what waits for it stays there, and it takes every ring in turn.
#include <algorithm>
#include <new>
#include <utility>

#include "lane/crash_point.hpp"
#include "os/clock.hpp"
#include "os/log.hpp"
#include "publisher/control.hpp"

namespace shmring {
namespace {

// From leaving one ring to asking for the next. One that reads now and then needs some calls for it.
constexpr std::uint64_t kOnItsWay = 10'000'000'000;  // ns

}  // namespace

// Lanes whose reader is on its way, with their rings; the oldest ring first.
template <class Each>
void Control::each_place(Each each) const {
  const auto in = [&](const std::shared_ptr<Ring>& ring) {
    for (const auto& lane : ring->lanes())
      if (lane->wanted.load() == Lane::Stage::awaited) each(*ring, lane);
  };
  for (const auto& ring : old_rings_) in(ring);
  in(ring_);
}

void Control::replace_ring(std::shared_ptr<Ring> ring, const std::function<void()>& publish_there) {
  const std::lock_guard lock(mutex_);
  old_rings_.push_back(ring_);
  const std::shared_ptr<Ring> former = std::exchange(ring_, std::move(ring));
  log(SHMRING_LOG_INFO, options_.socket_path, ": the ring was replaced, slots of ", former->geometry().slot_size,
      " bytes by slots of ", ring_->geometry().slot_size, "; former rings still held: ", old_rings_.size());
  keep_places(*former);
  publish_there();
  auto bye = wire::make<wire::Bye>();
  bye.reason = wire::Goodbye::again;
  for (auto& [serial, c] : connections_) {
    if (!c.lane || c.ring != former.get()) continue;
    const Lane::Stage stage = c.lane->wanted.load();
    if (c.stage == Connection::Stage::mapping) {
      if (stage == Lane::Stage::awaited) continue;  // it takes what waits there and goes on
      c.ring = nullptr;  // on_mapped() tells it: hanging up on a message of its own would lose ours
      if (!c.comes_on) ++name_of(c.lane->grant.name).generation;  // it will have been sent on when it is back
      send_on(c);
      continue;
    }
    if (stage == Lane::Stage::active) {
      former->want(*c.lane, Lane::Stage::draining);
      send_on(c);
    }
    send_message(c.fd(), bye);
  }
  count_readers();
  SHMRING_CRASH_POINT(readers_sent_on);
  shared_.wake_control();
}

// Where there is no room or no memory, the reader begins with the newest frame, as one that comes for the first time.
void Control::keep_places(const Ring& former) try {
  for (const auto& lane : former.lanes()) {
    if (lane->wanted.load() > Lane::Stage::active) continue;
    Fd pidfd = lane->pidfd ? lane->pidfd.duplicate() : Fd();
    if (lane->pidfd && !pidfd) continue;  // its end would not be found
    if (auto kept = make_lane(lane->grant.name, lane->grant.asked, lane->process, std::move(pidfd)))
      ring_->add_lane(*std::move(kept), Lane::Stage::awaited);
  }
  // Keeps frames of former rings only as far as growing needs, and none for policy latest.
  std::uint64_t kept = 0;
  for (auto ring = old_rings_.rbegin(); ring != old_rings_.rend(); ++ring) {
    bool waits = false;
    for (const auto& lane : (*ring)->lanes()) {
      if (lane->wanted.load() != Lane::Stage::awaited) continue;
      if (lane->grant.policy == SHMRING_LATEST || kept + (*ring)->geometry().total_size > ring_->geometry().total_size)
        give_up(**ring, *lane);
      else
        waits = true;
    }
    if (waits) kept += (*ring)->geometry().total_size;
  }
} catch (const std::bad_alloc&) {
}

void Control::send_on(const Connection& c) {
  Name& name = name_of(c.lane->grant.name);
  name.moving = c.lane->process.pid;
  name.moving_process = c.lane->pidfd ? c.lane->pidfd.duplicate() : Fd();
  name.moving_since = now();
}

// Whether a peer that greets us is the reader that was sent on. Its number is its own as long as its process lives, so this is asked when it
// greets: by the time of what it says next it may have ended.
bool Control::comes_on(const Name& name, const Peer& peer) {
  return name.moving != 0 && name.moving == peer.process.pid &&
         !(name.moving_process && readable(name.moving_process.get()));
}

// Where the first frames wait for a reader. Another one of its name takes its place, as it would take its name.
Control::Place Control::find_place(const std::string& name, const Lane::Ask& asked, std::uint32_t pid) {
  Place found;
  bool mapping = false;
  each_place([&](Ring& ring, const std::shared_ptr<Lane>& lane) {
    if (lane->grant.name != name) return;
    for (const auto& [serial, c] : connections_) mapping |= c.lane == lane;
    const bool same = lane->process.pid == pid && lane->grant.asked == asked;
    if (same && !found.lane && (&ring == ring_.get() || lane->writer.account().pending != 0)) found = {&ring, lane};
  });
  if (mapping) return {};  // the name is in use
  each_place([&](Ring& ring, const std::shared_ptr<Lane>& lane) {
    if (lane->grant.name == name && (!found.lane || (&ring != ring_.get() && lane->writer.account().pending == 0)))
      give_up(ring, *lane);
  });
  return found;
}

void Control::give_up(Ring& ring, Lane& lane) {
  for (auto& [serial, c] : connections_)
    if (c.lane.get() == &lane) c.ring = nullptr;  // on_mapped() sends it on
  ring.want(lane, Lane::Stage::retired);
  count_readers();
}

void Control::give_up_places(const std::string& name, std::uint32_t pid) {
  each_place([&](Ring& ring, const std::shared_ptr<Lane>& lane) {
    if (lane->grant.name == name && lane->process.pid == pid) give_up(ring, *lane);
  });
}

bool Control::give_up_former_places() {
  const std::lock_guard lock(mutex_);
  bool any = false;
  each_place([&](Ring& ring, const std::shared_ptr<Lane>& lane) {
    if (&ring == ring_.get()) return;
    give_up(ring, *lane);
    any = true;
  });
  settle();
  return any;
}

// Gives up the place of a reader whose process ended, or that has been on its way for too long.
void Control::mind_place(Ring& ring, Lane& lane, std::uint64_t t) {
  Name& name = name_of(lane.grant.name);
  const bool ended = lane.pidfd && readable(lane.pidfd.get());
  if (!ended && (name.left_at == 0 || t - name.left_at < kOnItsWay)) return;
  wire::set_text(name.total.reason,
                 ended ? reason_of_end(lane.pidfd, lane.process) : std::string("it did not come to the new ring"));
  name.gone_at = t;
  log(SHMRING_LOG_INFO, options_.socket_path, ": the place kept for reader '", lane.grant.name,
      "' is given up: ", std::string_view(name.total.reason));
  give_up(ring, lane);
}

void Control::count_readers() {
  const auto& lanes = ring_->lanes();
  shared_.readers.store(
      static_cast<std::uint32_t>(std::count_if(
          lanes.begin(), lanes.end(), [](const auto& lane) { return lane->wanted.load() <= Lane::Stage::active; })),
      std::memory_order_relaxed);
}

}  // namespace shmring
