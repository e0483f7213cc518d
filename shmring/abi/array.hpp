// SPDX-License-Identifier: LGPL-2.1-or-later
// Where the samples of a frame are, as arrays. The publisher is not trusted: every array lies inside the frame.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <shmring/types.h>

#include "abi/result.hpp"

namespace shmring {

// Tells whether frames with these caps are arrays of numbers: application/x-ndarray with dtype and shape. Without one of them they are bytes.
bool is_array(std::string_view caps);
// The array that each frame with these caps is, its numbers one after the other. INVALID: they describe none.
Result<shmring_array> array_of_caps(std::string_view caps);
// The caps of frames that are such arrays (kind, item_size and shape count), and strides and bytes of one. INVALID: there are no such arrays.
Result<std::string> describe_array(shmring_array& array, std::uint64_t& size);

// One plane of a frame. Bytes that are neither raw video nor an array of numbers are one flat plane.
Result<shmring_array> plane_array(const shmring_format& format, const shmring_frame_info& info, std::uint32_t plane);

// The whole picture: one plane as it is; planes of one size as (planes, rows, columns); of formats such as NV12 and I420 the
// (height × 3 / 2, width) picture that OpenCV's cvtColor takes, where the planes follow each other without gaps.
Result<shmring_array> whole_array(const shmring_format& format, const shmring_frame_info& info);

}  // namespace shmring
