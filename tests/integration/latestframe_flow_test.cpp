// SPDX-License-Identifier: LGPL-2.1-or-later
// Frames: which branch gets which, in what order, and what is counted.
#include <thread>

#include "latestframe_rig.hpp"

namespace latestframe_test {
namespace {

using Stuck = Worker::Stuck;

class LatestFrameFlow : public LatestFrame {};

TEST_F(LatestFrameFlow, BringsEveryFrameToEveryBranchThatKeepsUp) {
  Rig rig;
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < 15; ++i) {
    workers.push_back(std::make_unique<Worker>());
    workers.back()->join(rig.element());
  }
  rig.start();
  for (int i = 0; i < 3; ++i) {
    const auto number = rig.push();
    for (const auto& worker : workers) ASSERT_TRUE(worker->got(number));
  }
  for (const auto& worker : workers) {
    EXPECT_EQ(worker->frames(), (std::vector<std::uint64_t>{1, 2, 3}));
    worker->expect_balance();
    EXPECT_EQ(worker->figure("delivered"), 3u);
    EXPECT_EQ(worker->figure("dropped"), 0u);
  }
  EXPECT_EQ(rig.figure("received"), 3u);
  EXPECT_EQ(rig.figure("mailbox-drops"), 0u);
}

TEST_F(LatestFrameFlow, GivesABranchThatBecomesFreeTheNewestFrame) {
  Rig rig;
  Worker slow, quick;
  slow.join(rig.element());
  quick.join(rig.element());
  rig.start();
  rig.push_in_step(quick, 1);
  ASSERT_TRUE(slow.got(1));
  slow.stick_at(Stuck::frame);
  rig.push_in_step(quick, 1);
  ASSERT_TRUE(slow.await_stuck());
  rig.push_in_step(quick, 20);
  slow.free();
  ASSERT_TRUE(slow.got(22));
  EXPECT_EQ(slow.frames(), (std::vector<std::uint64_t>{1, 2, 22}));
  EXPECT_EQ(slow.figure("offered"), 22u);
  EXPECT_EQ(slow.figure("delivered"), 3u);
  EXPECT_EQ(slow.figure("dropped"), 19u);
  EXPECT_EQ(quick.figure("dropped"), 0u);
}

TEST_F(LatestFrameFlow, CountsWhatIsPendingWhileABranchIsBusy) {
  Rig rig;
  Worker slow, quick;
  slow.join(rig.element());
  quick.join(rig.element());
  rig.start();
  slow.stick_at(Stuck::frame);
  rig.push_in_step(quick, 1);
  ASSERT_TRUE(slow.await_stuck());
  EXPECT_EQ(slow.figure("pending"), 0u);
  EXPECT_EQ(slow.figure("held"), 1u);
  rig.push_in_step(quick, 5);
  EXPECT_EQ(slow.figure("pending"), 1u);
  EXPECT_EQ(slow.figure("dropped"), 4u);
  EXPECT_EQ(slow.figure("consecutive-drops"), 4u);
  slow.expect_balance();
}

TEST_F(LatestFrameFlow, BringsTheLastFrameAndThenTheEndToEveryBranch) {
  Rig rig;
  Worker slow, quick;
  slow.join(rig.element());
  quick.join(rig.element());
  rig.start();
  slow.stick_at(Stuck::frame);
  rig.push();
  ASSERT_TRUE(slow.await_stuck());
  for (int i = 0; i < 50; ++i) rig.push();
  rig.event(gst_event_new_eos());
  ASSERT_TRUE(quick.got(GST_EVENT_EOS));
  slow.free();
  ASSERT_TRUE(slow.got(GST_EVENT_EOS));
  for (const Worker* worker : {&slow, &quick}) {
    EXPECT_EQ(worker->frames().back(), 51u);
    EXPECT_EQ(worker->seen().back().type, GST_EVENT_EOS);
    EXPECT_EQ(worker->count(GST_EVENT_EOS), 1);
  }
}

TEST_F(LatestFrameFlow, EndsAlsoAStreamWithoutFrames) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start();
  rig.event(gst_event_new_eos());
  ASSERT_TRUE(worker.got(GST_EVENT_EOS));
  EXPECT_EQ(worker.story(), (std::vector<std::string>{"stream-start", "caps", "segment", "eos"}));
}

TEST_F(LatestFrameFlow, SharesOneReadOnlyBufferAndCopiesNothing) {
  Rig rig;
  Worker a, b;
  a.join(rig.element());
  b.join(rig.element());
  rig.start();
  for (int i = 0; i < 10; ++i) {
    auto buffer = Rig::frame(static_cast<std::uint64_t>(i) + 1);
    const GstMemory* memory = gst_buffer_peek_memory(buffer.get(), 0);
    ASSERT_EQ(rig.push(std::move(buffer)), GST_FLOW_OK);
    ASSERT_TRUE(a.got(static_cast<std::uint64_t>(i) + 1) && b.got(static_cast<std::uint64_t>(i) + 1));
    for (const Worker* worker : {&a, &b}) {
      EXPECT_EQ(worker->seen().back().memory, memory);
      EXPECT_FALSE(worker->seen().back().writable);
    }
  }
}

