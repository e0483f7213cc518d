// SPDX-License-Identifier: LGPL-2.1-or-later
// GstAnalyticsRelationMeta as a record of the ring's metadata; where GStreamer has none (before 1.24, or built without its library), nothing.
#pragma once

#include <cstddef>
#include <span>

#include <gst/gst.h>

#include "abi/metas.hpp"

namespace supplier {

bool is_analytics(const GstMeta& meta);

// Appends the items that have a form to `row`, and the relations between them. Counts those that have none, as masks of segmentation.
// False: there is no room for all.
bool put_analytics(const GstMeta& meta, shmring::MetaRow& row, std::size_t& left_out);

// Adds a row of items, as are_metas() found it to be one, to the buffer's analytics. False: some of it makes no sense, and is left out.
bool add_analytics(GstBuffer* buffer, std::span<const std::byte> row);

}  // namespace supplier
