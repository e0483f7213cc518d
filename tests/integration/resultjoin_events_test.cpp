// SPDX-License-Identifier: LGPL-2.1-or-later
// resultjoin: events, queries, errors and states while frames wait.
#include <thread>

#include <gmock/gmock.h>

#include "resultjoin_rig.hpp"

namespace resultjoin_test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kOtherCaps = "video/x-raw,format=GRAY8,width=32,height=24,framerate=25/1";

class ResultJoinEvents : public ResultJoin, public testing::WithParamInterface<const char*> {
 protected:
  // Events and buffers in the order in which they come out, from now on.
  void record() {
    gst_pad_peer_query(harness_->srcpad, adopt(gst_query_new_drain()).get());  // what came before is through
    const auto pad = adopt(gst_element_get_static_pad(element(), "src"));
    gst_pad_add_probe(
        pad.get(),
        static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
                                     GST_PAD_PROBE_TYPE_EVENT_FLUSH),
        [](GstPad*, GstPadProbeInfo* info, gpointer self) {
          auto& test = *static_cast<ResultJoinEvents*>(self);
          std::lock_guard hold(test.lock_);
          if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
            test.story_.push_back(std::to_string(GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info)) / GST_MSECOND));
          else
            test.story_.emplace_back(GST_EVENT_TYPE_NAME(GST_PAD_PROBE_INFO_EVENT(info)));
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
  }
  std::vector<std::string> story() {
    std::lock_guard hold(lock_);
    return story_;
  }
  bool send(GstEvent* event) { return gst_pad_push_event(harness_->srcpad, event); }

  std::mutex lock_;
  std::vector<std::string> story_;
};

TEST_P(ResultJoinEvents, KeepTheirPlaceBetweenTheFrames) {
  open(GetParam());
  Results results(element());
  for (const std::uint64_t ms : {1u, 2u, 3u, 4u}) results.send(ms);
  record();
  push(1);
  gst_harness_set_src_caps_str(harness_, kOtherCaps);
  push(2);
  send(gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "title", nullptr)));
  send(gst_event_new_gap(3 * GST_MSECOND, GST_MSECOND));
  push(3);
  send(gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty("test")));
  push(4);
  send(gst_event_new_eos());
  EXPECT_TRUE(eventually([&] { return !story().empty() && story().back() == "eos"; }));
  EXPECT_THAT(story(), ElementsAre("1", "caps", "segment", "2", "tag", "gap", "3", "custom-downstream", "4", "eos"));
}

TEST_P(ResultJoinEvents, ScaleBoxesToTheCapsOfTheirFrame) {
  open(GetParam());
  Results results(element());
  results.send(1);
  push(1);
  results.send(2);
  gst_harness_set_src_caps_str(harness_, kOtherCaps);
  push(2);
  const auto width_of = [this] { return gst_buffer_get_video_region_of_interest_meta_id(pull().get(), 1)->w; };
  EXPECT_EQ(width_of(), 4u);
  EXPECT_EQ(width_of(), 2u);
}

TEST_P(ResultJoinEvents, ASeekGoesToTheFramesSourceOnly) {
  open(GetParam());
  Results results(element());
  int frames = 0;
  int workers = 0;
  const auto count = [](GstPad*, GstPadProbeInfo* info, gpointer to) {
    if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_SEEK) ++*static_cast<int*>(to);
    return GST_PAD_PROBE_OK;
  };
  gst_pad_add_probe(harness_->srcpad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, count, &frames, nullptr);
  gst_pad_add_probe(results.harness()->srcpad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, count, &workers, nullptr);
  gst_pad_push_event(harness_->sinkpad, gst_event_new_seek(1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET,
                                                           0, GST_SEEK_TYPE_NONE, 0));
  EXPECT_EQ(frames, 1);
  EXPECT_EQ(workers, 0);
}

TEST_P(ResultJoinEvents, GoOnAfterAFlush) {
  open(GetParam());
  Results results(element());
  results.send(80);
  record();
  EXPECT_TRUE(send(gst_event_new_flush_start()));
  EXPECT_TRUE(send(gst_event_new_flush_stop(TRUE)));
  EXPECT_EQ(results.count("discarded"), 1u);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  EXPECT_TRUE(send(gst_event_new_segment(&segment)));
  results.send(40);
  push(40);
  EXPECT_THAT(pull_labels(), ElementsAre("40"));
  EXPECT_THAT(story(), ElementsAre("flush-start", "flush-stop", "segment", "40"));
}

TEST_P(ResultJoinEvents, ThatStickAreNotLostInAFlush) {
  open(GetParam());
  Results results(element());
  push(40);
  gst_harness_set_src_caps_str(harness_, kOtherCaps);
  EXPECT_TRUE(send(gst_event_new_flush_start()));
  EXPECT_TRUE(send(gst_event_new_flush_stop(TRUE)));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  EXPECT_TRUE(send(gst_event_new_segment(&segment)));
  results.send(40);
  while (arrived() > 0) pull();
  push(40);
  EXPECT_EQ(gst_buffer_get_video_region_of_interest_meta_id(pull().get(), 1)->w, 2u);
  const auto caps = adopt(gst_pad_get_current_caps(harness_->sinkpad));
  EXPECT_TRUE(gst_caps_is_equal(caps.get(), adopt(gst_caps_from_string(kOtherCaps)).get()));
}

