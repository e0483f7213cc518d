// SPDX-License-Identifier: LGPL-2.1-or-later
// In the place of shmring/abi/version.cpp: another version of the protocol, for protocol_versions_test.cpp.
#include "abi/wire.hpp"

namespace shmring::wire {

const Version kVersion = {VERSION};

}  // namespace shmring::wire
