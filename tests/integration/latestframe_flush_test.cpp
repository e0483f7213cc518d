// SPDX-License-Identifier: LGPL-2.1-or-later
// An application that seeks, and then does to a branch what applications do: it never hangs, and the branch goes on.
#include <random>
#include <thread>

#include "latestframe_rig.hpp"

namespace latestframe_test {
namespace {

using namespace std::chrono_literals;
using Stuck = Worker::Stuck;

class LatestFrameFlush : public LatestFrame {};

TEST_F(LatestFrameFlush, HasReachedEveryBranchWhenTheCallReturns) {
  Rig rig;
  Worker a, b;
  a.join(rig.element());
  b.join(rig.element());
  rig.start();
  int complete = 0;  // a machine with more to do than it can may be late with some
  for (int i = 1; i <= 50; ++i) {
    rig.push_in_step(a, 1);
    ASSERT_TRUE(b.got(rig.number()));
    rig.event(gst_event_new_flush_start());
    const int begun = a.count(GST_EVENT_FLUSH_START) + b.count(GST_EVENT_FLUSH_START);
    rig.event(gst_event_new_flush_stop(TRUE));
    const int ended = a.count(GST_EVENT_FLUSH_STOP) + b.count(GST_EVENT_FLUSH_STOP);
    complete += begun == 2 * i && ended == 2 * i;
    rig.segment();
  }
  EXPECT_GT(complete, 0);
  EXPECT_TRUE(a.got(GST_EVENT_FLUSH_STOP, 50) && b.got(GST_EVENT_FLUSH_STOP, 50));
}

TEST_F(LatestFrameFlush, ComesInPairsToABranchThatSleepsThroughMany) {
  Rig rig;
  Worker stuck;
  stuck.stick_at(Stuck::frame);
  stuck.join(rig.element());
  rig.start();
  rig.push();
  ASSERT_TRUE(stuck.await_stuck());
  for (int i = 0; i < 100; ++i) {
    rig.event(gst_event_new_flush_start());
    rig.event(gst_event_new_flush_stop(TRUE));
  }
  rig.segment();
  stuck.free();
  ASSERT_TRUE(stuck.got(rig.push()));
  EXPECT_EQ(stuck.count(GST_EVENT_FLUSH_START), stuck.count(GST_EVENT_FLUSH_STOP));
  EXPECT_LE(stuck.count(GST_EVENT_FLUSH_START), 2);
}

// As a queue: the thread that brings FLUSH_START waits inside of it, and goes on waiting when it is started again.
TEST_F(LatestFrameFlush, EndsForAPeerThatIsStartedAgainWithFlushStartInside) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start();
  rig.push_in_step(worker, 1);
  worker.stick_at(Stuck::event);
  rig.event(gst_event_new_flush_start());
  ASSERT_TRUE(worker.await_stuck());
  worker.stick_at(Stuck::nowhere);  // what comes from now on; FLUSH_START stays inside
  gst_pad_set_active(worker.pad(), FALSE);
  gst_pad_set_active(worker.pad(), TRUE);
  rig.event(gst_event_new_flush_stop(TRUE));
  rig.segment();
  ASSERT_TRUE(worker.got(rig.push()));
  rig.event(gst_event_new_flush_start());
  rig.event(gst_event_new_flush_stop(TRUE));
  rig.segment();
  ASSERT_TRUE(worker.got(rig.push()));
  EXPECT_EQ(worker.count(GST_EVENT_FLUSH_START), 2);
  EXPECT_EQ(worker.count(GST_EVENT_FLUSH_STOP), 2);
  worker.free();
  rig.push_in_step(worker, 3);
  EXPECT_EQ(worker.count(GST_EVENT_FLUSH_STOP), 2);
}

TEST_F(LatestFrameFlush, EndsForAPeerThatIsInactiveMeanwhileAndForWhatIsBehindIt) {
  Rig rig;
  support::Pipeline line("identity name=first ! queue name=second");
  const auto first = line.find("first"), second = line.find("second");
  Worker worker;
  gst_pad_link_full(adopt(gst_element_get_static_pad(second.get(), "src")).get(), worker.pad(),
                    GST_PAD_LINK_CHECK_NOTHING);
  const auto branch = adopt(gst_element_request_pad_simple(rig.element(), "src_%u"));
  gst_pad_link_full(branch.get(), adopt(gst_element_get_static_pad(first.get(), "sink")).get(),
                    GST_PAD_LINK_CHECK_NOTHING);  // the two are in no common bin
  line.set_state(GST_STATE_PLAYING);
  rig.start();
  rig.push_in_step(worker, 1);
  for (int i = 1; i <= 10; ++i) {
    rig.event(gst_event_new_flush_start());
    EXPECT_TRUE(worker.got(GST_EVENT_FLUSH_START, i));
    gst_element_set_state(first.get(), GST_STATE_READY);
    rig.event(gst_event_new_flush_stop(TRUE));
    rig.segment();
    const auto number = rig.push();
    gst_element_set_state(first.get(), GST_STATE_PLAYING);
    EXPECT_TRUE(eventually([&] { return rig.push() && worker.frames().back() >= number; })) << i;
  }
  gst_element_release_request_pad(rig.element(), branch.get());
}

// Its pad takes no FLUSH_STOP then; what it is linked with still flushes when it starts again.
TEST_F(LatestFrameFlush, EndsForABranchThatStopsAtThatMomentAndStartsAgain) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start();
  rig.push_in_step(worker, 1);
  rig.event(gst_event_new_flush_start());
  ASSERT_TRUE(worker.got(GST_EVENT_FLUSH_START));
  // Asked for while the end of the flush is on its way.
  gst_pad_set_iterate_internal_links_function(worker.pad(), [](GstPad* pad, GstObject*) -> GstIterator* {
    gst_pad_set_active(adopt(gst_pad_get_peer(pad)).get(), FALSE);
    return nullptr;
  });
  rig.event(gst_event_new_flush_stop(TRUE));
  gst_pad_set_iterate_internal_links_function(worker.pad(), gst_pad_iterate_internal_links_default);
  ASSERT_FALSE(gst_pad_is_active(worker.branch()));
  gst_pad_set_active(worker.branch(), TRUE);
  rig.segment();
  EXPECT_TRUE(worker.got(rig.push()));
}

