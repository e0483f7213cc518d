// SPDX-License-Identifier: LGPL-2.1-or-later
// The sticky events as they were when a frame came in: what a branch must have sent before it sends the frame.
#pragma once

#include <memory>
#include <vector>

#include "common/owned.hpp"

namespace supplier::latestframe {

struct Stickies {
  std::vector<Owned<GstEvent>> events;  // in the pad's order; without EOS, which is a step of its own
  GstEvent* caps = nullptr;             // one of them
  bool raw_video = false;

  GstCaps* caps_of() const;  // borrowed, or NULL
};

// Shared by every frame between two changes; never changed.
using StickiesRef = std::shared_ptr<const Stickies>;

StickiesRef stickies_of(GstPad* pad);

}  // namespace supplier::latestframe
