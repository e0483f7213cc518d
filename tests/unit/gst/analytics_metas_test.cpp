// SPDX-License-Identifier: LGPL-2.1-or-later
// What analytics found, across the ring: as GStreamer has it from 1.24 on, and as nothing where it has not.
#include "base/analytics_metas.hpp"

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/frame_metas.hpp"
#include "base/owned.hpp"
#include "gst_fixture.hpp"
#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

namespace {

using supplier::adopt;
using supplier::MetasReader;
using supplier::MetasWriter;
using supplier::Owned;

class AnalyticsMetas : public support::GstFixture {
 protected:
  // The bytes as they come from a publisher.
  bool received(const shmring::MetaRow& items) {
    std::array<std::byte, SHMRING_METADATA_SIZE> room;
    const std::size_t size = shmring::put_meta(room, items.as(SHMRING_META_ANALYTICS));
    return reader_.add_to(to_.get(), std::span(room).first(size));
  }

  Owned<GstBuffer> from_ = adopt(gst_buffer_new());
  Owned<GstBuffer> to_ = adopt(gst_buffer_new());
  MetasWriter writer_;
  MetasReader reader_;
};

shmring_meta detection(const char* label) {
  shmring_meta meta = SHMRING_META_INIT;
  meta.kind = SHMRING_META_DETECTION;
  meta.name = label;
  meta.name_size = std::strlen(label);
  return meta;
}

#ifndef HAVE_GST_ANALYTICS
TEST_F(AnalyticsMetas, leave_the_frame_alone_where_gstreamer_has_none) {
  shmring::MetaRow items;
  ASSERT_TRUE(items.add(detection("person")));
  EXPECT_TRUE(received(items));
  gpointer state = nullptr;
  EXPECT_FALSE(gst_buffer_iterate_meta(to_.get(), &state));
}
#else
class Analytics : public AnalyticsMetas {
 protected:
  void SetUp() override {
    AnalyticsMetas::SetUp();
    meta_ = gst_buffer_add_analytics_relation_meta(from_.get());
  }
  GstAnalyticsMtd object(const char* label, gint x = 1, gint y = 2, gint width = 30, gint height = 40,
                         gfloat confidence = 0.5f) {
    GstAnalyticsMtd made{};
    EXPECT_TRUE(gst_analytics_relation_meta_add_od_mtd(meta_, g_quark_from_string(label), x, y, width, height,
                                                       confidence, &made));
    return made;
  }
  GstAnalyticsMtd classes(std::vector<gfloat> levels, const std::vector<const char*>& labels) {
    std::vector<GQuark> quarks;
    for (const char* label : labels) quarks.push_back(g_quark_from_string(label));
    GstAnalyticsMtd made{};
    EXPECT_TRUE(gst_analytics_relation_meta_add_cls_mtd(meta_, levels.size(), levels.data(), quarks.data(), &made));
    return made;
  }
  GstAnalyticsMtd track(guint64 id, GstClockTime first, GstClockTime last) {
    GstAnalyticsMtd made{};
    EXPECT_TRUE(gst_analytics_relation_meta_add_tracking_mtd(meta_, id, first, &made));
    gst_analytics_tracking_mtd_update_last_seen(&made, last);
    return made;
  }
  void relate(const GstAnalyticsMtd& first, const GstAnalyticsMtd& second, guint types) {
    EXPECT_TRUE(
        gst_analytics_relation_meta_set_relation(meta_, static_cast<GstAnalyticsRelTypes>(types), first.id, second.id));
  }
  GstAnalyticsRelationMeta* sent() {
    EXPECT_TRUE(reader_.add_to(to_.get(), writer_.write(from_.get())));
    return gst_buffer_get_analytics_relation_meta(to_.get());
  }

