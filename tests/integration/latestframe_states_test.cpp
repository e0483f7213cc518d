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

}  // namespace
}  // namespace latestframe_test
