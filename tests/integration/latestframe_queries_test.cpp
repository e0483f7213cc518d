// SPDX-License-Identifier: LGPL-2.1-or-later
// Queries: what upstream learns of the branches, and the branches of upstream.
#include <gst/video/video.h>

#include "latestframe_rig.hpp"

namespace latestframe_test {
namespace {

constexpr const char* kVideo = "video/x-raw,format=I420,width=320,height=240,framerate=30/1";

class LatestFrameQueries : public LatestFrame {
 protected:
  static Owned<GstCaps> caps_of(const Rig& rig, const char* filter = nullptr) {
    const auto parsed = adopt(filter ? gst_caps_from_string(filter) : nullptr);
    return adopt(gst_pad_peer_query_caps(rig.source(), parsed.get()));
  }
  static bool equal(const Owned<GstCaps>& caps, const char* expected) {
    return gst_caps_is_equal(caps.get(), adopt(gst_caps_from_string(expected)).get());
  }
  static bool accepted(const Rig& rig, const char* caps) {
    return gst_pad_peer_query_accept_caps(rig.source(), adopt(gst_caps_from_string(caps)).get());
  }
  static Owned<GstQuery> allocation(Rig& rig, const char* caps = kVideo) {
    auto query = adopt(gst_query_new_allocation(adopt(gst_caps_from_string(caps)).get(), TRUE));
    EXPECT_TRUE(rig.query(query.get()));
    return query;
  }
  static bool offers_video_meta(GstQuery* query) {
    return gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  }
  static void propose_video_meta(GstQuery* query) {
    gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  }
};

TEST_F(LatestFrameQueries, AnswersCapsWithWhatAllBranchesTake) {
  Rig rig;
  Worker a, b;
  a.accept("video/x-raw,format={I420,NV12,RGB}");
  b.accept("video/x-raw,format={RGB,NV12}");
  a.join(rig.element());
  EXPECT_TRUE(equal(caps_of(rig), "video/x-raw,format={I420,NV12,RGB}"));
  b.join(rig.element());
  EXPECT_TRUE(equal(caps_of(rig), "video/x-raw,format={NV12,RGB}"));
  EXPECT_TRUE(equal(caps_of(rig, "video/x-raw,format={RGB,I420}"), "video/x-raw,format=RGB"));
}

TEST_F(LatestFrameQueries, AnswersCapsWithAnythingWithoutBranches) {
  Rig rig;
  EXPECT_TRUE(gst_caps_is_any(caps_of(rig).get()));
  EXPECT_TRUE(accepted(rig, kCaps));
  Worker unlinked;
  unlinked.accept("video/x-raw");
  unlinked.join(rig.element());
  unlinked.unlink();
  EXPECT_TRUE(gst_caps_is_any(caps_of(rig).get()));
}

TEST_F(LatestFrameQueries, ABranchThatTakesNothingOfTheSameDoesNotStopTheOthers) {
  Rig rig;
  Worker first, foreign;
  first.accept("video/x-raw,format=I420");
  foreign.accept("audio/x-raw");
  first.join(rig.element());
  foreign.join(rig.element());
  EXPECT_TRUE(equal(caps_of(rig), "video/x-raw,format=I420"));
  EXPECT_TRUE(accepted(rig, "video/x-raw,format=I420"));
  EXPECT_FALSE(accepted(rig, "text/plain")) << "no branch takes it, so upstream must know";
}

TEST_F(LatestFrameQueries, RemembersTheCapsOfABranchThatIsBusy) {
  Rig rig;
  Worker busy, other;
  busy.accept("video/x-raw,format={I420,NV12}");
  busy.join(rig.element());
  other.join(rig.element());
  busy.stick_at(Worker::Stuck::frame);
  rig.start("video/x-raw,format=I420,width=8,height=8,framerate=30/1");
  rig.push_in_step(other, 1);
  ASSERT_TRUE(busy.await_stuck());
  busy.accept("video/x-raw,format=GRAY8");
  EXPECT_TRUE(equal(caps_of(rig), "video/x-raw,format={I420,NV12}"));
}

TEST_F(LatestFrameQueries, AnswersAllocationAtOnceWithWhatIsKnown) {
  Rig rig;
  Worker worker;
  worker.propose(propose_video_meta);
  worker.join(rig.element());
  const auto query = allocation(rig);
  EXPECT_EQ(worker.allocations(), 0) << "upstream's thread went downstream";
  EXPECT_FALSE(offers_video_meta(query.get()));
  guint size = 0, minimum = 0;
  gst_query_parse_nth_allocation_pool(query.get(), 0, nullptr, &size, &minimum, nullptr);
  EXPECT_EQ(size, 115200u);
  EXPECT_EQ(minimum, 4u + 4u) << "for this branch and three that may join";
}

TEST_F(LatestFrameQueries, AsksDownstreamFromTheBranchsThreadAndThenHasUpstreamAskAgain) {
  Rig rig;
  Worker a, b;
  a.propose(propose_video_meta);
  b.propose(propose_video_meta);
  a.join(rig.element());
  b.join(rig.element());
  rig.start(kVideo);
  allocation(rig);
  rig.push_in_step(a, 1);
  ASSERT_TRUE(b.got(1));
  EXPECT_TRUE(eventually([&] { return rig.upstream(GST_EVENT_RECONFIGURE) == 1; }));
  EXPECT_TRUE(offers_video_meta(allocation(rig).get()));
  rig.push_in_step(a, 5);
  EXPECT_EQ(a.allocations(), 1) << "once per caps";
  EXPECT_EQ(rig.upstream(GST_EVENT_RECONFIGURE), 1);
}

TEST_F(LatestFrameQueries, AsksDownstreamAsSoonAsUpstreamAsksAndNotOnlyWithAFrame) {
  Rig rig;
  Worker worker;
  worker.propose(propose_video_meta);
  worker.join(rig.element());
  rig.event(gst_event_new_stream_start("stream"));
  rig.set_caps(kVideo);
  EXPECT_FALSE(offers_video_meta(allocation(rig).get()));
  EXPECT_TRUE(eventually([&] { return rig.upstream(GST_EVENT_RECONFIGURE) == 1; })) << "before there is a frame";
  EXPECT_TRUE(offers_video_meta(allocation(rig).get()));
  rig.segment();
  rig.push_in_step(worker, 1);
  EXPECT_EQ(worker.story(), (Story{"stream-start", "caps", "segment", "1"}));
  EXPECT_EQ(worker.allocations(), 1);
}

TEST_F(LatestFrameQueries, AsksNothingOfUpstreamIfTheAnswerIsTheSame) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start(kVideo);
  allocation(rig);
  rig.push_in_step(worker, 3);
  EXPECT_EQ(rig.upstream(GST_EVENT_RECONFIGURE), 0);
}

TEST_F(LatestFrameQueries, WithdrawsAMetaWhenABranchJoinsThatCannotHandleIt) {
  Rig rig;
  Worker able, unable;
  able.propose(propose_video_meta);
  able.join(rig.element());
  rig.start(kVideo);
  allocation(rig);
  rig.push_in_step(able, 1);
  ASSERT_TRUE(eventually([&] { return rig.upstream(GST_EVENT_RECONFIGURE) == 1; }));
  ASSERT_TRUE(offers_video_meta(allocation(rig).get()));
  unable.join(rig.element());
  EXPECT_TRUE(eventually([&] { return rig.upstream(GST_EVENT_RECONFIGURE) == 2; }));
  EXPECT_FALSE(offers_video_meta(allocation(rig).get()));
  unable.leave();
  EXPECT_TRUE(offers_video_meta(allocation(rig).get())) << "when upstream asks";
}

TEST_F(LatestFrameQueries, DisturbsUpstreamOnceForBranchesThatComeAndGo) {
  Rig rig;
  Worker able;
  able.propose(propose_video_meta);
  able.join(rig.element());
  rig.start(kVideo);
  allocation(rig);
  rig.push_in_step(able, 1);
  ASSERT_TRUE(eventually([&] { return rig.upstream(GST_EVENT_RECONFIGURE) == 1; }));
  allocation(rig);
  for (int i = 0; i < 5; ++i) {
    Worker unable;
    unable.join(rig.element());
    ASSERT_TRUE(eventually([&] { return unable.allocations() == 1; }));
    ASSERT_TRUE(eventually([&] { return rig.upstream(GST_EVENT_RECONFIGURE) == 2; }));
    if (i == 0) {
      EXPECT_FALSE(offers_video_meta(allocation(rig).get()));
    }
    rig.push_in_step(unable, 2);
    unable.leave();
  }
  EXPECT_EQ(rig.upstream(GST_EVENT_RECONFIGURE), 2);
}

TEST_F(LatestFrameQueries, PassesOnThePoolOfTheOneBranchThatHasOne) {
  Rig rig;
  Worker owner, plain;
  const auto pool = adopt(gst_buffer_pool_new());
  owner.propose([&](GstQuery* query) { gst_query_add_allocation_pool(query, pool.get(), 115200, 2, 0); });
  owner.join(rig.element());
  plain.join(rig.element());
  rig.start(kVideo);
  allocation(rig);
  rig.push_in_step(owner, 1);
  ASSERT_TRUE(plain.got(1));
  ASSERT_TRUE(eventually([&] { return rig.upstream(GST_EVENT_RECONFIGURE) == 1; }));
  GstBufferPool* passed = nullptr;
  guint minimum = 0;
  const auto query = allocation(rig);
  gst_query_parse_nth_allocation_pool(query.get(), 0, &passed, nullptr, &minimum, nullptr);
  EXPECT_EQ(adopt(passed).get(), pool.get());
  EXPECT_EQ(minimum, 2u + 4u + 4u);
}

TEST_F(LatestFrameQueries, AsksDownstreamAgainWhenItWishesTo) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start(kVideo);
  allocation(rig);
  rig.push_in_step(worker, 1);
  worker.propose(propose_video_meta);
  EXPECT_TRUE(gst_pad_push_event(worker.pad(), gst_event_new_reconfigure()));
  rig.push_in_step(worker, 1);
  EXPECT_TRUE(eventually([&] { return rig.upstream(GST_EVENT_RECONFIGURE) == 1; }));
  EXPECT_TRUE(offers_video_meta(allocation(rig).get()));
}

