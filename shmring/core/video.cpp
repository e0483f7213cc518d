// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core/video.hpp"

#include <algorithm>

#include "core/geometry.hpp"

namespace shmring {

const VideoShape* video_shape(shmring_pixel_format format) {
  static constexpr VideoShape shapes[] = {
      {nullptr, 0, {}},
      {"GRAY8", 1, {{1, 1, 1}}},
      {"RGB", 1, {{3, 1, 1}}},
      {"BGR", 1, {{3, 1, 1}}},
      {"RGBA", 1, {{4, 1, 1}}},
      {"BGRA", 1, {{4, 1, 1}}},
      {"RGBx", 1, {{4, 1, 1}}},
      {"BGRx", 1, {{4, 1, 1}}},
      {"ARGB", 1, {{4, 1, 1}}},
      {"ABGR", 1, {{4, 1, 1}}},
      {"xRGB", 1, {{4, 1, 1}}},
      {"xBGR", 1, {{4, 1, 1}}},
      {"NV12", 2, {{1, 1, 1}, {2, 2, 2}}},
      {"I420", 3, {{1, 1, 1}, {1, 2, 2}, {1, 2, 2}}},
      {"GRAY16_LE", 1, {{2, 1, 1}}},
      {"ARGB64_LE", 1, {{8, 1, 1}}},
      {"RGBA64_LE", 1, {{8, 1, 1}}},
      {"BGRA64_LE", 1, {{8, 1, 1}}},
      {"ABGR64_LE", 1, {{8, 1, 1}}},
      {"A444_16LE", 4, {{2, 1, 1}, {2, 1, 1}, {2, 1, 1}, {2, 1, 1}}},
      {"NV21", 2, {{1, 1, 1}, {2, 2, 2}}},
      {"YUY2", 1, {{2, 1, 1}}},
      {"UYVY", 1, {{2, 1, 1}}},
  };
  const auto index = static_cast<unsigned>(format);
  return index == 0 || index >= std::size(shapes) ? nullptr : &shapes[index];
}

shmring_pixel_format pixel_format_of(std::string_view name) {
  for (int i = 1;; ++i) {
    const auto format = static_cast<shmring_pixel_format>(i);
    const VideoShape* shape = video_shape(format);
    if (!shape) return SHMRING_BYTES;
    if (name == shape->name) return format;
  }
}

std::uint64_t picture_size(shmring_pixel_format format, std::uint32_t width, std::uint32_t height,
                           std::span<const shmring_plane> planes) {
  const VideoShape* shape = video_shape(format);
  if (!shape) return 0;
  if (planes.size() < shape->planes || width == 0 || height == 0) return UINT64_MAX;
  std::uint64_t size = 0;
  for (unsigned i = 0; i < shape->planes; ++i) {
    const PlaneShape& p = shape->plane[i];
    const std::int64_t row = (std::int64_t{width} + p.horizontal - 1) / p.horizontal * p.bytes;
    const std::int64_t below = (std::int64_t{height} + p.vertical - 1) / p.vertical - 1;  // the first row
    const std::int64_t stride = planes[i].stride;
    if (planes[i].offset > kMaxSlotSize || (stride < 0 ? -stride : stride) < row) return UINT64_MAX;
    const auto first = static_cast<std::int64_t>(planes[i].offset);
    const std::int64_t last = first + below * stride;
    if (last < 0) return UINT64_MAX;
    size = std::max(size, static_cast<std::uint64_t>(std::max(first, last) + row));
  }
  return size;
}

std::uint64_t describe_video(shmring_format& format, std::string& caps, shmring_pixel_format pixel_format,
                             std::uint32_t width, std::uint32_t height) {
  const VideoShape* shape = video_shape(pixel_format);
  if (!shape || width == 0 || height == 0 || width > 65536 || height > 65536) return 0;
  format.pixel_format = pixel_format;
  format.width = width;
  format.height = height;
  format.plane_count = shape->planes;
  std::uint64_t size = 0;
  // GStreamer rounds the luma height of subsampled formats up to even, and every row up to 4 bytes.
  const bool subsampled = shape->plane[shape->planes - 1].vertical > 1;
  const std::uint64_t rows = subsampled ? round_up(height, 2) : height;
  for (unsigned i = 0; i < shape->planes; ++i) {
    const PlaneShape& p = shape->plane[i];
    const std::uint64_t samples = (std::uint64_t{width} + p.horizontal - 1) / p.horizontal;
    const std::uint64_t stride = round_up(samples * p.bytes, 4);
    format.planes[i] = {size, static_cast<std::int32_t>(stride), 0};
    size += stride * (rows / p.vertical);
  }
  caps = std::string("video/x-raw, format=(string)") + shape->name + ", width=(int)" + std::to_string(width) +
         ", height=(int)" + std::to_string(height) + ", framerate=(fraction)0/1";
  return size;
}

}  // namespace shmring
