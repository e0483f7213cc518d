// SPDX-License-Identifier: LGPL-2.1-or-later
// Where the samples of a frame are, as arrays. The publisher is not trusted: every array lies inside the frame.
#pragma once

#include <cstdint>

#include <shmring/types.h>

#include "abi/result.hpp"

namespace shmring {

// One plane of a frame. Bytes that are not raw video are one flat plane.
Result<shmring_array> plane_array(const shmring_format& format, const shmring_frame_info& info, std::uint32_t plane);

// The whole picture: one plane as it is; planes of one size as (planes, rows, columns); of formats such as NV12 and I420 the
// (height × 3 / 2, width) picture that OpenCV's cvtColor takes, where the planes follow each other without gaps.
Result<shmring_array> whole_array(const shmring_format& format, const shmring_frame_info& info);

}  // namespace shmring
