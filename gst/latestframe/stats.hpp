// SPDX-License-Identifier: LGPL-2.1-or-later
// Structures of the property `stats` of the element and of its pads.
#pragma once

#include "latestframe/fanout.hpp"

namespace supplier::latestframe {

Owned<GstStructure> branch_stats(const Branch& branch);
Owned<GstStructure> fanout_stats(Fanout& fanout);

}  // namespace supplier::latestframe
