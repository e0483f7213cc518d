// SPDX-License-Identifier: LGPL-2.1-or-later
// Shapes of the known pixel formats, and the check that they stay inside the frame.
#include "views.hpp"

#include <shmring/shmring.h>

namespace shmring::python {
namespace {

std::int64_t divided(std::uint32_t size, std::uint32_t by) { return (std::int64_t{size} + by - 1) / by; }

// Every byte of the view in [0, size)? Sides are below 2^31 and strides are 32 bits wide, so with this limit nothing
// can overflow.
bool inside(const View& view, std::uint64_t size) {
  constexpr std::uint64_t limit = std::uint64_t{1} << 48;
  if (size > limit || view.offset >= size) return false;
  auto first = static_cast<std::int64_t>(view.offset);
  std::int64_t last = first + view.item_size - 1;
  for (int i = 0; i < view.dimensions; ++i) {
    const std::int64_t reach = (view.shape[i] - 1) * view.strides[i];
    (reach < 0 ? first : last) += reach;
  }
  return first >= 0 && static_cast<std::uint64_t>(last) < size;
}

View flat(std::uint64_t size) {
  View view;
  view.dimensions = 1;
  view.shape[0] = static_cast<std::int64_t>(size);
  view.strides[0] = 1;
  return view;
}

std::string described(const shmring_format& format) {
  return std::string(format_name(format.pixel_format)) + " " + std::to_string(format.width) + "x" +
         std::to_string(format.height);
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

shmring_pixel_format format_of(const std::string& name) {
  for (int i = SHMRING_GRAY8;; ++i) {
    const auto format = static_cast<shmring_pixel_format>(i);
    const char* known = format_name(format);
    if (known == nullptr) return SHMRING_BYTES;
    if (name == known) return format;
  }
}

bool plane_views(const shmring_format& format, const shmring_frame_info& info, Planes& planes, std::string& why) {
  const shmring_pixel_layout* layout = shmring_pixel_layout_of(format.pixel_format);
  if (layout == nullptr) {
    planes.count = 1;
    planes.view[0] = flat(info.size);
    return true;
  }
  // 2^31 keeps the arithmetic of inside() far from its limits; no frame is that wide or high.
  constexpr std::uint32_t limit = 1U << 31;
  if (format.width == 0 || format.height == 0 || format.width >= limit || format.height >= limit) {
    why = described(format) + " is no size of an image";
    return false;
  }
  if (info.plane_count < layout->plane_count) {
    why = described(format) + " needs " + std::to_string(layout->plane_count) + " planes; the frame has " +
          std::to_string(info.plane_count);
    return false;
  }
  const int sample = static_cast<int>(layout->sample_size);
  planes.count = static_cast<int>(layout->plane_count);
  for (int i = 0; i < planes.count; ++i) {
    const shmring_plane_layout& plane = layout->planes[i];
    View& view = planes.view[i];
    view.offset = info.planes[i].offset;
    view.item_size = sample;
    view.big_endian = layout->big_endian != 0;
    view.dimensions = plane.components == 1 ? 2 : 3;
    view.shape[0] = divided(format.height, plane.rows_divisor);
    view.shape[1] = divided(format.width, plane.columns_divisor);
    view.shape[2] = plane.components;
    view.strides[0] = info.planes[i].stride;
    view.strides[1] = std::int64_t{sample} * plane.components;
    view.strides[2] = sample;
    if (!inside(view, info.size)) {
      why = "plane " + std::to_string(i) + " of " + described(format) + " does not lie inside the frame of " +
            std::to_string(info.size) + " bytes";
      return false;
    }
  }
  return true;
}

// Planes of one size, as (planes, height, width).
bool stacked(const Planes& planes, View& view) {
  const View& first = planes.view[0];
  const auto step = static_cast<std::int64_t>(planes.view[1].offset - first.offset);
  for (int i = 1; i < planes.count; ++i) {
    if (planes.view[i].offset - planes.view[i - 1].offset != static_cast<std::uint64_t>(step)) return false;
    if (planes.view[i].strides[0] != first.strides[0]) return false;
  }
  view = first;
  view.dimensions = 3;
  view.shape[0] = planes.count;
  view.strides[0] = step;
  for (int i = 1; i < 3; ++i) {
    view.shape[i] = first.shape[i - 1];
    view.strides[i] = first.strides[i - 1];
  }
  return true;
}

namespace {

bool same_size(const shmring_pixel_layout& layout) {
  for (std::uint32_t i = 1; i < layout.plane_count; ++i) {
    const shmring_plane_layout &first = layout.planes[0], &other = layout.planes[i];
    if (other.columns_divisor != first.columns_divisor || other.rows_divisor != first.rows_divisor ||
        other.components != first.components)
      return false;
  }
  return true;
}

// Formats of which cvtColor takes one image: chroma is half as wide and high, in one plane of pairs or in two planes.
bool is_halved(const shmring_pixel_layout& layout) {
  const shmring_plane_layout& chroma = layout.planes[1];
  return chroma.columns_divisor == 2 && chroma.rows_divisor == 2 &&
         ((layout.plane_count == 2 && chroma.components == 2) || (layout.plane_count == 3 && chroma.components == 1));
}

// The chroma planes follow the first one as further rows of the image.
bool follow(const shmring_format& format, const Planes& planes) {
  const View& luma = planes.view[0];
  const std::int64_t row = luma.strides[0], half = std::int64_t{format.height} / 2;
  const std::int64_t packed = std::int64_t{format.width} * luma.item_size;
  if (format.width % 2 != 0 || format.height % 2 != 0) return false;
  // Two rows of a quarter-size plane share one row of the image, so those rows must leave no gap at all.
  if (planes.count == 3 && row != packed) return false;
  const std::int64_t expected = planes.count == 2 ? row : packed / 2;
  auto next = static_cast<std::int64_t>(luma.offset) + row * format.height;
  for (int i = 1; i < planes.count; ++i, next += expected * half) {
    if (static_cast<std::int64_t>(planes.view[i].offset) != next || planes.view[i].strides[0] != expected) return false;
  }
  return true;
}

}  // namespace

bool whole_view(const shmring_format& format, const shmring_frame_info& info, View& view, std::string& why) {
  Planes planes;
  if (!plane_views(format, info, planes, why)) return false;
  view = planes.view[0];
  if (planes.count == 1) return true;

  const shmring_pixel_layout& layout = *shmring_pixel_layout_of(format.pixel_format);
  if (same_size(layout)) {
    if (stacked(planes, view)) return true;
    why = described(format) + ": its planes do not lie at equal distances, so there is no single array; use planes";
    return false;
  }
  if (!is_halved(layout)) {
    why = described(format) + ": its planes differ in size, so there is no single array; use planes";
    return false;
  }
  if (!follow(format, planes)) {
    why = described(format) +
          ": its planes do not follow each other without gaps, so there is no single array; use planes";
    return false;
  }
  view.shape[0] = std::int64_t{format.height} * 3 / 2;
  return true;
}

}  // namespace shmring::python
