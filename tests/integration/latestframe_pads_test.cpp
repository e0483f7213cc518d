// SPDX-License-Identifier: LGPL-2.1-or-later
// Pads come and go at any time, and a branch that ends does so alone.
#include <random>
#include <thread>

#include "latestframe_rig.hpp"

namespace latestframe_test {
namespace {

using Stuck = Worker::Stuck;

class LatestFramePads : public LatestFrame {
 protected:
  static std::string request(Rig& rig, const char* name) {
    const auto pad = adopt(gst_element_request_pad_simple(rig.element(), name));
    return pad ? GST_PAD_NAME(pad.get()) : "";
  }
  static std::vector<std::string> linked_inside(GstPad* pad) {
    std::vector<std::string> names;
    GstIterator* iterator = gst_pad_iterate_internal_links(pad);
    GValue item = G_VALUE_INIT;
    while (gst_iterator_next(iterator, &item) == GST_ITERATOR_OK) {
      names.emplace_back(GST_PAD_NAME(g_value_get_object(&item)));
      g_value_reset(&item);
    }
    g_value_unset(&item);
    gst_iterator_free(iterator);
    return names;
  }
  // A worker that gets frames while another ended.
  static void expect_frames(Rig& rig, Worker& worker) { rig.push_in_step(worker, 5); }
};

TEST_F(LatestFramePads, AreNamedAsTeeNamesThem) {
  Rig rig;
  EXPECT_EQ(request(rig, "src_%u"), "src_0");
  EXPECT_EQ(request(rig, "src_100"), "src_100");
  EXPECT_EQ(request(rig, "src_10"), "src_10");
  EXPECT_EQ(request(rig, "src_%u"), "src_101");
}

TEST_F(LatestFramePads, RefuseNamesThatAreNotTheirs) {
  Rig rig;
  for (const char* name : {"src_x", "src_-1", "src_99999999999", "sink_0"}) EXPECT_EQ(request(rig, name), "") << name;
}

TEST_F(LatestFramePads, AreLinkedInsideWithTheSinkPad) {
  Rig rig;
  EXPECT_TRUE(linked_inside(rig.sink()).empty());
  Worker a, b;
  a.join(rig.element());
  b.join(rig.element());
  EXPECT_EQ(linked_inside(rig.sink()).size(), 2u);
  EXPECT_EQ(linked_inside(a.branch()), std::vector<std::string>{"sink"});
}

TEST_F(LatestFramePads, AreChildrenOfTheElement) {
  Rig rig;
  std::vector<std::string> added, removed;
  g_signal_connect(rig.element(), "child-added",
                   G_CALLBACK(+[](GstChildProxy*, GObject*, const char* name, std::vector<std::string>* names) {
                     names->emplace_back(name);
                   }),
                   &added);
  g_signal_connect(rig.element(), "child-removed",
                   G_CALLBACK(+[](GstChildProxy*, GObject*, const char* name, std::vector<std::string>* names) {
                     names->emplace_back(name);
                   }),
                   &removed);
  Worker worker;
  worker.join(rig.element());
  gst_child_proxy_set(GST_CHILD_PROXY(rig.element()), "src_0::worker", "person", nullptr);
  gchar* name = nullptr;
  g_object_get(worker.branch(), "worker", &name, nullptr);
  EXPECT_STREQ(adopt(name).get(), "person");
  EXPECT_EQ(gst_child_proxy_get_children_count(GST_CHILD_PROXY(rig.element())), 1u);
  worker.leave();
  EXPECT_EQ(added, std::vector<std::string>{"src_0"});
  EXPECT_EQ(removed, added);
}

TEST_F(LatestFramePads, BeginWithTheElementsLimits) {
  Rig rig;
  g_object_set(rig.element(), "stall-timeout", guint64{7}, "max-frame-age", guint64{9}, nullptr);
  const auto pad = adopt(gst_element_request_pad_simple(rig.element(), "src_%u"));
  guint64 stall = 0, age = 0;
  g_object_get(pad.get(), "stall-timeout", &stall, "max-frame-age", &age, nullptr);
  EXPECT_EQ(stall, 7u);
  EXPECT_EQ(age, 9u);
}

TEST_F(LatestFramePads, ServeABranchThatIsLinkedLongAfterItWasRequested) {
  Rig rig;
  Worker worker, other;
  other.join(rig.element());
  worker.join(rig.element());
  worker.unlink();
  rig.start();
  rig.push_in_step(other, 5);
  worker.link();
  EXPECT_TRUE(worker.got(5));
  EXPECT_EQ(worker.frames(), std::vector<std::uint64_t>{5});
  EXPECT_EQ(worker.figure("offered"), 1u);
}

TEST_F(LatestFramePads, GoOnAfterBeingUnlinkedAndLinkedAgain) {
  Rig rig;
  Worker worker, other;
  other.join(rig.element());
  worker.join(rig.element());
  rig.start();
  rig.push_in_step(worker, 2);
  for (int i = 0; i < 5; ++i) {
    worker.unlink();
    rig.push_in_step(other, 3);
    worker.link();
    ASSERT_TRUE(worker.got(rig.number()));
    rig.push_in_step(worker, 1);
  }
  worker.expect_balance();
  EXPECT_EQ(worker.figure("generation"), 6u);
}

TEST_F(LatestFramePads, GoOnWithAnotherWorkerInTheSamePlace) {
  Rig rig;
  Worker first, second;
  first.join(rig.element());
  rig.start();
  rig.push_in_step(first, 2);
  first.unlink();
  ASSERT_EQ(gst_pad_link(first.branch(), second.pad()), GST_PAD_LINK_OK);
  ASSERT_TRUE(second.got(2));
  EXPECT_EQ(second.story(), (std::vector<std::string>{"stream-start", "caps", "segment", "2"}));
  gst_pad_unlink(first.branch(), second.pad());
}

// GStreamer takes an event for sent to the new worker that comes back from the former one while the pads are being linked.
TEST_F(LatestFramePads, SendAnotherWorkerWhatComesBackFromTheFormerOneWhileItIsLinked) {
  Rig rig;
  Worker first, second;
  first.join(rig.element());
  rig.start();
  rig.push_in_step(first, 1);
  first.stick_at(Worker::Stuck::event);
  rig.segment(5);
  ASSERT_TRUE(first.await_stuck());
  rig.push();
  first.unlink();
  // The pad's own handler comes after this one.
  g_signal_connect(first.branch(), "linked", G_CALLBACK(+[](GstPad*, GstPad*, Worker* former) {
                     former->free();
                     EXPECT_TRUE(eventually([&] { return GST_OBJECT_REFCOUNT_VALUE(former->pad()) == 1; }));
                     g_usleep(20'000);  // for the branch to come to rest
                   }),
                   &first);
  ASSERT_EQ(gst_pad_link(first.branch(), second.pad()), GST_PAD_LINK_OK);
  ASSERT_TRUE(second.got(2));
  EXPECT_EQ(second.story(), (std::vector<std::string>{"stream-start", "caps", "segment", "2"}));
  gst_pad_unlink(first.branch(), second.pad());
}

TEST_F(LatestFramePads, GoOnWhenAWorkerIsStoppedAndStartedInPlace) {
  Rig rig;
  Worker worker, other;
  worker.join(rig.element());
  other.join(rig.element());
  rig.start();
  rig.push_in_step(worker, 1);
  gst_pad_set_active(worker.pad(), FALSE);
  rig.push_in_step(other, 5);
  gst_pad_set_active(worker.pad(), TRUE);
  ASSERT_TRUE(worker.got(rig.push()));
  EXPECT_EQ(worker.count(GST_EVENT_STREAM_START), 2);
}

TEST_F(LatestFramePads, LetABranchThatFailsEndAlone) {
  for (const GstFlowReturn flow : {GST_FLOW_ERROR, GST_FLOW_EOS, GST_FLOW_NOT_SUPPORTED, GST_FLOW_CUSTOM_ERROR}) {
    Rig rig;
    Worker failing, other;
    g_object_set(rig.element(), "stall-timeout", guint64{0}, nullptr);
    failing.join(rig.element());
    other.join(rig.element());
    g_object_set(failing.branch(), "worker", "person", nullptr);
    failing.fail_with(flow);
    rig.start();
    rig.push_in_step(other, 1);
    const auto warning = rig.warning();
    EXPECT_NE(warning.find("src_0"), std::string::npos) << warning;
    EXPECT_NE(warning.find("person"), std::string::npos) << warning;
    expect_frames(rig, other);
    EXPECT_EQ(failing.frames().size(), 1u);
    failing.expect_balance();
    EXPECT_EQ(rig.warning(std::chrono::milliseconds(0)), "");
  }
}

TEST_F(LatestFramePads, StartAnEndedBranchAgainWhenItIsLinkedAnew) {
  Rig rig;
  Worker failing;
  failing.join(rig.element());
  failing.fail_with(GST_FLOW_ERROR);
  rig.start();
  rig.push();
  ASSERT_NE(rig.warning(), "");
  failing.fail_with(GST_FLOW_OK);
  failing.unlink();
  failing.link();
  rig.push_in_step(failing, 3);
}

TEST_F(LatestFramePads, StartAnEndedBranchAgainInAFlush) {
  Rig rig;
  Worker failing;
  failing.join(rig.element());
  failing.fail_with(GST_FLOW_EOS);
  rig.start();
  rig.push();
  ASSERT_NE(rig.warning(), "");
  failing.fail_with(GST_FLOW_OK);
  rig.event(gst_event_new_flush_start());
  rig.event(gst_event_new_flush_stop(TRUE));
  rig.segment();
  rig.push_in_step(failing, 3);
}

TEST_F(LatestFramePads, RestWhenNothingIsLinkedFurtherDownUntilSomethingIs) {
  Rig rig;
  Worker worker, other;
  worker.join(rig.element());
  other.join(rig.element());
  worker.fail_with(GST_FLOW_NOT_LINKED);
  rig.start();
  rig.push_in_step(other, 5);
  EXPECT_TRUE(support::eventually([&] { return worker.frames().size() == 1; }));
  EXPECT_EQ(rig.warning(std::chrono::milliseconds(0)), "");
  worker.fail_with(GST_FLOW_OK);
  gst_pad_push_event(worker.pad(), gst_event_new_reconfigure());
  EXPECT_TRUE(worker.got(5));
  worker.expect_balance();
}

TEST_F(LatestFramePads, LetABranchThatDoesNotTakeTheCapsEndAloneUntilOthersCome) {
  Rig rig;
  Worker picky, other;
  picky.accept("test/frames,kind=second");
  picky.join(rig.element());
  other.join(rig.element());
  rig.start("test/frames,kind=first");
  rig.push_in_step(other, 3);
  EXPECT_TRUE(eventually([&] { return rig.upstream(GST_EVENT_RECONFIGURE) == 1; })) << "upstream may find others";
  std::string warning;
  ASSERT_TRUE(eventually([&] {
    rig.push();
    return !(warning = rig.warning(std::chrono::milliseconds(0))).empty();
  }));
  EXPECT_NE(warning.find("caps"), std::string::npos) << warning;
  EXPECT_TRUE(picky.frames().empty());
  rig.set_caps("test/frames,kind=second");
  rig.push_in_step(picky, 3);
  expect_frames(rig, other);
}

TEST_F(LatestFramePads, DoNotComplainIfUpstreamFindsCapsThatANewBranchTakes) {
  Rig rig;
  Worker other, picky;
  other.join(rig.element());
  rig.start("test/frames,kind=first");
  rig.push_in_step(other, 1);
  picky.accept("test/frames,kind=second");
  picky.join(rig.element());
  ASSERT_TRUE(eventually([&] { return rig.upstream(GST_EVENT_RECONFIGURE) == 1; }));
  rig.set_caps("test/frames,kind=second");
  rig.push_in_step(picky, 2);
  EXPECT_EQ(rig.warning(std::chrono::milliseconds(0)), "");
}

TEST_F(LatestFramePads, AnswerUpstreamWithOkAlsoWhenEveryBranchHasEnded) {
  Rig rig;
  Worker a, b;
  a.fail_with(GST_FLOW_ERROR);
  b.fail_with(GST_FLOW_EOS);
  a.join(rig.element());
  b.join(rig.element());
  rig.start();
  rig.push();
  ASSERT_NE(rig.warning(), "");
  ASSERT_NE(rig.warning(), "");
  for (int i = 0; i < 10; ++i) rig.push();
}

TEST_F(LatestFramePads, SurviveStateChangesUpAndDownAgainAndAgain) {
  Rig rig(GST_STATE_NULL);
  Worker a, b;
  a.join(rig.element());
  b.join(rig.element());
  for (const GstState target : {GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING}) {
    for (int i = 0; i < 10; ++i) {
      ASSERT_NE(gst_element_set_state(rig.element(), target), GST_STATE_CHANGE_FAILURE);
      ASSERT_NE(gst_element_set_state(rig.element(), i % 2 ? GST_STATE_NULL : GST_STATE_READY),
                GST_STATE_CHANGE_FAILURE);
    }
  }
  gst_element_set_state(rig.element(), GST_STATE_PLAYING);
  gst_pad_set_active(rig.source(), FALSE);
  gst_pad_set_active(rig.source(), TRUE);
  rig.start();
  rig.push_in_step(a, 3);
  ASSERT_TRUE(b.got(3));
}

// Its thread stands right before the push of a frame, at the line of the log about it.
TEST_F(LatestFramePads, BringNothingThatIsOnItsWayIntoTheNextRun) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start();
  static std::atomic<bool> reached, open;
  reached = open = false;
  const GstLogFunction halt = [](GstDebugCategory*, GstDebugLevel, const char*, const char*, int, GObject*,
                                 GstDebugMessage* message, gpointer) {
    if (open || !g_str_has_prefix(gst_debug_message_get(message), "pushes frame")) return;
    reached = true;
    while (!open) g_usleep(100);
  };
  gst_debug_remove_log_function(gst_debug_log_default);
  gst_debug_add_log_function(halt, nullptr, nullptr);
  gst_debug_set_threshold_for_name("latestframe", GST_LEVEL_LOG);
  rig.push();
  EXPECT_TRUE(eventually([] { return reached.load(); }));
  const auto seen = worker.seen().size();
  std::atomic<bool> restarted{false};
  std::thread restart([&] {
    rig.stop();
    for (GstPad* pad : {rig.source(), worker.pad()}) {
      gst_pad_set_active(pad, FALSE);
      gst_pad_set_active(pad, TRUE);
    }
    gst_element_set_state(rig.element(), GST_STATE_PLAYING);
    rig.start();
    restarted = true;
  });
  eventually([&] { return restarted.load(); }, std::chrono::milliseconds(200));
  open = true;
  restart.join();
  EXPECT_TRUE(worker.got(rig.push()));
  EXPECT_EQ(worker.seen().at(seen).type, GST_EVENT_STREAM_START);
  gst_debug_unset_threshold_for_name("latestframe");
  gst_debug_remove_log_function(halt);
  gst_debug_add_log_function(gst_debug_log_default, nullptr, nullptr);
}

TEST_F(LatestFramePads, BringNothingOfAnEarlierRunIntoTheNext) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  for (int i = 0; i < 20; ++i) {
    rig.start(i % 2 ? kCaps : kOtherCaps);
    for (int j = 0; j < 5; ++j) rig.push();
    const auto before = rig.number();
    rig.stop();
    gst_pad_set_active(rig.source(), FALSE);
    gst_pad_set_active(rig.source(), TRUE);
    gst_pad_set_active(worker.pad(), FALSE);
    gst_pad_set_active(worker.pad(), TRUE);
    const auto seen = worker.seen().size();
    gst_element_set_state(rig.element(), GST_STATE_PLAYING);
    rig.start();
    ASSERT_TRUE(worker.got(rig.push()));
    const auto all = worker.seen();
    EXPECT_EQ(all.at(seen).type, GST_EVENT_STREAM_START);
    EXPECT_GT(all.at(seen + 3).frame, before);
    worker.expect_balance();
  }
}

TEST_F(LatestFramePads, AreForgottenWhenTheyAreReleasedEvenIfAnApplicationKeepsThem) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  const auto kept = share(worker.branch());
  worker.leave();
  GstStructure* stats = nullptr;
  g_object_get(rig.element(), "stats", &stats, nullptr);
  const auto owned = adopt(stats);
  EXPECT_EQ(gst_value_array_get_size(gst_structure_get_value(stats, "branches")), 0u);
}

