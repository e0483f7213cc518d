// SPDX-License-Identifier: LGPL-2.1-or-later
// A sentence on standard error.
#pragma once

#include <cstdio>
#include <string>

namespace shmring::tools {

// Where standard error takes nothing, the sentence is lost, and the program goes on.
inline void complain(const std::string& sentence) { std::fputs(("shmring: " + sentence + "\n").c_str(), stderr); }

}  // namespace shmring::tools
