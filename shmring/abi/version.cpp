// SPDX-License-Identifier: LGPL-2.1-or-later
// What this build speaks. How it may change: docs/abi.md.
#include "abi/wire.hpp"

namespace shmring::wire {

const Version kVersion = {.protocol_min = kProtocol, .protocol_max = kProtocol, .features = 0, .required = 0};

}  // namespace shmring::wire
