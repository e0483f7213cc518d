// SPDX-License-Identifier: LGPL-2.1-or-later
// Between GStreamer's words for a frame and the ring's.
#include "base/frame_codec.hpp"

#include <string>

#include <gst/check/gsttestclock.h>
#include <gtest/gtest.h>

#include "abi/video.hpp"
#include "base/owned.hpp"
#include "gst_fixture.hpp"
#include "os/clock.hpp"

namespace {

using supplier::adopt;
using supplier::Layout;
using supplier::Owned;
using supplier::StreamFormat;
using supplier::TimeBase;
using supplier::TimeKeeper;

Owned<GstCaps> caps(const std::string& text) { return adopt(gst_caps_from_string(text.c_str())); }

StreamFormat format(const std::string& text) {
  auto made = StreamFormat::from_caps(caps(text).get());
  EXPECT_TRUE(made) << made.error().text;
  return *std::move(made);
}

std::string refusal(const std::string& text) { return StreamFormat::from_caps(caps(text).get()).error().text; }

class FrameCodec : public support::GstFixture {
 protected:
  FrameCodec() { gst_segment_init(&segment_, GST_FORMAT_TIME); }

  // An element that has this clock, and base-time 1000 s.
  void give_clock(GstClock* clock) {
    ASSERT_TRUE(gst_element_set_clock(element_.get(), clock));
    gst_element_set_base_time(element_.get(), kBase);
  }
  void give_system_clock() {
    const auto clock = adopt(gst_system_clock_obtain());
    give_clock(clock.get());
  }
  TimeBase time() { return keeper_.of(element_.get()); }

  static constexpr GstClockTime kBase = 1000 * GST_SECOND;
  Owned<GstElement> element_ = adopt(GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("fakesink", nullptr))));
  GstSegment segment_;
  Owned<GstBuffer> buffer_ = adopt(gst_buffer_new());

 private:
  TimeKeeper keeper_;
};

TEST_F(FrameCodec, raw_video_caps_tell_pixel_format_size_and_planes) {
  const StreamFormat nv12 = format("video/x-raw,format=NV12,width=642,height=480,framerate=30/1");
  const shmring_format ring = nv12.ring_format();
  EXPECT_EQ(ring.pixel_format, SHMRING_NV12);
  EXPECT_EQ(ring.width, 642u);
  EXPECT_EQ(ring.height, 480u);
  ASSERT_EQ(ring.plane_count, 2u);
  EXPECT_EQ(ring.planes[0].offset, 0u);
  EXPECT_EQ(ring.planes[0].stride, 644);
  EXPECT_EQ(ring.planes[1].offset, 644u * 480);
  EXPECT_EQ(ring.planes[1].stride, 644);
  EXPECT_EQ(nv12.largest_frame(), 644u * 480 * 3 / 2);
  EXPECT_NE(std::string(ring.caps).find("format=(string)NV12"), std::string::npos);
}

// The ring's formats that this GStreamer knows: some are younger than 1.22.
template <class Check>
int each_known_layout(Check check) {
  int known = 0;
  for (int i = SHMRING_GRAY8;; ++i) {
    const shmring_pixel_layout* layout = shmring::pixel_layout(static_cast<shmring_pixel_format>(i));
    if (!layout) return known;
    const GstVideoFormat name = gst_video_format_from_string(layout->name);
    if (name == GST_VIDEO_FORMAT_UNKNOWN) continue;
    ++known;
    check(*layout, *gst_video_format_get_info(name), static_cast<shmring_pixel_format>(i));
  }
}

TEST_F(FrameCodec, every_pixel_format_of_the_ring_is_laid_out_as_gstreamer_has_it) {
  const int known = each_known_layout([](const auto& layout, const GstVideoFormatInfo& info, auto number) {
    SCOPED_TRACE(layout.name);
    const StreamFormat made = format("video/x-raw,width=64,height=32,framerate=1/1,format=" + std::string(layout.name));
    EXPECT_EQ(made.ring_format().pixel_format, number);
    ASSERT_EQ(layout.plane_count, info.n_planes);
    for (guint component = 0; component < info.n_components; ++component) {
      const auto& plane = layout.planes[info.plane[component]];
      const bool pairs = layout.plane_count == 1 && plane.components == 2;  // a column has Y and one of U and V
      EXPECT_EQ(plane.rows_divisor, 1u << info.h_sub[component]);
      EXPECT_EQ(plane.columns_divisor, pairs ? 1u : 1u << info.w_sub[component]);
      const guint column = plane.components * layout.sample_size;
      EXPECT_EQ(static_cast<guint>(info.pixel_stride[component]), pairs && info.w_sub[component] ? 2 * column : column);
      EXPECT_LE(info.depth[component] + info.shift[component], 8 * layout.sample_size);
    }
  });
  EXPECT_GE(known, 80);
}

