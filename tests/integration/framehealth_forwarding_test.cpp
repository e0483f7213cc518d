// SPDX-License-Identifier: LGPL-2.1-or-later
// framehealth changes nothing on the way.
#include <atomic>
#include <vector>

#include "framehealth_fixture.hpp"

namespace framehealth_test {
namespace {

TEST_F(FrameHealthAlone, PassesTheVeryBufferAndKeepsNoReference) {
  GstBuffer* buffer = gst_harness_create_buffer(harness_, 64);
  ASSERT_EQ(gst_harness_push(harness_, buffer), GST_FLOW_OK);
  const auto out = adopt(gst_harness_pull(harness_));
  EXPECT_EQ(out.get(), buffer);
  EXPECT_EQ(GST_MINI_OBJECT_REFCOUNT_VALUE(out.get()), 1);
}

TEST_F(FrameHealthAlone, PassesBufferListsAsListsAndCountsTheirFrames) {
  static std::atomic<int> lists, singles;
  lists = singles = 0;
  const auto source = adopt(gst_element_get_static_pad(sut(), "src"));
  gst_pad_add_probe(
      source.get(), static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
      [](GstPad*, GstPadProbeInfo* info, gpointer) {
        ++(GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER_LIST ? lists : singles);
        return GST_PAD_PROBE_OK;
      },
      nullptr, nullptr);
  for (guint count : {5u, 1u, 0u}) {
    GstBufferList* list = gst_buffer_list_new();
    for (guint i = 0; i < count; ++i) gst_buffer_list_add(list, gst_harness_create_buffer(harness_, 64));
    gst_pad_push_list(harness_->srcpad, list);
  }
  EXPECT_EQ(lists, 3);
  EXPECT_EQ(singles, 0);
  EXPECT_EQ(number(stats(sut()).get(), "delivered"), 6u);
  EXPECT_EQ(number(stats(sut()).get(), "last-consumed-seq"), 6u);
}

TEST_F(FrameHealthAlone, ReturnsTheFlowOfDownstreamAndKeepsTheAccount) {
  std::uint64_t dropped = 0;
  for (const GstFlowReturn flow :
       {GST_FLOW_OK, GST_FLOW_CUSTOM_SUCCESS, GST_FLOW_FLUSHING, GST_FLOW_EOS, GST_FLOW_NOT_LINKED,
        GST_FLOW_NOT_NEGOTIATED, GST_FLOW_ERROR, GST_FLOW_CUSTOM_ERROR}) {
    answer(flow);
    EXPECT_EQ(push(), flow);
    if (flow < GST_FLOW_OK) ++dropped;
  }
  const auto now = stats(sut());
  EXPECT_EQ(number(now.get(), "offered"), 8u);
  EXPECT_EQ(number(now.get(), "dropped"), dropped);
  EXPECT_EQ(number(now.get(), "discarded"), 1u) << "a flush is not the worker's fault";
  expect_balance(now.get());
}

TEST_F(FrameHealthAlone, PassesTheAllocationQueryWithItsAnswers) {
  GstAllocationParams params;
  gst_allocation_params_init(&params);
  params.align = 63;
  gst_harness_set_propose_allocator(harness_, nullptr, &params);
  gst_harness_add_propose_allocation_meta(harness_, GST_PARENT_BUFFER_META_API_TYPE, nullptr);
  const auto caps = adopt(gst_caps_from_string("video/x-raw,format=GRAY8,width=8,height=8"));
  const auto query = adopt(gst_query_new_allocation(caps.get(), TRUE));
  ASSERT_TRUE(gst_pad_peer_query(harness_->srcpad, query.get()));
  EXPECT_TRUE(gst_query_find_allocation_meta(query.get(), GST_PARENT_BUFFER_META_API_TYPE, nullptr));
  ASSERT_EQ(gst_query_get_n_allocation_params(query.get()), 1u);
  GstAllocationParams got;
  gst_query_parse_nth_allocation_param(query.get(), 0, nullptr, &got);
  EXPECT_EQ(got.align, 63u);
}

TEST_F(FrameHealthAlone, PassesCapsQueriesBothWays) {
  gst_harness_set_sink_caps_str(harness_, "video/x-raw,format=GRAY8,width=8,height=8");
  const auto fitting = adopt(gst_caps_from_string("video/x-raw,format=GRAY8,width=8,height=8"));
  const auto other = adopt(gst_caps_from_string("audio/x-raw"));
  EXPECT_TRUE(gst_pad_peer_query_accept_caps(harness_->srcpad, fitting.get()));
  EXPECT_FALSE(gst_pad_peer_query_accept_caps(harness_->srcpad, other.get()));
  const auto allowed = adopt(gst_pad_peer_query_caps(harness_->srcpad, nullptr));
  EXPECT_TRUE(gst_caps_is_equal(allowed.get(), fitting.get()));
}

TEST_F(FrameHealthAlone, PassesLatencyAndPosition) {
  gst_harness_set_upstream_latency(harness_, 20 * GST_MSECOND);
  EXPECT_EQ(gst_harness_query_latency(harness_), 20 * GST_MSECOND);
}

TEST_F(FrameHealthAlone, PassesEventsInOrderBothWays) {
  while (auto early = adopt(gst_harness_try_pull_event(harness_))) {
  }
  const std::vector<GstEventType> types = {
      GST_EVENT_TAG,         GST_EVENT_CUSTOM_DOWNSTREAM, GST_EVENT_CUSTOM_DOWNSTREAM_OOB,
      GST_EVENT_FLUSH_START, GST_EVENT_FLUSH_STOP,        GST_EVENT_STREAM_START,
      GST_EVENT_EOS};
  for (const GstEventType type : types) {
    GstEvent* event = type == GST_EVENT_TAG           ? gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "x", nullptr))
                      : type == GST_EVENT_FLUSH_START ? gst_event_new_flush_start()
                      : type == GST_EVENT_FLUSH_STOP  ? gst_event_new_flush_stop(TRUE)
                      : type == GST_EVENT_STREAM_START ? gst_event_new_stream_start("second")
                      : type == GST_EVENT_EOS          ? gst_event_new_eos()
                                                       : gst_event_new_custom(type, gst_structure_new_empty("x"));
    const guint32 seqnum = gst_event_get_seqnum(event);
    gst_harness_push_event(harness_, event);
    const auto out = adopt(gst_harness_pull_event(harness_));
    ASSERT_TRUE(out);
    EXPECT_EQ(GST_EVENT_TYPE(out.get()), type);
    EXPECT_EQ(gst_event_get_seqnum(out.get()), seqnum);
  }
  EXPECT_EQ(gst_harness_events_in_queue(harness_), 0u);
  while (auto early = adopt(gst_harness_try_pull_upstream_event(harness_))) {
  }
  gst_harness_push_upstream_event(harness_, gst_event_new_seek(1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                                               GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0));
  const auto seek = adopt(gst_harness_pull_upstream_event(harness_));
  EXPECT_EQ(GST_EVENT_TYPE(seek.get()), GST_EVENT_SEEK);
}

TEST_F(FrameHealth, OffersPushModeOnlyWhereUpstreamCouldBePulled) {
  Pipeline pipeline("filesrc name=f location=/proc/self/exe ! framehealth name=h ! fakesink");
  pipeline.set_state(GST_STATE_PAUSED);
  const auto source = adopt(gst_element_get_static_pad(pipeline.find("h").get(), "src"));
  const auto query = adopt(gst_query_new_scheduling());
  ASSERT_TRUE(gst_pad_query(source.get(), query.get()));
  EXPECT_FALSE(gst_query_has_scheduling_mode(query.get(), GST_PAD_MODE_PULL));
  EXPECT_TRUE(gst_query_has_scheduling_mode(query.get(), GST_PAD_MODE_PUSH));
}

}  // namespace
}  // namespace framehealth_test
