// SPDX-License-Identifier: LGPL-2.1-or-later
// Parts of a result in GStreamer's words.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <gst/gst.h>

#include "base/owned.hpp"

namespace supplier::resultjoin {

struct Region {
  GQuark type = 0;
  std::array<double, 4> box{};  // x, y, width and height
  double score = 0;
  std::int64_t track = -1;
  std::int64_t parent = -1;  // index of another region
  std::vector<Owned<GstStructure>> parameters;
};

struct Class {
  GQuark label = 0;
  float score = 0;
};

}  // namespace supplier::resultjoin
