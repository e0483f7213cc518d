// SPDX-License-Identifier: LGPL-2.1-or-later
// Stats as JSON and as text. Names and caps come from other processes: no control character of theirs reaches the
// terminal.
#include "stats_output.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

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

// Without C0 and (as UTF-8: C2 80 to C2 9F) C1 controls.
std::string printable(std::string text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool c1 = c >= 0x80 && c < 0xa0 && i > 0 && text[i - 1] == '\xc2';
    if (c1) text[i - 1] = '?';
    if (c1 || c < 0x20 || c == 0x7f) text[i] = '?';
  }
  return text;
}

std::string duration(std::uint64_t ns) {
  const auto value = static_cast<double>(ns);
  if (ns < 1'000) return fmt::format("{} ns", ns);
  if (ns < 1'000'000) return fmt::format("{:.3g} us", value / 1e3);
  if (ns < 1'000'000'000) return fmt::format("{:.3g} ms", value / 1e6);
  if (ns < 100'000'000'000) return fmt::format("{:.3g} s", value / 1e9);
  return fmt::format("{:.0f} s", value / 1e9);
}

std::string ago(std::uint64_t when, std::uint64_t now) {
  return when == 0 ? "never" : duration(now > when ? now - when : 0) + " ago";
}

std::string times(const shmring_times& times) {
  return times.count == 0 ? "-" : duration(times.p50) + " / " + duration(times.p99);
}

std::string size(std::uint64_t bytes) {
  constexpr std::array units = {"B", "KiB", "MiB", "GiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
  return fmt::format("{:.{}f} {}", value, unit == 0 ? 0 : 1, units[unit]);
}

// " (message 2, tail 1)"; empty without violations.
std::string violations(const shmring_ring_stats& ring) {
  std::string text;
  for_each_field(ring.violations, [&](const char* name, std::uint64_t count) {
    if (count != 0) text += fmt::format("{}{} {}", text.empty() ? " (" : ", ", name, count);
  });
  return text.empty() ? text : text + ")";
}

using Row = std::vector<std::string>;

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

std::string table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

}  // namespace

std::string to_json(const std::string& path, const Stats& stats, std::uint64_t now) {
  ordered_json json = {{"path", path}, {"now", now}};
  json.update(fields(stats.ring));
  auto& accounts = json["accounts"] = ordered_json::array();
  for (const auto& account : stats.accounts) accounts.push_back(fields(account));
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
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
