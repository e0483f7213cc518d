// SPDX-License-Identifier: LGPL-2.1-or-later
// The rivals that are libraries, each in a file of its own.
#pragma once

#include <memory>
#include <string>

#include "transports.hpp"

namespace bench {

std::unique_ptr<Transport> make_zeromq(const std::string& folder, std::size_t size);
std::unique_ptr<Transport> make_iceoryx(const std::string& folder, std::size_t size);

}  // namespace bench
