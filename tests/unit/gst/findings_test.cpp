// SPDX-License-Identifier: LGPL-2.1-or-later
// Results as metas of a buffer.
#include "resultjoin/findings.hpp"

#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "gst_fixture.hpp"

namespace supplier::resultjoin {
namespace {

std::vector<const GstVideoRegionOfInterestMeta*> regions_on(GstBuffer* buffer) {
  std::vector<const GstVideoRegionOfInterestMeta*> found;
  gpointer state = nullptr;
  while (const GstMeta* meta =
             gst_buffer_iterate_meta_filtered(buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))
    found.push_back(reinterpret_cast<const GstVideoRegionOfInterestMeta*>(meta));
  return found;
}

shmring::FrameResult result_with(std::vector<shmring::Object> objects) {
  shmring::FrameResult result;
  result.width = 640;
  result.height = 480;
  result.worker = "person";
  result.sequence = 7;
  result.objects = std::move(objects);
  return result;
}

class FindingsTest : public support::GstFixture {
 protected:
  Owned<GstBuffer> buffer_ = adopt(gst_buffer_new_allocate(nullptr, 64, nullptr));
};

using testing::SizeIs;

TEST_F(FindingsTest, BecomeRegionsWithTheirParameters) {
  Findings::from_result(result_with({{"cat", 0.75, {10, 20, 30, 40}, 5, {}, {}, {}, {}}}), 1234)
      ->add_to(buffer_.get(), {640, 480}, -9);
  const auto regions = regions_on(buffer_.get());
  ASSERT_THAT(regions, SizeIs(1));
  EXPECT_STREQ(g_quark_to_string(regions[0]->roi_type), "cat");
  EXPECT_EQ(regions[0]->x, 10u);
  EXPECT_EQ(regions[0]->y, 20u);
  EXPECT_EQ(regions[0]->w, 30u);
  EXPECT_EQ(regions[0]->h, 40u);
  const GstStructure* fields =
      gst_video_region_of_interest_meta_get_param(const_cast<GstVideoRegionOfInterestMeta*>(regions[0]), "detection");
  ASSERT_NE(fields, nullptr);
  gdouble score = 0;
  gint64 track = 0, age = 0;
  guint64 sequence = 0, pts = 0;
  EXPECT_TRUE(gst_structure_get(fields, "score", G_TYPE_DOUBLE, &score, "track", G_TYPE_INT64, &track, "age",
                                G_TYPE_INT64, &age, "sequence", G_TYPE_UINT64, &sequence, "pts", G_TYPE_UINT64, &pts,
                                nullptr));
  EXPECT_EQ(score, 0.75);
  EXPECT_EQ(track, 5);
  EXPECT_EQ(age, -9);
  EXPECT_EQ(sequence, 7u);
  EXPECT_EQ(pts, 1234u);
  EXPECT_STREQ(gst_structure_get_string(fields, "label"), "cat");
  EXPECT_STREQ(gst_structure_get_string(fields, "worker"), "person");
}

TEST_F(FindingsTest, AreScaledToTheFramesSizeAndCutAtItsEdge) {
  Findings::from_result(result_with({{"cat", 1, {-64, 240, 128, 480}, {}, {}, {}, {}, {}}}), 0)
      ->add_to(buffer_.get(), {320, 240}, 0);
  const auto regions = regions_on(buffer_.get());
  ASSERT_THAT(regions, SizeIs(1));
  EXPECT_EQ(regions[0]->x, 0u);
  EXPECT_EQ(regions[0]->w, 32u);
  EXPECT_EQ(regions[0]->y, 120u);
  EXPECT_EQ(regions[0]->h, 120u);
}

TEST_F(FindingsTest, GetIdsOfTheirOwnBesideRegionsThatAreThere) {
  gst_buffer_add_video_region_of_interest_meta(buffer_.get(), "old", 0, 0, 1, 1)->id = 41;
  Findings::from_result(
      result_with({{"car", 1, {0, 0, 9, 9}, {}, {}, {}, {}, {}}, {"plate", 1, {1, 1, 2, 2}, {}, 0, {}, {}, {}}}), 0)
      ->add_to(buffer_.get(), {}, 0);
  for (const auto* region : regions_on(buffer_.get())) {
    const std::string type = g_quark_to_string(region->roi_type);
    EXPECT_EQ(region->id, type == "old" ? 41 : type == "car" ? 42 : 43);
    EXPECT_EQ(region->parent_id, type == "plate" ? 42 : 0);
  }
}

TEST_F(FindingsTest, OfABranchAreItsRegionsWithAllParameters) {
  const auto branch = adopt(gst_buffer_new());
  auto* region = gst_buffer_add_video_region_of_interest_meta(branch.get(), "dog", 10, 10, 20, 20);
  gst_video_region_of_interest_meta_add_param(
      region, gst_structure_new("classification", "confidence", G_TYPE_DOUBLE, 0.5, nullptr));
  gst_video_region_of_interest_meta_add_param(region, gst_structure_new_empty("other"));
  Findings::from_metas(branch.get(), {100, 100})->add_to(buffer_.get(), {200, 50}, 0);
  const auto regions = regions_on(buffer_.get());
  ASSERT_THAT(regions, SizeIs(1));
  EXPECT_EQ(regions[0]->x, 20u);
  EXPECT_EQ(regions[0]->w, 40u);
  EXPECT_EQ(regions[0]->y, 5u);
  EXPECT_EQ(regions[0]->h, 10u);
  EXPECT_EQ(g_list_length(regions[0]->params), 2u);
}

TEST_F(FindingsTest, InventedLabelsWithoutEndTakeABoundedNumberOfQuarks) {
  for (int i = 0; i < 10000; ++i)
    Findings::from_result(result_with({{"invented " + std::to_string(i), 1, {0, 0, 1, 1}, {}, {}, {}, {}, {}}}), 0);
  EXPECT_NE(g_quark_try_string("invented 0"), 0u);
  EXPECT_EQ(g_quark_try_string("invented 9999"), 0u);
}

#ifdef HAVE_GST_ANALYTICS

class FindingsAnalytics : public FindingsTest {
 protected:
  struct Object {
    std::string label;
    gint x, y, width, height;
    guint id;
  };
  static GstAnalyticsRelationMeta* meta_of(GstBuffer* buffer) { return gst_buffer_get_analytics_relation_meta(buffer); }
  static std::vector<Object> objects_on(GstBuffer* buffer) {
    std::vector<Object> found;
    GstAnalyticsMtd item;
    for (gpointer state = nullptr;
         meta_of(buffer) &&
         gst_analytics_relation_meta_iterate(meta_of(buffer), &state, gst_analytics_od_mtd_get_mtd_type(), &item);) {
      Object object{g_quark_to_string(gst_analytics_od_mtd_get_obj_type(&item)), 0, 0, 0, 0, item.id};
      gfloat score = 0;
      gst_analytics_od_mtd_get_location(&item, &object.x, &object.y, &object.width, &object.height, &score);
      found.push_back(object);
    }
    return found;
  }
  // The track that an object is related to; 0: none.
  static guint64 track_of(GstBuffer* buffer, guint id) {
    GstAnalyticsMtd track;
    guint64 number = 0;
    GstClockTime first, last;
    gboolean lost;
    if (gst_analytics_relation_meta_get_direct_related(meta_of(buffer), id, GST_ANALYTICS_REL_TYPE_RELATE_TO,
                                                       gst_analytics_tracking_mtd_get_mtd_type(), nullptr, &track))
      gst_analytics_tracking_mtd_get_info(&track, &number, &first, &last, &lost);
    return number;
  }
};

TEST_F(FindingsAnalytics, HaveObjectsTracksParentsAndClasses) {
  auto result =
      result_with({{"car", 0.5, {20, 20, 40, 40}, 9, {}, {}, {}, {}}, {"plate", 1, {30, 30, 4, 4}, {}, 0, {}, {}, {}}});
  g_quark_from_string("day");  // another test has used up the new ones
  result.classes = {{"day", 0.75}};
  Findings::from_result(result, 0)->add_to(buffer_.get(), {320, 240}, 0);
  const auto objects = objects_on(buffer_.get());
  ASSERT_THAT(objects, SizeIs(2));
  EXPECT_EQ(objects[0].label, "car");
  EXPECT_EQ(objects[0].x, 10);
  EXPECT_EQ(objects[0].width, 20);
  EXPECT_EQ(track_of(buffer_.get(), objects[0].id), 9u);
  EXPECT_EQ(track_of(buffer_.get(), objects[1].id), 0u);
  EXPECT_TRUE(gst_analytics_relation_meta_get_relation(meta_of(buffer_.get()), objects[1].id, objects[0].id) &
              GST_ANALYTICS_REL_TYPE_IS_PART_OF);
  GstAnalyticsMtd item;
  gpointer state = nullptr;
  ASSERT_TRUE(
      gst_analytics_relation_meta_iterate(meta_of(buffer_.get()), &state, gst_analytics_cls_mtd_get_mtd_type(), &item));
  EXPECT_STREQ(g_quark_to_string(gst_analytics_cls_mtd_get_quark(&item, 0)), "day");
}

TEST_F(FindingsAnalytics, OfABranchComeOverWithTheirRelationsScaledBesideOthers) {
  const auto branch = adopt(gst_buffer_new());
  GstAnalyticsRelationMeta* meta = gst_buffer_add_analytics_relation_meta(branch.get());
  GstAnalyticsMtd object, track;
  gst_analytics_relation_meta_add_od_mtd(meta, g_quark_from_string("dog"), 10, 10, 20, 20, 0.5f, &object);
  gst_analytics_relation_meta_add_tracking_mtd(meta, 77, 0, &track);
  gst_analytics_relation_meta_set_relation(meta, GST_ANALYTICS_REL_TYPE_RELATE_TO, object.id, track.id);
  const auto findings = Findings::from_metas(branch.get(), {100, 100});
  findings->add_to(buffer_.get(), {100, 100}, 0);
  findings->add_to(buffer_.get(), {200, 200}, 0);
  const auto objects = objects_on(buffer_.get());
  ASSERT_THAT(objects, SizeIs(2));
  EXPECT_EQ(objects[0].x, 10);
  EXPECT_EQ(objects[1].x, 20);
  EXPECT_EQ(objects[1].width, 40);
  for (const Object& each : objects) EXPECT_EQ(track_of(buffer_.get(), each.id), 77u);
  EXPECT_THAT(regions_on(buffer_.get()), SizeIs(2));
}

#endif

class OwnMetas : public support::GstFixture {
 protected:
  static const void* data_of(GstBuffer* buffer) {
    GstMapInfo map;
    gst_buffer_map(buffer, &map, GST_MAP_READ);
    const void* data = map.data;
    gst_buffer_unmap(buffer, &map);
    return data;
  }
};

TEST_F(OwnMetas, ABufferOfOneOwnerStaysTheSame) {
  auto buffer = adopt(gst_buffer_new_allocate(nullptr, 64, nullptr));
  GstBuffer* const before = buffer.get();
  EXPECT_EQ(with_own_metas(std::move(buffer)).get(), before);
}

TEST_F(OwnMetas, ASharedBufferGetsADescriptionOfItsOwnOverTheSameBytes) {
  const auto shared = adopt(gst_buffer_new_allocate(nullptr, 64, nullptr));
  GST_BUFFER_PTS(shared.get()) = 17;
  GST_BUFFER_OFFSET(shared.get()) = 18;
  gst_buffer_add_video_meta(shared.get(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, 8, 8);
  const auto own = with_own_metas(share(shared.get()));
  EXPECT_NE(own.get(), shared.get());
  EXPECT_TRUE(gst_buffer_is_writable(own.get()));
  EXPECT_EQ(data_of(own.get()), data_of(shared.get()));
  EXPECT_EQ(GST_BUFFER_PTS(own.get()), 17u);
  EXPECT_EQ(GST_BUFFER_OFFSET(own.get()), 18u);
  ASSERT_NE(gst_buffer_get_video_meta(own.get()), nullptr);
  gst_buffer_add_video_region_of_interest_meta(own.get(), "x", 0, 0, 1, 1);
  EXPECT_EQ(gst_buffer_get_n_meta(shared.get(), GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE), 0u);
}

TEST_F(OwnMetas, APoolGetsItsBufferBackWhole) {
  const auto pool = adopt(gst_buffer_pool_new());
  GstStructure* config = gst_buffer_pool_get_config(pool.get());
  gst_buffer_pool_config_set_params(config, nullptr, 64, 1, 1);
  ASSERT_TRUE(gst_buffer_pool_set_config(pool.get(), config));
  ASSERT_TRUE(gst_buffer_pool_set_active(pool.get(), TRUE));
  const void* first = nullptr;
  for (int i = 0; i < 5; ++i) {
    GstBuffer* buffer = nullptr;
    ASSERT_EQ(gst_buffer_pool_acquire_buffer(pool.get(), &buffer, nullptr), GST_FLOW_OK);
    auto shared = adopt(buffer);
    auto own = with_own_metas(share(buffer));
    if (!first) first = data_of(own.get());
    EXPECT_EQ(data_of(own.get()), first) << "the pool made another buffer";
    shared.reset();
    own.reset();
  }
  gst_buffer_pool_set_active(pool.get(), FALSE);
}

}  // namespace
}  // namespace supplier::resultjoin
