// SPDX-License-Identifier: LGPL-2.1-or-later
#include "abi/video.hpp"

#include <algorithm>
#include <iterator>
#include <span>

#include "abi/geometry.hpp"

namespace shmring {

const shmring_pixel_layout* pixel_layout(shmring_pixel_format format) {
  // Name, bytes of a sample, its bits, their shift, big-endian, planes; of a plane the divisors of columns and rows, and its components. In the order of the enum.
  static constexpr shmring_pixel_layout layouts[] = {
      {nullptr, 0, 0, 0, 0, 0, {}},
      {"GRAY8", 1, 8, 0, 0, 1, {{1, 1, 1}}},
      {"RGB", 1, 8, 0, 0, 1, {{1, 1, 3}}},
      {"BGR", 1, 8, 0, 0, 1, {{1, 1, 3}}},
      {"RGBA", 1, 8, 0, 0, 1, {{1, 1, 4}}},
      {"BGRA", 1, 8, 0, 0, 1, {{1, 1, 4}}},
      {"RGBx", 1, 8, 0, 0, 1, {{1, 1, 4}}},
      {"BGRx", 1, 8, 0, 0, 1, {{1, 1, 4}}},
      {"ARGB", 1, 8, 0, 0, 1, {{1, 1, 4}}},
      {"ABGR", 1, 8, 0, 0, 1, {{1, 1, 4}}},
      {"xRGB", 1, 8, 0, 0, 1, {{1, 1, 4}}},
      {"xBGR", 1, 8, 0, 0, 1, {{1, 1, 4}}},
      {"NV12", 1, 8, 0, 0, 2, {{1, 1, 1}, {2, 2, 2}}},
      {"I420", 1, 8, 0, 0, 3, {{1, 1, 1}, {2, 2, 1}, {2, 2, 1}}},
      {"GRAY16_LE", 2, 16, 0, 0, 1, {{1, 1, 1}}},
      {"ARGB64_LE", 2, 16, 0, 0, 1, {{1, 1, 4}}},
      {"RGBA64_LE", 2, 16, 0, 0, 1, {{1, 1, 4}}},
      {"BGRA64_LE", 2, 16, 0, 0, 1, {{1, 1, 4}}},
      {"ABGR64_LE", 2, 16, 0, 0, 1, {{1, 1, 4}}},
      {"A444_16LE", 2, 16, 0, 0, 4, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"NV21", 1, 8, 0, 0, 2, {{1, 1, 1}, {2, 2, 2}}},
      {"YUY2", 1, 8, 0, 0, 1, {{1, 1, 2}}},
      {"UYVY", 1, 8, 0, 0, 1, {{1, 1, 2}}},
      {"YV12", 1, 8, 0, 0, 3, {{1, 1, 1}, {2, 2, 1}, {2, 2, 1}}},
      {"Y41B", 1, 8, 0, 0, 3, {{1, 1, 1}, {4, 1, 1}, {4, 1, 1}}},
      {"Y42B", 1, 8, 0, 0, 3, {{1, 1, 1}, {2, 1, 1}, {2, 1, 1}}},
      {"Y444", 1, 8, 0, 0, 3, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"YUV9", 1, 8, 0, 0, 3, {{1, 1, 1}, {4, 4, 1}, {4, 4, 1}}},
      {"YVU9", 1, 8, 0, 0, 3, {{1, 1, 1}, {4, 4, 1}, {4, 4, 1}}},
      {"YVYU", 1, 8, 0, 0, 1, {{1, 1, 2}}},
      {"VYUY", 1, 8, 0, 0, 1, {{1, 1, 2}}},
      {"AYUV", 1, 8, 0, 0, 1, {{1, 1, 4}}},
      {"VUYA", 1, 8, 0, 0, 1, {{1, 1, 4}}},
      {"RBGA", 1, 8, 0, 0, 1, {{1, 1, 4}}},
      {"v308", 1, 8, 0, 0, 1, {{1, 1, 3}}},
      {"IYU2", 1, 8, 0, 0, 1, {{1, 1, 3}}},
      {"RGB16", 2, 0, 0, 0, 1, {{1, 1, 1}}},
      {"BGR16", 2, 0, 0, 0, 1, {{1, 1, 1}}},
      {"RGB15", 2, 0, 0, 0, 1, {{1, 1, 1}}},
      {"BGR15", 2, 0, 0, 0, 1, {{1, 1, 1}}},
      {"GRAY16_BE", 2, 16, 0, 1, 1, {{1, 1, 1}}},
      {"GRAY10_LE16", 2, 10, 0, 0, 1, {{1, 1, 1}}},
      {"GBR", 1, 8, 0, 0, 3, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"RGBP", 1, 8, 0, 0, 3, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"BGRP", 1, 8, 0, 0, 3, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"GBRA", 1, 8, 0, 0, 4, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"A420", 1, 8, 0, 0, 4, {{1, 1, 1}, {2, 2, 1}, {2, 2, 1}, {1, 1, 1}}},
      {"A422", 1, 8, 0, 0, 4, {{1, 1, 1}, {2, 1, 1}, {2, 1, 1}, {1, 1, 1}}},
      {"A444", 1, 8, 0, 0, 4, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"AV12", 1, 8, 0, 0, 3, {{1, 1, 1}, {2, 2, 2}, {1, 1, 1}}},
      {"NV16", 1, 8, 0, 0, 2, {{1, 1, 1}, {2, 1, 2}}},
      {"NV61", 1, 8, 0, 0, 2, {{1, 1, 1}, {2, 1, 2}}},
      {"NV24", 1, 8, 0, 0, 2, {{1, 1, 1}, {1, 1, 2}}},
      {"P010_10LE", 2, 10, 6, 0, 2, {{1, 1, 1}, {2, 2, 2}}},
      {"P010_10BE", 2, 10, 6, 1, 2, {{1, 1, 1}, {2, 2, 2}}},
      {"P012_LE", 2, 12, 4, 0, 2, {{1, 1, 1}, {2, 2, 2}}},
      {"P012_BE", 2, 12, 4, 1, 2, {{1, 1, 1}, {2, 2, 2}}},
      {"P016_LE", 2, 16, 0, 0, 2, {{1, 1, 1}, {2, 2, 2}}},
      {"P016_BE", 2, 16, 0, 1, 2, {{1, 1, 1}, {2, 2, 2}}},
      {"I420_10LE", 2, 10, 0, 0, 3, {{1, 1, 1}, {2, 2, 1}, {2, 2, 1}}},
      {"I420_10BE", 2, 10, 0, 1, 3, {{1, 1, 1}, {2, 2, 1}, {2, 2, 1}}},
      {"I420_12LE", 2, 12, 0, 0, 3, {{1, 1, 1}, {2, 2, 1}, {2, 2, 1}}},
      {"I420_12BE", 2, 12, 0, 1, 3, {{1, 1, 1}, {2, 2, 1}, {2, 2, 1}}},
      {"I422_10LE", 2, 10, 0, 0, 3, {{1, 1, 1}, {2, 1, 1}, {2, 1, 1}}},
      {"I422_10BE", 2, 10, 0, 1, 3, {{1, 1, 1}, {2, 1, 1}, {2, 1, 1}}},
      {"I422_12LE", 2, 12, 0, 0, 3, {{1, 1, 1}, {2, 1, 1}, {2, 1, 1}}},
      {"I422_12BE", 2, 12, 0, 1, 3, {{1, 1, 1}, {2, 1, 1}, {2, 1, 1}}},
      {"Y444_10LE", 2, 10, 0, 0, 3, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"Y444_10BE", 2, 10, 0, 1, 3, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"Y444_12LE", 2, 12, 0, 0, 3, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"Y444_12BE", 2, 12, 0, 1, 3, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"Y444_16LE", 2, 16, 0, 0, 3, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"Y444_16BE", 2, 16, 0, 1, 3, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"GBR_10LE", 2, 10, 0, 0, 3, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"GBR_10BE", 2, 10, 0, 1, 3, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"GBR_12LE", 2, 12, 0, 0, 3, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"GBR_12BE", 2, 12, 0, 1, 3, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"GBRA_10LE", 2, 10, 0, 0, 4, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"GBRA_10BE", 2, 10, 0, 1, 4, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"GBRA_12LE", 2, 12, 0, 0, 4, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"GBRA_12BE", 2, 12, 0, 1, 4, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"A444_10LE", 2, 10, 0, 0, 4, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"A444_10BE", 2, 10, 0, 1, 4, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"A444_12LE", 2, 12, 0, 0, 4, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"A444_12BE", 2, 12, 0, 1, 4, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"A444_16BE", 2, 16, 0, 1, 4, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"A420_10LE", 2, 10, 0, 0, 4, {{1, 1, 1}, {2, 2, 1}, {2, 2, 1}, {1, 1, 1}}},
      {"A420_10BE", 2, 10, 0, 1, 4, {{1, 1, 1}, {2, 2, 1}, {2, 2, 1}, {1, 1, 1}}},
      {"A420_12LE", 2, 12, 0, 0, 4, {{1, 1, 1}, {2, 2, 1}, {2, 2, 1}, {1, 1, 1}}},
      {"A420_12BE", 2, 12, 0, 1, 4, {{1, 1, 1}, {2, 2, 1}, {2, 2, 1}, {1, 1, 1}}},
      {"A420_16LE", 2, 16, 0, 0, 4, {{1, 1, 1}, {2, 2, 1}, {2, 2, 1}, {1, 1, 1}}},
      {"A420_16BE", 2, 16, 0, 1, 4, {{1, 1, 1}, {2, 2, 1}, {2, 2, 1}, {1, 1, 1}}},
      {"A422_10LE", 2, 10, 0, 0, 4, {{1, 1, 1}, {2, 1, 1}, {2, 1, 1}, {1, 1, 1}}},
      {"A422_10BE", 2, 10, 0, 1, 4, {{1, 1, 1}, {2, 1, 1}, {2, 1, 1}, {1, 1, 1}}},
      {"A422_12LE", 2, 12, 0, 0, 4, {{1, 1, 1}, {2, 1, 1}, {2, 1, 1}, {1, 1, 1}}},
      {"A422_12BE", 2, 12, 0, 1, 4, {{1, 1, 1}, {2, 1, 1}, {2, 1, 1}, {1, 1, 1}}},
      {"A422_16LE", 2, 16, 0, 0, 4, {{1, 1, 1}, {2, 1, 1}, {2, 1, 1}, {1, 1, 1}}},
      {"A422_16BE", 2, 16, 0, 1, 4, {{1, 1, 1}, {2, 1, 1}, {2, 1, 1}, {1, 1, 1}}},
      {"ARGB64_BE", 2, 16, 0, 1, 1, {{1, 1, 4}}},
      {"RGBA64_BE", 2, 16, 0, 1, 1, {{1, 1, 4}}},
      {"BGRA64_BE", 2, 16, 0, 1, 1, {{1, 1, 4}}},
      {"ABGR64_BE", 2, 16, 0, 1, 1, {{1, 1, 4}}},
      {"AYUV64", 2, 16, 0, 0, 1, {{1, 1, 4}}},
      {"Y210", 2, 10, 6, 0, 1, {{1, 1, 2}}},
      {"Y212_LE", 2, 12, 4, 0, 1, {{1, 1, 2}}},
      {"Y212_BE", 2, 12, 4, 1, 1, {{1, 1, 2}}},
      {"Y216_LE", 2, 16, 0, 0, 1, {{1, 1, 2}}},
      {"Y216_BE", 2, 16, 0, 1, 1, {{1, 1, 2}}},
      {"v216", 2, 16, 0, 0, 1, {{1, 1, 2}}},
      {"Y412_LE", 2, 12, 4, 0, 1, {{1, 1, 4}}},
      {"Y412_BE", 2, 12, 4, 1, 1, {{1, 1, 4}}},
      {"Y416_LE", 2, 16, 0, 0, 1, {{1, 1, 4}}},
      {"Y416_BE", 2, 16, 0, 1, 1, {{1, 1, 4}}},
      {"Y410", 4, 0, 0, 0, 1, {{1, 1, 1}}},
      {"r210", 4, 0, 0, 1, 1, {{1, 1, 1}}},
      {"BGR10A2_LE", 4, 0, 0, 0, 1, {{1, 1, 1}}},
      {"RGB10A2_LE", 4, 0, 0, 0, 1, {{1, 1, 1}}},
      {"GBR_16LE", 2, 16, 0, 0, 3, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"GBR_16BE", 2, 16, 0, 1, 3, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}},
      {"BGR10x2_LE", 4, 0, 0, 0, 1, {{1, 1, 1}}},
      {"RGB10x2_LE", 4, 0, 0, 0, 1, {{1, 1, 1}}},
      {"bggr", 1, 8, 0, 0, 1, {{1, 1, 1}}},
      {"gbrg", 1, 8, 0, 0, 1, {{1, 1, 1}}},
      {"grbg", 1, 8, 0, 0, 1, {{1, 1, 1}}},
      {"rggb", 1, 8, 0, 0, 1, {{1, 1, 1}}},
      {"bggr10le", 2, 10, 0, 0, 1, {{1, 1, 1}}},
      {"gbrg10le", 2, 10, 0, 0, 1, {{1, 1, 1}}},
      {"grbg10le", 2, 10, 0, 0, 1, {{1, 1, 1}}},
      {"rggb10le", 2, 10, 0, 0, 1, {{1, 1, 1}}},
      {"bggr10be", 2, 10, 0, 1, 1, {{1, 1, 1}}},
      {"gbrg10be", 2, 10, 0, 1, 1, {{1, 1, 1}}},
      {"grbg10be", 2, 10, 0, 1, 1, {{1, 1, 1}}},
      {"rggb10be", 2, 10, 0, 1, 1, {{1, 1, 1}}},
      {"bggr12le", 2, 12, 0, 0, 1, {{1, 1, 1}}},
      {"gbrg12le", 2, 12, 0, 0, 1, {{1, 1, 1}}},
      {"grbg12le", 2, 12, 0, 0, 1, {{1, 1, 1}}},
      {"rggb12le", 2, 12, 0, 0, 1, {{1, 1, 1}}},
      {"bggr12be", 2, 12, 0, 1, 1, {{1, 1, 1}}},
      {"gbrg12be", 2, 12, 0, 1, 1, {{1, 1, 1}}},
      {"grbg12be", 2, 12, 0, 1, 1, {{1, 1, 1}}},
      {"rggb12be", 2, 12, 0, 1, 1, {{1, 1, 1}}},
      {"bggr14le", 2, 14, 0, 0, 1, {{1, 1, 1}}},
      {"gbrg14le", 2, 14, 0, 0, 1, {{1, 1, 1}}},
      {"grbg14le", 2, 14, 0, 0, 1, {{1, 1, 1}}},
      {"rggb14le", 2, 14, 0, 0, 1, {{1, 1, 1}}},
      {"bggr14be", 2, 14, 0, 1, 1, {{1, 1, 1}}},
      {"gbrg14be", 2, 14, 0, 1, 1, {{1, 1, 1}}},
      {"grbg14be", 2, 14, 0, 1, 1, {{1, 1, 1}}},
      {"rggb14be", 2, 14, 0, 1, 1, {{1, 1, 1}}},
      {"bggr16le", 2, 16, 0, 0, 1, {{1, 1, 1}}},
      {"gbrg16le", 2, 16, 0, 0, 1, {{1, 1, 1}}},
      {"grbg16le", 2, 16, 0, 0, 1, {{1, 1, 1}}},
      {"rggb16le", 2, 16, 0, 0, 1, {{1, 1, 1}}},
      {"bggr16be", 2, 16, 0, 1, 1, {{1, 1, 1}}},
      {"gbrg16be", 2, 16, 0, 1, 1, {{1, 1, 1}}},
      {"grbg16be", 2, 16, 0, 1, 1, {{1, 1, 1}}},
      {"rggb16be", 2, 16, 0, 1, 1, {{1, 1, 1}}},
  };
  static_assert(std::size(layouts) == SHMRING_RGGB16BE + 1);
  const auto index = static_cast<unsigned>(format);
  return index == 0 || index >= std::size(layouts) ? nullptr : &layouts[index];
}