TEST_F(LatestFrameFlush, EndsForAWorkerThatWasNotLinkedThenAsSoonAsItIs) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start();
  rig.push_in_step(worker, 1);
  rig.event(gst_event_new_flush_start());
  ASSERT_TRUE(worker.got(GST_EVENT_FLUSH_START));
  worker.unlink();
  rig.event(gst_event_new_flush_stop(TRUE));
  rig.segment();
  rig.push();
  worker.link();
  EXPECT_TRUE(worker.got(rig.push()));
}

// The pad sends the sticky events that are due before the end of the flush, and the probe stops them.
TEST_F(LatestFrameFlush, EndsForABlockedBranchWithoutKeepingItsWorkerFromStopping) {
  Rig rig;
  Worker former, worker;
  former.join(rig.element());
  rig.start();
  rig.push_in_step(former, 1);
  former.unlink();
  gst_pad_send_event(worker.pad(), gst_event_new_flush_start());  // of a flush before it was linked here
  const gulong probe = gst_pad_add_probe(
      former.branch(), GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM,
      [](GstPad*, GstPadProbeInfo*, gpointer) { return GST_PAD_PROBE_OK; }, nullptr, nullptr);
  ASSERT_EQ(gst_pad_link(former.branch(), worker.pad()), GST_PAD_LINK_OK);
  g_usleep(20'000);  // for the branch to try
  gst_pad_set_active(worker.pad(), FALSE);
  gst_pad_set_active(worker.pad(), TRUE);
  gst_pad_remove_probe(former.branch(), probe);
  EXPECT_TRUE(worker.got(rig.push()));
  gst_pad_unlink(former.branch(), worker.pad());
}

// Element behind the branch: something with a thread of its own, alone and behind a worker that is slow or slower than
// a flush waits for.
class LatestFrameFlushThen : public LatestFrame, public testing::WithParamInterface<const char*> {
 protected:
  static constexpr int kRounds = 60;

  LatestFrameFlushThen()
      : pipeline_(
            std::string("videotestsrc is-live=true pattern=black ! video/x-raw,width=16,height=16,framerate=1000/1 ! "
                        "latestframe name=l  l. ! queue ! fakesink async=false sync=false  ( name=branch ") +
            GetParam() + " ! fakesink name=end async=false sync=false signal-handoffs=true )") {
    g_signal_connect(end_.get(), "handoff",
                     G_CALLBACK(+[](GstElement*, GstBuffer*, GstPad*, std::atomic<int>* count) { ++*count; }),
                     &frames_);
    const auto first = adopt(gst_bin_find_unlinked_pad(GST_BIN(branch_.get()), GST_PAD_SINK));
    sink_ = share(gst_ghost_pad_new("sink", first.get()));
    gst_element_add_pad(branch_.get(), sink_.get());
    link();
  }
  ~LatestFrameFlushThen() override { pipeline_.set_state(GST_STATE_NULL); }

  void link() {
    pad_ = adopt(gst_element_request_pad_simple(fan_.get(), "src_%u"));
    ASSERT_EQ(gst_pad_link(pad_.get(), sink_.get()), GST_PAD_LINK_OK);
  }
  void seek() {
    gst_element_seek(pipeline_.get(), 1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0,
                     GST_SEEK_TYPE_NONE, 0);
    if (random_() % 2) std::this_thread::sleep_for(std::chrono::microseconds(random_() % 300));
  }
  void expect_frames() {
    const int before = frames_;
    EXPECT_TRUE(eventually([&] { return frames_ > before + 2; }));
  }
  void rest() {
    while (adopt(gst_bus_pop(pipeline_.bus()))) {
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random_() % 2000));
  }
  // Of the branch's elements, which the test changes one by one, as applications without a bin do.
  std::vector<Owned<GstElement>> elements() {
    std::vector<Owned<GstElement>> found;
    GST_OBJECT_LOCK(branch_.get());
    for (GList* at = GST_BIN_CHILDREN(branch_.get()); at; at = at->next) found.push_back(share(GST_ELEMENT(at->data)));
    GST_OBJECT_UNLOCK(branch_.get());
    return found;
  }

  support::Pipeline pipeline_;
  Owned<GstElement> fan_ = pipeline_.find("l"), branch_ = pipeline_.find("branch"), end_ = pipeline_.find("end");
  Owned<GstPad> sink_, pad_;
  std::atomic<int> frames_{0};
  std::mt19937 random_{1};
};

