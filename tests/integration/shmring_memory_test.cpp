// SPDX-License-Identifier: LGPL-2.1-or-later
// Whose memory a frame lies in: when it is copied and when not, who may write to it, how long it stays.
#include <cstring>
#include <numeric>

#include <gst/video/video.h>

#include "publisher/publisher.hpp"
#include "shmring_fixture.hpp"

namespace {

using namespace shmring_test;

// The pool that a sink proposes to its upstream neighbour, ready to use.
Owned<GstBufferPool> pool_of(Harness& sink, const std::string& caps_text) {
  const auto caps = adopt(gst_caps_from_string(caps_text.c_str()));
  const auto query = adopt(gst_query_new_allocation(caps.get(), TRUE));
  EXPECT_TRUE(gst_pad_peer_query(sink.get()->srcpad, query.get()));
  EXPECT_EQ(gst_query_get_n_allocation_params(query.get()), 0u) << "there is no allocator to use it without the pool";
  if (gst_query_get_n_allocation_pools(query.get()) == 0) return nullptr;
  EXPECT_TRUE(gst_query_find_allocation_meta(query.get(), GST_VIDEO_META_API_TYPE, nullptr));
  GstBufferPool* pool = nullptr;
  gst_query_parse_nth_allocation_pool(query.get(), 0, &pool, nullptr, nullptr, nullptr);
  EXPECT_TRUE(gst_buffer_pool_set_active(pool, TRUE));
  return adopt(pool);
}

Owned<GstBuffer> acquire(GstBufferPool* pool) {
  GstBuffer* buffer = nullptr;
  EXPECT_EQ(gst_buffer_pool_acquire_buffer(pool, &buffer, nullptr), GST_FLOW_OK);
  return adopt(buffer);
}

void fill(GstBuffer* buffer, std::uint64_t number) {
  GstMapInfo map;
  ASSERT_TRUE(gst_buffer_map(buffer, &map, GST_MAP_WRITE));
  support::fill_payload(std::as_writable_bytes(std::span(map.data, map.size)), number);
  gst_buffer_unmap(buffer, &map);
}

bool in_a_ring(GstBuffer* buffer) { return gst_memory_is_type(gst_buffer_peek_memory(buffer, 0), "ShmRingMemory"); }

guint64 figure(Harness& sink, const char* field) { return number(stats_of(sink.element()).get(), field); }

struct Copies {
  guint64 published;
  guint64 copied;
};
// Result of a whole pipeline into a sink.
Copies copies(const std::string& upstream, const std::string& path) {
  support::Pipeline pipeline(upstream + " ! shmringsink name=sink socket-path=" + path);
  EXPECT_TRUE(pipeline.play());
  EXPECT_EQ(pipeline.finish(), "");
  const auto stats = stats_of(pipeline.find("sink").get());
  return {number(stats.get(), "published"), number(stats.get(), "copied")};
}

TEST_F(ShmRing, elements_that_take_the_pool_write_into_the_ring_and_nothing_is_copied) {
  const std::string picture = "video/x-raw,format=I420,width=320,height=240,framerate=30/1";
  for (const std::string& upstream :
       {"videotestsrc num-buffers=40 ! " + picture,
        "videotestsrc num-buffers=40 ! video/x-raw,format=RGB ! videoconvert ! " + picture,
        "videotestsrc num-buffers=40 ! " + picture + " ! jpegenc ! jpegdec",
        "videotestsrc num-buffers=40 ! video/x-raw,width=64,height=64 ! videoscale ! " + picture}) {
    const Copies seen = copies(upstream, path());
    EXPECT_EQ(seen.published, 40u) << upstream;
    EXPECT_EQ(seen.copied, 0u) << upstream;
  }
}

TEST_F(ShmRing, a_frame_written_in_place_is_what_readers_get) {
  Harness in = sink();
  in.caps(kCaps);
  const auto pool = pool_of(in, kCaps);
  ASSERT_TRUE(pool);
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  for (std::uint64_t i = 1; i <= 50; ++i) {
    auto buffer = acquire(pool.get());
    ASSERT_TRUE(in_a_ring(buffer.get()));
    fill(buffer.get(), i);
    ASSERT_EQ(in.push(std::move(buffer)), GST_FLOW_OK);
    EXPECT_EQ(number_of(out.pull().get()), i);
  }
  EXPECT_EQ(figure(in, "published"), 50u);
  EXPECT_EQ(figure(in, "copied"), 0u);
}

TEST_F(ShmRing, the_pool_never_waits_and_its_idle_buffers_own_no_slot) {
  Harness in = sink();
  in.caps(kCaps);
  const auto pool = pool_of(in, kCaps);
  ASSERT_TRUE(pool);
  std::vector<Owned<GstBuffer>> buffers;
  for (int i = 0; i < 40; ++i) buffers.push_back(acquire(pool.get()));  // far more than there are slots to lend
  EXPECT_GT(figure(in, "loaned"), 0u);
  EXPECT_LT(figure(in, "loaned"), 40u);
  buffers.clear();
  EXPECT_TRUE(eventually([&] {
    acquire(pool.get());  // what was given back is noticed with the next one
    return figure(in, "loaned") <= 1;
  }));

  for (int i = 0; i < 40; ++i) buffers.push_back(acquire(pool.get()));
  for (std::uint64_t i = 0; i < 40; ++i) {
    fill(buffers[i].get(), i + 1);
    EXPECT_EQ(in.push(std::move(buffers[i])), GST_FLOW_OK);
  }
  const auto stats = stats_of(in.element());
  EXPECT_EQ(number(stats.get(), "published"), 40u) << "those on the heap were copied when a slot was free";
  EXPECT_GT(number(stats.get(), "copied"), 0u);
  EXPECT_LT(number(stats.get(), "copied"), 40u);
}

TEST_F(ShmRing, the_same_memory_pushed_again_is_another_frame) {
  Harness in = sink();
  in.caps(kCaps);
  const auto pool = pool_of(in, kCaps);
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  auto buffer = acquire(pool.get());
  fill(buffer.get(), 7);
  auto again = adopt(gst_buffer_ref(buffer.get()));
  in.push(std::move(buffer));
  in.push(std::move(again));
  for (guint64 sequence = 1; sequence <= 2; ++sequence) {
    const auto got = out.pull();
    ASSERT_TRUE(got);
    EXPECT_EQ(number_of(got.get()), 7u);
    EXPECT_EQ(GST_BUFFER_OFFSET(got.get()), sequence);
  }
  EXPECT_EQ(figure(in, "copied"), 1u);
}

// As videorate does it: it keeps a frame to repeat it, while its upstream fills the next one.
TEST_F(ShmRing, the_same_memory_is_copied_though_upstream_has_all_that_the_pool_lends) {
  for (const char* properties : {"", "slots=6", "slots=5"}) {
    Harness in = sink(properties);
    in.caps(kCaps);
    const auto pool = pool_of(in, kCaps);
    std::vector<Owned<GstBuffer>> out;
    for (int i = 0; i < 10; ++i) out.push_back(acquire(pool.get()));  // far more than there are slots to lend
    fill(out.front().get(), 7);
    in.push(adopt(gst_buffer_ref(out.front().get())));
    in.push(adopt(gst_buffer_ref(out.front().get())));
    EXPECT_EQ(figure(in, "published"), 2u) << properties;
    EXPECT_EQ(figure(in, "copied"), 1u) << properties;
  }
}

TEST_F(ShmRing, frames_that_videorate_repeats_are_frames_of_their_own) {
  const Copies seen = copies(
      "videotestsrc num-buffers=10 ! video/x-raw,width=64,height=48,framerate=10/1 ! videorate ! "
      "video/x-raw,framerate=30/1",
      path());
  EXPECT_GT(seen.published, 20u);
  EXPECT_GT(seen.copied, 0u);
}

TEST_F(ShmRing, memory_of_a_ring_that_was_replaced_is_copied) {
  Harness in("shmringsink socket-path=" + path());
  in.caps(kCaps);
  const auto pool = pool_of(in, kCaps);
  auto before = acquire(pool.get());
  ASSERT_TRUE(in_a_ring(before.get()));
  fill(before.get(), 1);
  in.caps("video/x-raw,format=GRAY8,width=640,height=480,framerate=30/1");
  in.push(frame(2, 640 * 480));
  ASSERT_EQ(figure(in, "copied"), 1u);
  in.caps(kCaps);
  EXPECT_EQ(in.push(std::move(before)), GST_FLOW_OK);
  EXPECT_EQ(figure(in, "copied"), 2u);
  Harness out = source();
  EXPECT_EQ(number_of(out.pull().get()), 1u);
}

TEST_F(ShmRing, a_published_frame_cannot_be_written_by_another_branch) {
  Harness in = sink();
  in.caps(kCaps);
  const auto pool = pool_of(in, kCaps);
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  auto buffer = acquire(pool.get());
  fill(buffer.get(), 1);
  auto sibling = adopt(gst_buffer_copy(buffer.get()));  // as a tee's other branch has it: the same memory
  auto early_part = adopt(gst_buffer_copy_region(buffer.get(), GST_BUFFER_COPY_MEMORY, 8, 64));
  in.push(std::move(buffer));
  const auto got = out.pull();
  ASSERT_TRUE(got);

  GstMapInfo map;
  GstMemory* memory = gst_buffer_peek_memory(sibling.get(), 0);
  EXPECT_FALSE(gst_memory_map(memory, &map, GST_MAP_WRITE));
  EXPECT_FALSE(gst_memory_map(gst_buffer_peek_memory(early_part.get(), 0), &map, GST_MAP_WRITE));
  ASSERT_TRUE(gst_buffer_map(sibling.get(), &map, GST_MAP_WRITE)) << "a writer gets a copy";
  std::memset(map.data, 0xFF, map.size);
  gst_buffer_unmap(sibling.get(), &map);
  EXPECT_FALSE(in_a_ring(sibling.get()));
  EXPECT_EQ(number_of(got.get()), 1u);
}

TEST_F(ShmRing, a_slot_that_another_branch_still_looks_at_is_not_used_again) {
  Harness in = sink();
  in.caps(kCaps);
  const auto pool = pool_of(in, kCaps);
  auto buffer = acquire(pool.get());
  fill(buffer.get(), 1000);
  const auto sibling = adopt(gst_buffer_ref(buffer.get()));
  in.push(std::move(buffer));
  for (std::uint64_t i = 1; i <= 100; ++i) {
    auto next = acquire(pool.get());
    fill(next.get(), i);
    in.push(std::move(next));
  }
  EXPECT_EQ(number_of(sibling.get()), 1000u);
}

TEST_F(ShmRing, a_readers_frame_cannot_be_written) {
  Harness in = sink();
  in.caps(kCaps);
  in.push(frame(1));
  Harness out = source();
  auto got = out.pull();
  ASSERT_TRUE(got);
  GstMemory* memory = gst_buffer_peek_memory(got.get(), 0);
  EXPECT_TRUE(GST_MEMORY_IS_READONLY(memory));
  GstMapInfo map;
  EXPECT_FALSE(gst_memory_map(memory, &map, GST_MAP_WRITE));
  EXPECT_FALSE(gst_memory_map(memory, &map, GST_MAP_READWRITE));
  const auto part = adopt(gst_buffer_copy_region(got.get(), GST_BUFFER_COPY_MEMORY, 16, 16));
  EXPECT_FALSE(gst_memory_map(gst_buffer_peek_memory(part.get(), 0), &map, GST_MAP_WRITE));
  const auto whole = bytes_of(got.get());
  EXPECT_EQ(bytes_of(part.get()), std::vector(whole.begin() + 16, whole.begin() + 32));
  ASSERT_TRUE(gst_buffer_map(got.get(), &map, GST_MAP_READWRITE)) << "a writer gets a copy";
  EXPECT_FALSE(in_a_ring(got.get()));
  gst_buffer_unmap(got.get(), &map);
}

TEST_F(ShmRing, buffers_stay_valid_when_both_pipelines_are_gone) {
  std::vector<Owned<GstBuffer>> kept;
  Owned<GstBuffer> part;
  {
    Harness in = sink("max-held=4");
    in.caps(kCaps);
    Harness out = source();
    ASSERT_TRUE(in.has_readers(1));
    for (std::uint64_t i = 1; i <= 3; ++i) {
      in.push(frame(i));
      kept.push_back(out.pull());
      ASSERT_TRUE(in_a_ring(kept.back().get()));
    }
    part = adopt(gst_buffer_copy_region(kept[0].get(), GST_BUFFER_COPY_ALL, 0, 8));
  }
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(number_of(kept[i].get()), i + 1);
  kept.clear();
  EXPECT_EQ(support::payload_sequence(bytes_of(part.get())), 1u);
}

TEST_F(ShmRing, a_buffer_of_the_sinks_pool_may_outlive_the_sink) {
  Owned<GstBuffer> lent;
  Owned<GstBufferPool> pool;
  {
    Harness in = sink();
    in.caps(kCaps);
    pool = pool_of(in, kCaps);
    lent = acquire(pool.get());
    ASSERT_TRUE(in_a_ring(lent.get()));
  }
  fill(lent.get(), 1);
  EXPECT_EQ(number_of(lent.get()), 1u);
  EXPECT_EQ(gst_buffer_get_size(acquire(pool.get()).get()), kFrameSize) << "on the heap";
  gst_buffer_pool_set_active(pool.get(), FALSE);
}

TEST_F(ShmRing, what_downstream_hoards_is_copied_so_that_frames_keep_coming) {
  Harness in = sink("max-held=3 drop-policy=latest");
  in.caps(kCaps);
  Harness out = source("worker=hoarder");
  ASSERT_TRUE(in.has_readers(1));
  std::vector<Owned<GstBuffer>> hoard;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    in.push(frame(i));
    hoard.push_back(out.pull());
    ASSERT_EQ(number_of(hoard.back().get()), i);
  }
  for (std::uint64_t i = 1; i <= 20; ++i) EXPECT_EQ(number_of(hoard[i - 1].get()), i);
  auto stats = stats_of(out.element());
  EXPECT_EQ(number(stats.get(), "copied"), 18u);
  EXPECT_EQ(number(stats.get(), "held"), 2u);
  hoard.clear();
  in.push(frame(21));
  EXPECT_EQ(number_of(out.pull().get()), 21u);
  EXPECT_EQ(number(stats_of(out.element()).get(), "copied"), 18u) << "not a moment longer than needed";
}