TEST_P(ResultJoinEvents, BeginANewStreamAfterTheEnd) {
  open(GetParam());
  Results results(element());
  results.send(1);
  push(1);
  record();
  send(gst_event_new_eos());
  EXPECT_TRUE(eventually([&] { return !story().empty() && story().back() == "eos"; }));
  send(gst_event_new_stream_start("next"));
  gst_harness_set_src_caps_str(harness_, kCaps);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  send(gst_event_new_segment(&segment));
  results.send(2);
  push(2);
  EXPECT_TRUE(eventually([&] { return story().back() == "2"; }));
}

TEST_P(ResultJoinEvents, AreAnsweredInEveryStateAndStopPromptly) {
  open(GetParam());
  Results results(element());
  for (int round = 0; round < 20; ++round) {
    push(static_cast<std::uint64_t>(round));
    ASSERT_EQ(gst_element_set_state(element(), GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
    ASSERT_EQ(gst_element_set_state(element(), GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
    send(gst_event_new_stream_start("again"));
    gst_harness_set_src_caps_str(harness_, kCaps);
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    send(gst_event_new_segment(&segment));
  }
  EXPECT_EQ(count("received"), count("pushed") + count("discarded"));
  EXPECT_EQ(count("held"), 0u);
}

TEST_P(ResultJoinEvents, DownstreamsErrorReachesUpstream) {
  open(GetParam());
  gst_pad_set_active(harness_->sinkpad, FALSE);
  EXPECT_TRUE(eventually([&] { return gst_pad_push(harness_->srcpad, frame(1).release()) == GST_FLOW_FLUSHING; }));
  gst_pad_set_active(harness_->sinkpad, TRUE);
}

TEST_P(ResultJoinEvents, CapsAreThoseOfDownstream) {
  open(GetParam());
  gst_harness_set_sink_caps_str(harness_, kCaps);
  const auto caps = adopt(gst_pad_peer_query_caps(harness_->srcpad, nullptr));
  EXPECT_TRUE(gst_caps_is_equal(caps.get(), adopt(gst_caps_from_string(kCaps)).get()));
}

INSTANTIATE_TEST_SUITE_P(InBothModes, ResultJoinEvents, testing::Values("latest", "exact"),
                         [](const auto& which) { return which.param; });

class ResultJoinWait : public ResultJoin {
 protected:
  std::pair<GstClockTime, GstClockTime> latency() {
    const auto query = adopt(gst_query_new_latency());
    GstClockTime least = 0;
    GstClockTime most = 0;
    EXPECT_TRUE(gst_pad_peer_query(harness_->sinkpad, query.get()));
    gst_query_parse_latency(query.get(), nullptr, &least, &most);
    return {least, most};
  }
};

TEST_F(ResultJoinWait, IsPartOfTheLatency) {
  open("exact", 300 * GST_MSECOND);
  gst_harness_set_upstream_latency(harness_, 50 * GST_MSECOND);
  EXPECT_EQ(latency().first, 350 * GST_MSECOND);
}

TEST_F(ResultJoinWait, ThatChangesAsksForTheLatencyAnew) {
  open("exact", 300 * GST_MSECOND);
  const auto bus = adopt(gst_bus_new());
  gst_element_set_bus(element(), bus.get());
  g_object_set(element(), "max-wait", 300 * GST_MSECOND, nullptr);
  EXPECT_FALSE(adopt(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_LATENCY)));
  g_object_set(element(), "max-wait", 200 * GST_MSECOND, nullptr);
  EXPECT_TRUE(adopt(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_LATENCY)));
  EXPECT_EQ(latency().first, 200 * GST_MSECOND);
  gst_element_set_bus(element(), nullptr);
}

TEST_F(ResultJoinWait, IsNotInTheLatencyOfLatest) {
  open("latest", 300 * GST_MSECOND);
  gst_harness_set_upstream_latency(harness_, 50 * GST_MSECOND);
  EXPECT_EQ(latency().first, 50 * GST_MSECOND);
}

TEST_F(ResultJoinWait, AddsTheHeldFramesToThePoolThatIsAskedFor) {
  open("exact", 400 * GST_MSECOND);
  gst_harness_add_propose_allocation_meta(harness_, GST_VIDEO_META_API_TYPE, nullptr);
  gst_harness_set_propose_allocator(harness_, nullptr, nullptr);
  const auto pad = adopt(gst_element_get_static_pad(element(), "src"));
  gst_pad_add_probe(
      pad.get(), static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM | GST_PAD_PROBE_TYPE_PUSH),
      [](GstPad*, GstPadProbeInfo* info, gpointer) {
        GstQuery* query = GST_PAD_PROBE_INFO_QUERY(info);
        if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION) return GST_PAD_PROBE_OK;
        gst_query_add_allocation_pool(query, nullptr, 3072, 2, 5);
        return GST_PAD_PROBE_HANDLED;
      },
      nullptr, nullptr);
  const auto caps = adopt(gst_caps_from_string(kCaps));
  const auto query = adopt(gst_query_new_allocation(caps.get(), TRUE));
  ASSERT_TRUE(gst_pad_peer_query(harness_->srcpad, query.get()));
  ASSERT_EQ(gst_query_get_n_allocation_pools(query.get()), 1u);
  guint least = 0;
  guint most = 0;
  gst_query_parse_nth_allocation_pool(query.get(), 0, nullptr, nullptr, &least, &most);
  EXPECT_EQ(least, 12u);  // 400 ms at 25 frames/s
  EXPECT_EQ(most, 15u);
}

