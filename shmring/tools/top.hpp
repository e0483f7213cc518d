// SPDX-License-Identifier: LGPL-2.1-or-later
// Rings and readers of a folder on a page that is drawn again and again.
#pragma once

#include <cstdint>
#include <string>

#include "top_page.hpp"

namespace shmring::tools {

// Shows pages until it has shown `count` (0: for ever), q or Ctrl-C is pressed, or the output is closed. In a terminal each page takes the
// place of the one before it. False: there was no ring to show.
bool top(const std::string& path, double interval, std::uint64_t count, Order order);

}  // namespace shmring::tools
