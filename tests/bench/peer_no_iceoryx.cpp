// SPDX-License-Identifier: LGPL-2.1-or-later
// No iceoryx in this build, no daemon.
#include "transports.hpp"

namespace bench {
Daemon::Daemon(const std::string&) {}
Daemon::~Daemon() = default;
}  // namespace bench
