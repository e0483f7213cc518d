// SPDX-License-Identifier: LGPL-2.1-or-later
// Ends of readers, on the control thread: goodbyes, hang-ups, processes that are gone, violations of the protocol.
#include <sys/epoll.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "os/clock.hpp"
#include "os/log.hpp"
#include "publisher/control_loop.hpp"

namespace shmring {
namespace {

constexpr std::uint64_t kDepartureTime = 1'000'000'000;  // ns, from a hang-up to the end of the process
constexpr std::size_t kMaxDepartures = 16;
constexpr int kQueuedMessages = 512;  // more than a socket's buffer takes

}  // namespace

// Frames that the reader holds are its own until it releases them, or its process is gone. Only the process's handle can say that it is: a
// connection also ends while its process lives.
void ControlLoop::end_lane(Connection& c, const std::string& reason) {
  if (c.stage != Connection::Stage::reading) return;
  Lane& lane = *c.lane;
  if (lane.wanted.load() < Lane::Stage::retired) {
    rings_.end(lane);
    registry_.ended(lane.grant.name, reason, c.goes_on, now());
    if (!c.goes_on) rings_.give_up_places(lane.grant.name, lane.process.pid);
    log(SHMRING_LOG_INFO, options_.socket_path, ": reader '", lane.grant.name, "' (process ", lane.process.pid,
        ") left: ",
        !reason.empty() ? reason
        : c.goes_on     ? "it moves to the new ring"
                        : "it closed its connection");
  }
  if (lane.process_ended()) rings_.free(lane);
}

// Ends the lane of a connection that closed, or whose process ended, without a goodbye.
void ControlLoop::end_lost_lane(Connection& c) {
  if (c.stage != Connection::Stage::reading) return;
  Lane& lane = *c.lane;
  const bool was_reading = lane.wanted.load() < Lane::Stage::retired;
  if (!lane.pidfd) {  // the kernel cannot tell of the process's end: the hang-up has to do
    end_lane(c, kClosedUnexpectedly);
    rings_.free(lane);
  } else if (lane.process_ended()) {
    end_lane(c, reason_of_end(lane.pidfd, lane.process));
  } else {
    end_lane(c, "");
    if (!was_reading) return;
    // A process closes its descriptors shortly before it is gone. Until then its reader counts as attached.
    Fd pidfd = lane.pidfd.duplicate();
    if (!pidfd || !watch(pidfd.get(), EPOLLIN, process_tag(c.serial))) return;
    if (departures_.size() >= kMaxDepartures) forget(departures_.begin());
    departures_.emplace(c.serial, Departure{lane.grant.name, registry_.generation(lane.grant.name), lane.process,
                                            std::move(pidfd), now() + kDepartureTime});
  }
}

// Ends a reader that hung up, or whose process ended. What it sent before is heard first: a goodbye that is still in the queue counts.
void ControlLoop::end_if_gone(Serial serial) {
  const auto found = connections_.find(serial);
  if (found == connections_.end()) return;
  Connection& c = found->second;
  const bool ended = c.lane && c.lane->process_ended();
  if (!ended && !hung_up(c.fd())) return;
  Served served = Served::some;
  for (int i = 0; i < kQueuedMessages && served == Served::some; ++i) served = serve(c);
  if (served == Served::ended) return;
  // A child of its process may have the connection still open.
  if (!ended) return;
  end_lost_lane(c);
  drop(serial);
}

// Before a reader is refused: those that are gone have no say any more.
void ControlLoop::find_the_gone() {
  std::vector<Serial> readers;
  for (const auto& [serial, c] : connections_)
    if (c.lane) readers.push_back(serial);
  for (const Serial serial : readers) end_if_gone(serial);
  follow_lanes();
}

// A reader's process is gone after its connection.
void ControlLoop::judge(Departures::iterator departed) {
  const Departure& departure = departed->second;
  if (!readable(departure.pidfd.get())) return;
  const std::string reason = reason_of_end(departure.pidfd, departure.process);
  log(SHMRING_LOG_INFO, options_.socket_path, ": reader '", departure.name, "' (process ", departure.process.pid,
      ") is gone: ", reason.empty() ? "its process ended" : reason);
  registry_.explain(departure.name, departure.generation, reason);
  forget(departed);
}

// Its handle is a duplicate: closed without this, epoll would go on reporting the process for as long as the others are open.
ControlLoop::Departures::iterator ControlLoop::forget(Departures::iterator departed) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, departed->second.pidfd.get(), nullptr);
  return departures_.erase(departed);
}

bool ControlLoop::departs(const std::string& name, std::uint32_t generation) const {
  return std::any_of(departures_.begin(), departures_.end(), [&](const auto& departure) {
    return departure.second.name == name && departure.second.generation == generation;
  });
}

void ControlLoop::disconnect_violators() {
  std::vector<Serial> violators;
  for (auto& [serial, c] : connections_)
    if (c.lane && c.lane->violation.load(std::memory_order_acquire)) violators.push_back(serial);
  for (const Serial serial : violators) {
    Connection& c = connections_.at(serial);
    disconnect(c, *c.lane->violation.load());
    drop(serial);
  }
}

}  // namespace shmring