// A picture with rows further apart than its caps say.
constexpr gint kStride = 80;
Owned<GstBuffer> wide_rows(std::uint64_t seed) {
  auto buffer = frame(seed, kStride * kHeight);
  gsize offsets[GST_VIDEO_MAX_PLANES] = {0};
  gint strides[GST_VIDEO_MAX_PLANES] = {kStride};
  gst_buffer_add_video_meta_full(buffer.get(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, kWidth, kHeight, 1,
                                 offsets, strides);
  return buffer;
}
std::vector<std::byte> picture_of(GstBuffer* wide) {
  const auto bytes = bytes_of(wide);
  std::vector<std::byte> picture;
  for (guint row = 0; row < kHeight; ++row)
    picture.insert(picture.end(), bytes.begin() + row * kStride, bytes.begin() + row * kStride + kWidth);
  return picture;
}

TEST_F(ShmRing, rows_of_another_stride_pass_without_a_copy_where_downstream_understands_them) {
  Harness in("shmringsink socket-path=" + path());
  in.caps(kCaps);
  in.push(wide_rows(1));
  Harness out = idle_source();
  gst_harness_add_propose_allocation_meta(out.get(), GST_VIDEO_META_API_TYPE, nullptr);
  gst_harness_play(out.get());
  const auto got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_TRUE(in_a_ring(got.get()));
  EXPECT_EQ(number_of(got.get()), 1u);
  const GstVideoMeta* meta = gst_buffer_get_video_meta(got.get());
  ASSERT_TRUE(meta);
  EXPECT_EQ(meta->stride[0], kStride);
  EXPECT_EQ(number(stats_of(out.element()).get(), "copied"), 0u);
}

TEST_F(ShmRing, rows_of_another_stride_are_put_straight_where_downstream_does_not) {
  Harness in("shmringsink socket-path=" + path());
  in.caps(kCaps);
  auto wide = wide_rows(1);
  const auto expected = picture_of(wide.get());
  in.push(std::move(wide));
  Harness out = source();
  const auto got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_FALSE(gst_buffer_get_video_meta(got.get()));
  EXPECT_EQ(bytes_of(got.get()), expected);
  EXPECT_EQ(number(stats_of(out.element()).get(), "copied"), 1u);
}

TEST_F(ShmRing, a_picture_whose_padding_does_not_fit_is_published_without_it) {
  Harness in = sink();  // slots of a picture without padding
  in.caps(kCaps);
  auto wide = wide_rows(1);
  const auto expected = picture_of(wide.get());
  in.push(std::move(wide));
  Harness out = source();
  const auto got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_EQ(bytes_of(got.get()), expected);
  EXPECT_EQ(figure(in, "dropped-too-large"), 0u);
}

// A quarter of a picture of random bytes, and what is to be seen of it.
Owned<GstBuffer> quarter(std::vector<std::byte>& seen) {
  auto buffer = frame(1, 4 * kFrameSize);
  const auto bytes = bytes_of(buffer.get());
  gst_buffer_add_video_meta(buffer.get(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, 2 * kWidth, 2 * kHeight);
  GstVideoCropMeta* crop = gst_buffer_add_video_crop_meta(buffer.get());
  crop->x = 13;
  crop->y = 7;
  crop->width = kWidth;
  crop->height = kHeight;
  for (guint row = 0; row < kHeight; ++row) {
    const auto begin = bytes.begin() + (row + crop->y) * 2 * kWidth + crop->x;
    seen.insert(seen.end(), begin, begin + kWidth);
  }
  return buffer;
}

TEST_F(ShmRing, a_part_of_a_picture_arrives_as_that_part_whether_it_fits_whole_or_not) {
  for (const std::string& slot_size : {std::string("0"), std::to_string(kFrameSize)}) {
    Harness in("shmringsink socket-path=" + path() + " slot-size=" + slot_size);
    in.caps(kCaps);
    std::vector<std::byte> expected;
    in.push(quarter(expected));
    Harness out = source();
    const auto got = out.pull();
    ASSERT_TRUE(got);
    EXPECT_EQ(bytes_of(got.get()), expected) << slot_size;
  }
}

GstStructure* with_padding(GstBufferPool* pool, guint padding) {
  GstStructure* config = gst_buffer_pool_get_config(pool);
  gst_buffer_pool_config_add_option(config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  gst_buffer_pool_config_add_option(config, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT);
  GstVideoAlignment alignment;
  gst_video_alignment_reset(&alignment);
  alignment.padding_left = alignment.padding_right = alignment.padding_top = alignment.padding_bottom = padding;
  gst_buffer_pool_config_set_video_alignment(config, &alignment);
  return config;
}

TEST_F(ShmRing, the_pool_gives_pictures_with_padding_where_they_fit) {
  Harness in("shmringsink socket-path=" + path());
  in.caps(kCaps);
  const auto pool = pool_of(in, kCaps);
  gst_buffer_pool_set_active(pool.get(), FALSE);
  ASSERT_TRUE(gst_buffer_pool_set_config(pool.get(), with_padding(pool.get(), 16)));
  ASSERT_TRUE(gst_buffer_pool_set_active(pool.get(), TRUE));
  auto buffer = acquire(pool.get());
  ASSERT_TRUE(in_a_ring(buffer.get()));
  const GstVideoMeta* meta = gst_buffer_get_video_meta(buffer.get());
  ASSERT_TRUE(meta);
  EXPECT_EQ(meta->stride[0], static_cast<gint>(kWidth + 32));
  EXPECT_EQ(meta->alignment.padding_top, 16u);
  fill(buffer.get(), 1);
  in.push(std::move(buffer));
  EXPECT_EQ(figure(in, "copied"), 0u);

  Harness out = idle_source();
  gst_harness_add_propose_allocation_meta(out.get(), GST_VIDEO_META_API_TYPE, nullptr);
  gst_harness_play(out.get());
  const auto got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_EQ(number_of(got.get()), 1u);
  meta = gst_buffer_get_video_meta(got.get());
  ASSERT_TRUE(meta);
  EXPECT_EQ(meta->offset[0], 16u * (kWidth + 32) + 16);
}

TEST_F(ShmRing, the_pool_refuses_padding_that_does_not_fit_and_says_what_it_can) {
  Harness in = sink();
  in.caps(kCaps);
  const auto pool = pool_of(in, kCaps);
  gst_buffer_pool_set_active(pool.get(), FALSE);
  EXPECT_FALSE(gst_buffer_pool_set_config(pool.get(), with_padding(pool.get(), 16)));
  GstStructure* config = gst_buffer_pool_get_config(pool.get());
  GstVideoAlignment left;
  ASSERT_TRUE(gst_buffer_pool_config_get_video_alignment(config, &left));
  EXPECT_EQ(left.padding_top, 0u);
  ASSERT_TRUE(gst_buffer_pool_set_config(pool.get(), config)) << "that it can";
  ASSERT_TRUE(gst_buffer_pool_set_active(pool.get(), TRUE));
  EXPECT_TRUE(in_a_ring(acquire(pool.get()).get()));
}

TEST_F(ShmRing, frames_of_unknown_size_get_no_pool) {
  Harness in = sink();
  in.caps("image/jpeg,width=64,height=48");
  EXPECT_FALSE(pool_of(in, "image/jpeg,width=64,height=48"));
}

// Another program's publisher, which may write nonsense.
class ForeignPublisher : public ShmRing {
 protected:
  void publish(const std::string& caps, const shmring_frame_info& info) {
    shmring::PublisherOptions options;
    options.socket_path = path();
    options.slot_size = kFrameSize;
    publisher_ = *shmring::Publisher::open(options);
    shmring_format format = SHMRING_FORMAT_INIT;
    format.caps = caps.c_str();
    ASSERT_TRUE(publisher_->set_format(format));
    const std::vector<std::byte> bytes(kFrameSize);
    const std::span<const std::byte> part(bytes);
    shmring_frame_info copy = info;
    ASSERT_TRUE(publisher_->write({&part, 1}, copy));
  }
  std::unique_ptr<shmring::Publisher> publisher_;
};

TEST_F(ForeignPublisher, caps_that_are_none_are_an_error_that_shows_them) {
  for (const std::string& caps :
       {std::string("not caps at all"), std::string(), std::string("video/x-raw,format=RGB"), std::string("ANY"),
        std::string("video/x-raw,format=GRAY8,width=[1,9],height=4,framerate=1/1")}) {
    publish(caps, SHMRING_FRAME_INFO_INIT);
    Harness out = source();
    const std::string error = out.error();
    EXPECT_NE(error.find("\"" + caps + "\""), std::string::npos) << error;
    out.close();
    publisher_.reset();
  }
}

TEST_F(ForeignPublisher, planes_outside_of_the_frame_are_never_read) {
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.plane_count = 1;
  info.planes[0] = {64, 64, 0};  // the last row ends after the frame
  publish(kCaps, info);
  Harness out = idle_source();
  gst_harness_add_propose_allocation_meta(out.get(), GST_VIDEO_META_API_TYPE, nullptr);
  gst_harness_play(out.get());
  EXPECT_NE(out.message(GST_MESSAGE_WARNING).find("malformed"), std::string::npos);
  EXPECT_EQ(number(stats_of(out.element()).get(), "malformed"), 1u);
}

TEST_F(ForeignPublisher, metadata_that_makes_no_sense_is_left_out) {
  const std::string nonsense(100, 'x');
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.metadata = nonsense.data();
  info.metadata_size = nonsense.size();
  publish(kCaps, info);
  Harness out = source();
  const auto got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_EQ(gst_buffer_get_size(got.get()), kFrameSize);
}

TEST_F(ForeignPublisher, a_stream_without_gstreamer_on_the_other_side_is_read) {
  publish(kCaps, SHMRING_FRAME_INFO_INIT);
  Harness out = source();
  const auto got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_EQ(gst_buffer_get_size(got.get()), kFrameSize);
}

}  // namespace
