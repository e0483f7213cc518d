// SPDX-License-Identifier: LGPL-2.1-or-later
// Caps and buffers are agreed on with every branch and without waiting for one, also when a branch changes its mind.
#include <gst/video/video.h>

#include "latestframe_rig.hpp"

namespace latestframe_test {
namespace {

using Stuck = Worker::Stuck;

constexpr const char* kVideo = "video/x-raw,format=I420,width=320,height=240,framerate=30/1";

class LatestFrameNegotiation : public LatestFrame {
 protected:
  static Owned<GstCaps> asked(const Rig& rig) { return adopt(gst_pad_peer_query_caps(rig.source(), nullptr)); }
  static bool equal(const Owned<GstCaps>& caps, const char* expected) {
    return gst_caps_is_equal(caps.get(), adopt(gst_caps_from_string(expected)).get());
  }
  static std::string format_at(const support::Pipeline& pipeline, const char* sink) {
    const auto pad = adopt(gst_element_get_static_pad(pipeline.find(sink).get(), "sink"));
    const auto caps = adopt(gst_pad_get_current_caps(pad.get()));
    const char* format = caps ? gst_structure_get_string(gst_caps_get_structure(caps.get(), 0), "format") : nullptr;
    return format ? format : "";
  }
};

TEST_F(LatestFrameNegotiation, UpstreamsThreadGoesIntoNoBranchThatHasHadAFrame) {
  Rig rig;
  Worker worker;
  worker.accept("video/x-raw,format={I420,NV12}");
  worker.join(rig.element());
  rig.start(kVideo);
  rig.push_in_step(worker, 1);
  const int before = worker.caps_asked();
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(equal(asked(rig), "video/x-raw,format={I420,NV12}"));
    const auto caps = adopt(gst_caps_from_string(kVideo));
    EXPECT_TRUE(gst_pad_peer_query_accept_caps(rig.source(), caps.get()));
  }
  EXPECT_EQ(worker.caps_asked(), before);
}

TEST_F(LatestFrameNegotiation, UpstreamHearsThatABranchTakesOtherCapsNow) {
  Rig rig;
  Worker worker;
  worker.accept("video/x-raw,format={I420,NV12}");
  worker.join(rig.element());
  rig.start(kVideo);
  rig.push_in_step(worker, 1);
  worker.accept("video/x-raw,format={I420,RGB}");
  gst_pad_push_event(worker.pad(), gst_event_new_reconfigure());
  rig.push_in_step(worker, 1);
  EXPECT_TRUE(eventually([&] { return rig.upstream(GST_EVENT_RECONFIGURE) == 1; }));
  EXPECT_TRUE(equal(asked(rig), "video/x-raw,format={I420,RGB}"));
  gst_pad_push_event(worker.pad(), gst_event_new_reconfigure());
  rig.push_in_step(worker, 2);
  EXPECT_EQ(rig.upstream(GST_EVENT_RECONFIGURE), 1) << "nothing has changed";
}

TEST_F(LatestFrameNegotiation, UpstreamHearsThatABranchChangedItsMindBeforeItsFirstFrame) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  worker.stick_at(Stuck::caps);  // it has accepted these by then
  rig.start(kVideo);
  rig.push();
  ASSERT_TRUE(worker.await_stuck());
  worker.accept("video/x-raw,format=RGB");
  gst_pad_push_event(worker.pad(), gst_event_new_reconfigure());
  worker.free();
  EXPECT_TRUE(eventually([&] { return rig.upstream(GST_EVENT_RECONFIGURE) == 1; }));
  EXPECT_TRUE(equal(asked(rig), "video/x-raw,format=RGB"));
}

TEST_F(LatestFrameNegotiation, ABranchThatRefusedTheCapsHasASayInWhichComeNext) {
  Rig rig;
  Worker other, picky;
  other.accept("video/x-raw,format={I420,GRAY8}");
  other.join(rig.element());
  rig.start(kVideo);
  rig.push_in_step(other, 1);
  picky.accept("video/x-raw,format=GRAY8");
  picky.join(rig.element());
  ASSERT_TRUE(eventually([&] { return rig.upstream(GST_EVENT_RECONFIGURE) == 1; }));
  EXPECT_TRUE(equal(asked(rig), "video/x-raw,format=GRAY8"));
}

TEST_F(LatestFrameNegotiation, ABranchThatRefusedTheCapsGoesOnWhenItTakesThem) {
  Rig rig;
  Worker other, picky;
  other.join(rig.element());
  picky.accept("video/x-raw,format=GRAY8");
  picky.join(rig.element());
  rig.start(kVideo);
  rig.push_in_step(other, 3);
  EXPECT_TRUE(picky.frames().empty());
  picky.accept(kVideo);
  gst_pad_push_event(picky.pad(), gst_event_new_reconfigure());
  ASSERT_TRUE(picky.got(rig.number()));
  rig.push_in_step(other, 1);
  EXPECT_TRUE(picky.got(rig.number()));
  picky.expect_balance();
}

