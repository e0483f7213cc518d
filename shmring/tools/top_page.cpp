// SPDX-License-Identifier: LGPL-2.1-or-later
#include "top_page.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "text.hpp"

namespace shmring::tools {
namespace {

constexpr std::array names = {"name", "rate", "drops", "age"};

// What is sorted: a ring or a reader, with its line.
struct Line {
  std::string name;
  std::optional<double> rate, drops;  // a second
  std::uint64_t age = 0;              // ns
  Row row;
  std::vector<Line> readers;
};

std::string shown(std::optional<double> rate) { return rate ? fmt::format("{:.1f}", *rate) : "-"; }

double per_second(std::uint64_t before, std::uint64_t now, double seconds) {
  return now > before && seconds > 0 ? static_cast<double>(now - before) / seconds : 0;
}

std::uint64_t dropped(const shmring_ring_stats& ring) {
  return ring.dropped_no_slot + ring.dropped_too_large + ring.dropped_malformed;
}

Line line_of(const shmring_reader_account& reader, const shmring_reader_account* before, double seconds,
             std::uint64_t now) {
  Line line{printable(reader.worker), {}, {}, reader.age.p50, {}, {}};
  if (before) {
    line.rate = per_second(before->delivered, reader.delivered, seconds);
    line.drops = per_second(before->dropped, reader.dropped, seconds);
  }
  line.row = {"  " + line.name,
              shmring_reader_state_name(reader.state),
              reader.state == SHMRING_READER_GONE ? "-" : std::to_string(reader.pid),
              shown(line.rate),
              shown(line.drops),
              fmt::format("{}/{}", reader.pending, reader.depth),
              fmt::format("{}/{}", reader.held, reader.max_held),
              times(reader.age),
              ago(reader.last_taken_at, now)};
  return line;
}

const shmring_reader_account* account_of(const Look& look, std::string_view worker) {
  const auto& accounts = look.stats.accounts;
  const auto found =
      std::find_if(accounts.begin(), accounts.end(), [&](const auto& it) { return worker == it.worker; });
  return found == accounts.end() ? nullptr : &*found;
}

Line line_of(const Look& look, const Look* before) {
  const shmring_ring_stats& ring = look.stats.ring;
  Line line{printable(look.name), {}, {}, 0, {}, {}};
  const double seconds = before ? static_cast<double>(look.at - before->at) / 1e9 : 0;
  if (before) {
    line.rate = per_second(before->stats.ring.offered, ring.offered, seconds);
    line.drops = per_second(dropped(before->stats.ring), dropped(ring), seconds);
  }
  for (const auto& reader : look.stats.accounts) {
    line.readers.push_back(line_of(reader, before ? account_of(*before, reader.worker) : nullptr, seconds, look.at));
    line.age = std::max(line.age, reader.age.p50);
  }
  line.row = {line.name,
              fmt::format("{}/{} readers", ring.readers, ring.max_readers),
              std::to_string(ring.publisher_pid),
              shown(line.rate),
              shown(line.drops),
              "",
              fmt::format("{}/{} slots", ring.slots - ring.free_slots, ring.slots),
              "",
              ago(ring.last_published_at, look.at)};
  return line;
}

void sort(std::vector<Line>& lines, Sorting sorting) {
  const auto before = [&](const Line& one, const Line& other) {
    switch (sorting.by) {
      case Order::rate:
        return one.rate.value_or(-1) > other.rate.value_or(-1);
      case Order::drops:
        return one.drops.value_or(-1) > other.drops.value_or(-1);
      case Order::age:
        return one.age > other.age;
      case Order::name:
        break;
    }
    return one.name < other.name;
  };
  std::stable_sort(lines.begin(), lines.end(), [&](const Line& one, const Line& other) {
    return sorting.reverse ? before(other, one) : before(one, other);
  });
}

}  // namespace

std::vector<std::string> order_names() { return {names.begin(), names.end()}; }

Order order_of(const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? Order::name : static_cast<Order>(found - names.begin());
}

std::string top_page(const std::vector<Look>& before, const std::vector<Look>& now, Sorting sorting) {
  std::vector<Line> lines;
  std::uint64_t memory = 0, readers = 0;
  double rate = 0;
  for (const Look& look : now) {
    const auto former = std::find_if(before.begin(), before.end(), [&](const Look& other) {
      return other.path == look.path && other.stats.ring.publisher_pid == look.stats.ring.publisher_pid;
    });
    lines.push_back(line_of(look, former == before.end() ? nullptr : &*former));
    memory += look.stats.ring.memory;
    readers += look.stats.ring.readers;
    rate += lines.back().rate.value_or(0);
  }
  sort(lines, sorting);
  std::vector<Row> rows = {
      {"RING / READER", "STATE", "PID", "RATE", "DROPS", "PENDING", "HELD", "AGE p50 / p99", "LAST"}};
  for (Line& line : lines) {
    rows.push_back(std::move(line.row));
    sort(line.readers, sorting);
    for (Line& reader : line.readers) rows.push_back(std::move(reader.row));
  }
  return fmt::format("rings {}, readers {}, {:.1f} frames a second, {} of shared memory; by {}{}\n\n{}", now.size(),
                     readers, rate, size(memory), names[static_cast<std::size_t>(sorting.by)],
                     sorting.reverse ? ", reverse" : "", table(rows));
}

}  // namespace shmring::tools