TEST_F(LatestFramePads, LeaveNoReferenceBehind) {
  Worker worker;
  GstElement* element = nullptr;
  GstPad* branch = nullptr;
  {
    Rig rig;
    element = rig.element();
    g_object_add_weak_pointer(G_OBJECT(element), reinterpret_cast<gpointer*>(&element));
    worker.join(rig.element());
    branch = worker.branch();
    g_object_add_weak_pointer(G_OBJECT(branch), reinterpret_cast<gpointer*>(&branch));
    rig.start();
    rig.push_in_step(worker, 3);
    rig.event(gst_event_new_flush_start());
    rig.event(gst_event_new_flush_stop(TRUE));
    ASSERT_TRUE(worker.got(GST_EVENT_FLUSH_STOP));
    worker.leave();
  }
  EXPECT_TRUE(eventually([&] { return !branch && !element; }));  // the flush's out-of-band sender may be the last
}

TEST_F(LatestFramePads, OutliveTheElementWhileTheyAreStuck) {
  Worker stuck;
  {
    Rig rig;
    stuck.stick_at(Stuck::frame);
    stuck.join(rig.element());
    rig.start();
    rig.push();
    ASSERT_TRUE(stuck.await_stuck());
  }
  stuck.free();
}

// As tee's own stress test: pads are requested, linked and released by several threads while frames flow.
TEST_F(LatestFramePads, ComeAndGoFromSeveralThreadsWhileFramesFlow) {
  Rig rig;
  Worker steady;
  steady.join(rig.element());
  rig.start();
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed <= 3; ++seed)
    threads.emplace_back([&rig, &over, seed] {
      std::mt19937 random(seed);
      while (!over) {
        Worker worker;
        worker.join(rig.element());
        if (random() % 3 == 0) worker.unlink();
        if (random() % 3 == 0) worker.stick_at(Stuck::frame);
        if (random() % 5 == 0) worker.fail_with(GST_FLOW_EOS);
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 2000));
        worker.expect_balance();
        if (random() % 2) worker.free();
        worker.leave();
      }
    });
  std::mt19937 random(99);
  for (int i = 0; i < 600; ++i) {
    rig.push();
    if (random() % 10 == 0) rig.set_caps(random() % 2 ? kCaps : kOtherCaps);
    if (random() % 40 == 0) {
      rig.event(gst_event_new_flush_start());
      rig.event(gst_event_new_flush_stop(TRUE));
      rig.segment();
    }
    if (random() % 10 == 0) rig.custom("test-event");
    if (random() % 20 == 0) adopt(gst_pad_peer_query_caps(rig.source(), nullptr));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  over = true;
  for (auto& thread : threads) thread.join();
  rig.push_in_step(steady, 3);
  steady.expect_balance();
  EXPECT_EQ(GST_ELEMENT(rig.element())->numsrcpads, 1);
}

TEST_F(LatestFramePads, SurviveStateChangesFromOneThreadAndRequestsFromAnother) {
  Rig rig;
  std::atomic<bool> over{false};
  std::thread requester([&] {
    while (!over) {
      Worker worker;
      worker.join(rig.element());
      worker.leave();
    }
  });
  for (int i = 0; i < 200; ++i) {
    gst_element_set_state(rig.element(), GST_STATE_READY);
    gst_element_set_state(rig.element(), GST_STATE_PLAYING);
  }
  over = true;
  requester.join();
  gst_pad_set_active(rig.source(), FALSE);
  gst_pad_set_active(rig.source(), TRUE);
  Worker worker;
  worker.join(rig.element());
  rig.start();
  rig.push_in_step(worker, 3);
}

}  // namespace
}  // namespace latestframe_test
