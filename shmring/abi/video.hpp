// SPDX-License-Identifier: LGPL-2.1-or-later
// The raw video formats that the ring describes to readers which do not parse caps: names, planes, sizes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <shmring/types.h>

namespace shmring {

// nullptr for SHMRING_BYTES and unknown numbers.
const shmring_pixel_layout* pixel_layout(shmring_pixel_format format);

// Tells whether its name is one of video/x-bayer, not of video/x-raw.
bool is_bayer(shmring_pixel_format format);

// Sides of a plane's array.
std::int64_t plane_columns(const shmring_pixel_layout& layout, std::uint32_t plane, std::uint32_t width);
std::int64_t plane_rows(const shmring_pixel_layout& layout, std::uint32_t plane, std::uint32_t height);

// The format that GStreamer calls so; BYTES if it is none of the table.
shmring_pixel_format pixel_format_of(std::string_view name);

// Least size in bytes of a frame with these planes; 0 for formats that are not of the table. UINT64_MAX: such planes
// hold no such picture.
std::uint64_t picture_size(shmring_pixel_format format, std::uint32_t width, std::uint32_t height,
                           std::span<const shmring_plane> planes);

// Fills pixel format, size and planes (rows and plane heights rounded up as GStreamer's default layout has them), and the caps text.
// Returns the size of a frame in bytes; 0: no such format, or a side is 0 or over 65536.
std::uint64_t describe_video(shmring_format& format, std::string& caps, shmring_pixel_format pixel_format,
                             std::uint32_t width, std::uint32_t height);

}  // namespace shmring
