// SPDX-License-Identifier: LGPL-2.1-or-later
// Says which frames do not reach a branch's downstream, and why: each at LOG, at most one line a second at DEBUG.
#pragma once

#include "base/log_limit.hpp"
#include "latestframe/cursor.hpp"

namespace supplier::latestframe {

class LostFramesLog {
 public:
  // Of a step that refused a frame, or has a gap before its own.
  void record(GstPad* pad, const Step& step);

 private:
  LogLimit refused_, missed_;
};

}  // namespace supplier::latestframe
