// SPDX-License-Identifier: LGPL-2.1-or-later
// Transfer from shmringsink to shmringsrc: bytes, caps, times, flags, planes, the end.
#include <sys/resource.h>

#include <set>

#include <gst/video/video.h>

#include "shmring_fixture.hpp"

namespace {

using namespace shmring_test;

TEST_F(ShmRing, frames_arrive_byte_for_byte_and_in_order) {
  Harness in = sink();
  in.caps(kCaps);
  Harness out = source("worker=reader");
  ASSERT_TRUE(in.has_readers(1));
  for (std::uint64_t i = 1; i <= 200; ++i) {
    ASSERT_EQ(in.push(frame(i)), GST_FLOW_OK);
    const auto got = out.pull();
    ASSERT_TRUE(got);
    EXPECT_EQ(number_of(got.get()), i);
    EXPECT_EQ(GST_BUFFER_OFFSET(got.get()), i);
  }
  const auto lane = lane_of(in.element(), "reader");
  expect_balance(lane.get());
  EXPECT_EQ(number(lane.get(), "delivered"), 200u);
  EXPECT_EQ(number(lane.get(), "dropped"), 0u);
}

TEST_F(ShmRing, the_streams_events_come_in_order_with_the_publishers_caps) {
  Harness in = sink();
  in.caps(kCaps);
  in.push(frame(1));
  Harness out = source();
  ASSERT_TRUE(out.pull());
  EXPECT_EQ(GST_EVENT_TYPE(out.event(GST_EVENT_STREAM_START).get()), GST_EVENT_STREAM_START);
  const auto caps_event = out.event(GST_EVENT_CAPS);
  GstCaps* caps = nullptr;
  gst_event_parse_caps(caps_event.get(), &caps);
  EXPECT_TRUE(gst_caps_is_equal(caps, adopt(gst_caps_from_string(kCaps.c_str())).get()));
  const auto segment_event = out.event(GST_EVENT_SEGMENT);
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(segment_event.get(), &segment);
  EXPECT_EQ(segment->format, GST_FORMAT_TIME);
  EXPECT_EQ(segment->start, 0u);
  EXPECT_EQ(segment->rate, 1.0);
}

TEST_F(ShmRing, times_refer_to_the_same_moment_on_both_sides) {
  Harness in = sink();
  gst_element_set_base_time(in.element(), 100 * GST_SECOND);
  in.caps(kCaps);
  Harness out = idle_source();
  gst_element_set_base_time(out.element(), 103 * GST_SECOND);
  gst_harness_play(out.get());
  ASSERT_TRUE(in.has_readers(1));
  auto later = frame(1);
  GST_BUFFER_PTS(later.get()) = 5 * GST_SECOND;
  GST_BUFFER_DTS(later.get()) = 4 * GST_SECOND;
  GST_BUFFER_DURATION(later.get()) = 40 * GST_MSECOND;
  in.push(std::move(later));
  auto got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_EQ(GST_BUFFER_PTS(got.get()), 2 * GST_SECOND);
  EXPECT_EQ(GST_BUFFER_DTS(got.get()), 1 * GST_SECOND);
  EXPECT_EQ(GST_BUFFER_DURATION(got.get()), 40 * GST_MSECOND);

  auto before = frame(2);
  GST_BUFFER_PTS(before.get()) = 1 * GST_SECOND;
  in.push(std::move(before));  // before the reader's base-time: dropped
  auto last = frame(3);
  GST_BUFFER_PTS(last.get()) = 6 * GST_SECOND;
  in.push(std::move(last));
  EXPECT_EQ(number_of(out.pull().get()), 3u);
}

TEST_F(ShmRing, the_segment_is_taken_out_of_the_times) {
  Harness in = sink();
  gst_element_set_base_time(in.element(), 0);
  in.caps(kCaps);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = segment.position = 50 * GST_SECOND;
  segment.base = 2 * GST_SECOND;
  in.push_event(gst_event_new_segment(&segment));
  Harness out = idle_source();
  gst_element_set_base_time(out.element(), 0);
  gst_harness_play(out.get());
  ASSERT_TRUE(in.has_readers(1));
  auto buffer = frame(1);
  GST_BUFFER_PTS(buffer.get()) = 51 * GST_SECOND;
  in.push(std::move(buffer));
  const auto got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_EQ(GST_BUFFER_PTS(got.get()), 3 * GST_SECOND);
}

TEST_F(ShmRing, the_end_of_the_stream_comes_after_the_last_frame) {
  Harness in = sink("forward-eos=always");
  in.caps(kCaps);
  Harness out = source("on-disconnect=wait");
  ASSERT_TRUE(in.has_readers(1));
  in.push(frame(1));
  in.push(frame(2));
  in.push_event(gst_event_new_eos());
  EXPECT_EQ(number_of(out.pull().get()), 1u);
  EXPECT_EQ(number_of(out.pull().get()), 2u);
  EXPECT_TRUE(out.end_of_stream());
}

TEST_F(ShmRing, a_sink_that_ends_and_stops_at_once_still_ends_its_readers) {
  for (int round = 0; round < 20; ++round) {
    Harness in = sink("forward-eos=always");
    in.caps(kCaps);
    Harness out = source("on-disconnect=wait");
    ASSERT_TRUE(in.has_readers(1));
    in.push(frame(1));
    in.push_event(gst_event_new_eos());
    in.set_state(GST_STATE_NULL);
    EXPECT_TRUE(out.pull());
    EXPECT_TRUE(out.end_of_stream());
  }
}

TEST_F(ShmRing, discont_follows_a_gap_but_not_in_raw_video) {
  const auto second_is_discont = [this](const std::string& caps) {
    Harness in = sink("max-held=4 depth=1");
    in.caps(caps);
    Harness out = idle_source();
    gst_harness_play(out.get());
    EXPECT_TRUE(in.has_readers(1));
    in.push(frame(1));
    EXPECT_EQ(number_of(out.pull().get()), 1u);
    out.set_state(GST_STATE_PAUSED);  // so that frames are lost
    for (std::uint64_t i = 2; i < 6; ++i) in.push(frame(i));
    out.set_state(GST_STATE_PLAYING);
    Owned<GstBuffer> got;
    for (std::uint64_t i = 6; !got; ++i) {
      in.push(frame(i));
      got = out.pull(20ms);
    }
    return GST_BUFFER_FLAG_IS_SET(got.get(), GST_BUFFER_FLAG_DISCONT);
  };
  EXPECT_FALSE(second_is_discont(kCaps));
  EXPECT_TRUE(second_is_discont("video/x-test-frames"));
}

TEST_F(ShmRing, flags_cross_the_ring) {
  Harness in = sink();
  in.caps("video/x-test-frames");
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  in.push(frame(1));
  ASSERT_TRUE(out.pull());  // the first is marked DISCONT by every source
  auto buffer = frame(2);
  GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_DELTA_UNIT | GST_BUFFER_FLAG_MARKER | GST_BUFFER_FLAG_HEADER);
  in.push(std::move(buffer));
  const auto got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_TRUE(
      GST_BUFFER_FLAG_IS_SET(got.get(), GST_BUFFER_FLAG_DELTA_UNIT | GST_BUFFER_FLAG_MARKER | GST_BUFFER_FLAG_HEADER));
  EXPECT_FALSE(GST_BUFFER_FLAG_IS_SET(got.get(), GST_BUFFER_FLAG_DISCONT));
}