TEST_F(LatestFrameNegotiation, ABranchBehindABlockingProbeIsNotWaitedFor) {
  Rig rig;
  Worker blocked, other;
  blocked.join(rig.element());
  other.join(rig.element());
  // Without a kind of data: everything, queries too.
  const auto block = [&] {
    return gst_pad_add_probe(
        blocked.branch(), GST_PAD_PROBE_TYPE_BLOCK,
        [](GstPad*, GstPadProbeInfo*, gpointer) { return GST_PAD_PROBE_OK; }, nullptr, nullptr);
  };
  for (int round = 0; round < 2; ++round) {
    const gulong probe = block();
    if (round == 0) rig.start(kVideo);
    for (int i = 0; i < 3; ++i) {
      EXPECT_FALSE(gst_caps_is_empty(asked(rig).get()));
      const auto context = adopt(gst_query_new_context("test"));
      rig.query(context.get());
      rig.set_caps(i % 2 ? kVideo : "video/x-raw,format=NV12,width=320,height=240,framerate=30/1");
      rig.push_in_step(other, 2);
    }
    rig.event(gst_event_new_flush_start());
    rig.event(gst_event_new_flush_stop(TRUE));
    rig.segment();
    rig.push_in_step(other, 1);
    gst_pad_remove_probe(blocked.branch(), probe);
    ASSERT_TRUE(blocked.got(rig.number()));
  }
}

// Buffers as ALLOCATION promises are enough: whatever the branches do, upstream never waits for one.
TEST_F(LatestFrameNegotiation, APoolOfJustTheSizeThatWasAskedForIsNeverEmptiedByStuckBranches) {
  Rig rig;
  Worker workers[3];
  for (Worker& worker : workers) worker.join(rig.element());
  rig.start(kVideo);
  const auto caps = adopt(gst_caps_from_string(kVideo));
  const auto query = adopt(gst_query_new_allocation(caps.get(), TRUE));
  ASSERT_TRUE(rig.query(query.get()));
  guint size = 0, minimum = 0;
  gst_query_parse_nth_allocation_pool(query.get(), 0, nullptr, &size, &minimum, nullptr);
  const auto pool = adopt(gst_buffer_pool_new());
  GstStructure* config = gst_buffer_pool_get_config(pool.get());
  gst_buffer_pool_config_set_params(config, caps.get(), size, minimum, minimum);
  ASSERT_TRUE(gst_buffer_pool_set_config(pool.get(), config));
  ASSERT_TRUE(gst_buffer_pool_set_active(pool.get(), TRUE));
  std::uint64_t number = 0;
  const auto push = [&] {
    GstBuffer* buffer = nullptr;
    ASSERT_EQ(gst_buffer_pool_acquire_buffer(pool.get(), &buffer, nullptr), GST_FLOW_OK);
    GST_BUFFER_OFFSET(buffer) = ++number;
    ASSERT_EQ(rig.push(adopt(buffer)), GST_FLOW_OK);
  };
  // One after the other, each holds a frame of its own for ever.
  for (Worker& worker : workers) {
    worker.stick_at(Stuck::frame);
    push();
    ASSERT_TRUE(worker.await_stuck());
    for (int i = 0; i < 100; ++i) push();
  }
  EXPECT_EQ(rig.figure("copied"), 0u);
  for (Worker& worker : workers) worker.free();
  for (Worker& worker : workers) EXPECT_TRUE(worker.got(number));
  rig.stop();
  gst_buffer_pool_set_active(pool.get(), FALSE);
}

TEST_F(LatestFrameNegotiation, ARealSourceFollowsABranchThatChangesItsMind) {
  support::Pipeline pipeline(
      "videotestsrc is-live=true ! video/x-raw,width=64,height=64,framerate=100/1 ! latestframe name=l "
      "l. ! capsfilter name=filter caps=video/x-raw,format=I420 ! fakesink name=a async=false l. ! fakesink name=b "
      "async=false");
  ASSERT_TRUE(pipeline.play());
  ASSERT_TRUE(eventually([&] { return format_at(pipeline, "b") == "I420"; }));
  gst_util_set_object_arg(G_OBJECT(pipeline.find("filter").get()), "caps", "video/x-raw,format=NV12");
  EXPECT_TRUE(eventually([&] { return format_at(pipeline, "a") == "NV12" && format_at(pipeline, "b") == "NV12"; }));
  EXPECT_FALSE(pipeline.message(static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_WARNING),
                                std::chrono::milliseconds(0)));
}

TEST_F(LatestFrameNegotiation, ARealSourceFollowsABranchThatJoinsLate) {
  support::Pipeline pipeline(
      "videotestsrc is-live=true ! video/x-raw,width=64,height=64,framerate=100/1,format={I420,GRAY8} ! latestframe "
      "name=l l. ! fakesink name=b async=false");
  ASSERT_TRUE(pipeline.play());
  ASSERT_TRUE(eventually([&] { return format_at(pipeline, "b") == "I420"; }));
  GstElement* late = gst_parse_bin_from_description(
      "capsfilter caps=video/x-raw,format=GRAY8 ! fakesink name=late async=false", TRUE, nullptr);
  gst_bin_add(GST_BIN(pipeline.get()), late);
  gst_element_sync_state_with_parent(late);
  ASSERT_TRUE(gst_element_link(pipeline.find("l").get(), late));
  EXPECT_TRUE(
      eventually([&] { return format_at(pipeline, "b") == "GRAY8" && format_at(pipeline, "late") == "GRAY8"; }));
  EXPECT_FALSE(pipeline.message(static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_WARNING),
                                std::chrono::milliseconds(0)));
}

}  // namespace
}  // namespace latestframe_test
