// SPDX-License-Identifier: LGPL-2.1-or-later
// Beside a stuck branch: frames, caps, flushes, the end, pads that come and go, states. Each kind of event and query is
// in latestframe_situations_test.cpp.
#include "latestframe_stuck.hpp"

#include <thread>

namespace latestframe_test {
namespace {

TEST_P(LatestFrameStuck, FramesPass) {
  rig_.push_in_step(other_, 200);
  expect_unharmed();
}

TEST_P(LatestFrameStuck, ChangesOfCapsPass) {
  for (int width = 16; width <= 64; width += 8) {
    rig_.set_caps(("video/x-raw,format=GRAY8,height=8,framerate=30/1,width=" + std::to_string(width)).c_str());
    const auto query = adopt(gst_query_new_allocation(adopt(gst_pad_get_current_caps(rig_.source())).get(), TRUE));
    ASSERT_TRUE(rig_.query(query.get()));
    rig_.push_in_step(other_, 1);
  }
  EXPECT_EQ(other_.count(GST_EVENT_CAPS), 8);
  expect_unharmed();
}

TEST_P(LatestFrameStuck, FlushesPass) {
  for (int i = 1; i <= 3; ++i) {
    rig_.event(gst_event_new_flush_start());
    rig_.event(gst_event_new_flush_stop(TRUE));
    ASSERT_TRUE(other_.got(GST_EVENT_FLUSH_STOP, i));
    rig_.segment();
    rig_.push_in_step(other_, 1);
  }
  EXPECT_EQ(other_.count(GST_EVENT_FLUSH_START), 3);
  expect_unharmed();
}

TEST_P(LatestFrameStuck, ManyEventsPass) {
  for (int i = 0; i < 100; ++i) {
    rig_.custom("test-serialized");
    ASSERT_TRUE(other_.got(GST_EVENT_CUSTOM_DOWNSTREAM, i + 1));
  }
  for (int i = 0; i < 20; ++i) {
    rig_.custom("test-oob", GST_EVENT_CUSTOM_DOWNSTREAM_OOB);
    ASSERT_TRUE(other_.got(GST_EVENT_CUSTOM_DOWNSTREAM_OOB, i + 1));
  }
  expect_unharmed();
}

TEST_P(LatestFrameStuck, BufferListsPass) {
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(other_.got(rig_.push_list()));
  EXPECT_EQ(other_.figure("dropped"), 0u);
  rig_.push_in_step(other_, 1);
}

TEST_P(LatestFrameStuck, DeltaUnitsPassForABranchThatLostNone) {
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(other_.got(rig_.push(true)));
  expect_unharmed();
}

TEST_P(LatestFrameStuck, HeadersOfAStreamPass) {
  rig_.set_caps(Rig::kCapsWithHeaders);
  rig_.push_headers();
  rig_.push();
  ASSERT_TRUE(eventually([&] { return other_.frames().size() == 4; }));
  EXPECT_EQ(other_.frames(), (std::vector<std::uint64_t>{1, Rig::kFirstHeader, Rig::kFirstHeader + 1, 2}));
}

TEST_P(LatestFrameStuck, TheEndPasses) {
  rig_.event(gst_event_new_eos());
  ASSERT_TRUE(other_.got(GST_EVENT_EOS));
  EXPECT_EQ(other_.frames().back(), rig_.number());
}

TEST_P(LatestFrameStuck, ANewBranchJoins) {
  Worker late;
  late.join(rig_.element());
  ASSERT_TRUE(late.got(rig_.number()));
  EXPECT_EQ(late.story(), (std::vector<std::string>{"stream-start", "caps", "segment", std::to_string(rig_.number())}));
  expect_unharmed();
}

TEST_P(LatestFrameStuck, AnotherBranchLeaves) {
  {
    Worker brief;
    brief.join(rig_.element());
    ASSERT_TRUE(brief.got(rig_.number()));
    brief.leave();
  }
  expect_unharmed();
}

TEST_P(LatestFrameStuck, UnlinkingItReturnsAtOnce) {
  stuck_.unlink();
  expect_unharmed();
}

TEST_P(LatestFrameStuck, ReleasingItReturnsAtOnce) {
  stuck_.leave();
  expect_unharmed();
}

TEST_P(LatestFrameStuck, StoppingTheRestReturnsAtOnce) {
  rig_.stop();
  EXPECT_EQ(GST_STATE(rig_.element()), GST_STATE_NULL);
}

TEST_P(LatestFrameStuck, StartingAgainServesTheOthersAndItToo) {
  for (int i = 0; i < 3; ++i) {
    rig_.stop();
    gst_pad_set_active(rig_.source(), FALSE);
    gst_pad_set_active(rig_.source(), TRUE);
    gst_pad_set_active(other_.pad(), FALSE);
    gst_pad_set_active(other_.pad(), TRUE);
    ASSERT_EQ(gst_element_set_state(rig_.element(), GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
    rig_.start(kOtherCaps);
    rig_.push_in_step(other_, 3);
  }
  stuck_.free();
  EXPECT_TRUE(stuck_.got(rig_.push()));
}

TEST_P(LatestFrameStuck, StatsAndPropertiesAnswerAtOnce) {
  EXPECT_GE(rig_.figure("received"), 1u);
  stuck_.figure("offered");
  g_object_set(stuck_.branch(), "stall-timeout", guint64{1}, "worker", "person", nullptr);
  expect_unharmed();
}

TEST_P(LatestFrameStuck, ItGoesOnWithTheNewestWhenItComesFree) {
  rig_.push_in_step(other_, 50);
  stuck_.free();
  ASSERT_TRUE(stuck_.got(rig_.number()));
  expect_unharmed();
}

TEST_P(LatestFrameStuck, ItGoesOnAfterAFlushThatItSleptThrough) {
  rig_.event(gst_event_new_flush_start());
  rig_.event(gst_event_new_flush_stop(TRUE));
  rig_.segment();
  rig_.push_in_step(other_, 5);
  stuck_.free();
  ASSERT_TRUE(stuck_.got(GST_EVENT_FLUSH_STOP));
  ASSERT_TRUE(stuck_.got(rig_.number()));
  // Nothing of before the flush comes after it, and a segment does first.
  const auto story = stuck_.story();
  const auto stop = std::find(story.begin(), story.end(), "flush-stop");
  ASSERT_NE(stop, story.end());
  const auto segment = std::find(stop, story.end(), "segment");
  ASSERT_NE(segment, story.end());
  EXPECT_TRUE(std::all_of(stop, segment, [](const std::string& what) { return !isdigit(what[0]); }));
}

TEST_P(LatestFrameStuck, AnotherBranchEnds) {
  for (const GstFlowReturn flow : {GST_FLOW_ERROR, GST_FLOW_EOS, GST_FLOW_NOT_LINKED}) {
    Worker ending;
    ending.fail_with(flow);
    ending.join(rig_.element());
    ASSERT_TRUE(ending.got(rig_.number()));
    expect_unharmed();
  }
}

TEST_P(LatestFrameStuck, AnotherBranchIsNeverLinked) {
  const auto never = adopt(gst_element_request_pad_simple(rig_.element(), "src_%u"));
  expect_unharmed();
  rig_.event(gst_event_new_eos());
  ASSERT_TRUE(other_.got(GST_EVENT_EOS));
  gst_element_release_request_pad(rig_.element(), never.get());
}

TEST_P(LatestFrameStuck, PausingAndPlayingReturnAtOnce) {
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(gst_element_set_state(rig_.element(), GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
    rig_.push_in_step(other_, 1);
    ASSERT_EQ(gst_element_set_state(rig_.element(), GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
  }
  expect_unharmed();
}

INSTANTIATE_TEST_SUITE_P(In, LatestFrameStuck, kEverywhere, where_name);

// The same sequence with the usual way of doing it. The fan-out is built of tee and one leaky queue per branch.
class TeeStuck : public LatestFrame {};

TEST_F(TeeStuck, AChangeOfCapsFreezesTeeWithLeakyQueuesForAllBranches) {
  support::Pipeline pipeline(
      "appsrc name=source is-live=true format=time ! tee name=t "
      "t. ! queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0 ! fakesink name=stuck "
      "sync=false "
      "async=false signal-handoffs=true "
      "t. ! queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0 ! fakesink name=other "
      "sync=false "
      "async=false signal-handoffs=true");
  struct Gate {
    std::mutex lock;
    std::condition_variable changed;
    bool open = false, reached = false;
    std::atomic<int> other{0};
    ~Gate() { release(); }
    void release() {
      std::lock_guard hold(lock);
      open = true;
      changed.notify_all();
    }
  };
  Gate gate;
  const auto stuck = pipeline.find("stuck"), other = pipeline.find("other"), source = pipeline.find("source");
  g_signal_connect(stuck.get(), "handoff", G_CALLBACK(+[](GstElement*, GstBuffer*, GstPad*, Gate* g) {
                     std::unique_lock hold(g->lock);
                     g->reached = true;
                     g->changed.notify_all();
                     g->changed.wait(hold, [g] { return g->open; });
                   }),
                   &gate);
  g_signal_connect(other.get(), "handoff", G_CALLBACK(+[](GstElement*, GstBuffer*, GstPad*, Gate* g) { ++g->other; }),
                   &gate);
  ASSERT_TRUE(pipeline.play());
  const auto source_pad = adopt(gst_element_get_static_pad(source.get(), "src"));
  const auto push = [&](const char* caps) {
    const auto parsed = adopt(gst_caps_from_string(caps));
    g_object_set(source.get(), "caps", parsed.get(), nullptr);
    GstFlowReturn flow = GST_FLOW_OK;
    g_signal_emit_by_name(source.get(), "push-buffer", adopt(gst_buffer_new_allocate(nullptr, 64, nullptr)).get(),
                          &flow);
  };
  push(kCaps);
  {
    std::unique_lock hold(gate.lock);
    gate.changed.wait(hold, [&] { return gate.reached; });
  }
  ASSERT_TRUE(eventually([&] { return gate.other == 1; }));
  push(kCaps);
  ASSERT_TRUE(eventually([&] { return gate.other == 2; })) << "buffers still pass";

  // An element that allocates asks for ALLOCATION after a change of caps; the queue of the stuck branch waits.
  std::atomic<bool> answered{false};
  std::thread upstream([&] {
    const auto caps = adopt(gst_caps_from_string(kOtherCaps));
    const auto query = adopt(gst_query_new_allocation(caps.get(), TRUE));
    gst_pad_peer_query(source_pad.get(), query.get());
    answered = true;
  });
  EXPECT_FALSE(eventually([&] { return answered.load(); }, std::chrono::milliseconds(500)));
  push(kOtherCaps);
  push(kOtherCaps);
  EXPECT_FALSE(eventually([&] { return gate.other > 2; }, std::chrono::milliseconds(500))) << "tee has come unstuck";
  gate.release();
  upstream.join();
  EXPECT_TRUE(eventually([&] { return gate.other > 2; }));
}

}  // namespace
}  // namespace latestframe_test
