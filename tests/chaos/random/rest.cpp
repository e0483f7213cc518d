// SPDX-License-Identifier: LGPL-2.1-or-later
// The end of a round: every process that lives goes on, gets frames, finds the end; then the accounts must be exact and nothing may be left.
#include "round.hpp"

namespace chaos {

void Round::obey(Path& path, Order order) {
  PublisherSlot& slot = board_->publisher[path.publisher];
  slot.order = order;
  await(publisher_name(path.publisher) + " obeys", [&] { return slot.obeyed == order; });
}

void Round::come_to_rest() {
  note("everything comes to rest");
  for (std::uint32_t i = 0; i < paths_.size(); ++i) {
    if (paths_[i].publisher == kMaxPublishers) start_publisher(i);
    paths_[i].process.resume();
    paths_[i].stopped = false;
  }
  for (Worker& worker : workers_) {
    worker.process.resume();
    worker.stopped = false;
  }
  for (Path& path : paths_)
    if (path.publisher != kMaxPublishers) obey(path, Order::steady);
  await_frames();
  for (Path& path : paths_)
    if (path.publisher != kMaxPublishers) obey(path, Order::finish);
  await_the_end();
  for (Path& path : paths_)
    if (path.publisher != kMaxPublishers) check_account(path);
  for (std::uint32_t i = 0; i < workers_.size(); ++i)
    if (workers_[i].there) send_reader_off(i, Order::close);
  for (Path& path : paths_) {
    if (path.publisher == kMaxPublishers) continue;
    const std::string name = publisher_name(path.publisher);
    await(name + " has no reader and gets every slot back but the newest frame's", [&] {
      if (!look(path)) return false;
      const shmring_ring_stats& ring = path.seen->ring();
      return ring.readers == 0 && ring.rings == 1 && ring.loaned == 0 && ring.free_slots + 1 == ring.slots;
    });
    close_publisher(path);
  }
  const auto left = sockets_.names();
  for (const std::string& name : left) {
    bool a_socket = false;  // of a publisher that was killed, where none came after it
    for (std::uint32_t i = 0; i < paths_.size(); ++i) a_socket |= board_->path(i) == sockets_.file(name);
    if (!a_socket || board_->publishers < kMaxPublishers) board_->fail("left behind in the sockets' folder: " + name);
  }
  check_children();
}

// Where the publisher has too few slots for all, some readers are refused for as long as the others stay: those leave.
void Round::await_frames() {
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    if (!workers_[i].there) continue;
    const ReaderSlot& reader = board_->reader[i];
    const Path& path = paths_[reader.plan.path];
    if (path.publisher == kMaxPublishers) continue;
    const Received& from = reader.from[path.publisher];
    const std::uint64_t had = from.taken;
    const std::uint32_t refusals = reader.refusals;
    bool refused = false;
    std::string seen;
    await(
        reader_name(i) + " gets a frame of " + publisher_name(path.publisher) + ", which publishes steadily",
        [&] {
          seen = state_of(i);
          refused = path.plan.slots != 0 && reader.refusals != refusals;
          return refused || from.taken > had || (from.blurred && reader.attached == path.publisher + 1);
        },
        &seen);
    if (refused) send_reader_off(i, Order::close);
  }
}

std::string Round::state_of(std::uint32_t number) const {
  const ReaderSlot& reader = board_->reader[number];
  return (reader.attached == 0 ? "it is attached to no publisher"
                               : "it is attached to " + publisher_name(reader.attached - 1)) +
         ", its last call came to " + shmring_status_name(static_cast<shmring_status>(reader.last_status.load())) +
         (reader.in_call ? ", it is in a call" : "");
}

