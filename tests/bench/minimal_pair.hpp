// SPDX-License-Identifier: LGPL-2.1-or-later
// The smallest GstBaseSink and GstPushSrc that hand 1.1 MB from process to process: one shared mapping, one eventfd, no account of
// anything. What a pair of elements costs at least on this GStreamer.
#pragma once

#include <cstddef>

namespace bench {

struct MinimalLink {
  std::byte* frame;
  std::size_t size;
  int event;
};
// Before the fork.
MinimalLink& minimal_link(std::size_t size);
// Makes the elements "benchsink" and "benchsrc" known.
void register_minimal_pair();

}  // namespace bench
