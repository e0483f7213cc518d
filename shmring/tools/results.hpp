// SPDX-License-Identifier: LGPL-2.1-or-later
// The results of a worker, as lines of JSON.
#pragma once

#include <cstdint>
#include <string>

namespace shmring::tools {

// Prints `count` results (0: until Ctrl-C, the end of the stream or of the publisher). False: none came.
bool results(const std::string& path, std::uint64_t count);

}  // namespace shmring::tools
