// SPDX-License-Identifier: LGPL-2.1-or-later
// Events in both directions: once each, in order, and none that one branch could harm the others with.
#include <thread>

#include "latestframe_rig.hpp"

namespace latestframe_test {
namespace {

using Stuck = Worker::Stuck;

class LatestFrameEvents : public LatestFrame {};

TEST_F(LatestFrameEvents, SendsStickyEventsOnceEachInOrderBeforeTheFrame) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start();
  rig.push_in_step(worker, 3);
  rig.set_caps(kOtherCaps);
  rig.push_in_step(worker, 2);
  EXPECT_EQ(worker.story(), (Story{"stream-start", "caps", "segment", "1", "2", "3", "caps", "4", "5"}));
}

TEST_F(LatestFrameEvents, SendsStickyEventsWhenUpstreamDoesAndNotOnlyWithAFrame) {
  Rig rig;
  Worker worker, late;
  worker.join(rig.element());
  rig.event(gst_event_new_stream_start("stream"));
  EXPECT_TRUE(worker.got(GST_EVENT_STREAM_START));
  rig.set_caps(kCaps);
  EXPECT_TRUE(worker.got(GST_EVENT_CAPS));
  rig.segment();
  EXPECT_TRUE(worker.got(GST_EVENT_SEGMENT));
  rig.event(gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "title", nullptr)));
  EXPECT_TRUE(worker.got(GST_EVENT_TAG));
  late.join(rig.element());
  EXPECT_TRUE(late.got(GST_EVENT_TAG)) << "one that joins gets them at once";
  EXPECT_EQ(late.count(GST_EVENT_CAPS), 1);
  rig.push_in_step(worker, 1);
  rig.set_caps(kOtherCaps);
  EXPECT_TRUE(worker.got(GST_EVENT_CAPS, 2)) << "also after a frame";
  for (const GstEventType type : {GST_EVENT_STREAM_START, GST_EVENT_SEGMENT, GST_EVENT_TAG})
    EXPECT_EQ(worker.count(type), 1) << gst_event_type_get_name(type);
}

TEST_F(LatestFrameEvents, SendsABusyBranchTheLastStickyEventsInTheirPlaceAlsoWithoutAFrameAfterThem) {
  Rig rig;
  Worker slow, quick;
  slow.join(rig.element());
  quick.join(rig.element());
  rig.start();
  slow.stick_at(Stuck::frame);
  rig.push_in_step(quick, 1);
  ASSERT_TRUE(slow.await_stuck());
  rig.set_caps("test/frames,kind=a");
  rig.set_caps("test/frames,kind=b");
  rig.custom("one");
  rig.push_in_step(quick, 1);
  rig.custom("two");
  rig.set_caps("test/frames,kind=c");
  rig.set_caps("test/frames,kind=d");
  ASSERT_TRUE(eventually([&] { return quick.seen().back().text.find("kind=(string)d") != std::string::npos; }));
  slow.free();
  ASSERT_TRUE(slow.got(GST_EVENT_CAPS, 3));
  EXPECT_EQ(slow.story(), (Story{"stream-start", "caps", "segment", "1", "caps", "one", "2", "two", "caps"}));
  EXPECT_NE(slow.seen().back().text.find("kind=(string)d"), std::string::npos);
}

TEST_F(LatestFrameEvents, SendsNoStickyEventsOfBeforeAFlushAfterIt) {
  Rig rig;
  Worker slow;
  slow.join(rig.element());
  rig.start();
  slow.stick_at(Stuck::frame);
  rig.push();
  ASSERT_TRUE(slow.await_stuck());
  rig.segment(5 * GST_SECOND);
  rig.event(gst_event_new_flush_start());
  rig.event(gst_event_new_flush_stop(TRUE));
  slow.free();
  ASSERT_TRUE(slow.got(GST_EVENT_FLUSH_STOP));
  rig.set_caps(kOtherCaps);
  ASSERT_TRUE(slow.got(GST_EVENT_CAPS, 2));
  EXPECT_EQ(slow.count(GST_EVENT_SEGMENT), 1);
  rig.segment(9 * GST_SECOND);
  EXPECT_TRUE(slow.got(GST_EVENT_SEGMENT, 2));
}

TEST_F(LatestFrameEvents, PassesTheSameEventsOnAndNoCopies) {
  Rig rig;
  Worker a, b;
  a.join(rig.element());
  b.join(rig.element());
  rig.start();
  rig.push_in_step(a, 1);
  ASSERT_TRUE(b.got(1));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(a.seen()[i].event, b.seen()[i].event);
}

