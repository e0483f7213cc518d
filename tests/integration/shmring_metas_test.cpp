// SPDX-License-Identifier: LGPL-2.1-or-later
// Metas from shmringsink to shmringsrc, and those that cannot cross: the frame goes on, and both ends count.
#include <array>

#include <gst/video/video.h>

#include "abi/metas.hpp"
#include "publisher/publisher.hpp"
#include "shmring_fixture.hpp"
#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

namespace {

using namespace shmring_test;

// A meta of an application's own that GStreamer has no way to write.
const GstMetaInfo* secret_info() {
  static const GstMetaInfo* const info = [] {
    static const gchar* no_tags[] = {nullptr};
    const GType api = gst_meta_api_type_register("SecretMetaAPI", no_tags);
    return gst_meta_register(
        api, "SecretMeta", sizeof(GstMeta), [](GstMeta*, gpointer, GstBuffer*) -> gboolean { return TRUE; }, nullptr,
        nullptr);
  }();
  return info;
}

TEST_F(ShmRing, metas_that_cannot_cross_are_counted_and_the_frame_goes_on) {
  Harness in = sink();
  in.caps(kCaps);
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  const auto region = [](GstBuffer* buffer, std::size_t size) {
    gst_buffer_add_video_region_of_interest_meta(buffer, std::string(size, 'x').c_str(), 1, 2, 3, 4);
  };
  auto first = frame(1);
  gst_buffer_add_meta(first.get(), secret_info(), nullptr);
  region(first.get(), 2 * SHMRING_METADATA_SIZE);
  region(first.get(), 10);
  in.push(std::move(first));
  in.push(frame(2));
  auto third = frame(3);
  for (int i = 0; i < 200; ++i) region(third.get(), 10);
  in.push(std::move(third));
  const auto regions = [](GstBuffer* buffer) {
    return gst_buffer_get_n_meta(buffer, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
  };
  auto got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_EQ(number_of(got.get()), 1u);
  EXPECT_EQ(regions(got.get()), 1u);
  EXPECT_FALSE(gst_buffer_get_meta(got.get(), secret_info()->api));
  got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_EQ(number_of(got.get()), 2u);
  got = out.pull();
  ASSERT_TRUE(got);
  EXPECT_EQ(number_of(got.get()), 3u);
  const guint arrived = regions(got.get());
  EXPECT_GT(arrived, 50u);
  EXPECT_EQ(number(stats_of(in.element()).get(), "metas-dropped"), 2 + 200 - arrived);
  EXPECT_EQ(number(stats_of(out.element()).get(), "metas-dropped"), 0u);
}

TEST_F(ShmRing, metas_that_contradict_themselves_are_counted_and_the_frame_goes_on) {
  auto publisher = *shmring::Publisher::open({.socket_path = path(), .slot_size = 64, .max_readers = 2, .depth = 20});
  shmring_format format = SHMRING_FORMAT_INIT;
  format.caps = "application/x-test";
  ASSERT_TRUE(publisher->set_format(format));
  Harness out = source("worker=reader");
  ASSERT_TRUE(eventually([&] { return publisher->readers() == 1; }));
  const auto publish = [&](std::span<const std::byte> metadata) {
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.metadata = metadata.data();
    info.metadata_size = metadata.size();
    const std::array<std::byte, 3> bytes{};
    const std::span<const std::byte> part(bytes);
    return static_cast<bool>(publisher->write({&part, 1}, info));
  };
  shmring_meta item = SHMRING_META_INIT;
  item.kind = SHMRING_META_DETECTION;
  const shmring_relation relation{0, 1, SHMRING_RELATION_CONTAIN};
  shmring_meta relations = SHMRING_META_INIT;
  relations.kind = SHMRING_META_RELATIONS;
  relations.data = &relation;
  relations.data_size = sizeof relation;
  std::array<std::byte, SHMRING_METADATA_SIZE> room;
  for (const int items : {1, 2}) {  // the relation speaks of two
    shmring::MetaRow row;
    for (int i = 0; i < items; ++i) ASSERT_TRUE(row.add(item));
    ASSERT_TRUE(row.add(relations));
    ASSERT_TRUE(publish(std::span(room).first(shmring::put_meta(room, row.as(SHMRING_META_ANALYTICS)))));
    ASSERT_TRUE(out.pull());
    EXPECT_EQ(number(stats_of(out.element()).get(), "metas-dropped"), 1u);
  }
  ASSERT_TRUE(publish(std::span(room).first(3)));
  ASSERT_TRUE(out.pull());
  EXPECT_EQ(number(stats_of(out.element()).get(), "metas-dropped"), 2u);
}

#ifdef HAVE_GST_ANALYTICS
TEST_F(ShmRing, analytics_arrive_with_their_relations) {
  Harness in = sink();
  in.caps(kCaps);
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  auto buffer = frame(1);
  auto* meta = gst_buffer_add_analytics_relation_meta(buffer.get());
  GstAnalyticsMtd person{}, track{};
  ASSERT_TRUE(gst_analytics_relation_meta_add_od_mtd(meta, g_quark_from_string("person"), 1, 2, 3, 4, 0.5f, &person));
  ASSERT_TRUE(gst_analytics_relation_meta_add_tracking_mtd(meta, 7, 100, &track));
  ASSERT_TRUE(gst_analytics_relation_meta_set_relation(meta, GST_ANALYTICS_REL_TYPE_RELATE_TO, person.id, track.id));
  in.push(std::move(buffer));
  const auto got = out.pull();
  ASSERT_TRUE(got);
  auto* found = gst_buffer_get_analytics_relation_meta(got.get());
  ASSERT_TRUE(found);
  EXPECT_EQ(gst_analytics_relation_get_length(found), 2u);
  EXPECT_EQ(gst_analytics_relation_meta_get_relation(found, person.id, track.id), GST_ANALYTICS_REL_TYPE_RELATE_TO);
  EXPECT_EQ(gst_analytics_relation_meta_get_relation(found, track.id, person.id), GST_ANALYTICS_REL_TYPE_NONE);
  EXPECT_EQ(number(stats_of(in.element()).get(), "metas-dropped"), 0u);
}
#endif

}  // namespace
