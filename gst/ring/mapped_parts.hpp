// SPDX-License-Identifier: LGPL-2.1-or-later
// Memory of buffers mapped for reading, piece by piece: nothing is merged. Its room is used again for the next frame.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <gst/gst.h>

namespace supplier {

class MappedParts {
 public:
  MappedParts() = default;
  ~MappedParts() { clear(); }
  MappedParts(const MappedParts&) = delete;
  MappedParts& operator=(const MappedParts&) = delete;

  // False: one of its memories cannot be read.
  bool add(GstBuffer* buffer) {
    for (guint i = 0; i < gst_buffer_n_memory(buffer); ++i) {
      GstMapInfo map;
      if (!gst_memory_map(gst_buffer_peek_memory(buffer, i), &map, GST_MAP_READ)) return false;
      maps_.push_back(map);
      parts_.push_back(std::as_bytes(std::span(map.data, map.size)));
    }
    return true;
  }
  void clear() {
    for (GstMapInfo& map : maps_) gst_memory_unmap(map.memory, &map);
    maps_.clear();
    parts_.clear();
  }
  std::span<const std::span<const std::byte>> parts() const { return parts_; }

 private:
  std::vector<GstMapInfo> maps_;
  std::vector<std::span<const std::byte>> parts_;
};

}  // namespace supplier