TEST_F(FrameCodec, what_the_ring_describes_is_gstreamers_own_layout) {
  each_known_layout([](const auto& layout, const GstVideoFormatInfo& info, auto number) {
    // GStreamer adds a row to an odd number of rows there, though no rows share their colour.
    const bool adds_row =
        info.h_sub[1] == 0 && ((layout.sample_size == 2 && info.n_planes >= 3 && info.w_sub[1] == 1) ||
                               (layout.sample_size == 1 && info.n_planes == 4 && GST_VIDEO_FORMAT_INFO_IS_YUV(&info)));
    for (const std::uint32_t width : {1u, 2u, 3u, 5u, 638u, 639u, 640u, 1366u})
      for (const std::uint32_t height : {1u, 2u, 3u, 361u}) {
        if (adds_row && height % 2 != 0) continue;
        shmring_format described = SHMRING_FORMAT_INIT;
        std::string caps;
        const std::uint64_t size = shmring::describe_video(described, caps, number, width, height);
        const shmring_format expected = format(caps).ring_format();
        SCOPED_TRACE(caps);
        EXPECT_EQ(size, format(caps).largest_frame());
        ASSERT_EQ(described.plane_count, expected.plane_count);
        for (guint plane = 0; plane < expected.plane_count; ++plane) {
          EXPECT_EQ(described.planes[plane].offset, expected.planes[plane].offset) << plane;
          EXPECT_EQ(described.planes[plane].stride, expected.planes[plane].stride) << plane;
        }
      }
  });
}

TEST_F(FrameCodec, formats_that_are_not_rows_of_samples_are_bytes) {
  for (const char* name : {"v210", "UYVP", "IYU1", "NV12_64Z32", "GRAY10_LE32", "NV12_10LE32"})
    EXPECT_EQ(
        format("video/x-raw,width=64,height=32,framerate=1/1,format=" + std::string(name)).ring_format().pixel_format,
        SHMRING_BYTES)
        << name;
}

TEST_F(FrameCodec, other_caps_pass_as_text) {
  const StreamFormat audio = format("audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved");
  EXPECT_EQ(audio.video(), nullptr);
  EXPECT_EQ(audio.largest_frame(), 0u);
  EXPECT_EQ(audio.ring_format().plane_count, 0u);
  EXPECT_TRUE(adopt(gst_caps_from_string(audio.ring_format().caps)));
}

TEST_F(FrameCodec, compressed_pictures_are_expected_to_be_smaller_than_as_i420) {
  EXPECT_EQ(format("image/jpeg,width=640,height=480").largest_frame(), 640u * 480 * 3 / 2);
  EXPECT_EQ(format("image/jpeg,width=16,height=16").largest_frame(), 64u * 1024);
  EXPECT_EQ(format("image/jpeg").largest_frame(), 0u);
}