TEST_F(LatestFrameEvents, SendsABranchThatMissedSomeOnlyTheLastOfEachKind) {
  Rig rig;
  Worker slow, quick;
  slow.join(rig.element());
  quick.join(rig.element());
  rig.start();
  slow.stick_at(Stuck::frame);
  rig.push_in_step(quick, 1);
  ASSERT_TRUE(slow.await_stuck());
  for (const char* caps : {"test/frames,kind=a", "test/frames,kind=b", "test/frames,kind=c"}) {
    rig.set_caps(caps);
    rig.push_in_step(quick, 1);
  }
  slow.free();
  ASSERT_TRUE(slow.got(4));
  EXPECT_EQ(slow.story(), (Story{"stream-start", "caps", "segment", "1", "caps", "4"}));
  EXPECT_EQ(quick.count(GST_EVENT_CAPS), 4);
}

TEST_F(LatestFrameEvents, GivesEachFrameTheCapsItCameWith) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start();
  rig.push_in_step(worker, 1);
  for (int i = 0; i < 200; ++i) {
    rig.set_caps(i % 2 ? kCaps : kOtherCaps);
    rig.push();
  }
  rig.event(gst_event_new_eos());
  ASSERT_TRUE(worker.got(GST_EVENT_EOS));
  std::string caps;
  for (const Seen& seen : worker.seen()) {
    if (seen.kind == Seen::Kind::event && seen.type == GST_EVENT_CAPS) caps = seen.text;
    if (seen.kind == Seen::Kind::buffer && seen.frame > 1) {
      EXPECT_EQ(caps.find("second") != std::string::npos, seen.frame % 2 == 0) << seen.frame;
    }
  }
}

TEST_F(LatestFrameEvents, KeepsEventsBetweenTheFramesTheyCameBetween) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start();
  rig.push_in_step(worker, 1);
  rig.custom("one");
  rig.custom("two");
  ASSERT_TRUE(worker.got(GST_EVENT_CUSTOM_DOWNSTREAM, 2));
  rig.push_in_step(worker, 1);
  rig.custom("three");
  ASSERT_TRUE(worker.got(GST_EVENT_CUSTOM_DOWNSTREAM, 3));
  EXPECT_EQ(worker.story(), (Story{"stream-start", "caps", "segment", "1", "one", "two", "2", "three"}));
}

TEST_F(LatestFrameEvents, NeverPutsAnEventBeforeAFrameThatCameEarlier) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start();
  constexpr int kRounds = 500;
  for (int i = 0; i < kRounds; ++i) {
    const auto number = rig.push();
    rig.custom(("after-" + std::to_string(number)).c_str());
  }
  rig.event(gst_event_new_eos());
  ASSERT_TRUE(worker.got(GST_EVENT_EOS));
  std::uint64_t last = 0;
  int events = 0;
  for (const Seen& seen : worker.seen()) {
    if (seen.kind == Seen::Kind::buffer) {
      EXPECT_GT(seen.frame, last);
      last = seen.frame;
    } else if (seen.type == GST_EVENT_CUSTOM_DOWNSTREAM) {
      const auto after = std::stoull(seen.text.substr(6));
      EXPECT_GE(after, last);
      last = after;
      ++events;
    }
  }
  EXPECT_EQ(events + static_cast<int>(worker.figure("events-dropped")), kRounds);
}

TEST_F(LatestFrameEvents, KeepsTheLastSixteenEventsForABranchThatIsBusy) {
  Rig rig;
  Worker slow;
  slow.join(rig.element());
  rig.start();
  slow.stick_at(Stuck::frame);
  rig.push();
  ASSERT_TRUE(slow.await_stuck());
  for (int i = 0; i < 40; ++i) rig.custom(("event-" + std::to_string(i)).c_str());
  slow.free();
  ASSERT_TRUE(slow.got(GST_EVENT_CUSTOM_DOWNSTREAM, 16));
  EXPECT_EQ(slow.story()[4], "event-24");
  EXPECT_EQ(slow.figure("events-dropped"), 24u);
}

TEST_F(LatestFrameEvents, SendsTagsOfBothScopes) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start();
  GstTagList* global = gst_tag_list_new(GST_TAG_ARTIST, "artist", nullptr);
  gst_tag_list_set_scope(global, GST_TAG_SCOPE_GLOBAL);
  rig.event(gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "title", nullptr)));
  rig.event(gst_event_new_tag(global));
  rig.push_in_step(worker, 2);
  EXPECT_EQ(worker.count(GST_EVENT_TAG), 2);
}

