// SPDX-License-Identifier: LGPL-2.1-or-later
#include "reader/processor.hpp"

#include <sched.h>

namespace shmring {

void step_aside() {
  cpu_set_t allowed;
  const int here = ::sched_getcpu();
  // Fails where there are more than CPU_SETSIZE processors: the kernel has enough idle ones to choose from there.
  if (here < 0 || here >= CPU_SETSIZE || ::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t others = allowed;
  CPU_CLR(here, &others);
  if (CPU_COUNT(&others) == 0) return;
  if (::sched_setaffinity(0, sizeof others, &others) == 0) ::sched_setaffinity(0, sizeof allowed, &allowed);
}

}  // namespace shmring
