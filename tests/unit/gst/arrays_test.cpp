// SPDX-License-Identifier: LGPL-2.1-or-later
// The arrays that readers find in a frame of raw video, compared with GstVideoFrame's view of the same buffer.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gst/video/video.h>
#include <gtest/gtest.h>

#include "abi/array.hpp"
#include "abi/video.hpp"
#include "base/frame_codec.hpp"
#include "base/owned.hpp"
#include "gst_fixture.hpp"

namespace {

using supplier::adopt;
using supplier::Owned;
using supplier::StreamFormat;

constexpr int kWidths[] = {1, 2, 3, 638, 639, 640, 1366};
constexpr int kHeights[] = {1, 2, 361};

class Arrays : public support::GstFixture {};

std::vector<GstVideoFormat> formats() {
  std::vector<GstVideoFormat> all;
  for (int i = GST_VIDEO_FORMAT_ENCODED + 1;; ++i) {
    const char* name = gst_video_format_to_string(static_cast<GstVideoFormat>(i));
    if (!name || std::string(name) == "UNKNOWN") return all;
    all.push_back(static_cast<GstVideoFormat>(i));
  }
}

// Formats whose planes are no rows of whole samples: tiles, palettes, and bits of a pixel that share bytes with the next one's. A DMA-BUF's
// pixels are never looked at. Of IYU1 GStreamer's description does not tell where each luma sample is.
bool has_no_rows(const GstVideoFormatInfo& info) {
  constexpr auto flags = GST_VIDEO_FORMAT_FLAG_COMPLEX | GST_VIDEO_FORMAT_FLAG_TILED | GST_VIDEO_FORMAT_FLAG_PALETTE;
  return (GST_VIDEO_FORMAT_INFO_FLAGS(&info) & flags) != 0 || info.n_planes == 0 ||
         info.format == GST_VIDEO_FORMAT_IYU1;
}

StreamFormat stream_format(const GstVideoInfo& video) {
  const auto caps = adopt(gst_video_info_to_caps(&video));
  auto made = StreamFormat::from_caps(caps.get());
  EXPECT_TRUE(made) << made.error().text;
  return *std::move(made);
}

Owned<GstBuffer> picture(GstVideoInfo& video, bool padded) {
  GstVideoInfo inside = video;
  GstVideoAlignment align;
  gst_video_alignment_reset(&align);
  align.padding_right = 24;
  align.padding_bottom = 6;
  std::fill(std::begin(align.stride_align), std::end(align.stride_align), 63);
  if (padded && !gst_video_info_align(&inside, &align)) return nullptr;
  auto buffer = adopt(gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&inside), nullptr));
  if (padded)
    gst_buffer_add_video_meta_full(buffer.get(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT(&video),
                                   static_cast<guint>(video.width), static_cast<guint>(video.height),
                                   GST_VIDEO_INFO_N_PLANES(&inside), inside.offset, inside.stride);
  return buffer;
}

// Every sample of a component: the same address by both, so the same value.
void compare(const GstVideoFrame& frame, guint component, const shmring_array& array, const std::byte* data) {
  const auto* first = reinterpret_cast<const std::byte*>(GST_VIDEO_FRAME_COMP_DATA(&frame, component));
  const std::int64_t stride = GST_VIDEO_FRAME_COMP_STRIDE(&frame, component);
  const std::int64_t step = GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, component);
  const std::int64_t rows = GST_VIDEO_FRAME_COMP_HEIGHT(&frame, component);
  const std::int64_t columns = GST_VIDEO_FRAME_COMP_WIDTH(&frame, component);
  const auto place = static_cast<std::int64_t>(frame.info.finfo->poffset[component]);
  ASSERT_EQ(array.shape[0], rows);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::byte* begin = data + array.offset + row * array.strides[0];
    ASSERT_EQ(begin + place, first + row * stride) << "row " << row;
  }
  for (std::int64_t column = 0; column < columns; ++column) {
    const std::int64_t byte = place + column * step;
    ASSERT_LT(byte / array.strides[1], array.shape[1]) << "column " << column;
    const std::int64_t sample = byte % array.strides[1] / array.item_size;
    ASSERT_LT(sample, array.dimensions == 3 ? array.shape[2] : 1) << "column " << column;
  }
}

void compare(GstVideoFormat name, int width, int height, bool padded) {
  GstVideoInfo video;
  ASSERT_TRUE(gst_video_info_set_format(&video, name, static_cast<guint>(width), static_cast<guint>(height)));
  const StreamFormat format = stream_format(video);
  const auto buffer = picture(video, padded);
  ASSERT_TRUE(buffer);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  shmring_frame_info info = supplier::encode(buffer.get(), format, segment, {});
  const shmring_format ring = format.ring_format();
  if (info.plane_count == 0) {  // as shmring_frame_info_get() tells it
    info.plane_count = ring.plane_count;
    std::copy_n(ring.planes, ring.plane_count, info.planes);
  }
  GstVideoFrame frame;
  ASSERT_TRUE(gst_video_frame_map(&frame, &video, buffer.get(), GST_MAP_READ));
  const auto* data = static_cast<const std::byte*>(frame.data[0]) - info.planes[0].offset;
  for (guint component = 0; component < GST_VIDEO_FRAME_N_COMPONENTS(&frame); ++component) {
    SCOPED_TRACE("component " + std::to_string(component));
    auto array = shmring::plane_array(ring, info, GST_VIDEO_FRAME_COMP_PLANE(&frame, component));
    EXPECT_TRUE(array) << array.error().text;
    if (array) compare(frame, component, *array, data);
  }
  gst_video_frame_unmap(&frame);
}

