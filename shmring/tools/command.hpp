// SPDX-License-Identifier: LGPL-2.1-or-later
// The command `shmring`: looks at a live ring. It takes no lane and maps no memory, so it costs readers and publisher
// nothing. Both the program and `python3 -m shmring` run it.
#pragma once

namespace shmring::tools {

// Returns the exit status. The arguments begin with the program's name.
int run(int argc, const char* const* argv);

}  // namespace shmring::tools