shmring_pixel_format pixel_format_of(std::string_view name) {
  if (name == "ARGB64") name = "ARGB64_LE";  // its other name where little-endian is the machine's own order
  for (int i = 1;; ++i) {
    const auto format = static_cast<shmring_pixel_format>(i);
    const shmring_pixel_layout* layout = pixel_layout(format);
    if (!layout) return SHMRING_BYTES;
    if (name == layout->name) return format;
  }
}

bool is_bayer(shmring_pixel_format format) { return format >= SHMRING_BGGR; }

std::int64_t plane_columns(const shmring_pixel_layout& layout, std::uint32_t plane, std::uint32_t width) {
  const shmring_plane_layout& p = layout.planes[plane];
  const std::int64_t columns = (std::int64_t{width} + p.columns_divisor - 1) / p.columns_divisor;
  const bool pairs = layout.plane_count == 1 && p.components == 2;  // two pixels share their colour
  return pairs ? (columns + 1) / 2 * 2 : columns;
}

std::int64_t plane_rows(const shmring_pixel_layout& layout, std::uint32_t plane, std::uint32_t height) {
  const std::uint32_t divisor = layout.planes[plane].rows_divisor;
  return (std::int64_t{height} + divisor - 1) / divisor;
}

std::uint64_t picture_size(shmring_pixel_format format, std::uint32_t width, std::uint32_t height,
                           std::span<const shmring_plane> planes) {
  const shmring_pixel_layout* layout = pixel_layout(format);
  if (!layout) return 0;
  if (planes.size() < layout->plane_count || width == 0 || height == 0) return UINT64_MAX;
  std::uint64_t size = 0;
  for (std::uint32_t i = 0; i < layout->plane_count; ++i) {
    const std::int64_t row = plane_columns(*layout, i, width) * layout->planes[i].components * layout->sample_size;
    const std::int64_t below = plane_rows(*layout, i, height) - 1;  // the first row
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
  const shmring_pixel_layout* layout = pixel_layout(pixel_format);
  if (!layout || width == 0 || height == 0 || width > 65536 || height > 65536) return 0;
  format.pixel_format = pixel_format;
  format.width = width;
  format.height = height;
  format.plane_count = layout->plane_count;
  const std::span planes(layout->planes, layout->plane_count);
  // GStreamer rounds the luma height up to even where two rows share their colour, and every row up to 4 bytes.
  const bool pairs_of_rows =
      std::any_of(planes.begin(), planes.end(), [](const auto& p) { return p.rows_divisor == 2; });
  const std::uint64_t rows = pairs_of_rows ? round_up(height, 2) : height;
  std::uint64_t size = 0;
  for (std::uint32_t i = 0; i < layout->plane_count; ++i) {
    const auto columns = static_cast<std::uint64_t>(plane_columns(*layout, i, width));
    const std::uint64_t stride = round_up(columns * planes[i].components * layout->sample_size, 4);
    format.planes[i] = {size, static_cast<std::int32_t>(stride), 0};
    size += stride * static_cast<std::uint64_t>(plane_rows(*layout, i, static_cast<std::uint32_t>(rows)));
  }
  caps = std::string(is_bayer(pixel_format) ? "video/x-bayer" : "video/x-raw") + ", format=(string)" + layout->name +
         ", width=(int)" + std::to_string(width) + ", height=(int)" + std::to_string(height) +
         ", framerate=(fraction)0/1";
  return size;
}

}  // namespace shmring
