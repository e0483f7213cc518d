// SPDX-License-Identifier: LGPL-2.1-or-later
// Stats as JSON and as text.
#include "stats_output.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "text.hpp"

namespace shmring::tools {
namespace {

using nlohmann::ordered_json;

template <class Account>
ordered_json fields(const Account& account);

ordered_json json_of(std::uint64_t number) { return number; }
ordered_json json_of(shmring_policy value) { return shmring_policy_name(value); }
ordered_json json_of(shmring_wake value) { return shmring_wake_name(value); }
ordered_json json_of(shmring_reader_state value) { return shmring_reader_state_name(value); }
ordered_json json_of(const char* text) { return text; }
ordered_json json_of(const shmring_times& times) { return fields(times); }
ordered_json json_of(const std::uint64_t (&violations)[SHMRING_VIOLATIONS]) { return fields(violations); }

template <class Account>
ordered_json fields(const Account& account) {
  ordered_json json;
  for_each_field(account, [&](const char* name, const auto& value) { json[name] = json_of(value); });
  return json;
}

// " (message 2, tail 1)"; empty without violations.
std::string violations(const shmring_ring_stats& ring) {
  std::string text;
  for_each_field(ring.violations, [&](const char* name, std::uint64_t count) {
    if (count != 0) text += fmt::format("{}{} {}", text.empty() ? " (" : ", ", name, count);
  });
  return text.empty() ? text : text + ")";
}

Row row_of(const shmring_reader_account& lane, std::uint64_t now) {
  return {
      printable(lane.worker),
      shmring_reader_state_name(lane.state),
      lane.state == SHMRING_READER_GONE ? "-" : std::to_string(lane.pid),
      std::string(shmring_policy_name(lane.drop_policy)) + (lane.wake == SHMRING_WAKE_ADAPTIVE ? " (adaptive)" : ""),
      fmt::format("{}/{}", lane.pending, lane.depth),
      fmt::format("{}/{}", lane.held, lane.max_held),
      std::to_string(lane.offered),
      std::to_string(lane.delivered),
      lane.offered == 0 ? std::to_string(lane.dropped)
                        : fmt::format("{} ({:.1f}%)", lane.dropped,
                                      100.0 * static_cast<double>(lane.dropped) / static_cast<double>(lane.offered)),
      std::to_string(lane.stale),
      times(lane.age),
      times(lane.hold),
      ago(lane.last_taken_at, now)};
}

}  // namespace

std::string to_json(const std::string& path, const Stats& stats, std::uint64_t now) {
  ordered_json json = {{"path", path}, {"now", now}};
  json.update(fields(stats.ring));
  auto& accounts = json["accounts"] = ordered_json::array();
  for (const auto& account : stats.accounts) accounts.push_back(fields(account));
  return printable(json.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
}

std::string to_text(const std::string& path, const Stats& stats, std::uint64_t now) {
  const shmring_ring_stats& ring = stats.ring;
  std::string text =
      fmt::format("{}: publisher {}, last frame {}\n", path, ring.publisher_pid, ago(ring.last_published_at, now));
  text += fmt::format("caps     {}\n", ring.caps[0] == '\0' ? "-" : printable(ring.caps));
  text += fmt::format("slots    {} of {}: {} free, {} owned, {} loaned; {} of shared memory{}\n", ring.slots,
                      size(ring.slot_size), ring.free_slots, ring.owned, ring.loaned, size(ring.memory),
                      ring.rings > 1 ? fmt::format(", {} rings", ring.rings) : "");
  text +=
      fmt::format("frames   {} offered, {} published, {} without a slot, {} too large, {} malformed, {} copied{}\n",
                  ring.offered, ring.published, ring.dropped_no_slot, ring.dropped_too_large, ring.dropped_malformed,
                  ring.copied, ring.streamed ? fmt::format(" ({} past the caches)", ring.streamed) : "");
  text += fmt::format("readers  {} of {}, {} refused, {} protocol violations{}\n", ring.readers, ring.max_readers,
                      ring.refused_readers, ring.protocol_violations, violations(ring));
  if (stats.accounts.empty()) return text;
  std::vector<Row> rows = {{"WORKER", "STATE", "PID", "POLICY", "PENDING", "HELD", "OFFERED", "DELIVERED", "DROPPED",
                            "STALE", "AGE p50 / p99", "HOLD p50 / p99", "LAST TAKEN"}};
  for (const auto& lane : stats.accounts) rows.push_back(row_of(lane, now));
  text += "\n" + table(rows);
  for (const auto& lane : stats.accounts) {
    if (lane.reason[0] != '\0') text += fmt::format("{}: {}\n", printable(lane.worker), printable(lane.reason));
  }
  return text;
}

}  // namespace shmring::tools