// An instant change of rate sticks and is not serialized: it comes from the thread of a seek, while frames flow.
TEST_F(LatestFrameEvents, LosesNoStickyEventThatComesFromAnotherThread) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start();
  std::atomic<bool> over{false};
  std::thread frames([&] {
    while (!over) {
      rig.push();
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  });
  for (int i = 1; i <= 100; ++i) {
    rig.event(gst_event_new_instant_rate_change(1 + i, static_cast<GstSegmentFlags>(0)));
    ASSERT_TRUE(worker.got(GST_EVENT_INSTANT_RATE_CHANGE, i)) << i;
  }
  over = true;
  frames.join();
}

TEST_F(LatestFrameEvents, LetsGoOfEveryEventInTheEnd) {
  std::vector<Owned<GstEvent>> ours;
  {
    Rig rig;
    Worker slow, quick;
    slow.join(rig.element());
    quick.join(rig.element());
    const auto send = [&](GstEvent* event) {
      ours.push_back(share(event));
      rig.event(event);
    };
    send(gst_event_new_stream_start("stream"));
    send(gst_event_new_caps(adopt(gst_caps_from_string(kCaps)).get()));
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    send(gst_event_new_segment(&segment));
    slow.stick_at(Stuck::frame);
    rig.push();
    ASSERT_TRUE(slow.await_stuck());
    for (int i = 0; i < 40; ++i) {
      send(gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "title", nullptr)));
      send(gst_event_new_gap(0, GST_SECOND));
      for (const GstEventType type : {GST_EVENT_CUSTOM_DOWNSTREAM, GST_EVENT_CUSTOM_DOWNSTREAM_OOB})
        send(gst_event_new_custom(type, gst_structure_new_empty("test")));
      rig.push();
    }
    send(gst_event_new_flush_start());
    send(gst_event_new_flush_stop(TRUE));
    send(gst_event_new_segment(&segment));
    rig.push();
    send(gst_event_new_eos());
    ASSERT_TRUE(quick.got(GST_EVENT_EOS));
    slow.free();
    ASSERT_TRUE(slow.got(GST_EVENT_EOS));
    rig.stop();
  }
  for (const auto& event : ours)
    EXPECT_TRUE(eventually([&] { return GST_MINI_OBJECT_REFCOUNT_VALUE(event.get()) == 1; }))
        << GST_EVENT_TYPE_NAME(event.get());
}

TEST_F(LatestFrameEvents, BeginsANewStreamAfterTheEndOfOne) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start();
  rig.push_in_step(worker, 1);
  rig.event(gst_event_new_eos());
  ASSERT_TRUE(worker.got(GST_EVENT_EOS));
  rig.start(kOtherCaps, "next");
  rig.push_in_step(worker, 1);
  rig.event(gst_event_new_eos());
  ASSERT_TRUE(worker.got(GST_EVENT_EOS, 2));
  EXPECT_EQ(worker.story(),
            (Story{"stream-start", "caps", "segment", "1", "eos", "stream-start", "caps", "segment", "2", "eos"}));
}

TEST_F(LatestFrameEvents, FlushesAndGoesOnWithTheNextSegment) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start();
  rig.push_in_step(worker, 2);
  rig.event(gst_event_new_flush_start());
  EXPECT_EQ(rig.push(Rig::frame(99)), GST_FLOW_FLUSHING);
  ASSERT_TRUE(worker.got(GST_EVENT_FLUSH_START));
  rig.event(gst_event_new_flush_stop(TRUE));
  ASSERT_TRUE(worker.got(GST_EVENT_FLUSH_STOP));
  rig.segment(GST_SECOND);
  rig.push_in_step(worker, 1);
  EXPECT_EQ(worker.story(),
            (Story{"stream-start", "caps", "segment", "1", "2", "flush-start", "flush-stop", "segment", "3"}));
}

TEST_F(LatestFrameEvents, CountsWhatAFlushTakesAwayApartFromDrops) {
  Rig rig;
  Worker slow;
  slow.join(rig.element());
  rig.start();
  slow.stick_at(Stuck::frame);
  rig.push();
  ASSERT_TRUE(slow.await_stuck());
  rig.push();
  ASSERT_TRUE(eventually([&] { return slow.figure("pending") == 1; }));
  rig.event(gst_event_new_flush_start());
  rig.event(gst_event_new_flush_stop(TRUE));
  EXPECT_EQ(slow.figure("discarded"), 1u);
  EXPECT_EQ(slow.figure("pending"), 0u);
  slow.expect_balance();
}

