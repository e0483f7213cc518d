// SPDX-License-Identifier: LGPL-2.1-or-later
// One dictionary a structure: the same names everywhere, times in ns.
#include "stats.hpp"

#include <array>

#include <shmring/inspect.h>

#include "arguments.hpp"
#include "errors.hpp"
#include "gil.hpp"

namespace py = pybind11;
using namespace py::literals;

namespace shmring::python {
namespace {

constexpr std::array policies = {"drop-newest", "drop-oldest", "latest"};
constexpr std::array wakes = {"block", "adaptive"};
constexpr std::array lane_states = {"active", "retired", "gone"};

template <class Names>
std::string name_of(const Names& names, int value) {
  const auto index = static_cast<std::size_t>(value);
  return index < names.size() ? names[index] : std::to_string(value);
}

template <class Names>
int index_of(const Names& names, const py::handle& value, const char* argument) {
  std::string known;
  const std::string name = string_of(value, argument);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (name == names[i]) return static_cast<int>(i);
    known += (i == 0 ? "" : ", ") + std::string(names[i]);
  }
  raise(SHMRING_INVALID, std::string(argument) + " is one of " + known + ", not \"" + name + "\"");
}

py::dict to_dict(const shmring_times& times) {
  return py::dict("count"_a = times.count, "p50"_a = times.p50, "p99"_a = times.p99, "max"_a = times.max);
}

py::dict to_dict(const shmring_reader_account& lane) {
  return py::dict("worker"_a = text(lane.worker), "state"_a = name_of(lane_states, lane.state),
                  "drop_policy"_a = name_of(policies, lane.drop_policy), "wake"_a = name_of(wakes, lane.wake),
                  "pid"_a = lane.pid, "depth"_a = lane.depth, "max_held"_a = lane.max_held, "held"_a = lane.held,
                  "generation"_a = lane.generation, "offered"_a = lane.offered, "delivered"_a = lane.delivered,
                  "dropped"_a = lane.dropped, "pending"_a = lane.pending, "stale"_a = lane.stale,
                  "consecutive_drops"_a = lane.consecutive_drops, "wakeups"_a = lane.wakeups,
                  "last_offered_at"_a = lane.last_offered_at, "last_taken_at"_a = lane.last_taken_at,
                  "last_released_at"_a = lane.last_released_at, "last_taken_sequence"_a = lane.last_taken_sequence,
                  "unfinished_since"_a = lane.unfinished_since, "age"_a = to_dict(lane.age),
                  "hold"_a = to_dict(lane.hold), "reason"_a = text(lane.reason));
}

}  // namespace

py::object text(const char* bytes) {
  return py::reinterpret_steal<py::object>(
      PyUnicode_DecodeUTF8(bytes, static_cast<py::ssize_t>(std::char_traits<char>::length(bytes)), "replace"));
}

shmring_policy policy_of(const py::handle& name) {
  return name.is_none() ? SHMRING_POLICY_DEFAULT : static_cast<shmring_policy>(index_of(policies, name, "drop_policy"));
}

shmring_wake wake_of(const py::handle& name) { return static_cast<shmring_wake>(index_of(wakes, name, "wake")); }

py::dict to_dict(const shmring_reader_stats& stats) {
  return py::dict("taken"_a = stats.taken, "stale"_a = stats.stale, "missed"_a = stats.missed,
                  "attachments"_a = stats.attachments, "held"_a = stats.held, "publisher_pid"_a = stats.publisher_pid,
                  "drop_policy"_a = name_of(policies, stats.drop_policy), "wake"_a = name_of(wakes, stats.wake),
                  "depth"_a = stats.depth, "max_held"_a = stats.max_held, "last_sequence"_a = stats.last_sequence,
                  "age"_a = to_dict(stats.age), "hold"_a = to_dict(stats.hold),
                  "protocol_violations"_a = stats.protocol_violations);
}

py::dict to_dict(const shmring_ring_stats& ring, const std::vector<shmring_reader_account>& lanes) {
  py::list workers;
  py::dict violations;
  for (int i = 0; i < SHMRING_VIOLATIONS; ++i)
    if (const char* name = shmring_violation_name(static_cast<shmring_violation>(i)))
      violations[name] = ring.violations[i];
  for (const auto& lane : lanes) workers.append(to_dict(lane));
  return py::dict("publisher_pid"_a = ring.publisher_pid, "slots"_a = ring.slots, "free_slots"_a = ring.free_slots,
                  "owned"_a = ring.owned, "loaned"_a = ring.loaned, "max_readers"_a = ring.max_readers,
                  "rings"_a = ring.rings, "slot_size"_a = ring.slot_size, "memory"_a = ring.memory,
                  "sequence"_a = ring.sequence, "published"_a = ring.published, "no_slot"_a = ring.no_slot,
                  "too_large"_a = ring.too_large, "malformed"_a = ring.malformed, "copied"_a = ring.copied,
                  "streamed"_a = ring.streamed, "refused_readers"_a = ring.refused_readers,
                  "protocol_violations"_a = ring.protocol_violations, "violations"_a = violations,
                  "last_published_at"_a = ring.last_published_at, "caps"_a = text(ring.caps),
                  "readers"_a = ring.readers, "accounts"_a = workers);
}

py::dict inspect(const py::object& place, const py::object& timeout) {
  const std::string path = string_of(place, "socket_path");
  const std::uint64_t limit = nanoseconds(timeout, "timeout");
  shmring_ring_stats ring = SHMRING_RING_STATS_INIT;
  std::vector<shmring_reader_account> lanes;
  shmring_status status = SHMRING_OK;
  std::string why;
  {
    const WithoutGil others_may_run;
    shmring_observer* observer = nullptr;
    status = shmring_observer_open(path.c_str(), limit, &observer);
    if (status == SHMRING_OK) {
      status = all_lanes([&](auto... arguments) { return shmring_observer_stats(observer, limit, arguments...); }, ring,
                         lanes);
    }
    if (status != SHMRING_OK) why = shmring_last_error();
    shmring_observer_close(observer);
  }
  if (status != SHMRING_OK) raise(status, why);
  return to_dict(ring, lanes);
}

}  // namespace shmring::python
