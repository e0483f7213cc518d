// SPDX-License-Identifier: LGPL-2.1-or-later
// The element's state changes while something else goes on: pads come and go, queries and events come by, a start fails.
#include <thread>

#include "latestframe_rig.hpp"

namespace latestframe_test {
namespace {

class LatestFrameStates : public LatestFrame {};

TEST_F(LatestFrameStates, APadRequestedMeanwhileEndsInTheElementsState) {
  Rig rig(GST_STATE_READY);
  for (int i = 0; i < 1000; ++i) {
    Owned<GstPad> pad;
    std::thread requester([&] { pad = adopt(gst_element_request_pad_simple(rig.element(), "src_%u")); });
    gst_element_set_state(rig.element(), i % 2 ? GST_STATE_READY : GST_STATE_PAUSED);
    requester.join();
    ASSERT_EQ(gst_pad_is_active(pad.get()), i % 2 == 0) << i;
    gst_element_release_request_pad(rig.element(), pad.get());
  }
}

TEST_F(LatestFrameStates, APadReleasedMeanwhileLeavesNothingRunning) {
  Rig rig(GST_STATE_READY);
  for (int i = 0; i < 500; ++i) {
    const auto pad = adopt(gst_element_request_pad_simple(rig.element(), "src_%u"));
    std::thread releaser([&] { gst_element_release_request_pad(rig.element(), pad.get()); });
    gst_element_set_state(rig.element(), i % 2 ? GST_STATE_READY : GST_STATE_PAUSED);
    releaser.join();
  }
  EXPECT_TRUE(eventually([&] { return threads_named("src_") == 0; })) << threads_named("src_");
}

TEST_F(LatestFrameStates, AFrameReachesAPadThatWasRequestedMeanwhile) {
  Rig rig(GST_STATE_READY);
  for (int i = 0; i < 100; ++i) {
    SCOPED_TRACE(i);
    Worker worker;
    std::thread requester([&] { worker.join(rig.element()); });
    gst_element_set_state(rig.element(), GST_STATE_PLAYING);
    requester.join();
    gst_pad_set_active(rig.source(), FALSE);
    gst_pad_set_active(rig.source(), TRUE);
    rig.start();
    rig.push_in_step(worker, 1);
    worker.leave();
    gst_element_set_state(rig.element(), GST_STATE_READY);
  }
}

TEST_F(LatestFrameStates, AStartThatFailedLeavesNothingRunningAndTheNextOneServes) {
  Rig rig(GST_STATE_READY);
  Worker worker;
  worker.join(rig.element());
  // Branches that get no thread: one of the element's pads cannot become active.
  GstPad* broken = gst_pad_new("broken", GST_PAD_SRC);
  gst_pad_set_activatemode_function(
      broken, [](GstPad*, GstObject*, GstPadMode, gboolean active) -> gboolean { return !active; });
  gst_element_add_pad(rig.element(), broken);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(gst_element_set_state(rig.element(), GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
    EXPECT_FALSE(gst_pad_is_active(worker.branch()));
    EXPECT_TRUE(eventually([] { return threads_named("src_") + threads_named("latest-") == 0; }));
  }
  gst_element_remove_pad(rig.element(), broken);
  ASSERT_EQ(gst_element_set_state(rig.element(), GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
  gst_pad_set_active(rig.source(), FALSE);
  gst_pad_set_active(rig.source(), TRUE);
  rig.start();
  rig.push_in_step(worker, 3);
}

// A sink is stopped while a frame is inside of it, and answers that frame with what it met first.
TEST_F(LatestFrameStates, ASinkThatIsBeingStoppedHasNotFailed) {
  Rig rig;
  Worker worker;
  const auto bin = adopt(GST_ELEMENT(gst_object_ref_sink(gst_bin_new("consumer"))));
  gst_element_add_pad(bin.get(), worker.pad());
  gst_element_set_state(bin.get(), GST_STATE_PLAYING);
  worker.join(rig.element());
  rig.start();
  for (const GstFlowReturn answer : {GST_FLOW_ERROR, GST_FLOW_EOS, GST_FLOW_NOT_NEGOTIATED, GST_FLOW_NOT_LINKED}) {
    SCOPED_TRACE(gst_flow_get_name(answer));
    rig.push_in_step(worker, 1);
    worker.stick_at(Worker::Stuck::frame);
    rig.push();
    EXPECT_TRUE(worker.await_stuck());
    std::thread stopper([&] { gst_element_set_state(bin.get(), GST_STATE_NULL); });
    EXPECT_TRUE(eventually([&] { return GST_STATE_TARGET(bin.get()) == GST_STATE_NULL; }));
    worker.fail_with(answer, true);
    worker.free();
    stopper.join();
    g_usleep(100'000);  // the branch has the answer before the sink is started again
    gst_element_set_state(bin.get(), GST_STATE_PLAYING);
    const auto before = worker.frames().size();
    EXPECT_TRUE(eventually([&] { return rig.push() != 0 && worker.frames().size() > before; }));
    if (HasFailure()) break;
  }
  EXPECT_EQ(rig.warning(std::chrono::milliseconds(0)), "");
  rig.stop();
  gst_element_set_state(bin.get(), GST_STATE_NULL);
  gst_element_remove_pad(bin.get(), worker.pad());
}

// As sinks of GStreamer 1.22 are; those of 1.26 take a new stream.
TEST_F(LatestFrameStates, ASinkThatTakesNothingAfterItsEndIsSaidToNeedAFlush) {
  Rig rig;
  Worker ended, other;
  ended.join(rig.element());
  other.join(rig.element());
  rig.start();
  rig.push_in_step(ended, 1);
  rig.event(gst_event_new_eos());
  ASSERT_TRUE(ended.got(GST_EVENT_EOS) && other.got(GST_EVENT_EOS));
  ended.fail_with(GST_FLOW_ERROR);
  rig.start(kCaps, "another");
  rig.push_in_step(other, 1);
  EXPECT_NE(rig.warning().find("a new stream began after EOS, which downstream takes only after a flush"),
            std::string::npos);
}

}  // namespace
}  // namespace latestframe_test