TEST_F(ShmRing, a_reference_timestamp_arrives_with_its_frame_and_only_with_that) {
  Harness in = sink();
  in.caps(kCaps);
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  const auto ntp = adopt(gst_caps_new_empty_simple("timestamp/x-ntp"));
  for (std::uint64_t i = 1; i <= 40; ++i) {  // every slot is used more than once
    auto buffer = frame(i);
    if (i % 2) gst_buffer_add_reference_timestamp_meta(buffer.get(), ntp.get(), i * GST_SECOND, 7);
    ASSERT_EQ(in.push(std::move(buffer)), GST_FLOW_OK);
    const auto got = out.pull();
    ASSERT_TRUE(got);
    const GstReferenceTimestampMeta* meta = gst_buffer_get_reference_timestamp_meta(got.get(), ntp.get());
    ASSERT_EQ(meta != nullptr, i % 2 == 1);
    if (!meta) continue;
    EXPECT_EQ(meta->timestamp, i * GST_SECOND);
    EXPECT_EQ(meta->duration, 7u);
  }
}

#if GST_CHECK_VERSION(1, 24, 0)
TEST_F(ShmRing, metas_that_gstreamer_can_serialise_arrive) {
  gst_meta_register_custom_simple("detections");
  Harness in = sink();
  in.caps(kCaps);
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  auto buffer = frame(1);
  GstCustomMeta* meta = gst_buffer_add_custom_meta(buffer.get(), "detections");
  gst_structure_set(gst_custom_meta_get_structure(meta), "persons", G_TYPE_INT, 3, nullptr);
  in.push(std::move(buffer));
  const auto got = out.pull();
  ASSERT_TRUE(got);
  GstCustomMeta* found = gst_buffer_get_custom_meta(got.get(), "detections");
  ASSERT_TRUE(found);
  gint persons = 0;
  EXPECT_TRUE(gst_structure_get_int(gst_custom_meta_get_structure(found), "persons", &persons));
  EXPECT_EQ(persons, 3);
}
#endif

