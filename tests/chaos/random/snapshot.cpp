// SPDX-License-Identifier: LGPL-2.1-or-later
#include "snapshot.hpp"

#include <iterator>

namespace chaos {
namespace {

template <class Stats>
struct Figure {
  const char* name;
  std::uint64_t Stats::*value;
};

// Counters that never go back.
constexpr Figure<shmring_ring_stats> kOfTheRing[] = {
    {"offered", &shmring_ring_stats::offered},
    {"published", &shmring_ring_stats::published},
    {"dropped_no_slot", &shmring_ring_stats::dropped_no_slot},
    {"dropped_too_large", &shmring_ring_stats::dropped_too_large},
    {"copied", &shmring_ring_stats::copied},
    {"refused_readers", &shmring_ring_stats::refused_readers},
};
constexpr Figure<shmring_reader_account> kOfALane[] = {
    {"offered", &shmring_reader_account::offered},
    {"delivered", &shmring_reader_account::delivered},
    {"dropped", &shmring_reader_account::dropped},
    {"stale", &shmring_reader_account::stale},
    {"wakeups", &shmring_reader_account::wakeups},
    {"last_taken_seq", &shmring_reader_account::last_taken_sequence},
    {"last_offered_at", &shmring_reader_account::last_offered_at},
};

std::string equation(const shmring_reader_account& l) {
  return "offered " + std::to_string(l.offered) + ", delivered " + std::to_string(l.delivered) + ", dropped " +
         std::to_string(l.dropped) + ", pending " + std::to_string(l.pending);
}

}  // namespace

void Snapshots::fail(const std::string& text) {
  board_.fail(publisher_name(publisher_) + ", " + whose_ + ", look " + std::to_string(count_) + ": " + text);
}

void Snapshots::check(const shmring_ring_stats& ring, std::span<const shmring_reader_account> lanes) {
  ++count_;
  if (ring.free_slots + ring.owned + ring.loaned != ring.slots)
    fail("free " + std::to_string(ring.free_slots) + " + owned " + std::to_string(ring.owned) + " + loaned " +
         std::to_string(ring.loaned) + " is not slots " + std::to_string(ring.slots));
  for (const auto& figure : kOfTheRing)
    if (ring.*figure.value < ring_.*figure.value)
      fail(std::string(figure.name) + " went back from " + std::to_string(ring_.*figure.value) + " to " +
           std::to_string(ring.*figure.value));
  for (int i = 0; i < SHMRING_VIOLATIONS; ++i)
    if (i != SHMRING_VIOLATION_SILENCE && ring.violations[i] != 0)
      fail("no reader breaks the protocol, but one was sent away for '" +
           std::string(shmring_violation_name(static_cast<shmring_violation>(i))) + "'");
  std::map<std::string, shmring_reader_account> now;
  for (const auto& lane : lanes) {
    if (!now.emplace(lane.worker, lane).second) fail(std::string(lane.worker) + " is listed twice");
    check_lane(lane, ring);
  }
  for (const auto& [name, lane] : lanes_)
    if (!now.contains(name)) fail(name + " is not listed any more");
  ring_ = ring;
  lanes_ = std::move(now);
}

void Snapshots::check_lane(const shmring_reader_account& lane, const shmring_ring_stats& ring) {
  const std::string name = lane.worker;
  if (lane.offered != lane.delivered + lane.dropped + lane.pending)
    fail(name + ": offered is not delivered + dropped + pending: " + equation(lane));
  std::uint32_t number = 0;
  while (number < board_.readers && reader_name(number) != name) ++number;
  if (number == board_.readers) return fail("there is no reader of the name '" + name + "'");

  // Each handle attaches once; one that was there before this publisher began may, too. An ended lane has a cause.
  const ReaderSlot& reader = board_.reader[number];
  const PublisherSlot& publisher = board_.publisher[publisher_];
  const std::uint32_t most = reader.opens - publisher.opens_before[number] + 1;
  if (lane.generation > most)
    fail(name + ": attached " + std::to_string(lane.generation) + " times, but has had " + std::to_string(most) +
         " handles, reason '" + lane.reason + "'");
  if (lane.reason[0] != '\0' && reader.deaths == publisher.deaths_before[number])
    fail(name + ": its process lives, and the lane's reason is '" + lane.reason + "'");
  if (lane.state == SHMRING_READER_ACTIVE && lane.reason[0] != '\0')
    fail(name + ": attached, and yet there is a reason: '" + lane.reason + "'");

  const auto before = lanes_.find(name);
  if (before == lanes_.end()) return;
  const shmring_reader_account& then = before->second;
  for (const auto& figure : kOfALane)
    if (lane.*figure.value < then.*figure.value)
      fail(name + ": " + figure.name + " went back from " + std::to_string(then.*figure.value) + " to " +
           std::to_string(lane.*figure.value) + " (before: " + equation(then) + "; now: " + equation(lane) + ")");
  if (lane.generation < then.generation) fail(name + ": its generation went back");
  // Frames of one look were offered before the next one asked. The newest frame is offered again to one that comes.
  const std::uint64_t again = std::uint64_t{then.generation} + publisher.rings;
  if (then.offered > ring.offered + again)
    fail(name + ": offered " + std::to_string(then.offered) + " of " + std::to_string(ring.offered) + " frames");
  if (then.last_taken_sequence > ring.offered)
    fail(name + ": took frame " + std::to_string(then.last_taken_sequence) + " of " + std::to_string(ring.offered));
}

}  // namespace chaos
