// SPDX-License-Identifier: LGPL-2.1-or-later
// The rate of a ring, measured by a reader.
#pragma once

#include <string>

namespace shmring::tools {

// Reads the ring and says how regular it is, each second and at the end: after `seconds` (0: on Ctrl-C), or when the stream ends. False:
// no frame came.
bool hz(const std::string& path, double seconds, bool json);

}  // namespace shmring::tools