TEST_F(LatestFrameQueries, SurvivesABranchThatIsReleasedDuringItsAllocationQuery) {
  Rig rig;
  Worker other;
  other.join(rig.element());
  rig.start(kVideo);
  rig.push_in_step(other, 1);
  for (int i = 0; i < 10; ++i) {
    Worker worker;
    worker.stick_at(Worker::Stuck::allocation);
    worker.join(rig.element());
    ASSERT_TRUE(worker.await_stuck());
    worker.leave();
    worker.free();
    rig.push_in_step(other, 1);
  }
}

TEST_F(LatestFrameQueries, PassesLatencyOfUpstreamUnchanged) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  const auto query = adopt(gst_query_new_latency());
  ASSERT_TRUE(gst_pad_peer_query(worker.pad(), query.get()));
  gboolean live = FALSE;
  GstClockTime minimum = 0, maximum = 0;
  gst_query_parse_latency(query.get(), &live, &minimum, &maximum);
  EXPECT_TRUE(live);
  EXPECT_EQ(minimum, 20 * GST_MSECOND);
  EXPECT_EQ(maximum, 70 * GST_MSECOND);
  EXPECT_EQ(rig.warning(std::chrono::milliseconds(0)), "");
}

TEST_F(LatestFrameQueries, WarnsOnceOfASourceThatIsNotLiveAndNamesTheRemedy) {
  Rig rig;
  rig.live = false;
  Worker worker;
  worker.join(rig.element());
  for (int i = 0; i < 3; ++i) {
    const auto query = adopt(gst_query_new_latency());
    ASSERT_TRUE(gst_pad_peer_query(worker.pad(), query.get()));
  }
  EXPECT_NE(rig.warning().find("clocksync"), std::string::npos);
  EXPECT_EQ(rig.warning(std::chrono::milliseconds(0)), "");
}

TEST_F(LatestFrameQueries, OffersToPushAndNothingElse) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  const auto query = adopt(gst_query_new_scheduling());
  ASSERT_TRUE(gst_pad_peer_query(worker.pad(), query.get()));
  EXPECT_TRUE(gst_query_has_scheduling_mode(query.get(), GST_PAD_MODE_PUSH));
  EXPECT_FALSE(gst_query_has_scheduling_mode(query.get(), GST_PAD_MODE_PULL));
}

TEST_F(LatestFrameQueries, AnswersWhileFlushing) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start(kVideo);
  rig.push_in_step(worker, 1);
  rig.event(gst_event_new_flush_start());
  const auto drain = adopt(gst_query_new_drain());
  rig.query(drain.get());
  EXPECT_FALSE(gst_caps_is_empty(caps_of(rig).get()));
  const auto latency = adopt(gst_query_new_latency());
  gst_pad_peer_query(worker.pad(), latency.get());
  rig.event(gst_event_new_flush_stop(TRUE));
}

}  // namespace
}  // namespace latestframe_test