TEST_F(ShmRing, caps_change_to_smaller_and_larger_frames_without_a_restart) {
  Harness in("shmringsink max-held=2 socket-path=" + path());
  const auto sized = [](guint width) {
    return "video/x-raw,format=GRAY8,height=16,framerate=30/1,width=" + std::to_string(width);
  };
  in.caps(sized(64));
  in.push(frame(1, 64 * 16));
  Harness out = source("worker=reader on-disconnect=error");
  std::uint64_t sent = 1;
  for (const guint width : {64u, 32u, 640u, 64u, 1280u, 2560u}) {
    in.caps(sized(width));
    // A larger ring: the reader moves over, and loses what was published meanwhile.
    Owned<GstBuffer> got;
    while (!got || gst_buffer_get_size(got.get()) != gsize{width} * 16) {
      ASSERT_EQ(in.push(frame(++sent, gsize{width} * 16)), GST_FLOW_OK);
      got = out.pull(50ms);
    }
    EXPECT_NE(number_of(got.get()), 0u);
    EXPECT_NE(out.caps_now().find("width=(int)" + std::to_string(width)), std::string::npos) << out.caps_now();
  }
  EXPECT_EQ(out.error(0ms), "");
  const auto lane = lane_of(in.element(), "reader");
  expect_balance(lane.get());
  EXPECT_EQ(number(lane.get(), "generation"), 1u) << "moving to another ring is no restart";
  EXPECT_EQ(text(lane.get(), "reader-state"), "active");
}

TEST_F(ShmRing, encoded_frames_of_varying_size_and_audio_cross_the_ring) {
  Harness in("shmringsink socket-path=" + path());
  in.caps("image/jpeg,width=640,height=480");
  in.push(frame(1, 1000));
  Harness out = source();
  ASSERT_TRUE(out.pull());
  for (std::uint64_t i = 2; i < 40; ++i) {
    const gsize size = (i * 7919) % 100'000 + 8;
    ASSERT_EQ(in.push(frame(i, size)), GST_FLOW_OK);
    const auto got = out.pull();
    ASSERT_TRUE(got);
    EXPECT_EQ(gst_buffer_get_size(got.get()), size);
    EXPECT_EQ(number_of(got.get()), i);
  }
  in.caps("audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved");
  in.push(frame(100, 4096));
  const auto got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_EQ(number_of(got.get()), 100u);
  EXPECT_NE(out.caps_now().find("audio/x-raw"), std::string::npos);
}

