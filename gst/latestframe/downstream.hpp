// SPDX-License-Identifier: LGPL-2.1-or-later
// Everything behind a source pad, while nothing moves there: no thread pushes into it, no element changes its state.
#pragma once

#include <vector>

#include "base/owned.hpp"

namespace supplier::latestframe {

// A FLUSH_STOP lets queues take frames again and starts their threads. In the middle of a queue's change of state it would
// do so behind its back, and the queue would wait for ever for a thread that does not end. So it is sent only while this
// holds the stream lock of each pad that it comes to, and the state lock of each element and of the bins around: then it
// waits for nobody, and nobody for longer than it takes. Beyond an element with several sink pads other threads are at
// work: it ends there.
class StillDownstream {
 public:
  // Takes the locks of all; of none where one cannot be had at once, or where a pad that flushes cannot be reached.
  explicit StillDownstream(GstPad* source);
  ~StillDownstream() { let_go(); }
  StillDownstream(const StillDownstream&) = delete;
  StillDownstream& operator=(const StillDownstream&) = delete;

  explicit operator bool() const { return still_; }

 private:
  bool hold_behind(GstPad* source, bool cut);
  bool hold_behind_all(GstIterator* links, bool cut);
  bool hold(GstElement* element);
  void let_go();

  std::vector<Owned<GstPad>> pads_;
  std::vector<Owned<GstElement>> elements_;
  bool still_ = false;
};

}  // namespace supplier::latestframe
