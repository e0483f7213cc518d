// SPDX-License-Identifier: LGPL-2.1-or-later
// GstAnalyticsRelationMeta, where GStreamer has it (1.24 and newer); elsewhere these do nothing.
#pragma once

#include <span>
#include <vector>

#include "resultjoin/region.hpp"

namespace supplier::resultjoin {

// A buffer that has the analytics meta of another one and nothing else; NULL: that one has none.
Owned<GstBuffer> keep_analytics(GstBuffer* buffer);
// Objects of such a buffer.
std::vector<Region> regions_of(GstBuffer* kept);
// Adds the items of such a buffer to another buffer's analytics meta, with boxes multiplied.
void add_analytics(GstBuffer* buffer, GstBuffer* kept, double across, double down);
// The same of objects, their tracks and parents, and classes.
void add_analytics(GstBuffer* buffer, std::span<const Region> regions, std::span<const Class> classes, double across,
                   double down);

}  // namespace supplier::resultjoin