TEST_F(LatestFrameFlow, GivesAFrameToOneBranchReadOnlyToo) {
  Rig rig;
  Worker only;
  only.join(rig.element());
  rig.start();
  rig.push_in_step(only, 3);
  for (const Seen& seen : only.seen()) EXPECT_FALSE(seen.kind == Seen::Kind::buffer && seen.writable);
}

TEST_F(LatestFrameFlow, LetsGoOfEveryBufferInTheEnd) {
  std::vector<Owned<GstBuffer>> ours;
  {
    Rig rig;
    Worker slow, quick;
    slow.join(rig.element());
    quick.join(rig.element());
    rig.start();
    slow.stick_at(Stuck::frame);
    for (int i = 1; i <= 50; ++i) {
      auto buffer = Rig::frame(static_cast<std::uint64_t>(i));
      ours.push_back(share(buffer.get()));
      ASSERT_EQ(rig.push(std::move(buffer)), GST_FLOW_OK);
      if (i == 1) {
        ASSERT_TRUE(slow.await_stuck());
      }
    }
    ASSERT_TRUE(quick.got(50));
    // Kept: one inside the stuck push, one as the newest.
    EXPECT_TRUE(eventually([&] {
      return std::count_if(ours.begin(), ours.end(),
                           [](const auto& buffer) { return GST_MINI_OBJECT_REFCOUNT_VALUE(buffer.get()) > 1; }) == 2;
    }));
    slow.free();
    ASSERT_TRUE(slow.got(50));
    rig.stop();
  }
  for (const auto& buffer : ours) EXPECT_EQ(GST_MINI_OBJECT_REFCOUNT_VALUE(buffer.get()), 1);
}

TEST_F(LatestFrameFlow, TreatsABufferListAsOneFrame) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start();
  auto list = adopt(gst_buffer_list_new());
  gst_buffer_list_add(list.get(), Rig::frame(1).release());
  gst_buffer_list_add(list.get(), Rig::frame(2).release());
  ASSERT_EQ(gst_pad_push_list(rig.source(), list.release()), GST_FLOW_OK);
  ASSERT_TRUE(worker.got(1));
  EXPECT_EQ(worker.seen().back().kind, Seen::Kind::list);
  EXPECT_EQ(worker.figure("delivered"), 1u);
}

TEST_F(LatestFrameFlow, OverwritesAGapLikeAFrame) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start();
  worker.stick_at(Stuck::frame);
  rig.push();
  ASSERT_TRUE(worker.await_stuck());
  rig.event(gst_event_new_gap(0, GST_SECOND));
  rig.push();
  ASSERT_TRUE(eventually([&] { return rig.figure("published") + rig.figure("mailbox-drops") == 3; }));
  worker.free();
  ASSERT_TRUE(worker.got(2));
  EXPECT_EQ(worker.count(GST_EVENT_GAP), 0);
  rig.event(gst_event_new_gap(0, GST_SECOND));
  EXPECT_TRUE(worker.got(GST_EVENT_GAP));
}

TEST_F(LatestFrameFlow, MarksTheFrameAfterALoss) {
  Rig rig;
  Worker slow;
  slow.join(rig.element());
  rig.start();
  slow.stick_at(Stuck::frame);
  rig.push();
  ASSERT_TRUE(slow.await_stuck());
  for (int i = 0; i < 5; ++i) rig.push();
  ASSERT_TRUE(eventually([&] { return rig.figure("published") + rig.figure("mailbox-drops") == 6; }));
  slow.free();
  ASSERT_TRUE(slow.got(6));
  EXPECT_TRUE(slow.seen().back().discont);
  rig.push_in_step(slow, 1);
  EXPECT_FALSE(slow.seen().back().discont);
}

TEST_F(LatestFrameFlow, DoesNotTouchRawVideoAfterALoss) {
  Rig rig;
  Worker slow;
  slow.join(rig.element());
  rig.start("video/x-raw,format=GRAY8,width=8,height=8,framerate=30/1");
  slow.stick_at(Stuck::frame);
  rig.push();
  ASSERT_TRUE(slow.await_stuck());
  rig.push();
  rig.push();
  ASSERT_TRUE(eventually([&] { return rig.figure("published") + rig.figure("mailbox-drops") == 3; }));
  slow.free();
  ASSERT_TRUE(slow.got(3));
  EXPECT_FALSE(slow.seen().back().discont);
}

