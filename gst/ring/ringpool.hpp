// SPDX-License-Identifier: LGPL-2.1-or-later
// The pool that shmringsink proposes: its buffers are slots of the ring, so that upstream writes where readers read.
//
// A slot is borrowed when a buffer is acquired and given back with its memory: an idle pool owns none. Acquiring never
// waits and never fails for want of a slot, because that would end the stream upstream: it then gives a buffer on the
// heap, which the sink copies.
#pragma once

#include <cstdint>
#include <memory>

#include <gst/gst.h>

#include "publisher/publisher.hpp"

namespace supplier {

// Slots that a pool leaves to the sink, which copies into them what upstream kept from the pool and pushes again.
inline constexpr std::uint32_t kLoansForCopies = 1;

GstBufferPool* ring_pool_new(std::shared_ptr<shmring::Publisher> publisher);

}  // namespace supplier