TEST_F(FrameCodec, caps_that_no_ring_can_carry_are_refused_with_a_sentence) {
  EXPECT_NE(refusal("video/x-raw,format=I420").find("raw video"), std::string::npos);
  EXPECT_NE(refusal("video/x-raw,format=I420,width=8,height=8,interlace-mode=alternate").find("raw video"),
            std::string::npos);
  EXPECT_NE(refusal("video/x-raw,width=[1,2]").find("not fixed"), std::string::npos);
  EXPECT_NE(refusal("ANY").find("not fixed"), std::string::npos);
  EXPECT_NE(refusal("video/x-raw(memory:GLMemory),format=RGBA,width=8,height=8").find("memory:GLMemory"),
            std::string::npos);
  EXPECT_NE(refusal("video/x-raw(meta:GstVideoOverlayComposition),format=RGBA,width=8,height=8")
                .find("meta:GstVideoOverlayComposition"),
            std::string::npos);
  EXPECT_NE(refusal("video/x-test(other:Thing)").find("other:Thing"), std::string::npos);
  EXPECT_NE(refusal("application/x-long,text=" + std::string(20'000, 'x')).find("20"), std::string::npos);
  EXPECT_FALSE(StreamFormat::from_caps(nullptr));
}

TEST_F(FrameCodec, raw_video_without_a_format_that_is_known_crosses_as_bytes) {
  for (const char* text : {"video/x-raw", "video/x-raw,width=8,height=8", "video/x-raw,format=X_NEW,width=8,height=8",
                           "video/x-raw,format=ENCODED,width=8,height=8"}) {
    const StreamFormat made = format(text);
    EXPECT_EQ(made.video(), nullptr) << text;
    EXPECT_EQ(made.ring_format().pixel_format, SHMRING_BYTES) << text;
    EXPECT_EQ(made.ring_format().width, 0u) << text;
  }
}

// Each frame of such a stream is one field: half as many rows.
TEST_F(FrameCodec, alternate_fields_have_the_rows_of_a_field) {
  const StreamFormat fields =
      format("video/x-raw(format:Interlaced),format=GRAY8,width=8,height=6,framerate=25/1,interlace-mode=alternate");
  EXPECT_EQ(fields.ring_format().height, 3u);
  EXPECT_EQ(fields.largest_frame(), 8u * 3);
}

TEST_F(FrameCodec, what_a_caps_query_offers_is_what_is_taken) {
  const auto offered = [](const std::string& filter) {
    const auto offer = supplier::crossing_caps(caps(filter).get());
    const auto text = adopt(gst_caps_to_string(offer.get()));
    return std::string(text.get());
  };
  EXPECT_TRUE(gst_caps_is_any(supplier::crossing_caps(nullptr).get()));
  EXPECT_EQ(offered("ANY"), "ANY");
  EXPECT_EQ(offered("EMPTY"), "EMPTY");
  EXPECT_EQ(offered("video/x-raw(memory:DMABuf); video/x-raw(memory:GLMemory), width=8; image/jpeg"), "image/jpeg");
  EXPECT_EQ(offered("video/x-raw(memory:SystemMemory, meta:GstVideoOverlayComposition); video/x-raw"), "video/x-raw");
  EXPECT_EQ(offered("audio/x-raw(ANY), rate=[1, 2]"), offered("audio/x-raw, rate=[1, 2]; "
                                                              "audio/x-raw(format:Interlaced), rate=[1, 2]"));
  EXPECT_EQ(offered("video/x-raw, width=[-5, 2147483647], height=0"), "EMPTY");
  EXPECT_EQ(offered("video/x-raw, width=[-5, 2147483647]"), "video/x-raw, width=(int)[ 1, 1048576 ]");
  EXPECT_EQ(offered("video/x-raw, format=I420, width=8"), "EMPTY") << "fixed, but no picture";
}

TEST_F(FrameCodec, on_the_system_clock_running_time_and_monotonic_time_differ_by_the_base_time) {
  give_system_clock();
  GST_BUFFER_PTS(buffer_.get()) = 7 * GST_SECOND;
  GST_BUFFER_DTS(buffer_.get()) = 6 * GST_SECOND;
  GST_BUFFER_DURATION(buffer_.get()) = 40 * GST_MSECOND;
  GST_BUFFER_OFFSET(buffer_.get()) = 99;
  auto info = encode(buffer_.get(), StreamFormat(), segment_, time());
  EXPECT_EQ(info.pts, kBase + 7 * GST_SECOND);
  EXPECT_EQ(info.dts, kBase + 6 * GST_SECOND);
  EXPECT_EQ(info.duration, 40 * GST_MSECOND);
  EXPECT_EQ(info.offset, 99u);

  info.sequence = 12;
  const auto decoded = adopt(gst_buffer_new());
  decode(info, StreamFormat(), time(), decoded.get());
  EXPECT_EQ(GST_BUFFER_PTS(decoded.get()), 7 * GST_SECOND);
  EXPECT_EQ(GST_BUFFER_DTS(decoded.get()), 6 * GST_SECOND);
  EXPECT_EQ(GST_BUFFER_DURATION(decoded.get()), 40 * GST_MSECOND);
  EXPECT_EQ(GST_BUFFER_OFFSET(decoded.get()), 12u);
}

TEST_F(FrameCodec, another_clock_is_followed_by_its_difference) {
  const auto clock = adopt(gst_test_clock_new_with_start_time(5000 * GST_SECOND));
  give_clock(clock.get());
  GST_BUFFER_PTS(buffer_.get()) = 4000 * GST_SECOND;  // now, by that clock
  const std::uint64_t before = shmring::now();
  const auto info = encode(buffer_.get(), StreamFormat(), segment_, time());
  EXPECT_GE(info.pts, before);
  EXPECT_LE(info.pts, shmring::now());
  decode(info, StreamFormat(), time(), buffer_.get());
  EXPECT_NEAR(static_cast<double>(GST_BUFFER_PTS(buffer_.get())), 4000e9, 1e9);
}

TEST_F(FrameCodec, a_change_of_the_clock_is_noticed_with_the_next_frame) {
  GST_BUFFER_PTS(buffer_.get()) = 7 * GST_SECOND;
  const auto pts = [this] { return encode(buffer_.get(), StreamFormat(), segment_, time()).pts; };
  give_system_clock();
  EXPECT_EQ(pts(), kBase + 7 * GST_SECOND);
  gst_element_set_base_time(element_.get(), 2 * kBase);
  EXPECT_EQ(pts(), 2 * kBase + 7 * GST_SECOND);
  const auto other = adopt(gst_test_clock_new_with_start_time(kBase + 7 * GST_SECOND));
  give_clock(other.get());
  const std::uint64_t now_by_other = pts();
  EXPECT_LE(now_by_other, shmring::now());
  EXPECT_GE(now_by_other + GST_SECOND, shmring::now());
  give_system_clock();
  EXPECT_EQ(pts(), kBase + 7 * GST_SECOND);
  ASSERT_TRUE(gst_element_set_clock(element_.get(), nullptr));
  EXPECT_FALSE(time().valid());
}

TEST_F(FrameCodec, the_segment_is_applied) {
  give_system_clock();
  segment_.start = segment_.position = 10 * GST_SECOND;
  segment_.base = 3 * GST_SECOND;
  segment_.rate = 2.0;
  GST_BUFFER_PTS(buffer_.get()) = 14 * GST_SECOND;
  GST_BUFFER_DTS(buffer_.get()) = 8 * GST_SECOND;  // before the segment: decoding starts earlier
  GST_BUFFER_DURATION(buffer_.get()) = GST_SECOND;
  const auto info = encode(buffer_.get(), StreamFormat(), segment_, time());
  EXPECT_EQ(info.pts, kBase + 5 * GST_SECOND);
  EXPECT_EQ(info.dts, kBase + 2 * GST_SECOND);
  EXPECT_EQ(info.duration, GST_SECOND / 2);
}

TEST_F(FrameCodec, times_before_the_readers_base_time_become_zero) {
  give_system_clock();
  EXPECT_EQ(time().to_running_time(kBase - 1), 0u);
  EXPECT_EQ(time().to_running_time(kBase), 0u);
  EXPECT_EQ(time().to_running_time(kBase + 1), 1u);
}

TEST_F(FrameCodec, a_time_that_is_not_there_stays_away) {
  give_system_clock();
  auto info = encode(buffer_.get(), StreamFormat(), segment_, time());
  EXPECT_EQ(info.pts, SHMRING_TIME_NONE);
  EXPECT_EQ(info.dts, SHMRING_TIME_NONE);
  EXPECT_EQ(info.duration, SHMRING_TIME_NONE);
  EXPECT_EQ(info.offset, SHMRING_TIME_NONE);
  decode(info, StreamFormat(), time(), buffer_.get());
  EXPECT_EQ(GST_BUFFER_PTS(buffer_.get()), GST_CLOCK_TIME_NONE);

  gst_segment_init(&segment_, GST_FORMAT_BYTES);
  GST_BUFFER_PTS(buffer_.get()) = 1;
  EXPECT_EQ(encode(buffer_.get(), StreamFormat(), segment_, time()).pts, SHMRING_TIME_NONE);
}

TEST_F(FrameCodec, without_a_clock_a_frame_is_of_now) {
  GST_BUFFER_PTS(buffer_.get()) = 1;
  const std::uint64_t before = shmring::now();
  const auto info = encode(buffer_.get(), StreamFormat(), segment_, time());
  EXPECT_GE(info.pts, before);
  decode(info, StreamFormat(), time(), buffer_.get());
  EXPECT_EQ(GST_BUFFER_PTS(buffer_.get()), GST_CLOCK_TIME_NONE);
}

TEST_F(FrameCodec, every_flag_passes_and_video_flags_only_for_video) {
  const StreamFormat video = format("video/x-raw,format=GRAY8,width=8,height=8,framerate=1/1");
  const guint common[] = {GST_BUFFER_FLAG_DELTA_UNIT, GST_BUFFER_FLAG_DISCONT, GST_BUFFER_FLAG_CORRUPTED,
                          GST_BUFFER_FLAG_GAP,        GST_BUFFER_FLAG_HEADER,  GST_BUFFER_FLAG_MARKER};
  const guint of_video[] = {GST_VIDEO_BUFFER_FLAG_TFF, GST_VIDEO_BUFFER_FLAG_INTERLACED, GST_VIDEO_BUFFER_FLAG_RFF,
                            GST_VIDEO_BUFFER_FLAG_ONEFIELD};
  const auto passes = [&](guint flag, const StreamFormat& stream) {
    const auto from = adopt(gst_buffer_new());
    GST_BUFFER_FLAG_SET(from.get(), flag);
    const auto to = adopt(gst_buffer_new());
    decode(encode(from.get(), stream, segment_, TimeBase()), stream, TimeBase(), to.get());
    return GST_BUFFER_FLAGS(to.get()) == flag;
  };
  for (guint flag : common) {
    EXPECT_TRUE(passes(flag, video)) << flag;
    EXPECT_TRUE(passes(flag, StreamFormat())) << flag;
  }
  for (guint flag : of_video) {
    EXPECT_TRUE(passes(flag, video)) << flag;
    EXPECT_FALSE(passes(flag, StreamFormat())) << flag;
  }
}

TEST_F(FrameCodec, planes_as_caps_say_are_not_repeated) {
  const StreamFormat video = format("video/x-raw,format=I420,width=64,height=32,framerate=1/1");
  const auto buffer = adopt(gst_buffer_new_allocate(nullptr, 64 * 32 * 3 / 2, nullptr));
  gst_buffer_add_video_meta(buffer.get(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_I420, 64, 32);
  const auto info = encode(buffer.get(), video, segment_, TimeBase());
  EXPECT_EQ(info.plane_count, 0u);
  EXPECT_EQ(layout(info, video), Layout::standard);
}

TEST_F(FrameCodec, planes_of_their_own_cross_the_ring) {
  const StreamFormat video = format("video/x-raw,format=I420,width=64,height=32,framerate=1/1");
  gsize offsets[] = {128, 128 + 96 * 32, 128 + 96 * 32 + 48 * 16, 0};
  gint strides[] = {96, 48, 48, 0};
  gst_buffer_add_video_meta_full(buffer_.get(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_I420, 64, 32, 3, offsets,
                                 strides);
  auto info = encode(buffer_.get(), video, segment_, TimeBase());
  ASSERT_EQ(info.plane_count, 3u);
  info.size = offsets[2] + 48 * 16;
  EXPECT_EQ(layout(info, video), Layout::custom);

  const auto to = adopt(gst_buffer_new());
  add_planes(info, video, to.get());
  const GstVideoMeta* meta = gst_buffer_get_video_meta(to.get());
  ASSERT_TRUE(meta);
  for (guint plane = 0; plane < 3; ++plane) {
    EXPECT_EQ(meta->offset[plane], offsets[plane]);
    EXPECT_EQ(meta->stride[plane], strides[plane]);
  }
  EXPECT_EQ(meta->width, 64u);
  EXPECT_EQ(meta->format, GST_VIDEO_FORMAT_I420);
}

// A part of a larger picture, as videocrop and decoders hand it on: caps are of the part.
TEST_F(FrameCodec, a_part_of_a_picture_crosses_as_planes_that_begin_where_it_begins) {
  const auto cropped = [&](const char* name, GstVideoFormat pixels) {
    const auto buffer = adopt(gst_buffer_new_allocate(nullptr, 100'000, nullptr));
    gst_buffer_add_video_meta(buffer.get(), GST_VIDEO_FRAME_FLAG_NONE, pixels, 64, 32);
    GstVideoCropMeta* crop = gst_buffer_add_video_crop_meta(buffer.get());
    crop->x = 7;
    crop->y = 5;
    crop->width = crop->height = 16;
    const StreamFormat video = format(std::string("video/x-raw,width=16,height=16,framerate=1/1,format=") + name);
    const auto info = encode(buffer.get(), video, segment_, TimeBase());
    EXPECT_EQ(layout(info, video), Layout::custom);
    return info;
  };
  const auto rgb = cropped("RGB", GST_VIDEO_FORMAT_RGB);
  EXPECT_EQ(rgb.planes[0].offset, 5u * 192 + 7 * 3);
  EXPECT_EQ(rgb.planes[0].stride, 192);
  const auto i420 = cropped("I420", GST_VIDEO_FORMAT_I420);  // chroma has half as many rows and columns
  EXPECT_EQ(i420.planes[0].offset, 5u * 64 + 7);
  EXPECT_EQ(i420.planes[1].offset, 64u * 32 + 2 * 32 + 3);
  EXPECT_EQ(i420.planes[2].offset, 64u * 32 + 32 * 16 + 2 * 32 + 3);
  const auto nv12 = cropped("NV12", GST_VIDEO_FORMAT_NV12);
  EXPECT_EQ(nv12.planes[1].offset, 64u * 32 + 2 * 64 + 3 * 2);
  const auto yuy2 = cropped("YUY2", GST_VIDEO_FORMAT_YUY2);  // pixels come in pairs: the pair of pixel 7 begins at 6
  EXPECT_EQ(yuy2.planes[0].offset, 5u * 128 + 6 * 2);
}

TEST_F(FrameCodec, planes_that_leave_the_frame_are_broken) {
  const StreamFormat video = format("video/x-raw,format=RGB,width=10,height=4,framerate=1/1");  // 30 bytes a row
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = 30 * 4 + 10;
  info.plane_count = 1;
  const auto with = [&](std::uint64_t offset, std::int32_t stride) {
    info.planes[0] = {offset, stride, 0};
    return layout(info, video);
  };
  EXPECT_EQ(with(0, 30), Layout::custom);
  EXPECT_EQ(with(10, 30), Layout::custom);  // ends where the frame ends
  EXPECT_EQ(with(11, 30), Layout::broken);
  EXPECT_EQ(with(0, 34), Layout::broken);
  EXPECT_EQ(with(0, 29), Layout::broken);
  EXPECT_EQ(with(0, -30), Layout::broken);
  EXPECT_EQ(with(UINT64_MAX, 30), Layout::broken);
  EXPECT_EQ(with(0, INT32_MAX), Layout::broken);
  EXPECT_EQ(with(0, INT32_MIN), Layout::broken);
  info.plane_count = 2;
  EXPECT_EQ(with(0, 30), Layout::broken);
}

TEST_F(FrameCodec, a_frame_shorter_than_its_caps_is_broken) {
  const StreamFormat video = format("video/x-raw,format=RGB,width=10,height=4,framerate=1/1");  // 32 bytes a row
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = 32 * 4;
  EXPECT_EQ(layout(info, video), Layout::standard);
  info.size -= 1;
  EXPECT_EQ(layout(info, video), Layout::broken);
  info.size = 0;
  EXPECT_EQ(layout(info, video), Layout::broken);
  // The padding behind the last row is no part of the picture, but only a GstVideoMeta says so.
  const auto buffer = adopt(gst_buffer_new_allocate(nullptr, 32 * 4 - 2, nullptr));
  gst_buffer_add_video_meta(buffer.get(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB, 10, 4);
  EXPECT_EQ(layout(encode(buffer.get(), video, segment_, TimeBase()), video), Layout::custom);
}

TEST_F(FrameCodec, rows_that_readers_do_not_expect_are_copied_into_those_they_do) {
  const StreamFormat rgb = format("video/x-raw,format=RGB,width=10,height=4,framerate=1/1");
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = 32 * 4;
  info.plane_count = 1;
  info.planes[0] = {32 * 3, -32, 0};  // from the last row upwards
  EXPECT_EQ(layout(info, rgb), Layout::foreign);
  info.planes[0] = {32 * 3 + 3, -32, 0};
  EXPECT_EQ(layout(info, rgb), Layout::broken);

  const StreamFormat v210 = format("video/x-raw,format=v210,width=48,height=4,framerate=1/1");  // 128 bytes a row
  info.size = 192 * 4;
  info.planes[0] = {0, 192, 0};
  EXPECT_EQ(layout(info, v210), Layout::foreign);
  info.planes[0] = {0, 256, 0};
  EXPECT_EQ(layout(info, v210), Layout::broken);

  const StreamFormat tiles = format("video/x-raw,format=NV12_4L4,width=64,height=16,framerate=1/1");
  info.size = 1 << 20;
  info.plane_count = 2;
  info.planes[0] = {0, 1, 0};
  EXPECT_EQ(layout(info, tiles), Layout::broken) << "only as caps say";
}

}  // namespace