TEST_F(ShmRing, jpeg_pictures_can_be_decoded_behind_the_ring) {
  support::Pipeline in(
      "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=60/1 ! jpegenc ! shmringsink "
      "socket-path=" +
      path());
  support::Pipeline out("shmringsrc num-buffers=20 socket-path=" + path() +
                        " ! jpegdec ! video/x-raw,width=320,height=240 ! fakesink");
  ASSERT_TRUE(in.play());
  ASSERT_TRUE(out.play());
  EXPECT_EQ(out.finish(), "");
}

TEST_F(ShmRing, audio_can_be_played_behind_the_ring) {
  support::Pipeline in(
      "audiotestsrc is-live=true ! audio/x-raw,format=S16LE,rate=48000 ! shmringsink depth=16 socket-path=" + path());
  support::Pipeline out("shmringsrc num-buffers=20 socket-path=" + path() +
                        " ! audioconvert ! audioresample ! fakesink sync=true");
  ASSERT_TRUE(in.play());
  ASSERT_TRUE(out.play());
  EXPECT_EQ(out.finish(), "");
}

TEST_F(ShmRing, a_buffer_of_many_memories_arrives_as_one_frame) {
  Harness in = sink();
  in.caps("application/x-parts");
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  const auto whole = frame(1, 1200);
  auto parts = adopt(gst_buffer_new());
  for (gsize at = 0; at < 1200; at += 100) {
    auto part = adopt(gst_buffer_copy_region(whole.get(), GST_BUFFER_COPY_MEMORY, at, 100));
    parts = adopt(gst_buffer_append(parts.release(), part.release()));
  }
  ASSERT_EQ(gst_buffer_n_memory(parts.get()), 12u);
  in.push(std::move(parts));
  const auto got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_EQ(bytes_of(got.get()), bytes_of(whole.get()));
}

TEST_F(ShmRing, a_buffer_that_begins_within_its_memory_arrives_from_there) {
  Harness in = sink();
  in.caps("application/x-parts");
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  const auto whole = frame(1, 1200);
  auto part = adopt(gst_buffer_copy_region(whole.get(), GST_BUFFER_COPY_ALL, 200, 700));
  const auto expected = bytes_of(part.get());
  in.push(std::move(part));
  const auto got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_EQ(bytes_of(got.get()), expected);
}

TEST_F(ShmRing, buffer_lists_and_buffers_without_memory_pass) {
  Harness in = sink();
  in.caps("application/x-parts");
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  GstBufferList* list = gst_buffer_list_new();
  gst_buffer_list_add(list, frame(1).release());
  GstBuffer* empty = gst_buffer_new();
  GST_BUFFER_DURATION(empty) = 7;
  gst_buffer_list_add(list, empty);
  gst_buffer_list_add(list, frame(3).release());
  ASSERT_EQ(gst_pad_push_list(in.get()->srcpad, list), GST_FLOW_OK);
  EXPECT_EQ(number_of(out.pull().get()), 1u);
  const auto got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_EQ(gst_buffer_get_size(got.get()), 0u);
  EXPECT_EQ(GST_BUFFER_DURATION(got.get()), 7u);
  EXPECT_EQ(number_of(out.pull().get()), 3u);
}

TEST_F(ShmRing, a_gap_is_told_where_data_is_needed_all_the_time) {
  Harness in = sink();
  gst_element_set_base_time(in.element(), 0);
  in.caps("text/x-raw,format=utf8");
  Harness out = idle_source();
  gst_element_set_base_time(out.element(), 0);
  gst_harness_play(out.get());
  ASSERT_TRUE(in.has_readers(1));
  in.push(frame(1));
  ASSERT_TRUE(out.pull());
  in.push_event(gst_event_new_gap(4 * GST_SECOND, GST_SECOND));
  const auto gap = out.event(GST_EVENT_GAP);
  ASSERT_TRUE(gap);
  GstClockTime pts = 0;
  GstClockTime duration = 0;
  gst_event_parse_gap(gap.get(), &pts, &duration);
  EXPECT_EQ(pts, 4 * GST_SECOND);
  EXPECT_EQ(duration, GST_SECOND);
}