void Round::await_the_end() {
  for (std::uint32_t i = 0; i < workers_.size(); ++i)
    if (workers_[i].there && paths_[board_->reader[i].plan.path].publisher != kMaxPublishers)
      board_->reader[i].order = Order::finish;
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    ReaderSlot& reader = board_->reader[i];
    if (reader.order != Order::finish) continue;
    const std::uint32_t refusals = reader.refusals;
    bool refused = false;
    std::string seen;
    await(
        reader_name(i) + " finds the end of the stream and releases all",
        [&] {
          seen = state_of(i);
          refused = paths_[reader.plan.path].plan.slots != 0 && reader.refusals != refusals;
          return refused || reader.obeyed == Order::finish;
        },
        &seen);
    if (refused && reader.obeyed != Order::finish) send_reader_off(i, Order::close);
  }
}

std::string Round::unsettled(Path& path) const {
  const shmring_ring_stats& ring = path.seen->ring();
  if (ring.rings != 1) return std::to_string(ring.rings) + " rings";
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    if (board_->reader[i].plan.path != path.plan.path) continue;
    const auto found = path.seen->lanes().find(reader_name(i));
    if (found == path.seen->lanes().end()) {
      if (workers_[i].there) return reader_name(i) + " is not known";
      continue;
    }
    const shmring_reader_account& lane = found->second;
    if ((workers_[i].there && lane.state != SHMRING_READER_ACTIVE) || lane.pending != 0 || lane.held != 0)
      return reader_name(i) + " has state " + std::to_string(lane.state) + ", pending " + std::to_string(lane.pending) +
             ", held " + std::to_string(lane.held) + ", reason '" + lane.reason + "'";
  }
  return {};
}

void Round::check_account(Path& path) {
  const std::string name = publisher_name(path.publisher);
  std::string seen = "nothing";
  await(
      name + " comes to rest: every reader that lives is attached, nothing is pending or held, there is one ring",
      [&] {
        if (!look(path)) return false;
        seen = unsettled(path);
        return seen.empty();
      },
      &seen);
  const PublisherSlot& slot = board_->publisher[path.publisher];
  const shmring_ring_stats& ring = path.seen->ring();
  const auto expect = [&](const std::string& what, std::uint64_t expected, std::uint64_t found) {
    if (expected != found)
      board_->fail(name + " at rest: " + what + ": expected " + std::to_string(expected) + ", seen " +
                   std::to_string(found));
  };
  expect("offered", slot.begun, ring.offered);
  expect("published + dropped_no_slot + dropped_too_large", ring.offered,
         ring.published + ring.dropped_no_slot + ring.dropped_too_large);
  expect("loaned", 0, ring.loaned);
  expect("free slots", ring.slots - 1, ring.free_slots);
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    const auto found = path.seen->lanes().find(reader_name(i));
    if (found == path.seen->lanes().end()) continue;
    const shmring_reader_account& lane = found->second;
    const Received& from = board_->reader[i].from[path.publisher];
    const ReaderPlan& plan = board_->reader[i].plan;
    const std::string who = reader_name(i) + ", attached " + std::to_string(lane.generation) + " times (policy " +
                            std::to_string(plan.policy) + ", age " + std::to_string(plan.max_frame_age_ms) + "): ";
    if (from.blurred == 0) expect(who + "delivered (against what it took)", from.taken, lane.delivered);
    if (from.taken > lane.delivered)
      board_->fail(name + " at rest: " + who + "it took " + std::to_string(from.taken) + ", delivered are " +
                   std::to_string(lane.delivered));
    if (from.missed > static_cast<std::int64_t>(lane.dropped) && from.blurred == 0)
      board_->fail(name + " at rest: " + who + "it missed " + std::to_string(from.missed) +
                   " frames between those it took, dropped are " + std::to_string(lane.dropped));
    if (from.lost > ring.violations[SHMRING_VIOLATION_SILENCE])
      board_->fail(name + " at rest: " + who + "it was told " + std::to_string(from.lost) +
                   " times that the publisher is gone, which lives");
  }
  check_children();
}

}  // namespace chaos
