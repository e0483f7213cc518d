// SPDX-License-Identifier: LGPL-2.1-or-later
// Shapes of the known pixel formats, and the check that they stay inside the frame.
#include "views.hpp"

#include <array>

namespace shmring::python {
namespace {

// A plane's size is the image's, divided by `divide` in both directions (rounded up), with `channels` samples a pixel.
struct PlaneShape {
  int divide;
  int channels;
};

struct FormatShape {
  const char* name;
  int item_size;
  int plane_count;
  std::array<PlaneShape, 4> planes;
};

constexpr std::array<FormatShape, 23> formats = {{
    {nullptr, 1, 0, {}},
    {"GRAY8", 1, 1, {{{1, 1}}}},
    {"RGB", 1, 1, {{{1, 3}}}},
    {"BGR", 1, 1, {{{1, 3}}}},
    {"RGBA", 1, 1, {{{1, 4}}}},
    {"BGRA", 1, 1, {{{1, 4}}}},
    {"RGBx", 1, 1, {{{1, 4}}}},
    {"BGRx", 1, 1, {{{1, 4}}}},
    {"ARGB", 1, 1, {{{1, 4}}}},
    {"ABGR", 1, 1, {{{1, 4}}}},
    {"xRGB", 1, 1, {{{1, 4}}}},
    {"xBGR", 1, 1, {{{1, 4}}}},
    {"NV12", 1, 2, {{{1, 1}, {2, 2}}}},
    {"I420", 1, 3, {{{1, 1}, {2, 1}, {2, 1}}}},
    {"GRAY16_LE", 2, 1, {{{1, 1}}}},
    {"ARGB64_LE", 2, 1, {{{1, 4}}}},
    {"RGBA64_LE", 2, 1, {{{1, 4}}}},
    {"BGRA64_LE", 2, 1, {{{1, 4}}}},
    {"ABGR64_LE", 2, 1, {{{1, 4}}}},
    {"A444_16LE", 2, 4, {{{1, 1}, {1, 1}, {1, 1}, {1, 1}}}},
    {"NV21", 1, 2, {{{1, 1}, {2, 2}}}},
    {"YUY2", 1, 1, {{{1, 2}}}},
    {"UYVY", 1, 1, {{{1, 2}}}},
}};

const FormatShape& shape_of(shmring_pixel_format format) {
  const auto index = static_cast<std::size_t>(format);
  return index < formats.size() ? formats[index] : formats[0];
}

std::int64_t divided(std::uint32_t size, int by) { return (static_cast<std::int64_t>(size) + by - 1) / by; }

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

std::string described(const shmring_format& format, const FormatShape& shape) {
  return std::string(shape.name) + " " + std::to_string(format.width) + "x" + std::to_string(format.height);
}

}  // namespace

const char* format_name(shmring_pixel_format format) { return shape_of(format).name; }

std::string format_names() {
  std::string names;
  for (std::size_t i = 1; i < formats.size(); ++i) names += (i == 1 ? "" : ", ") + std::string(formats[i].name);
  return names;
}

shmring_pixel_format format_of(const std::string& name) {
  for (std::size_t i = 1; i < formats.size(); ++i) {
    if (name == formats[i].name) return static_cast<shmring_pixel_format>(i);
  }
  return SHMRING_BYTES;
}

bool plane_views(const shmring_format& format, const shmring_frame_info& info, Planes& planes, std::string& why) {
  const FormatShape& shape = shape_of(format.pixel_format);
  if (shape.plane_count == 0) {
    planes.count = 1;
    planes.view[0] = flat(info.size);
    return true;
  }
  // 2^31 keeps the arithmetic of inside() far from its limits; no frame is that wide or high.
  constexpr std::uint32_t limit = 1U << 31;
  if (format.width == 0 || format.height == 0 || format.width >= limit || format.height >= limit) {
    why = described(format, shape) + " is no size of an image";
    return false;
  }
  if (info.plane_count < static_cast<std::uint32_t>(shape.plane_count)) {
    why = described(format, shape) + " needs " + std::to_string(shape.plane_count) + " planes; the frame has " +
          std::to_string(info.plane_count);
    return false;
  }
  planes.count = shape.plane_count;
  for (int i = 0; i < shape.plane_count; ++i) {
    const PlaneShape& plane = shape.planes[static_cast<std::size_t>(i)];
    const int pixel = plane.channels * shape.item_size;
    View& view = planes.view[i];
    view.offset = info.planes[i].offset;
    view.item_size = shape.item_size;
    view.dimensions = plane.channels == 1 ? 2 : 3;
    view.shape[0] = divided(format.height, plane.divide);
    view.shape[1] = divided(format.width, plane.divide);
    view.shape[2] = plane.channels;
    view.strides[0] = info.planes[i].stride;
    view.strides[1] = pixel;
    view.strides[2] = shape.item_size;
    if (!inside(view, info.size)) {
      why = "plane " + std::to_string(i) + " of " + described(format, shape) + " does not lie inside the frame of " +
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

bool whole_view(const shmring_format& format, const shmring_frame_info& info, View& view, std::string& why) {
  Planes planes;
  if (!plane_views(format, info, planes, why)) return false;
  view = planes.view[0];
  if (planes.count == 1) return true;

  if (shape_of(format.pixel_format).planes[1].divide == 1) {
    if (stacked(planes, view)) return true;
    why = described(format, shape_of(format.pixel_format)) +
          ": its planes do not lie at equal distances, so there is no single array; use planes";
    return false;
  }

  const std::int64_t width = format.width;
  const std::int64_t height = format.height;
  const std::int64_t stride = view.strides[0];
  auto next = static_cast<std::int64_t>(view.offset) + stride * height;
  bool one_piece = width % 2 == 0 && height % 2 == 0;
  for (int i = 1; i < planes.count; ++i) {
    // Two rows of a quarter-size plane share one row of the image, so those rows must leave no gap at all.
    const std::int64_t expected = planes.count == 2 ? stride : width / 2;
    one_piece = one_piece && static_cast<std::int64_t>(planes.view[i].offset) == next &&
                planes.view[i].strides[0] == expected && (planes.count == 2 || stride == width);
    next += expected * (height / 2);
  }
  if (!one_piece) {
    why = described(format, shape_of(format.pixel_format)) +
          ": its planes do not follow each other without gaps, so there is no single array; use planes";
    return false;
  }
  view.shape[0] = height * 3 / 2;
  return true;
}

}  // namespace shmring::python
