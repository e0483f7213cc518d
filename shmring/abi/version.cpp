// SPDX-License-Identifier: LGPL-2.1-or-later
// Protocol versions and features of this build. docs/abi.md says how they may change.
#include "abi/wire.hpp"

namespace shmring::wire {

const Version kVersion = {
    .protocol_min = kProtocol, .protocol_max = kProtocol, .features = kKeyRequests, .required = 0};

}  // namespace shmring::wire
