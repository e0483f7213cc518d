// SPDX-License-Identifier: LGPL-2.1-or-later
// Telling downstream that frames are missing before this one. The frame is everybody's, so the flag goes on a copy of
// its description; the memory is shared.
#pragma once

#include "base/owned.hpp"

namespace supplier::latestframe {

// The frame itself where the flag is there already, or where the buffer belongs to a pool: a pool throws memory away
// that comes back while a copy still shares it, and would allocate anew for every frame.
Owned<GstMiniObject> with_discont(GstMiniObject* frame);

}  // namespace supplier::latestframe
