// SPDX-License-Identifier: LGPL-2.1-or-later
// Where the pixels of a frame are, as array shapes. Pure: no Python here. The publisher is not trusted: every view lies
// inside the frame.
#pragma once

#include <cstdint>
#include <string>

#include <shmring/types.h>

namespace shmring::python {

// One n-dimensional window on a frame's bytes.
struct View {
  std::uint64_t offset = 0;
  int item_size = 1;  // bytes of an unsigned integer: 1, 2 or 4
  bool big_endian = false;
  int dimensions = 0;
  std::int64_t shape[3] = {0, 0, 0};
  std::int64_t strides[3] = {0, 0, 0};
};

struct Planes {
  int count = 0;
  View view[SHMRING_MAX_PLANES];
};

// GStreamer's name of a pixel format ("BGR"); nullptr for SHMRING_BYTES and unknown ones.
const char* format_name(shmring_pixel_format format);
// Names of the most used formats, for an error message.
std::string format_names();
// The other way; SHMRING_BYTES for a name that is not known.
shmring_pixel_format format_of(const std::string& name);

// One view a plane. Bytes that are not raw video are one flat plane. False: `why` says what is wrong with the frame.
bool plane_views(const shmring_format& format, const shmring_frame_info& info, Planes& planes, std::string& why);
// The whole image as one view: one plane as it is; planes of one size as (planes, height, width); of formats such as NV12 and I420 the
// (height × 3 / 2, width) image that OpenCV's cvtColor takes, where the planes follow each other without gaps.
bool whole_view(const shmring_format& format, const shmring_frame_info& info, View& view, std::string& why);

}  // namespace shmring::python