// A limit of this process stands for any reason why a larger ring is not to be had.
TEST_F(ShmRing, frames_for_which_no_ring_is_to_be_had_are_dropped_and_counted_and_come_when_it_is) {
  Harness in = sink("slot-size=0");
  in.caps(kCaps);
  Harness out = source("worker=reader");
  in.push(frame(1));
  EXPECT_EQ(number_of(out.pull().get()), 1u);
  const std::string larger = "video/x-raw,format=GRAY8,width=640,height=480,framerate=30/1";
  {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const rlimit little{1 << 20, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &little), 0);
    in.caps(larger);
    for (std::uint64_t i = 2; i < 5; ++i) EXPECT_EQ(in.push(frame(i, 640 * 480)), GST_FLOW_OK);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  }
  const std::string warning = in.message(GST_MESSAGE_WARNING);
  EXPECT_NE(warning.find("No room for larger frames"), std::string::npos) << warning;
  EXPECT_NE(warning.find("ulimit -f"), std::string::npos) << warning;
  EXPECT_EQ(in.message(GST_MESSAGE_WARNING, 0ms), "");
  EXPECT_EQ(in.message(GST_MESSAGE_ERROR, 0ms), "");
  EXPECT_EQ(number(stats_of(in.element()).get(), "dropped-too-large"), 3u);
  std::uint64_t sent = 5;
  EXPECT_TRUE(eventually([&] {
    EXPECT_EQ(in.push(frame(sent++, 640 * 480)), GST_FLOW_OK);
    return number(stats_of(in.element()).get(), "published") > 1;
  }));
  EXPECT_GE(number_of(out.pull().get()), 5u);
  EXPECT_EQ(in.message(GST_MESSAGE_ERROR, 0ms), "");
}

TEST_F(ShmRing, a_gap_does_not_take_a_pictures_place) {
  Harness in = sink("drop-policy=latest");
  in.caps(kCaps);
  in.push(frame(1));
  in.push_event(gst_event_new_gap(4 * GST_SECOND, GST_SECOND));
  Harness out = source();
  EXPECT_EQ(number_of(out.pull().get()), 1u);
}

TEST_F(ShmRing, a_frame_that_is_too_large_is_refused_counted_and_reported_once) {
  Harness in = sink();
  in.caps("application/x-large");
  Harness out = source("worker=reader");
  ASSERT_TRUE(in.has_readers(1));
  for (std::uint64_t i = 1; i < 4; ++i) EXPECT_EQ(in.push(frame(i, kFrameSize + 1)), GST_FLOW_OK);
  in.push(frame(4));
  EXPECT_EQ(number_of(out.pull().get()), 4u);
  const std::string warning = in.message(GST_MESSAGE_WARNING);
  EXPECT_NE(warning.find(std::to_string(kFrameSize + 1)), std::string::npos) << warning;
  EXPECT_NE(warning.find("slot-size"), std::string::npos) << warning;
  EXPECT_EQ(in.message(GST_MESSAGE_WARNING, 0ms), "");
  EXPECT_EQ(number(stats_of(in.element()).get(), "dropped-too-large"), 3u);
  const auto lane = lane_of(in.element(), "reader");
  expect_balance(lane.get());
  EXPECT_EQ(number(lane.get(), "dropped"), 3u);
}

TEST_F(ShmRing, frames_without_caps_are_an_error_that_says_what_to_do) {
  support::Pipeline in("fakesrc sizetype=fixed num-buffers=3 ! shmringsink socket-path=" + path());
  in.set_state(GST_STATE_PLAYING);
  const auto error = in.message(GST_MESSAGE_ERROR);
  ASSERT_TRUE(error);
  const std::string text = support::Pipeline::error_text(error.get());
  EXPECT_NE(text.find("add a capsfilter or a typefind upstream"), std::string::npos) << text;
}

}  // namespace