TEST_F(LatestFrameEvents, ForgetsTheEndInAFlush) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start();
  rig.push_in_step(worker, 1);
  rig.event(gst_event_new_eos());
  ASSERT_TRUE(worker.got(GST_EVENT_EOS));
  rig.event(gst_event_new_flush_start());
  rig.event(gst_event_new_flush_stop(TRUE));
  ASSERT_TRUE(worker.got(GST_EVENT_FLUSH_STOP));
  rig.segment();
  rig.push_in_step(worker, 1);
  EXPECT_EQ(worker.count(GST_EVENT_EOS), 1);
}

TEST_F(LatestFrameEvents, SurvivesFlushesInQuickSuccessionWithFramesBetween) {
  Rig rig;
  Worker workers[4];
  for (Worker& worker : workers) worker.join(rig.element());
  rig.start();
  for (int i = 0; i < 200; ++i) {
    rig.push();
    rig.event(gst_event_new_flush_start());
    rig.event(gst_event_new_flush_stop(TRUE));
    rig.segment();
  }
  const auto last = rig.push();
  for (const Worker& worker : workers) {
    ASSERT_TRUE(worker.got(last));
    EXPECT_EQ(worker.count(GST_EVENT_FLUSH_START), worker.count(GST_EVENT_FLUSH_STOP));
    const auto frames = worker.frames();
    EXPECT_TRUE(std::is_sorted(frames.begin(), frames.end()));
    worker.expect_balance();
  }
}

TEST_F(LatestFrameEvents, LetsABranchJoinInTheMiddleOfAFlush) {
  Rig rig;
  Worker worker, late;
  worker.join(rig.element());
  rig.start();
  rig.push_in_step(worker, 1);
  rig.event(gst_event_new_flush_start());
  late.join(rig.element());
  rig.event(gst_event_new_flush_stop(TRUE));
  rig.segment();
  const auto number = rig.push();
  ASSERT_TRUE(worker.got(number));
  ASSERT_TRUE(late.got(number));
  EXPECT_EQ(late.story(), (Story{"stream-start", "caps", "segment", "2"}));
}

TEST_F(LatestFrameEvents, SendsASeekUpstreamOnce) {
  Rig rig;
  Worker a, b;
  a.join(rig.element());
  b.join(rig.element());
  rig.start();
  const auto seek =
      adopt(gst_event_new_seek(1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0));
  EXPECT_TRUE(gst_pad_push_event(a.pad(), share(seek.get()).release()));
  EXPECT_TRUE(gst_pad_push_event(b.pad(), share(seek.get()).release()));
  EXPECT_EQ(rig.upstream(GST_EVENT_SEEK), 1);
  const auto next =
      adopt(gst_event_new_seek(1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0));
  EXPECT_TRUE(gst_pad_push_event(b.pad(), share(next.get()).release()));
  EXPECT_EQ(rig.upstream(GST_EVENT_SEEK), 2);
}

TEST_F(LatestFrameEvents, KeepsALateBranchsQosFromUpstream) {
  Rig rig;
  Worker late;
  late.join(rig.element());
  rig.start();
  EXPECT_TRUE(gst_pad_push_event(late.pad(), gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 0.1, GST_SECOND, 0)));
  EXPECT_EQ(rig.upstream(GST_EVENT_QOS), 0);
}

TEST_F(LatestFrameEvents, PassesOtherEventsUpstream) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  rig.start();
  EXPECT_TRUE(gst_pad_push_event(
      worker.pad(), gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM, gst_structure_new_empty("test-upstream"))));
  EXPECT_TRUE(gst_pad_push_event(worker.pad(), gst_event_new_latency(GST_SECOND)));
  EXPECT_TRUE(gst_pad_push_event(worker.pad(), gst_event_new_navigation(gst_structure_new_empty("test-navigation"))));
  EXPECT_EQ(rig.upstream(GST_EVENT_CUSTOM_UPSTREAM), 1);
  EXPECT_EQ(rig.upstream(GST_EVENT_LATENCY), 1);
  EXPECT_EQ(rig.upstream(GST_EVENT_NAVIGATION), 1);
}

}  // namespace
}  // namespace latestframe_test
