// SPDX-License-Identifier: LGPL-2.1-or-later
// The `stats` properties.
#pragma once

#include "latestframe/fanout.hpp"

namespace supplier::latestframe {

Owned<GstStructure> branch_stats(const Branch& branch);
Owned<GstStructure> fanout_stats(Fanout& fanout);

}  // namespace supplier::latestframe
