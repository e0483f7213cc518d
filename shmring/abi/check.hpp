// SPDX-License-Identifier: LGPL-2.1-or-later
// The one place where a reader checks words that the publisher's process wrote into shared memory. Each is loaded once into a local copy;
// only the checked copy is used. (The publisher's checks of a reader's words are in lane/lane_writer.hpp: a range check on tail.)
#pragma once

#include <cstdint>

#include <shmring/types.h>

#include "abi/geometry.hpp"
#include "abi/layout.hpp"

namespace shmring {

// Copies a slot's descriptor and answers whether it can be used: the size fits the slot, planes start inside the
// frame, the metadata has room.
bool check_descriptor(const SlotDescriptor& shared, const RingGeometry& geometry, SlotDescriptor& copy);

// Copies the metadata of a frame whose descriptor was checked. What it means is for its user to check.
void copy_metadata(const FormatArea& shared, std::uint32_t size, std::byte* to);

// Copies a format and answers whether it can be used: the caps are closed text, the planes known in number, sizes sane.
bool check_format(const FormatArea& shared, FormatArea& copy);

}  // namespace shmring