TEST_P(LatestFrameFlushThen, TheBranchIsStoppedAndStartedAgain) {
  ASSERT_TRUE(pipeline_.play());
  gst_element_set_locked_state(branch_.get(), TRUE);
  for (int i = 0; i < kRounds; ++i) {
    seek();
    gst_element_set_state(branch_.get(), GST_STATE_NULL);
    gst_element_set_state(branch_.get(), GST_STATE_PLAYING);
    rest();
  }
  expect_frames();
  gst_element_set_locked_state(branch_.get(), FALSE);
}

TEST_P(LatestFrameFlushThen, OneElementOfItIsStoppedAndStartedAgain) {
  ASSERT_TRUE(pipeline_.play());
  const auto all = elements();
  for (int i = 0; i < kRounds; ++i) {
    GstElement* one = all[random_() % all.size()].get();
    seek();
    gst_element_set_locked_state(one, TRUE);
    gst_element_set_state(one, GST_STATE_NULL);
    gst_element_set_locked_state(one, FALSE);
    gst_element_sync_state_with_parent(one);
    rest();
  }
  seek();  // a queue whose sink was away gives up, and takes frames again after a flush
  expect_frames();
}

TEST_P(LatestFrameFlushThen, ItsPadIsReleasedAndTheBranchStopped) {
  ASSERT_TRUE(pipeline_.play());
  gst_element_set_locked_state(branch_.get(), TRUE);
  for (int i = 0; i < kRounds; ++i) {
    seek();
    if (random_() % 2) gst_pad_unlink(pad_.get(), sink_.get());
    gst_element_release_request_pad(fan_.get(), pad_.get());
    gst_element_set_state(branch_.get(), GST_STATE_NULL);
    link();
    gst_element_set_state(branch_.get(), GST_STATE_PLAYING);
    rest();
  }
  expect_frames();
  gst_element_set_locked_state(branch_.get(), FALSE);
}

TEST_P(LatestFrameFlushThen, TheWholePipelineIsStopped) {
  for (int i = 0; i < kRounds / 4; ++i) {
    ASSERT_TRUE(pipeline_.play());
    if (i % 4 == 0) expect_frames();
    seek();
    pipeline_.set_state(i % 2 ? GST_STATE_NULL : GST_STATE_READY);
  }
}

INSTANTIATE_TEST_SUITE_P(Behind, LatestFrameFlushThen,
                         testing::Values("queue", "queue2", "multiqueue", "identity sleep-time=5000 ! queue",
                                         "queue ! identity sleep-time=30000 ! queue",
                                         "queue max-size-buffers=1 ! identity sleep-time=150000 ! queue"),
                         [](const auto& which) { return "Number" + std::to_string(which.index); });

}  // namespace
}  // namespace latestframe_test
