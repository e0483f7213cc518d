// SPDX-License-Identifier: LGPL-2.1-or-later
// Caps and planes as shmringsrc gets them from a publisher: what counts as a picture can be mapped, and read to its last pixel.
#include "base/frame_codec.hpp"

#include <string>
#include <vector>

#include <gst/gst.h>
#include <gst/video/video.h>

#include "base/owned.hpp"
#include "fuzz.hpp"

namespace {

using supplier::adopt;
using supplier::Layout;
using supplier::StreamFormat;

// Every row of every component, first and last pixel.
void read_picture(GstVideoFrame& frame) {
  for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS(&frame); ++c) {
    const auto width = static_cast<std::size_t>(GST_VIDEO_FRAME_COMP_WIDTH(&frame, c));
    const auto step = static_cast<std::size_t>(GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, c));
    if (width == 0) continue;
    const auto* row = reinterpret_cast<const std::byte*>(GST_VIDEO_FRAME_COMP_DATA(&frame, c));
    for (int y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT(&frame, c); ++y, row += GST_VIDEO_FRAME_COMP_STRIDE(&frame, c))
      fuzz::touch({row, (width - 1) * step + 1});
  }
}

std::string caps_text(fuzz::Input& input) {
  if (input.up_to(3) == 3) {
    const auto bytes = input.take_bytes(input.take<std::uint8_t>());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  static constexpr const char* formats[] = {"GRAY8",     "BGR",  "NV12", "I420",     "YUY2",
                                            "GRAY16_LE", "RGBA", "v210", "NV12_4L4", "RGB8P"};
  return std::string("video/x-raw, format=(string)") + formats[input.up_to(9)] + ", width=(int)" +
         std::to_string(static_cast<std::int32_t>(input.number())) + ", height=(int)" +
         std::to_string(static_cast<std::int32_t>(input.number())) + ", framerate=(fraction)30/1";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  [[maybe_unused]] static const bool initialized = [] {
    gst_init(nullptr, nullptr);
    gst_debug_set_default_threshold(GST_LEVEL_NONE);  // what is refused need not be told a million times
    g_log_set_default_handler([](const char*, GLogLevelFlags, const char*, void*) {}, nullptr);
    return true;
  }();
  fuzz::Input input(data, size);
  const std::string text = caps_text(input);
  const auto caps = adopt(gst_caps_from_string(text.c_str()));
  auto format = StreamFormat::from_caps(caps.get());
  if (!format) return 0;
  FUZZ_CHECK(format->ring_format().plane_count <= SHMRING_MAX_PLANES);

  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = input.take<std::uint16_t>();
  info.flags = input.take<std::uint32_t>();
  info.plane_count = input.up_to(SHMRING_MAX_PLANES);
  for (shmring_plane& plane : info.planes) plane = {input.number(), static_cast<std::int32_t>(input.number()), 0};
  const Layout planes = supplier::layout(info, *format);
  if (info.plane_count == 0 || (planes != Layout::custom && planes != Layout::foreign)) return 0;
  std::vector<std::uint8_t> bytes(info.size);
  const auto buffer = adopt(gst_buffer_new_wrapped_full(GST_MEMORY_FLAG_READONLY, bytes.data(), bytes.size(), 0,
                                                        bytes.size(), nullptr, nullptr));
  supplier::add_planes(info, *format, buffer.get());
  supplier::decode(info, *format, supplier::TimeBase(), buffer.get());
  GstVideoInfo video = *format->video();
  GstVideoFrame frame;
  if (gst_video_frame_map(&frame, &video, buffer.get(), GST_MAP_READ)) {
    read_picture(frame);
    gst_video_frame_unmap(&frame);
  }
  return 0;
}
