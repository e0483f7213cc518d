// SPDX-License-Identifier: LGPL-2.1-or-later
// Frames as GstMemory, without copying: what a ring lends to the publisher, and what a reader holds of one.
#pragma once

#include <gst/gst.h>

#include "publisher/publisher.hpp"
#include "reader/reader.hpp"

namespace supplier {

// Both live as long as their memory, on any thread, whatever becomes of element, pool and ring.

// A slot to be filled: writable, `size` bytes of it used.
GstMemory* memory_of(shmring::Loan loan, gsize size);
// A frame of a reader: read-only for ever.
GstMemory* memory_of(shmring::Frame frame);

// The loan whose whole beginning this memory is, for publishing without a copy; NULL for any other memory and for parts
// of a loan.
shmring::Loan* loan_of(GstMemory* memory);
// A published frame never changes: it can no longer be mapped for writing in this process.
void make_read_only(GstMemory* memory);

}  // namespace supplier
