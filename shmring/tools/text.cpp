// SPDX-License-Identifier: LGPL-2.1-or-later
#include "text.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace shmring::tools {

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

}  // namespace shmring::tools