  GstAnalyticsRelationMeta* meta_ = nullptr;
};

TEST_F(Analytics, arrive_with_their_relations) {
  const auto person = object("person", -3, 2, 30, 40, 0.75f);
  const auto seen = track(7, 100, 200), lost = track(G_MAXUINT64, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE);
  auto gone = lost;
  gst_analytics_tracking_mtd_set_lost(&gone);
  const auto kinds = classes({0.5f, 0.25f, -1.0f}, {"adult", "child \xc3\xa4 \"\n;", ""});
  relate(person, seen, GST_ANALYTICS_REL_TYPE_RELATE_TO);
  relate(seen, person, GST_ANALYTICS_REL_TYPE_RELATE_TO);
  relate(person, kinds, GST_ANALYTICS_REL_TYPE_CONTAIN);
  relate(kinds, person, GST_ANALYTICS_REL_TYPE_IS_PART_OF);
  relate(lost, lost, GST_ANALYTICS_REL_TYPE_IS_PART_OF | GST_ANALYTICS_REL_TYPE_CONTAIN);
  GstAnalyticsRelationMeta* got = sent();
  ASSERT_TRUE(got);
  ASSERT_EQ(gst_analytics_relation_get_length(got), 4u);

  GstAnalyticsMtd item{};
  ASSERT_TRUE(gst_analytics_relation_meta_get_od_mtd(got, person.id, &item));
  gint x = 0, y = 0, width = 0, height = 0;
  gfloat confidence = 0;
  EXPECT_TRUE(gst_analytics_od_mtd_get_location(&item, &x, &y, &width, &height, &confidence));
  EXPECT_EQ((std::vector{x, y, width, height}), (std::vector{-3, 2, 30, 40}));
  EXPECT_EQ(confidence, 0.75f);
  EXPECT_STREQ(g_quark_to_string(gst_analytics_od_mtd_get_obj_type(&item)), "person");

  guint64 id = 0;
  GstClockTime first = 0, last = 0;
  gboolean is_lost = TRUE;
  ASSERT_TRUE(gst_analytics_relation_meta_get_tracking_mtd(got, seen.id, &item));
  EXPECT_TRUE(gst_analytics_tracking_mtd_get_info(&item, &id, &first, &last, &is_lost));
  EXPECT_EQ(id, 7u);
  EXPECT_EQ(first, 100u);
  EXPECT_EQ(last, 200u);
  EXPECT_FALSE(is_lost);
  ASSERT_TRUE(gst_analytics_relation_meta_get_tracking_mtd(got, lost.id, &item));
  EXPECT_TRUE(gst_analytics_tracking_mtd_get_info(&item, &id, &first, &last, &is_lost));
  EXPECT_EQ(id, G_MAXUINT64);
  EXPECT_EQ(first, GST_CLOCK_TIME_NONE);
  EXPECT_TRUE(is_lost);

  ASSERT_TRUE(gst_analytics_relation_meta_get_cls_mtd(got, kinds.id, &item));
  ASSERT_EQ(gst_analytics_cls_mtd_get_length(&item), 3u);
  EXPECT_STREQ(g_quark_to_string(gst_analytics_cls_mtd_get_quark(&item, 1)), "child \xc3\xa4 \"\n;");
  EXPECT_EQ(gst_analytics_cls_mtd_get_level(&item, 1), 0.25f);
  EXPECT_EQ(gst_analytics_cls_mtd_get_level(&item, 2), -1.0f);

  for (guint a = 0; a < 4; ++a)
    for (guint b = 0; b < 4; ++b)
      EXPECT_EQ(gst_analytics_relation_meta_get_relation(got, a, b),
                gst_analytics_relation_meta_get_relation(meta_, a, b))
          << a << " to " << b;
  EXPECT_EQ(writer_.dropped(), 0u);
}

// The size of the graph: GStreamer grows it step by step, and a frame's room ends it.
TEST_F(Analytics, twenty_objects_with_class_track_and_relations_find_room) {
  std::size_t fits = 0;
  for (std::size_t count = 1; writer_.dropped() == 0; ++count) {
    const auto person = object("person"), seen = track(count, 1, 2), kind = classes({0.5f}, {"adult"});
    relate(person, seen, GST_ANALYTICS_REL_TYPE_RELATE_TO);
    relate(seen, person, GST_ANALYTICS_REL_TYPE_RELATE_TO);
    relate(person, kind, GST_ANALYTICS_REL_TYPE_RELATE_TO);
    relate(kind, person, GST_ANALYTICS_REL_TYPE_RELATE_TO);
    to_ = adopt(gst_buffer_new());
    const auto* got = sent();
    if (!got) break;
    ASSERT_EQ(gst_analytics_relation_get_length(got), 3 * count);
    fits = count;
  }
  EXPECT_EQ(fits, 33u);  // docs/guides/python.md says so
  EXPECT_EQ(writer_.dropped(), 1u) << "one that does not fit is left out as a whole";
}

TEST_F(Analytics, with_text_that_is_none_are_left_out_and_the_others_arrive) {
  shmring::MetaRow items;
  ASSERT_TRUE(items.add(detection("\xff\xfe")));
  ASSERT_TRUE(items.add(detection("person")));
  const shmring_relation relation{0, 1, SHMRING_RELATION_CONTAIN}, other{1, 1, UINT16_MAX};
  for (const auto& each : {relation, other}) {
    shmring_meta table = SHMRING_META_INIT;
    table.kind = SHMRING_META_RELATIONS;
    table.data = &each;
    table.data_size = sizeof each;
    ASSERT_TRUE(items.add(table));
  }
  EXPECT_FALSE(received(items));
  auto* got = gst_buffer_get_analytics_relation_meta(to_.get());
  ASSERT_TRUE(got);
  ASSERT_EQ(gst_analytics_relation_get_length(got), 1u);
  GstAnalyticsMtd item{};
  ASSERT_TRUE(gst_analytics_relation_meta_get_od_mtd(got, 0, &item));
  EXPECT_STREQ(g_quark_to_string(gst_analytics_od_mtd_get_obj_type(&item)), "person");
  const guint types = gst_analytics_relation_meta_get_relation(got, 0, 0);
  EXPECT_TRUE(types == 0x0e || types == 0x1e) << "those that GStreamer knows: " << types;
}

// As many as there is room for, each of another kind or empty: GStreamer's graph has a byte for each pair.
TEST_F(Analytics, as_many_as_a_frame_has_room_for_arrive) {
  shmring::MetaRow items;
  shmring::MetaRow none;
  std::size_t count = 0;
  while (items.add(none.as(SHMRING_META_CLASSIFICATION))) ++count;
  EXPECT_GT(count, 500u);
  std::array<std::byte, SHMRING_METADATA_SIZE> room;
  ASSERT_EQ(shmring::put_meta(room, items.as(SHMRING_META_ANALYTICS)), 0u)
      << "with the header of all it is one too many";
  shmring::MetaRow fewer;
  for (std::size_t i = 0; i + 1 < count; ++i) ASSERT_TRUE(fewer.add(none.as(SHMRING_META_CLASSIFICATION)));
  EXPECT_TRUE(received(fewer));
  ASSERT_EQ(gst_analytics_relation_get_length(gst_buffer_get_analytics_relation_meta(to_.get())), count - 1);
  EXPECT_TRUE(received(fewer)) << "a second one in the same frame joins the first";
  EXPECT_EQ(gst_analytics_relation_get_length(gst_buffer_get_analytics_relation_meta(to_.get())), 2 * (count - 1));
}

#if GST_CHECK_VERSION(1, 26, 0)
TEST_F(Analytics, of_1_26_arrive_where_they_have_a_form) {
  GstAnalyticsMtd turned{};
  ASSERT_TRUE(gst_analytics_relation_meta_add_oriented_od_mtd(meta_, g_quark_from_string("ship"), 10, 20, 30, 40, 0.5f,
                                                              0.25f, &turned));
  auto mask = adopt(gst_buffer_new_allocate(nullptr, 16, nullptr));
  gst_buffer_add_video_meta(mask.get(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, 4, 4);
  guint ids[] = {0, 1};
  GstAnalyticsMtd segments{};
  ASSERT_TRUE(gst_analytics_relation_meta_add_segmentation_mtd(meta_, mask.release(), GST_SEGMENTATION_TYPE_INSTANCE, 2,
                                                               ids, 0, 0, 4, 4, &segments));
  const auto kinds = classes({-1.0f, 0.5f}, {"sea", "ship"});
  relate(segments, kinds, GST_ANALYTICS_REL_TYPE_N_TO_N);
  relate(turned, kinds, GST_ANALYTICS_REL_TYPE_N_TO_N | GST_ANALYTICS_REL_TYPE_CONTAIN);
  GstAnalyticsRelationMeta* got = sent();
  ASSERT_TRUE(got);
  ASSERT_EQ(gst_analytics_relation_get_length(got), 2u);
  EXPECT_EQ(writer_.dropped(), 1u) << "masks have no form";
  GstAnalyticsMtd item{};
  ASSERT_TRUE(gst_analytics_relation_meta_get_od_mtd(got, 0, &item));
  gint x = 0, y = 0, width = 0, height = 0;
  gfloat rotation = 0, confidence = 0;
  gst_analytics_od_mtd_get_oriented_location(&item, &x, &y, &width, &height, &rotation, &confidence);
  EXPECT_EQ((std::vector{x, y, width, height}), (std::vector{10, 20, 30, 40}));
  EXPECT_EQ(rotation, 0.5f);
  EXPECT_EQ(confidence, 0.25f);
  EXPECT_EQ(guint(gst_analytics_relation_meta_get_relation(got, 0, 1)),
            guint(GST_ANALYTICS_REL_TYPE_N_TO_N | GST_ANALYTICS_REL_TYPE_CONTAIN));
}
#endif
#endif

}  // namespace