TEST_F(ResultJoinWait, ADrainLastsUntilTheFramesBeforeItAreGone) {
  open("exact", 50 * GST_MSECOND);
  Results results(element());
  push(40);
  const auto drain = adopt(gst_query_new_drain());
  gst_pad_peer_query(harness_->srcpad, drain.get());
  EXPECT_EQ(count("held"), 0u);
  EXPECT_EQ(arrived(), 1u);
}

TEST_F(ResultJoinWait, IsEndedByAFlush) {
  open("exact");
  Results results(element());
  push(40);
  push(80);
  std::thread asks([&] {
    const auto drain = adopt(gst_query_new_drain());
    EXPECT_FALSE(gst_pad_peer_query(harness_->srcpad, drain.get()));
  });
  std::this_thread::sleep_for(20ms);
  gst_pad_push_event(harness_->srcpad, gst_event_new_flush_start());
  asks.join();
  gst_pad_push_event(harness_->srcpad, gst_event_new_flush_stop(TRUE));
  EXPECT_EQ(count("discarded"), 2u);
  EXPECT_EQ(arrived(), 0u);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(harness_->srcpad, gst_event_new_segment(&segment));
  push(40);
  results.send(40);
  EXPECT_THAT(pull_labels(), ElementsAre("40"));
}

TEST_F(ResultJoinWait, OfUpstreamForASlowDownstreamIsEndedByAStop) {
  open("exact", 0);
  g_object_set(element(), "max-frames", 1, nullptr);
  const auto pad = adopt(gst_element_get_static_pad(element(), "src"));
  gst_pad_add_probe(
      pad.get(), static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER),
      [](GstPad*, GstPadProbeInfo*, gpointer) { return GST_PAD_PROBE_OK; }, nullptr, nullptr);
  std::atomic<int> pushed{0};
  std::thread upstream([&] {
    while (gst_pad_push(harness_->srcpad, frame(1).release()) == GST_FLOW_OK) ++pushed;
  });
  EXPECT_TRUE(eventually([&] { return pushed >= 3; }));
  gst_element_set_state(element(), GST_STATE_NULL);
  upstream.join();
  EXPECT_LE(pushed, 4);
}

TEST_F(ResultJoinWait, BeginsWithNothingOfTheRunBefore) {
  open("exact");
  Results results(element());
  results.send(40);
  push(80);
  gst_element_set_state(element(), GST_STATE_READY);
  gst_element_set_state(element(), GST_STATE_PLAYING);
  EXPECT_EQ(results.count("discarded"), 1u);
  EXPECT_EQ(results.count("pending"), 0u);
  EXPECT_EQ(count("discarded"), 1u);
}

TEST_F(ResultJoinWait, GivesAnErrorOfDownstreamToUpstreamWithALaterFrame) {
  open("exact", 0);
  const auto pad = adopt(gst_element_get_static_pad(element(), "src"));
  gst_pad_unlink(pad.get(), harness_->sinkpad);
  EXPECT_TRUE(eventually([&] { return gst_pad_push(harness_->srcpad, frame(1).release()) == GST_FLOW_NOT_LINKED; }));
  gst_pad_link(pad.get(), harness_->sinkpad);
  EXPECT_TRUE(eventually([&] {
    gst_pad_push(harness_->srcpad, frame(2).release());
    return arrived() > 0;
  }));
}

TEST_F(ResultJoinWait, TellsOfAFrameThatFailsAfterTheEnd) {
  open("exact");
  const auto bus = adopt(gst_bus_new());
  gst_element_set_bus(element(), bus.get());
  const auto pad = adopt(gst_element_get_static_pad(element(), "src"));
  gst_pad_unlink(pad.get(), harness_->sinkpad);
  Results results(element());
  push(40);
  push(80);
  ASSERT_TRUE(gst_harness_push_event(harness_, gst_event_new_eos()));
  results.send(40);
  results.send(80);
  EXPECT_TRUE(eventually([&] { return count("pushed") == 2; }));
  const auto told = [&bus] { return adopt(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR)) != nullptr; };
  EXPECT_TRUE(eventually(told));
  gst_element_set_state(element(), GST_STATE_READY);
  EXPECT_FALSE(told());  // once
  gst_element_set_bus(element(), nullptr);
}

}  // namespace
}  // namespace resultjoin_test