TEST_F(LatestFrameFlow, SkipsDeltaUnitsAfterALossAndAsksUpstreamForAKeyFrame) {
  Rig rig;
  Worker slow, quick;
  slow.join(rig.element());
  quick.join(rig.element());
  rig.start();
  slow.stick_at(Stuck::frame);
  ASSERT_TRUE(quick.got(rig.push()));
  ASSERT_TRUE(slow.await_stuck());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(quick.got(rig.push(true)));
  slow.free();
  ASSERT_TRUE(eventually([&] { return rig.upstream(GST_EVENT_CUSTOM_UPSTREAM) >= 1; }));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(quick.got(rig.push(true)));
  const auto key = rig.push();
  ASSERT_TRUE(slow.got(key));
  ASSERT_TRUE(quick.got(key));
  EXPECT_EQ(slow.frames(), (std::vector<std::uint64_t>{1, key}));
  EXPECT_EQ(quick.frames().size(), key);
  slow.expect_balance();
}

TEST_F(LatestFrameFlow, OverwritesNoHeaderOfAStreamAndGivesThemToABranchThatComesLater) {
  using Numbers = std::vector<std::uint64_t>;
  constexpr std::uint64_t kFirst = Rig::kFirstHeader;
  Rig rig;
  Worker early, late;
  early.join(rig.element());
  rig.start(Rig::kCapsWithHeaders);
  rig.push_headers();
  ASSERT_TRUE(early.got(rig.push()) && eventually([&] { return early.frames().size() == 3; }));
  EXPECT_EQ(early.frames(), (Numbers{kFirst, kFirst + 1, 1}));
  late.join(rig.element());
  ASSERT_TRUE(eventually([&] { return late.frames().size() == 3; }));
  rig.push_in_step(early, 1);
  ASSERT_TRUE(eventually([&] { return late.frames().size() == 4; }));
  EXPECT_EQ(late.frames(), (Numbers{kFirst, kFirst + 1, 1, 2}));
  // A flush alone does not bring them back; upstream does.
  rig.event(gst_event_new_flush_start());
  rig.event(gst_event_new_flush_stop(TRUE));
  rig.segment();
  rig.push();
  ASSERT_TRUE(eventually([&] { return early.frames().size() == 5; }));
  rig.push_headers();
  rig.push();
  ASSERT_TRUE(eventually([&] { return early.frames().size() == 8; }));
  EXPECT_EQ(early.frames(), (Numbers{kFirst, kFirst + 1, 1, 2, 3, kFirst, kFirst + 1, 4}));
  // Linked again, to what may be another decoder.
  ASSERT_TRUE(eventually([&] { return late.frames().back() == 4; }));
  late.unlink();
  const std::size_t had = late.frames().size();
  late.link();
  ASSERT_TRUE(eventually([&] { return late.frames().size() == had + 3; }));
  const Numbers all = late.frames();
  EXPECT_EQ(Numbers(all.end() - 3, all.end()), (Numbers{kFirst, kFirst + 1, 4}));
  EXPECT_EQ(early.figure("delivered"), 4u) << "headers are no frames";
  early.expect_balance();
}

TEST_F(LatestFrameFlow, RefusesFramesOlderThanItsLimit) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  g_object_set(worker.branch(), "max-frame-age", guint64{1}, nullptr);
  rig.start();
  rig.push();
  ASSERT_TRUE(eventually([&] { return worker.figure("stale") == 1; }));
  EXPECT_TRUE(worker.frames().empty());
  g_object_set(worker.branch(), "max-frame-age", guint64{3'600'000'000'000}, nullptr);
  EXPECT_TRUE(worker.got(rig.push()));
  worker.expect_balance();
}

TEST_F(LatestFrameFlow, KeepsOrderAndBalanceAtFullSpeed) {
  for (const char* wake : {"block", "adaptive"}) {
    Rig rig;
    gst_util_set_object_arg(G_OBJECT(rig.element()), "wake", wake);
    Worker workers[5];
    for (Worker& worker : workers) worker.join(rig.element());
    rig.start();
    constexpr std::uint64_t kFrames = 20'000;
    for (std::uint64_t i = 0; i < kFrames; ++i) rig.push();
    rig.event(gst_event_new_eos());
    for (const Worker& worker : workers) {
      ASSERT_TRUE(worker.got(GST_EVENT_EOS));
      const auto frames = worker.frames();
      EXPECT_TRUE(std::is_sorted(frames.begin(), frames.end(), std::less_equal<>()) || frames.size() == 1) << "repeats";
      EXPECT_EQ(frames.back(), kFrames);
      worker.expect_balance();
      EXPECT_EQ(worker.figure("delivered"), frames.size());
      EXPECT_EQ(worker.figure("offered"), rig.figure("published"));
      EXPECT_EQ(worker.figure("pending"), 0u);
    }
    EXPECT_EQ(rig.figure("received"), kFrames);
    EXPECT_EQ(rig.figure("published") + rig.figure("mailbox-drops"), kFrames);
  }
}

TEST_F(LatestFrameFlow, AnswersUpstreamWithOkWithoutBranches) {
  Rig rig;
  rig.start();
  for (int i = 0; i < 100; ++i) rig.push();
  EXPECT_TRUE(eventually([&] { return rig.figure("published") + rig.figure("mailbox-drops") == 100; }));
}

}  // namespace
}  // namespace latestframe_test
