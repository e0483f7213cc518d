// SPDX-License-Identifier: LGPL-2.1-or-later
// Which caps shmringsink takes, that it offers no others, and what arrives of the less common ones.
#include <array>

#include <gst/audio/audio.h>
#include <gst/video/video.h>

#include "shmring_fixture.hpp"

namespace {

using namespace shmring_test;

bool offers(Harness& sink, const std::string& text) {
  const auto filter = adopt(gst_caps_from_string(text.c_str()));
  return !gst_caps_is_empty(adopt(gst_pad_peer_query_caps(sink.get()->srcpad, filter.get())).get());
}
bool accepts(Harness& sink, const std::string& text) {
  const auto caps = adopt(gst_caps_from_string(text.c_str()));
  return gst_pad_peer_query_accept_caps(sink.get()->srcpad, caps.get());
}

TEST_F(ShmRing, caps_are_offered_accepted_and_set_alike) {
  const std::string picture = ",format=I420,width=64,height=48,framerate=30/1";
  const std::pair<std::string, bool> all[] = {
      {"video/x-raw" + picture, true},
      {"video/x-raw(memory:SystemMemory)" + picture, true},
      {"video/x-raw(format:Interlaced),interlace-mode=alternate" + picture, true},
      {"video/x-raw(format:Interlaced)" + picture, true},  // GStreamer takes it as progressive
      {"video/x-raw,interlace-mode=alternate" + picture, false},
      {"video/x-raw(meta:GstVideoOverlayComposition)" + picture, false},
      {"video/x-raw(memory:SystemMemory,meta:GstVideoOverlayComposition)" + picture, false},
      {"video/x-raw(memory:CUDAMemory)" + picture, false},
      {"video/x-raw(memory:DMABuf)" + picture, false},
      {"video/x-raw(memory:GLMemory,meta:GstVideoOverlayComposition)" + picture, false},
      {"video/x-raw,format=I420,width=0,height=48,framerate=30/1", false},
      {"video/x-raw", true},
      {"audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved", true},
      {"audio/x-raw,format=S16LE,rate=48000,channels=2,layout=non-interleaved", true},
      {"application/x-anything", true},
  };
  for (const auto& [text, expected] : all) {
    Harness in("shmringsink socket-path=" + path());
    EXPECT_EQ(offers(in, text), expected) << text;
    EXPECT_EQ(accepts(in, text), expected) << text;
    in.caps(text);
    const auto now = adopt(gst_pad_get_current_caps(adopt(gst_element_get_static_pad(in.element(), "sink")).get()));
    EXPECT_EQ(now != nullptr, expected) << text;
  }
}

TEST_F(ShmRing, of_what_upstream_can_deliver_only_what_crosses_is_offered) {
  Harness in = sink();
  const auto filter =
      adopt(gst_caps_from_string("video/x-raw(memory:CUDAMemory);video/x-raw(ANY),width=64;video/x-h264"));
  const auto offer = adopt(gst_pad_peer_query_caps(in.get()->srcpad, filter.get()));
  const auto expected =
      adopt(gst_caps_from_string("video/x-raw,width=64;video/x-raw(format:Interlaced),width=64;video/x-h264"));
  EXPECT_TRUE(gst_caps_is_strictly_equal(offer.get(), expected.get())) << adopt(gst_caps_to_string(offer.get())).get();
}

TEST_F(ShmRing, of_metas_only_those_that_cross_are_proposed) {
  Harness in = sink();
  const auto metas = [&](const std::string& text) {
    const auto caps = adopt(gst_caps_from_string(text.c_str()));
    const auto query = adopt(gst_query_new_allocation(caps.get(), FALSE));
    EXPECT_TRUE(gst_pad_peer_query(in.get()->srcpad, query.get()));
    std::vector<GType> proposed;
    for (guint i = 0; i < gst_query_get_n_allocation_metas(query.get()); ++i)
      proposed.push_back(gst_query_parse_nth_allocation_meta(query.get(), i, nullptr));
    return proposed;
  };
  EXPECT_EQ(metas(kCaps), std::vector<GType>{GST_VIDEO_META_API_TYPE});
  EXPECT_EQ(metas("video/x-h264"), std::vector<GType>{});
  EXPECT_EQ(metas("audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved"), std::vector<GType>{});
}

TEST_F(ShmRing, alternate_fields_arrive_as_fields) {
  const std::string caps =
      "video/x-raw(format:Interlaced),format=GRAY8,width=64,height=96,framerate=25/1,interlace-mode=alternate";
  Harness in = sink();
  in.caps(caps);
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  for (std::uint64_t i = 1; i <= 6; ++i) {
    const guint field = i % 2 ? GST_VIDEO_BUFFER_FLAG_TOP_FIELD : GST_VIDEO_BUFFER_FLAG_BOTTOM_FIELD;
    auto buffer = frame(i);  // 48 rows
    GST_BUFFER_FLAG_SET(buffer.get(), field | GST_VIDEO_BUFFER_FLAG_INTERLACED);
    ASSERT_EQ(in.push(std::move(buffer)), GST_FLOW_OK);
    const auto got = out.pull();
    ASSERT_TRUE(got);
    EXPECT_EQ(number_of(got.get()), i);
    EXPECT_EQ(GST_BUFFER_FLAGS(got.get()) & GST_VIDEO_BUFFER_FLAG_TOP_FIELD, field);
  }
  EXPECT_NE(out.caps_now().find("(format:Interlaced)"), std::string::npos) << out.caps_now();
}

TEST_F(ShmRing, raw_video_without_a_format_crosses_as_bytes) {
  Harness in = sink();
  in.caps("video/x-raw,width=640,height=480");
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  in.push(frame(1, 100));
  EXPECT_EQ(number_of(out.pull().get()), 1u);
}

TEST_F(ShmRing, planar_audio_can_be_played_behind_the_ring) {
  support::Pipeline in(
      "audiotestsrc is-live=true ! audio/x-raw,format=F32LE,rate=48000,channels=2,layout=non-interleaved ! "
      "shmringsink depth=20 socket-path=" +
      path());
  support::Pipeline out("shmringsrc num-buffers=20 socket-path=" + path() +
                        " ! audioconvert ! audio/x-raw,layout=interleaved ! fakesink");
  ASSERT_TRUE(in.play());
  ASSERT_TRUE(out.play());
  EXPECT_EQ(out.finish(), "");
}

// As after gst_audio_buffer_clip() or truncate(): the memory has more than the samples that count.
TEST_F(ShmRing, samples_that_a_meta_points_at_arrive_together) {
  const std::string caps = "audio/x-raw,format=U8,rate=48000,channels=2,channel-mask=(bitmask)3,layout=";
  const auto info_of = [](const std::string& text) {
    GstAudioInfo info;
    EXPECT_TRUE(gst_audio_info_from_caps(&info, adopt(gst_caps_from_string(text.c_str())).get()));
    return info;
  };
  const auto payload = [] {
    const char bytes[] = "..LEFT..RIGH";
    return adopt(gst_buffer_new_memdup(bytes, sizeof bytes - 1));
  };
  const auto arrived = [](GstBuffer* buffer) {
    const auto bytes = bytes_of(buffer);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  Harness in = sink();
  in.caps(caps + "non-interleaved");
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  auto planar = payload();
  std::array<gsize, 2> offsets = {2, 8};
  const GstAudioInfo two_planes = info_of(caps + "non-interleaved");
  ASSERT_TRUE(gst_buffer_add_audio_meta(planar.get(), &two_planes, 4, offsets.data()));
  in.push(std::move(planar));
  auto got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_EQ(arrived(got.get()), "LEFTRIGH");
  const GstAudioMeta* meta = gst_buffer_get_audio_meta(got.get());
  ASSERT_TRUE(meta);
  EXPECT_EQ(meta->samples, 4u);
  EXPECT_EQ(meta->offsets[1], 4u);

  in.caps(caps + "interleaved");
  auto shortened = payload();
  const GstAudioInfo one_plane = info_of(caps + "interleaved");
  ASSERT_TRUE(gst_buffer_add_audio_meta(shortened.get(), &one_plane, 3, nullptr));
  in.push(std::move(shortened));
  got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_EQ(arrived(got.get()), "..LEFT");
}

}  // namespace
