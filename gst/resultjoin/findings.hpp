// SPDX-License-Identifier: LGPL-2.1-or-later
// Content of a result in GStreamer's words, and how it gets onto a frame.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <gst/gst.h>
#include <gst/video/video.h>

#include "base/owned.hpp"
#include "resultjoin/join_table.hpp"
#include "resultjoin/region.hpp"
#include "results/result.hpp"

namespace supplier::resultjoin {

// 0: not known.
struct PictureSize {
  unsigned width = 0;
  unsigned height = 0;
  static PictureSize from_caps(const GstCaps* caps);
};

// Objects, tracks and classes of one frame. They do not change, and any number of frames can take them.
class Findings : public Finding {
 public:
  // `frame_time`: running time of the frame that the result is of.
  static std::shared_ptr<const Findings> from_result(const shmring::FrameResult& result, std::uint64_t frame_time);
  // The regions of interest, and the analytics metas where this GStreamer has them, of a buffer with pictures of that size.
  static std::shared_ptr<const Findings> from_metas(GstBuffer* buffer, PictureSize size);

  // Adds them to a buffer whose description is its own. `age`: time of its frame less that of the result's frame.
  void add_to(GstBuffer* buffer, PictureSize size, std::int64_t age) const;

 private:
  PictureSize size_;
  std::vector<Region> regions_;
  std::vector<Class> classes_;
  Owned<GstBuffer> analytics_;  // see keep_analytics()
};

// The same frame with a description of its own. Pixels are never copied.
Owned<GstBuffer> with_own_metas(Owned<GstBuffer> buffer);

}  // namespace supplier::resultjoin
