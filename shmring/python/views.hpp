// SPDX-License-Identifier: LGPL-2.1-or-later
// Pixel formats by name, and the arrays of a frame, as the library describes them.
#pragma once

#include <string>

#include <shmring/types.h>

namespace shmring::python {

struct Planes {
  int count = 0;
  shmring_array view[SHMRING_MAX_PLANES];
};

// GStreamer's name of a pixel format ("BGR"); nullptr for SHMRING_BYTES and unknown ones.
const char* format_name(shmring_pixel_format format);
// Names of the most used formats, for an error message.
std::string format_names();

// One array a plane; raises Invalid, as the next.
Planes plane_views(const shmring_format& format, const shmring_frame_info& info);
// The whole picture as one array.
shmring_array whole_view(const shmring_format& format, const shmring_frame_info& info);

}  // namespace shmring::python
