// SPDX-License-Identifier: LGPL-2.1-or-later
// The health of branches on the bus and in `stats`.
#include "latestframe_rig.hpp"

namespace latestframe_test {
namespace {

constexpr guint64 kStall = 100'000'000;

class LatestFrameHealth : public LatestFrame {
 protected:
  LatestFrameHealth() { g_object_set(rig_.element(), "stall-timeout", kStall, nullptr); }

  // Waits for a message that says that `worker` is in this state; its structure, or NULL.
  Owned<GstStructure> await(const std::string& worker, const std::string& state) {
    for (;;) {
      const auto message = adopt(gst_bus_timed_pop_filtered(rig_.bus(), 20 * GST_SECOND, GST_MESSAGE_ELEMENT));
      if (!message) return nullptr;
      const GstStructure* said = gst_message_get_structure(message.get());
      if (gst_structure_has_name(said, "frame-health") && worker == gst_structure_get_string(said, "worker") &&
          state == gst_structure_get_string(said, "state"))
        return adopt(gst_structure_copy(said));
    }
  }
  std::string state(const Worker& worker) {
    GstStructure* stats = nullptr;
    g_object_get(worker.branch(), "stats", &stats, nullptr);
    return gst_structure_get_string(adopt(stats).get(), "state");
  }

  Rig rig_;
  Worker a_, b_;
};

TEST_F(LatestFrameHealth, SaysOfAStuckBranchAndOfNoOtherThatItIsStuck) {
  a_.join(rig_.element());
  b_.join(rig_.element());
  g_object_set(a_.branch(), "worker", "person", nullptr);
  rig_.start();
  rig_.push_in_step(a_, 1);
  a_.stick_at(Worker::Stuck::frame);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(15);
  while (state(a_) != "stuck" && std::chrono::steady_clock::now() < end) {
    rig_.push_in_step(b_, 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const auto said = await("person", "stuck");
  ASSERT_TRUE(said);
  EXPECT_STREQ(gst_structure_get_string(said.get(), "pad"), "src_0");
  EXPECT_EQ(state(b_), "ok");
  a_.free();
  for (int i = 0; i < 5; ++i) {
    rig_.push_in_step(b_, 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_TRUE(await("person", "ok")) << "and that it has recovered";
}

TEST_F(LatestFrameHealth, SaysOfAFirstFrameAtOnceThatItIsFinished) {
  g_object_set(rig_.element(), "stall-timeout", guint64{GST_SECOND * 3600}, nullptr);  // looks once a second
  bool at_once = false;
  for (int attempt = 0; attempt < 3 && !at_once; ++attempt) {  // one quick one of three will do on a busy machine
    Worker worker;
    worker.join(rig_.element());
    const std::string pad = GST_OBJECT_NAME(worker.branch());
    if (attempt == 0) rig_.start();
    rig_.push_in_step(worker, 1);
    const auto said = await(pad, "ok");
    ASSERT_TRUE(said);
    guint64 at = 0, finished = 0;
    gst_structure_get(said.get(), "at", G_TYPE_UINT64, &at, "last-consumed-at", G_TYPE_UINT64, &finished, nullptr);
    at_once = at - finished < 100 * GST_MSECOND;
  }
  EXPECT_TRUE(at_once);
}

TEST_F(LatestFrameHealth, SaysOfAnOutageThatAllAreStarvedAndNoneStuck) {
  a_.join(rig_.element());
  b_.join(rig_.element());
  rig_.start();
  rig_.push_in_step(a_, 1);
  EXPECT_TRUE(await("src_0", "starved") || await("src_1", "starved"));
  EXPECT_TRUE(eventually([&] { return state(a_) == "starved" && state(b_) == "starved"; }));
}

TEST_F(LatestFrameHealth, SaysOfAFailedBranchAtOnceThatItIsDeadAndWhy) {
  a_.join(rig_.element());
  a_.fail_with(GST_FLOW_ERROR);
  rig_.start();
  rig_.push();
  const auto said = await("src_0", "dead");
  ASSERT_TRUE(said);
  EXPECT_NE(std::string(gst_structure_get_string(said.get(), "reason")).find("error"), std::string::npos);
  a_.fail_with(GST_FLOW_OK);
  a_.unlink();
  a_.link();
  rig_.push_in_step(a_, 1);
  EXPECT_TRUE(await("src_0", "ok"));
}

TEST_F(LatestFrameHealth, FindsNoFaultWithABranchWhoseStreamHasEnded) {
  a_.join(rig_.element());
  rig_.start();
  rig_.push_in_step(a_, 1);
  rig_.event(gst_event_new_eos());
  ASSERT_TRUE(a_.got(GST_EVENT_EOS));
  EXPECT_FALSE(
      eventually([&] { return state(a_) == "starved" || state(a_) == "stuck"; }, std::chrono::milliseconds(400)));
}

TEST_F(LatestFrameHealth, ListsTheBranchesInTheElementsStats) {
  a_.join(rig_.element());
  b_.join(rig_.element());
  rig_.start();
  rig_.push_in_step(a_, 2);
  GstStructure* stats = nullptr;
  g_object_get(rig_.element(), "stats", &stats, nullptr);
  const auto owned = adopt(stats);
  EXPECT_TRUE(gst_structure_has_name(stats, "application/x-latestframe-stats"));
  const GValue* branches = gst_structure_get_value(stats, "branches");
  ASSERT_TRUE(branches && GST_VALUE_HOLDS_ARRAY(branches));
  ASSERT_EQ(gst_value_array_get_size(branches), 2u);
  const GstStructure* first = gst_value_get_structure(gst_value_array_get_value(branches, 0));
  EXPECT_TRUE(gst_structure_has_name(first, "application/x-latestframe-pad-stats"));
  EXPECT_STREQ(gst_structure_get_string(first, "pad"), "src_0");
}

TEST_F(LatestFrameHealth, IsQuietWhereMessagesAreNotWanted) {
  a_.join(rig_.element());
  g_object_set(a_.branch(), "post-messages", FALSE, nullptr);
  a_.fail_with(GST_FLOW_ERROR);
  rig_.start();
  rig_.push();
  ASSERT_NE(rig_.warning(), "");
  EXPECT_TRUE(eventually([&] { return state(a_) == "dead"; }));
  EXPECT_FALSE(adopt(gst_bus_pop_filtered(rig_.bus(), GST_MESSAGE_ELEMENT)));
}

}  // namespace
}  // namespace latestframe_test
