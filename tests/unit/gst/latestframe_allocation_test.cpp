// SPDX-License-Identifier: LGPL-2.1-or-later
// Answer to upstream's ALLOCATION query, from those of the branches; and the flag on frames after a loss.
#include <gst/video/video.h>

#include "gst_fixture.hpp"
#include "latestframe/item.hpp"
#include "latestframe/negotiation.hpp"
#include "latestframe/newest.hpp"

namespace supplier::latestframe {
namespace {

class LatestFrameAllocation : public support::GstFixture {
 protected:
  static Owned<GstQuery> query(const char* caps = "video/x-raw,format=I420,width=320,height=240,framerate=30/1") {
    const auto parsed = adopt(gst_caps_from_string(caps));
    return adopt(gst_query_new_allocation(parsed.get(), TRUE));
  }
  static Owned<GstQuery> pool_of(guint minimum, guint size = 1000, GstBufferPool* pool = nullptr, guint maximum = 0) {
    auto said = query();
    gst_query_add_allocation_pool(said.get(), pool, size, minimum, maximum);
    return said;
  }
  static guint minimum_in(GstQuery* query) {
    guint minimum = 0;
    gst_query_parse_nth_allocation_pool(query, 0, nullptr, nullptr, &minimum, nullptr);
    return minimum;
  }
};

TEST_F(LatestFrameAllocation, AddsUpWhatTheBranchesNeedAtOnceAndWhatTheFanOutKeeps) {
  const auto a = pool_of(2), b = pool_of(4, 3000);
  const Demand demand = demand_of({answer_of(a.get()), answer_of(b.get()), nullptr}, 1);
  EXPECT_EQ(demand.minimum, 2u + 4u + 4u + Demand::kOwn);
  EXPECT_EQ(demand_of({answer_of(a.get())}, 0).minimum, 2u + Demand::kRoom + Demand::kOwn) << "others may join";
  EXPECT_EQ(demand.size, 3000u);
  EXPECT_FALSE(demand.complete);
}

TEST_F(LatestFrameAllocation, OffersAMetaOnlyIfEveryBranchDoes) {
  const auto with = query(), too = query(), without = query();
  gst_query_add_allocation_meta(with.get(), GST_VIDEO_META_API_TYPE, nullptr);
  gst_query_add_allocation_meta(with.get(), GST_VIDEO_CROP_META_API_TYPE, nullptr);
  gst_query_add_allocation_meta(too.get(), GST_VIDEO_META_API_TYPE, nullptr);
  EXPECT_EQ(demand_of({answer_of(with.get()), answer_of(too.get())}, 0).metas.size(), 1u);
  EXPECT_TRUE(demand_of({answer_of(with.get()), answer_of(without.get())}, 0).metas.empty());
  EXPECT_TRUE(demand_of({answer_of(with.get()), nullptr}, 0).metas.empty()) << "a branch that does not answer";
  EXPECT_TRUE(demand_of({answer_of(with.get())}, 1).metas.empty()) << "a branch that was not asked yet";
}

TEST_F(LatestFrameAllocation, DoesNotOfferAMetaThatTwoBranchesWantInDifferentWays) {
  const auto a = query(), b = query();
  const auto narrow = adopt(gst_structure_new("video-meta", "padding-left", G_TYPE_UINT, 8, nullptr));
  gst_query_add_allocation_meta(a.get(), GST_VIDEO_META_API_TYPE, narrow.get());
  gst_query_add_allocation_meta(b.get(), GST_VIDEO_META_API_TYPE, nullptr);
  EXPECT_TRUE(demand_of({answer_of(a.get()), answer_of(b.get())}, 0).metas.empty());
  EXPECT_EQ(demand_of({answer_of(a.get())}, 0).metas.size(), 1u);
}

TEST_F(LatestFrameAllocation, PassesOnThePoolOfTheFirstBranchThatHasOneAndStaysWithIt) {
  const auto pool = adopt(gst_buffer_pool_new()), other = adopt(gst_buffer_pool_new());
  const auto owner = pool_of(2, 1000, pool.get()), plain = pool_of(2), second = pool_of(2, 1000, other.get());
  EXPECT_EQ(demand_of({answer_of(plain.get()), answer_of(owner.get())}, 0).pool.get(), pool.get());
  EXPECT_EQ(demand_of({answer_of(owner.get())}, 1).pool.get(), pool.get()) << "another branch may have one too";
  const std::vector<AnswerRef> both{answer_of(second.get()), answer_of(owner.get())};
  EXPECT_EQ(demand_of(both, 0).pool.get(), other.get());
  EXPECT_EQ(demand_of(both, 0, pool.get()).pool.get(), pool.get()) << "upstream has it already";
  EXPECT_EQ(demand_of({answer_of(second.get())}, 0, pool.get()).pool.get(), other.get()) << "its branch has left";
}

TEST_F(LatestFrameAllocation, DoesNotPassOnAPoolThatTheOtherBranchesCouldEmpty) {
  const auto pool = adopt(gst_buffer_pool_new());
  const auto small = pool_of(2, 1000, pool.get(), 4), large = pool_of(2, 1000, pool.get(), 40);
  EXPECT_EQ(demand_of({answer_of(small.get()), nullptr}, 0).pool.get(), nullptr);
  EXPECT_EQ(demand_of({answer_of(large.get()), nullptr}, 0).pool.get(), pool.get());
  const Demand used = demand_of({answer_of(small.get()), nullptr}, 0, pool.get());
  EXPECT_EQ(used.pool.get(), pool.get()) << "upstream has it already, and does not run out of it";
  EXPECT_EQ(used.minimum, 4u);
}

TEST_F(LatestFrameAllocation, TellsTheSizeOfRawVideoWhenNoBranchSaidOne) {
  const auto asked = query();
  answer(demand_of({nullptr}, 0), asked.get());
  guint size = 0;
  gst_query_parse_nth_allocation_pool(asked.get(), 0, nullptr, &size, nullptr, nullptr);
  EXPECT_EQ(size, 320u * 240u * 3u / 2u);
  EXPECT_EQ(minimum_in(asked.get()), Demand::kRoom + Demand::kOwn);
}

TEST_F(LatestFrameAllocation, ProposesNoPoolWithoutASize) {
  const auto asked = query("image/jpeg");
  answer(demand_of({nullptr}, 0), asked.get());
  EXPECT_EQ(gst_query_get_n_allocation_pools(asked.get()), 0u);
}

TEST_F(LatestFrameAllocation, JoinsAlignmentPrefixAndPadding) {
  const auto a = query(), b = query();
  GstAllocationParams params;
  gst_allocation_params_init(&params);
  params.align = 15;
  params.prefix = 7;
  gst_query_add_allocation_param(a.get(), nullptr, &params);
  params.align = 63;
  params.prefix = 3;
  params.padding = 9;
  gst_query_add_allocation_param(b.get(), nullptr, &params);
  const Demand demand = demand_of({answer_of(a.get()), answer_of(b.get())}, 0);
  EXPECT_EQ(demand.params.align, 63u);
  EXPECT_EQ(demand.params.prefix, 7u);
  EXPECT_EQ(demand.params.padding, 9u);
}

TEST_F(LatestFrameAllocation, AsksUpstreamAgainOnlyWhenItWouldDoSomethingElse) {
  const auto two = pool_of(2), four = pool_of(4), meta = pool_of(2), large = pool_of(2, 5000);
  gst_query_add_allocation_meta(meta.get(), GST_VIDEO_META_API_TYPE, nullptr);
  const auto demand = [](const Owned<GstQuery>& said) { return demand_of({answer_of(said.get())}, 0); };
  EXPECT_FALSE(must_hear(demand(two), demand(two)));
  EXPECT_FALSE(must_hear(demand(two), demand(four))) << "more buffers alone are not worth it";
  EXPECT_FALSE(must_hear(demand(four), demand(two)));
  EXPECT_TRUE(must_hear(demand(two), demand(meta)));
  EXPECT_FALSE(must_hear(demand(two), demand(meta), false)) << "a branch has left that could not handle it";
  EXPECT_TRUE(must_hear(demand(meta), demand(two), false));
  EXPECT_TRUE(must_hear(demand(meta), demand(two)));
  EXPECT_TRUE(must_hear(demand(two), demand(large)));
}

TEST_F(LatestFrameAllocation, FlagsACopyAndLeavesTheFrameAsItIs) {
  const auto buffer = adopt(gst_buffer_new_allocate(nullptr, 100, nullptr));
  const auto marked = with_discont(GST_MINI_OBJECT_CAST(buffer.get()));
  ASSERT_NE(GST_BUFFER_CAST(marked.get()), buffer.get());
  EXPECT_TRUE(GST_BUFFER_FLAG_IS_SET(GST_BUFFER_CAST(marked.get()), GST_BUFFER_FLAG_DISCONT));
  EXPECT_FALSE(GST_BUFFER_FLAG_IS_SET(buffer.get(), GST_BUFFER_FLAG_DISCONT));
  EXPECT_EQ(gst_buffer_peek_memory(GST_BUFFER_CAST(marked.get()), 0), gst_buffer_peek_memory(buffer.get(), 0));
}

TEST_F(LatestFrameAllocation, FlagsTheFirstBufferOfAList) {
  auto list = adopt(gst_buffer_list_new());
  gst_buffer_list_add(list.get(), gst_buffer_new());
  gst_buffer_list_add(list.get(), gst_buffer_new());
  const auto marked = with_discont(GST_MINI_OBJECT_CAST(list.get()));
  auto* copy = GST_BUFFER_LIST_CAST(marked.get());
  EXPECT_TRUE(GST_BUFFER_FLAG_IS_SET(gst_buffer_list_get(copy, 0), GST_BUFFER_FLAG_DISCONT));
  EXPECT_FALSE(GST_BUFFER_FLAG_IS_SET(gst_buffer_list_get(copy, 1), GST_BUFFER_FLAG_DISCONT));
  EXPECT_FALSE(GST_BUFFER_FLAG_IS_SET(gst_buffer_list_get(list.get(), 0), GST_BUFFER_FLAG_DISCONT));
}

TEST_F(LatestFrameAllocation, DoesNotTakeMemoryAwayFromAPool) {
  const auto pool = adopt(gst_buffer_pool_new());
  GstStructure* config = gst_buffer_pool_get_config(pool.get());
  gst_buffer_pool_config_set_params(config, nullptr, 100, 1, 1);
  ASSERT_TRUE(gst_buffer_pool_set_config(pool.get(), config));
  ASSERT_TRUE(gst_buffer_pool_set_active(pool.get(), TRUE));
  GstMemory* memory = nullptr;
  for (int i = 0; i < 5; ++i) {
    GstBuffer* acquired = nullptr;
    ASSERT_EQ(gst_buffer_pool_acquire_buffer(pool.get(), &acquired, nullptr), GST_FLOW_OK);
    auto buffer = adopt(acquired);
    if (!memory) memory = gst_buffer_peek_memory(acquired, 0);
    EXPECT_EQ(gst_buffer_peek_memory(acquired, 0), memory) << "the pool allocated anew";
    const auto marked = with_discont(GST_MINI_OBJECT_CAST(acquired));
    buffer.reset();  // a queue keeps the marked one longer than we keep ours
  }
  gst_buffer_pool_set_active(pool.get(), FALSE);
}

TEST(LatestFrameSeeks, GoesUpstreamOncePerSeek) {
  Seeks sut;
  EXPECT_TRUE(sut.first(7));
  EXPECT_FALSE(sut.first(7));
  EXPECT_TRUE(sut.first(8));
  EXPECT_FALSE(sut.first(7));
}

}  // namespace
}  // namespace supplier::latestframe
