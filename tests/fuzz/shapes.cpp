// SPDX-License-Identifier: LGPL-2.1-or-later
// Formats and planes as a reader got them, made into array shapes: every element of every view lies inside the frame; and the shapes that
// the ring itself describes can always be viewed.
#include <algorithm>
#include <string>

#include "abi/array.hpp"
#include "abi/layout.hpp"
#include "abi/video.hpp"
#include "fuzz.hpp"

using namespace shmring;

namespace {

// The corners of a view are its first and last elements.
void check_inside(const shmring_array& view, std::uint64_t size) {
  __int128 first = view.offset, last = static_cast<__int128>(view.offset) + view.item_size - 1;
  for (std::uint32_t i = 0; i < view.dimensions; ++i) {
    FUZZ_CHECK(view.shape[i] >= 0);
    if (view.shape[i] == 0) return;  // no element
    const __int128 reach = static_cast<__int128>(view.shape[i] - 1) * view.strides[i];
    (reach < 0 ? first : last) += reach;
  }
  FUZZ_CHECK(first >= 0 && last < static_cast<__int128>(size));
}

void check_views(const shmring_format& format, const shmring_frame_info& info, bool must_work) {
  const shmring_pixel_layout* layout = pixel_layout(format.pixel_format);
  for (std::uint32_t i = 0; i < (layout ? layout->plane_count : 1); ++i) {
    auto plane = plane_array(format, info, i);
    FUZZ_CHECK(plane || (!plane.error().text.empty() && !must_work));
    if (plane) check_inside(*plane, info.size);
  }
  if (auto whole = whole_array(format, info)) check_inside(*whole, info.size);
}

void check_described(fuzz::Input& input) {
  shmring_format format = SHMRING_FORMAT_INIT;
  std::string caps;
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  const std::uint32_t width = input.take<std::uint32_t>() % 70000, height = input.take<std::uint32_t>() % 70000;
  info.size =
      describe_video(format, caps, static_cast<shmring_pixel_format>(input.up_to(SHMRING_RGGB16BE + 1)), width, height);
  if (info.size == 0) return;
  info.plane_count = format.plane_count;
  std::copy_n(format.planes, format.plane_count, info.planes);
  check_views(format, info, true);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  if (input.up_to(3) == 0) {
    check_described(input);
    return 0;
  }
  shmring_format format = SHMRING_FORMAT_INIT;
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  format.pixel_format = static_cast<shmring_pixel_format>(input.up_to(SHMRING_RGGB16BE + 1));
  format.width = static_cast<std::uint32_t>(input.number());
  format.height = static_cast<std::uint32_t>(input.number());
  info.size = input.number() % (kMaxSlotSize + 1);  // as check_descriptor lets it through
  info.plane_count = input.up_to(SHMRING_MAX_PLANES);
  for (shmring_plane& plane : info.planes) plane = {input.number(), static_cast<std::int32_t>(input.number()), 0};
  const std::string caps = "application/x-ndarray, dtype=" + std::string(reinterpret_cast<const char*>(data), size);
  if (size % 2 == 0) format.caps = caps.c_str();
  check_views(format, info, false);
  return 0;
}