TEST_F(Arrays, of_every_raw_format_are_the_samples_that_gstreamer_sees) {
  int compared = 0;
  for (const GstVideoFormat name : formats()) {
    if (has_no_rows(*gst_video_format_get_info(name)) &&
        shmring::pixel_format_of(gst_video_format_to_string(name)) == SHMRING_BYTES)
      continue;
    for (const int width : kWidths)
      for (const int height : kHeights)
        for (const bool padded : {false, true}) {
          SCOPED_TRACE(std::string(gst_video_format_to_string(name)) + " " + std::to_string(width) + "x" +
                       std::to_string(height) + (padded ? " padded" : ""));
          compare(name, width, height, padded);
          if (HasFatalFailure()) return;
          ++compared;
        }
  }
  RecordProperty("compared", compared);
  EXPECT_GE(compared, 80 * 42);
}

TEST_F(Arrays, a_format_without_rows_of_samples_is_one_plane_of_bytes_and_says_so) {
  for (const GstVideoFormat name : formats()) {
    if (!has_no_rows(*gst_video_format_get_info(name)) || gst_video_format_get_info(name)->n_planes == 0 ||
        shmring::pixel_format_of(gst_video_format_to_string(name)) != SHMRING_BYTES)
      continue;
    SCOPED_TRACE(gst_video_format_to_string(name));
    GstVideoInfo video;
    ASSERT_TRUE(gst_video_info_set_format(&video, name, 64, 32));
    const StreamFormat format = stream_format(video);
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.size = 100;
    auto bytes = shmring::plane_array(format.ring_format(), info, 0);
    ASSERT_TRUE(bytes);
    EXPECT_EQ(bytes->dimensions, 1u);
    EXPECT_EQ(bytes->shape[0], 100);
    EXPECT_NE(shmring::plane_array(format.ring_format(), info, 1).error().text.find("rows of samples"),
              std::string::npos);
  }
}

TEST_F(Arrays, samples_have_the_bits_the_shift_and_the_byte_order_that_gstreamer_tells) {
  for (const GstVideoFormat name : formats()) {
    const GstVideoFormatInfo& info = *gst_video_format_get_info(name);
    const auto* layout = shmring::pixel_layout(shmring::pixel_format_of(gst_video_format_to_string(name)));
    if (!layout) continue;
    SCOPED_TRACE(layout->name);
    // There GStreamer's description differs from its own converter, with which tests/python/test_formats.py compares them.
    if (std::string_view("v216 Y410 Y210").find(layout->name) != std::string_view::npos) continue;
    const bool fields = layout->plane_count == 1 && info.n_components >= 3 && layout->planes[0].components == 1;
    EXPECT_EQ(layout->bits == 0, fields);
    EXPECT_TRUE(layout->sample_size == 1 || (layout->big_endian == 0) == (GST_VIDEO_FORMAT_INFO_IS_LE(&info) != 0));
    for (guint component = 0; component < info.n_components && !fields; ++component) {
      EXPECT_EQ(layout->bits, info.depth[component]);
      EXPECT_EQ(layout->shift, info.shift[component]);
    }
  }
}

TEST_F(Arrays, bayer_has_rows_as_gstreamer_pads_them_or_as_they_came) {
  const auto caps = adopt(gst_caps_from_string("video/x-bayer,format=grbg,width=61,height=48,framerate=30/1"));
  auto format = StreamFormat::from_caps(caps.get());
  ASSERT_TRUE(format) << format.error().text;
  const shmring_format ring = format->ring_format();
  EXPECT_EQ(ring.pixel_format, SHMRING_GRBG);
  EXPECT_EQ(ring.width, 61u);
  EXPECT_EQ(ring.planes[0].stride, 64);
  EXPECT_EQ(format->largest_frame(), 64u * 48);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  for (const auto& [size, stride] : {std::pair{61 * 48, 61}, {64 * 48, 64}, {80 * 48, 80}, {64 * 48 + 7, 64}}) {
    const auto buffer = adopt(gst_buffer_new_allocate(nullptr, static_cast<gsize>(size), nullptr));
    const shmring_frame_info info = supplier::encode(buffer.get(), *format, segment, {});
    EXPECT_EQ(info.plane_count == 0 ? ring.planes[0].stride : info.planes[0].stride, stride) << size;
  }
}

}  // namespace
