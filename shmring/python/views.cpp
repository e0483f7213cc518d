// SPDX-License-Identifier: LGPL-2.1-or-later
#include "views.hpp"

#include <shmring/shmring.h>

#include "errors.hpp"

namespace shmring::python {
namespace {

shmring_array view_of(const shmring_format& format, const shmring_frame_info& info, int plane) {
  shmring_array view = SHMRING_ARRAY_INIT;
  check(shmring_array_of(&format, &info, plane, &view));
  return view;
}

}  // namespace

const char* format_name(shmring_pixel_format format) {
  const shmring_pixel_layout* layout = shmring_pixel_layout_of(format);
  return layout ? layout->name : nullptr;
}

std::string format_names() {
  std::string names;
  for (int i = SHMRING_GRAY8; i <= SHMRING_UYVY; ++i)
    names += std::string(format_name(static_cast<shmring_pixel_format>(i))) + ", ";
  return names + "or another of GStreamer's whose planes are rows of samples";
}

Planes plane_views(const shmring_format& format, const shmring_frame_info& info) {
  const shmring_pixel_layout* layout = shmring_pixel_layout_of(format.pixel_format);
  Planes planes;
  planes.count = layout ? static_cast<int>(layout->plane_count) : 1;
  for (int i = 0; i < planes.count; ++i) planes.view[i] = view_of(format, info, i);
  return planes;
}

shmring_array whole_view(const shmring_format& format, const shmring_frame_info& info) {
  return view_of(format, info, SHMRING_WHOLE);
}

}  // namespace shmring::python
