// SPDX-License-Identifier: LGPL-2.1-or-later
// Numbers and tables for people. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <shmring/types.h>

namespace shmring::tools {

// Names and caps come from other processes: without control characters, neither C0 nor (as UTF-8: C2 80 to C2 9F) C1.
std::string printable(std::string text);
// "33.3 ms"
std::string duration(std::uint64_t ns);
// "12 ms ago", or "never" where `when` is 0.
std::string ago(std::uint64_t when, std::uint64_t now);
// "p50 / p99", or "-" without any.
std::string times(const shmring_times& times);
// "1.2 MiB"
std::string size(std::uint64_t bytes);

using Row = std::vector<std::string>;
// Columns as wide as their widest text, two spaces between them; all rows have as many as the first.
std::string table(const std::vector<Row>& rows);

}  // namespace shmring::tools
