// SPDX-License-Identifier: LGPL-2.1-or-later
// Stats of one ring, as `shmring stat` shows them. Pure: fetched elsewhere, printed elsewhere.
#pragma once

#include <cstdint>
#include <string>

#include <shmring/shmring.hpp>

namespace shmring::tools {

// One JSON object on one line, the names of the C API, times in ns; "now" is the clock they are compared with.
std::string to_json(const std::string& path, const Stats& stats, std::uint64_t now);
// A page for people, with a closing line break.
std::string to_text(const std::string& path, const Stats& stats, std::uint64_t now);

}  // namespace shmring::tools
