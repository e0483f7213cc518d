// SPDX-License-Identifier: LGPL-2.1-or-later
// Frames of other sizes than expected: slots that grow, and frames that are not what their caps say.
#include <array>
#include <functional>

#include <gst/audio/audio.h>
#include <gst/video/video.h>

#include "publisher/publisher.hpp"
#include "shmring_fixture.hpp"

namespace {

using namespace shmring_test;

guint64 figure(Harness& sink, const char* field) { return number(stats_of(sink.element()).get(), field); }

// Where caps tell no size the first frame decides: a stream that is joined between two key frames begins with small ones.
TEST_F(ShmRing, frames_that_outgrow_the_first_one_are_not_lost) {
  for (const std::string caps : {"video/x-h264,stream-format=byte-stream,alignment=au", "application/x-gdp"}) {
    Harness in("shmringsink depth=60 socket-path=" + path());
    in.caps(caps);
    in.push(frame(1, 87));
    Harness out = source("worker=reader");
    ASSERT_TRUE(out.pull());
    std::uint64_t sent = 1;
    for (const gsize size : {100'000, 300'000, 3'000'000, 3'000, 300'000}) {
      ASSERT_EQ(in.push(frame(++sent, size)), GST_FLOW_OK);
      const auto got = out.pull();
      ASSERT_TRUE(got);
      EXPECT_EQ(number_of(got.get()), sent) << caps;
      EXPECT_EQ(gst_buffer_get_size(got.get()), size);
    }
    EXPECT_EQ(figure(in, "published"), sent);
    EXPECT_EQ(in.message(GST_MESSAGE_WARNING, 0ms), "");
    const auto lane = lane_of(in.element(), "reader");
    expect_balance(lane.get());
    EXPECT_EQ(number(lane.get(), "dropped"), 0u);
    EXPECT_EQ(number(lane.get(), "generation"), 1u);
  }
}

TEST_F(ShmRing, slots_grow_in_few_steps) {
  Harness in("shmringsink socket-path=" + path());
  in.caps("application/x-growing");
  guint64 steps = 0;
  guint64 before = 0;
  for (gsize size = 100; size < 4'000'000; size += size / 10) {
    in.push(frame(1, size));
    const guint64 now = figure(in, "slot-size");
    steps += now != before;
    before = now;
  }
  EXPECT_LE(steps, 8u);
  EXPECT_EQ(figure(in, "dropped-too-large"), 0u);
}

TEST_F(ShmRing, growth_ends_at_max_slot_size_and_one_warning_names_it) {
  Harness in("shmringsink max-slot-size=200000 socket-path=" + path());
  in.caps("application/x-growing");
  in.push(frame(1, 100));
  in.push(frame(2, 200'000));
  EXPECT_EQ(figure(in, "published"), 2u);
  EXPECT_EQ(figure(in, "slot-size"), 200'000u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(in.push(frame(3, 200'001)), GST_FLOW_OK);
  in.push(frame(4, 1'000));
  EXPECT_EQ(figure(in, "published"), 3u);
  EXPECT_EQ(figure(in, "dropped-too-large"), 3u);
  const std::string warning = in.message(GST_MESSAGE_WARNING);
  EXPECT_NE(warning.find("200001 bytes"), std::string::npos) << warning;
  EXPECT_NE(warning.find("max-slot-size"), std::string::npos) << warning;
  EXPECT_EQ(in.message(GST_MESSAGE_WARNING, 0ms), "");
}

TEST_F(ShmRing, caps_that_promise_huge_compressed_pictures_reserve_no_more_than_max_slot_size) {
  Harness in("shmringsink max-slot-size=1000000 socket-path=" + path());
  in.caps("image/jpeg,width=60000,height=60000");
  in.push(frame(1, 1'000));
  EXPECT_EQ(figure(in, "slot-size"), 1'000'000u);
}

TEST_F(ShmRing, a_picture_with_far_too_many_bytes_makes_no_larger_slots_and_arrives) {
  Harness in("shmringsink socket-path=" + path());
  in.caps(kCaps);
  in.push(frame(1, 100 * kFrameSize));
  Harness out = source();
  const auto got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_EQ(gst_buffer_get_size(got.get()), kFrameSize);
  EXPECT_EQ(figure(in, "slot-size"), kFrameSize);
  EXPECT_EQ(figure(in, "dropped-too-large"), 0u);
}

struct Damaged {
  const char* what;
  std::string caps;
  std::function<Owned<GstBuffer>()> buffer;
  const char* told;
};

Owned<GstBuffer> picture_with(std::vector<gsize> offsets, std::vector<gint> strides, gsize size) {
  auto buffer = frame(9, size);
  offsets.resize(GST_VIDEO_MAX_PLANES);
  strides.resize(GST_VIDEO_MAX_PLANES);
  gst_buffer_add_video_meta_full(buffer.get(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_NV12, 64, 48, 2,
                                 offsets.data(), strides.data());
  return buffer;
}

std::vector<Damaged> all_damages() {
  const std::string nv12 = "video/x-raw,format=NV12,width=64,height=48,framerate=30/1";
  const std::string audio = "audio/x-raw,format=S16LE,rate=48000,channels=2,layout=";
  constexpr gsize whole = 64 * 48 * 3 / 2;
  return {
      {"half a picture", nv12, [] { return frame(9, whole / 2); }, "its caps need 4608"},
      {"a picture that lacks a byte", nv12, [] { return frame(9, whole - 1); }, "its caps need 4608"},
      {"an empty picture", nv12, [] { return adopt(gst_buffer_new()); }, "empty"},
      {"half a padded picture", nv12,
       [] {
         return picture_with({0, 80 * 48}, {80, 80}, 80 * 36);
       },
       "planes"},
      {"a plane that begins behind the end", nv12,
       [] {
         return picture_with({0, whole}, {64, 64}, whole);
       },
       "planes"},
      {"an endless stride", nv12,
       [] {
         return picture_with({0, 64 * 48}, {64, G_MAXINT}, whole);
       },
       "planes"},
      {"a stride below the width", nv12,
       [] {
         return picture_with({0, 64 * 48}, {64, 32}, whole);
       },
       "planes"},
      {"a stride that leads out at the front", nv12,
       [] {
         return picture_with({0, 64 * 48}, {-64, 64}, whole);
       },
       "planes"},
      {"half a sample", audio + "interleaved", [] { return frame(9, 4 * 100 + 1); }, "samples"},
      {"planar audio that lacks a byte", audio + "non-interleaved", [] { return frame(9, 4 * 100 - 1); }, "samples"},
      {"no samples", audio + "non-interleaved", [] { return adopt(gst_buffer_new()); }, "empty"},
  };
}

TEST_F(ShmRing, a_malformed_frame_costs_itself_alone_is_counted_and_reported_once) {
  for (const Damaged& damaged : all_damages()) {
    Harness in("shmringsink depth=10 slot-size=100000 socket-path=" + path());
    in.caps(damaged.caps);
    Harness out = source("worker=reader");
    ASSERT_TRUE(in.has_readers(1));
    ASSERT_EQ(in.push(frame(1, 4608)), GST_FLOW_OK);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(in.push(damaged.buffer()), GST_FLOW_OK) << damaged.what;
    ASSERT_EQ(in.push(frame(2, 4608)), GST_FLOW_OK);
    EXPECT_EQ(number_of(out.pull().get()), 1u) << damaged.what;
    EXPECT_EQ(number_of(out.pull().get()), 2u) << damaged.what;
    EXPECT_EQ(figure(in, "dropped-malformed"), 3u) << damaged.what;
    EXPECT_EQ(figure(in, "offered"), 5u) << damaged.what;
    const std::string warning = in.message(GST_MESSAGE_WARNING);
    EXPECT_NE(warning.find(damaged.told), std::string::npos) << damaged.what << ": " << warning;
    EXPECT_EQ(in.message(GST_MESSAGE_WARNING, 0ms), "") << damaged.what;
    EXPECT_EQ(in.error(0ms), "") << damaged.what;
    const auto lane = lane_of(in.element(), "reader");
    expect_balance(lane.get());
    EXPECT_EQ(number(lane.get(), "dropped"), 3u) << damaged.what;
  }
}

TEST_F(ShmRing, a_frame_whose_memory_cannot_be_read_costs_itself_alone) {
  Harness in = sink();
  in.caps("application/x-parts");
  auto locked = frame(1);
  const auto memory = gst_buffer_get_memory(locked.get(), 0);
  GstMapInfo map;
  ASSERT_TRUE(gst_memory_map(memory, &map, GST_MAP_WRITE));
  EXPECT_EQ(in.push(supplier::share(locked.get())), GST_FLOW_OK);
  gst_memory_unmap(memory, &map);
  gst_memory_unref(memory);
  EXPECT_EQ(figure(in, "dropped-malformed"), 1u);
  EXPECT_NE(in.message(GST_MESSAGE_WARNING).find("cannot be read"), std::string::npos);
  EXPECT_EQ(in.push(frame(2)), GST_FLOW_OK);
  EXPECT_EQ(figure(in, "published"), 1u);
}

TEST_F(ShmRing, rows_from_the_last_one_upwards_arrive_in_order) {
  Harness in = sink();
  in.caps("video/x-raw,format=GRAY8,width=4,height=3,framerate=30/1");
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  auto upwards = adopt(gst_buffer_new_memdup("3333222211110", 12));
  gsize offset[GST_VIDEO_MAX_PLANES] = {8};
  gint stride[GST_VIDEO_MAX_PLANES] = {-4};
  gst_buffer_add_video_meta_full(upwards.get(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, 4, 3, 1, offset,
                                 stride);
  in.push(std::move(upwards));
  const auto got = out.pull();
  ASSERT_TRUE(got);
  const auto bytes = bytes_of(got.get());
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), "111122223333");
}

// Another program's publisher, which says of its frames only what its caps text says.
TEST_F(ShmRing, a_reader_goes_on_after_a_malformed_frame_of_another_program) {
  shmring::PublisherOptions options;
  options.socket_path = path();
  options.slot_size = kFrameSize;
  auto publisher = shmring::Publisher::open(options);
  ASSERT_TRUE(publisher);
  shmring_format format = SHMRING_FORMAT_INIT;
  format.caps = kCaps.c_str();
  ASSERT_TRUE((*publisher)->set_format(format));
  Harness out = source();
  ASSERT_TRUE(eventually([&] { return (*publisher)->readers() == 1; }));
  const auto publish = [&](std::uint64_t number, gsize size) {
    const auto bytes = bytes_of(frame(number, kFrameSize).get());
    const auto part = std::span(bytes).first(size);
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    return bool{(*publisher)->write(std::array{std::span<const std::byte>(part)}, info)};
  };
  ASSERT_TRUE(publish(1, kFrameSize));
  EXPECT_EQ(number_of(out.pull().get()), 1u);
  ASSERT_TRUE(publish(2, kFrameSize / 2));
  ASSERT_TRUE(publish(3, 0));
  ASSERT_TRUE(publish(4, kFrameSize));
  EXPECT_EQ(number_of(out.pull().get()), 4u);
  EXPECT_NE(out.message(GST_MESSAGE_WARNING).find("malformed"), std::string::npos);
  EXPECT_EQ(out.message(GST_MESSAGE_WARNING, 0ms), "");
  EXPECT_EQ(number(stats_of(out.element()).get(), "malformed"), 2u);
}

}  // namespace
