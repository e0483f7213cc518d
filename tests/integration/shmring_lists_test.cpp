// SPDX-License-Identifier: LGPL-2.1-or-later
// Lists of buffers through the ring: bursts of packets arrive whole, whatever the depth of a lane is.
#include "shmring_fixture.hpp"

namespace {

using namespace shmring_test;

guint64 figure(Harness& sink, const char* field) { return number(stats_of(sink.element()).get(), field); }

Owned<GstBuffer> packet(std::uint64_t number, gsize size, GstClockTime pts = GST_CLOCK_TIME_NONE) {
  auto buffer = frame(number, size);
  GST_BUFFER_PTS(buffer.get()) = pts;
  return buffer;
}

GstFlowReturn push(Harness& sink, std::vector<Owned<GstBuffer>> buffers) {
  GstBufferList* list = gst_buffer_list_new();
  for (auto& buffer : buffers) gst_buffer_list_add(list, buffer.release());
  return gst_pad_push_list(sink.get()->srcpad, list);
}

TEST_F(ShmRing, a_burst_of_packets_is_one_frame_and_arrives_packet_by_packet) {
  Harness in("shmringsink socket-path=" + path());  // the default depth
  in.caps("video/mpegts,systemstream=true,packetsize=188");
  in.push(packet(1, 1316));
  Harness out = source("worker=reader");
  ASSERT_TRUE(out.pull());
  for (int burst = 0; burst < 20; ++burst) {
    std::vector<Owned<GstBuffer>> packets;
    for (std::uint64_t i = 1; i <= 100; ++i) packets.push_back(packet(i, i == 100 ? 188 : 1316, 5 * GST_SECOND));
    ASSERT_EQ(push(in, std::move(packets)), GST_FLOW_OK);
    guint64 offset = 0;
    for (std::uint64_t i = 1; i <= 100; ++i) {
      const auto got = out.pull();
      ASSERT_TRUE(got);
      EXPECT_EQ(number_of(got.get()), i);
      EXPECT_EQ(gst_buffer_get_size(got.get()), i == 100 ? 188u : 1316u);
      if (i == 1) offset = GST_BUFFER_OFFSET(got.get());
      EXPECT_EQ(GST_BUFFER_OFFSET(got.get()), offset) << "one frame";
    }
  }
  const auto lane = lane_of(in.element(), "reader");
  expect_balance(lane.get());
  EXPECT_EQ(number(lane.get(), "dropped"), 0u);
  EXPECT_EQ(figure(in, "offered"), 21u);
}

TEST_F(ShmRing, packets_of_a_list_keep_their_flags_and_the_first_ones_metas) {
  Harness in = sink();
  in.caps("application/x-rtp,media=video,clock-rate=90000,encoding-name=H264");
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  in.push(packet(9, 10));
  ASSERT_TRUE(out.pull());  // the first is marked DISCONT by every source
  const auto ntp = adopt(gst_caps_new_empty_simple("timestamp/x-ntp"));
  std::vector<Owned<GstBuffer>> packets;
  for (std::uint64_t i = 1; i <= 3; ++i) packets.push_back(packet(i, 100 * i, GST_SECOND));
  gst_buffer_add_reference_timestamp_meta(packets[0].get(), ntp.get(), 77, GST_CLOCK_TIME_NONE);
  GST_BUFFER_FLAG_SET(packets[1].get(), GST_BUFFER_FLAG_DELTA_UNIT);
  GST_BUFFER_FLAG_SET(packets[2].get(), GST_BUFFER_FLAG_MARKER);
  push(in, std::move(packets));
  const guint expected[] = {0, GST_BUFFER_FLAG_DELTA_UNIT, GST_BUFFER_FLAG_MARKER};
  for (std::uint64_t i = 1; i <= 3; ++i) {
    const auto got = out.pull();
    ASSERT_TRUE(got);
    EXPECT_EQ(number_of(got.get()), i);
    EXPECT_EQ(GST_BUFFER_FLAGS(got.get()) & ~guint{GST_BUFFER_FLAG_TAG_MEMORY}, expected[i - 1]);
    EXPECT_EQ(gst_buffer_get_reference_timestamp_meta(got.get(), ntp.get()) != nullptr, i == 1);
  }
}

TEST_F(ShmRing, buffers_of_a_list_that_have_times_of_their_own_are_frames_of_their_own) {
  Harness in = sink("depth=20");
  in.caps("application/x-packets");
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  std::vector<Owned<GstBuffer>> buffers;
  buffers.push_back(packet(1, 100, 1 * GST_SECOND));
  buffers.push_back(packet(2, 100));  // belongs to the first
  buffers.push_back(packet(3, 100, 2 * GST_SECOND));
  buffers.push_back(packet(4, 100, 2 * GST_SECOND));
  push(in, std::move(buffers));
  for (std::uint64_t i = 1; i <= 4; ++i) EXPECT_EQ(number_of(out.pull().get()), i);
  EXPECT_EQ(figure(in, "offered"), 2u);
}

TEST_F(ShmRing, pictures_of_a_list_are_frames_of_their_own) {
  Harness in = sink();
  in.caps(kCaps);
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  std::vector<Owned<GstBuffer>> buffers;
  for (std::uint64_t i = 1; i <= 3; ++i) buffers.push_back(frame(i));
  push(in, std::move(buffers));
  for (std::uint64_t i = 1; i <= 3; ++i) EXPECT_EQ(number_of(out.pull().get()), i);
  EXPECT_EQ(figure(in, "offered"), 3u);
}

TEST_F(ShmRing, a_list_larger_than_a_slot_or_of_very_many_packets_takes_several_frames) {
  Harness in = sink("depth=20");  // slots of 3072 bytes
  in.caps("application/x-packets");
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  std::vector<Owned<GstBuffer>> buffers;
  for (std::uint64_t i = 1; i <= 10; ++i) buffers.push_back(packet(i, 1000));
  push(in, std::move(buffers));
  for (std::uint64_t i = 1; i <= 10; ++i) EXPECT_EQ(number_of(out.pull().get()), i);
  EXPECT_EQ(figure(in, "offered"), 4u);

  buffers.clear();
  for (std::uint64_t i = 1; i <= 1000; ++i) buffers.push_back(packet(i, 8));
  push(in, std::move(buffers));
  for (std::uint64_t i = 1; i <= 1000; ++i) ASSERT_TRUE(out.pull());
  EXPECT_EQ(figure(in, "offered"), 7u);
  EXPECT_EQ(figure(in, "dropped-too-large"), 0u);
}

TEST_F(ShmRing, a_list_with_a_packet_that_cannot_be_read_costs_itself_alone) {
  Harness in = sink();
  in.caps("application/x-packets");
  std::vector<Owned<GstBuffer>> buffers;
  for (std::uint64_t i = 1; i <= 3; ++i) buffers.push_back(packet(i, 100));
  GstMemory* memory = gst_buffer_get_memory(buffers[1].get(), 0);
  GstMapInfo map;
  ASSERT_TRUE(gst_memory_map(memory, &map, GST_MAP_WRITE));
  EXPECT_EQ(push(in, std::move(buffers)), GST_FLOW_OK);
  gst_memory_unmap(memory, &map);
  gst_memory_unref(memory);
  EXPECT_EQ(in.push(packet(4, 100)), GST_FLOW_OK);
  EXPECT_EQ(figure(in, "dropped-malformed"), 1u);
  EXPECT_EQ(figure(in, "published"), 1u);
}

TEST_F(ShmRing, a_stream_of_bytes_that_is_joined_later_begins_with_its_headers) {
  const auto bytes = [](const char* text) { return adopt(gst_buffer_new_memdup(text, 4)); };
  const auto arrived = [](GstBuffer* buffer) {
    const auto got = bytes_of(buffer);
    return std::string(reinterpret_cast<const char*>(got.data()), got.size());
  };
  const auto header = [&](const char* text) {
    auto buffer = bytes(text);
    GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_HEADER);
    return buffer;
  };
  // "HEAD" and "TAIL", in caps and in the stream
  const std::string caps = "application/x-gdp,streamheader=(buffer)<48454144,5441494c>";
  const std::vector<std::string> all = {"HEAD", "TAIL", "data", "more"};
  for (const std::size_t begin : {0, 1, 2}) {  // what the reader comes in time for
    Harness in = sink("depth=10");
    in.caps(caps);
    Harness out = source();
    ASSERT_TRUE(in.has_readers(1));
    for (std::size_t i = begin; i < all.size(); ++i) in.push(i < 2 ? header(all[i].c_str()) : bytes(all[i].c_str()));
    for (const std::string& expected : all) {
      const auto got = out.pull();
      ASSERT_TRUE(got) << begin;
      EXPECT_EQ(arrived(got.get()), expected) << begin;
    }
  }
}

TEST_F(ShmRing, headers_of_an_elementary_stream_stay_in_its_caps) {
  Harness in = sink();
  in.caps("audio/x-opus,streamheader=(buffer)<48454144>");
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  in.push(packet(1, 100));
  EXPECT_EQ(number_of(out.pull().get()), 1u);
}

}  // namespace
