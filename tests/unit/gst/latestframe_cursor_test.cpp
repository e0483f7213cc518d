// SPDX-License-Identifier: LGPL-2.1-or-later
// The order in which a branch does things.
#include "gst_fixture.hpp"
#include "latestframe/cursor.hpp"

namespace supplier::latestframe {
namespace {

using Kind = Step::Kind;

class LatestFrameCursor : public support::GstFixture {
 protected:
  // As the streaming and the distribution thread do it.
  void publish(bool delta = false, std::uint64_t at = 0) {
    ItemRef item(pool_.get());
    item->frame = Owned<GstMiniObject>(GST_MINI_OBJECT_CAST(gst_buffer_new()));
    item->sequence = ++sequence_;
    item->delta = delta;
    item->at = at;
    item->number = ++newest_.number;
    newest_.reached = sequence_;
    newest_.item = item;
  }
  void lose() { ++sequence_; }  // overwritten in the mailbox
  void post(const char* name) {
    sut_.post(
        {adopt(gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty(name))), nullptr, sequence_});
  }
  void end() { newest_.end = {adopt(gst_event_new_eos()), nullptr, sequence_, ++newest_.ends}; }

  Step next(std::uint64_t now = 0, std::uint64_t max_age = 0) { return sut_.next(newest_, now, max_age); }
  FrameCounts figures() const { return sut_.account().read(newest_.number); }
  static std::string name(const Step& step) {
    return step.event ? gst_structure_get_name(gst_event_get_structure(step.event.get())) : "";
  }

  ItemPool pool_;
  Newest newest_;
  std::uint64_t sequence_ = 0;
  Cursor sut_;
};

TEST_F(LatestFrameCursor, WaitsWhileNothingWasPublished) {
  sut_.open(newest_, true);
  EXPECT_EQ(next().kind, Kind::wait);
}

TEST_F(LatestFrameCursor, TakesEachFrameOnce) {
  sut_.open(newest_, true);
  publish();
  EXPECT_EQ(next().kind, Kind::frame);
  EXPECT_EQ(next().kind, Kind::wait);
}

TEST_F(LatestFrameCursor, TakesTheNewestAndSkipsWhatItMissed) {
  sut_.open(newest_, true);
  for (int i = 0; i < 5; ++i) publish();
  EXPECT_EQ(next().item->number, 5u);
  EXPECT_EQ(figures().dropped, 4u);
}

TEST_F(LatestFrameCursor, BeginsANewBranchWithTheNewestFrame) {
  publish();
  publish();
  sut_.open(newest_, true);
  EXPECT_EQ(next().item->number, 2u);
  EXPECT_EQ(figures().offered, 1u);
}

TEST_F(LatestFrameCursor, DoesNotRepeatAFrameWhenTheBranchOnlyPaused) {
  publish();
  sut_.open(newest_, true);
  EXPECT_EQ(next().kind, Kind::frame);
  sut_.close(newest_);
  sut_.open(newest_, false);
  EXPECT_EQ(next().kind, Kind::wait);
}

TEST_F(LatestFrameCursor, SaysWhereFramesAreMissing) {
  sut_.open(newest_, true);
  publish();
  EXPECT_FALSE(next().gap);
  publish();
  publish();
  EXPECT_TRUE(next().gap);
  publish();
  EXPECT_FALSE(next().gap);
  lose();
  publish();
  EXPECT_TRUE(next().gap) << "lost in the mailbox";
}

TEST_F(LatestFrameCursor, PutsEventsBetweenTheFramesTheyCameBetween) {
  sut_.open(newest_, true);
  publish();
  post("first");
  publish();
  post("second");
  Step step = next();
  EXPECT_EQ(name(step), "first") << "frame 1 was overwritten, what followed it comes before frame 2";
  EXPECT_EQ(next().item->number, 2u);
  step = next();
  EXPECT_EQ(name(step), "second");
  EXPECT_EQ(next().kind, Kind::wait);
}

TEST_F(LatestFrameCursor, PutsStickyEventsAfterTheFrameAndTheEventsBeforeThem) {
  const auto announce = [&] {
    newest_.announced = {std::make_shared<StreamState>(), sequence_, newest_.announced.serial + 1};
  };
  announce();
  sut_.open(newest_, true);
  EXPECT_EQ(next().kind, Kind::stream_state) << "without a frame";
  EXPECT_EQ(next().kind, Kind::wait);
  publish();
  post("after");
  announce();
  announce();
  EXPECT_EQ(next().kind, Kind::frame);
  EXPECT_EQ(next().kind, Kind::event);
  EXPECT_EQ(next().stream_state, newest_.announced.stream_state);
  EXPECT_EQ(next().kind, Kind::wait) << "the last of them only";
  announce();
  publish();
  newest_.item->stream_state = newest_.announced.stream_state;
  EXPECT_EQ(next().kind, Kind::stream_state);
  EXPECT_EQ(next().kind, Kind::frame);
  ++sequence_;  // in the mailbox, not yet distributed
  announce();
  end();
  EXPECT_EQ(next().kind, Kind::wait);
  newest_.reached = sequence_;
  EXPECT_EQ(next().kind, Kind::stream_state);
  EXPECT_EQ(next().kind, Kind::end);
}

TEST_F(LatestFrameCursor, HoldsAnEventBackUntilTheFrameBeforeItIsPublished) {
  sut_.open(newest_, true);
  ++sequence_;  // in the mailbox, not yet distributed
  post("after");
  EXPECT_EQ(next().kind, Kind::wait);
  newest_.reached = sequence_;  // overwritten or flushed
  EXPECT_EQ(next().kind, Kind::event);
}

TEST_F(LatestFrameCursor, KeepsTheLastSixteenEventsAndCountsTheOthers) {
  sut_.open(newest_, true);
  for (int i = 0; i < 20; ++i) post(i == 4 ? "fifth" : "other");
  EXPECT_EQ(sut_.events_dropped(), 4u);
  EXPECT_EQ(name(next()), "fifth");
  for (int i = 0; i < 15; ++i) EXPECT_EQ(next().kind, Kind::event);
  EXPECT_EQ(next().kind, Kind::wait);
}

TEST_F(LatestFrameCursor, AsksDownstreamAfterTheFramesBeforeTheQuestionAndOnlyTheLastOfSeveral) {
  const auto before = std::make_shared<StreamState>(), after = std::make_shared<StreamState>();
  sut_.open(newest_, true);
  sut_.ask(before, sequence_);
  sut_.ask(after, sequence_);
  Step step = next();
  EXPECT_EQ(step.kind, Kind::ask);
  EXPECT_EQ(step.stream_state, after);
  EXPECT_EQ(next().kind, Kind::wait);
  publish();
  post("event");
  sut_.ask(after, sequence_);
  publish();
  for (const Kind kind : {Kind::event, Kind::ask, Kind::frame, Kind::wait}) EXPECT_EQ(next().kind, kind);
}

// Each step brings the sticky events of its time: a question of before new caps that came after them would bring the former again.
TEST_F(LatestFrameCursor, AsksBetweenTheEventsAndStickyEventsItCameBetween) {
  sut_.open(newest_, true);
  post("before");
  sut_.ask(std::make_shared<StreamState>(), sequence_);
  post("after");
  newest_.announced = {std::make_shared<StreamState>(), sequence_, newest_.announced.serial + 1};
  Step step = next();
  EXPECT_EQ(name(step), "before");
  EXPECT_EQ(next().kind, Kind::ask);
  step = next();
  EXPECT_EQ(name(step), "after");
  EXPECT_EQ(next().kind, Kind::stream_state);
  EXPECT_EQ(next().kind, Kind::wait);
}

TEST_F(LatestFrameCursor, HoldsAQuestionBackUntilTheFrameBeforeItIsPublished) {
  sut_.open(newest_, true);
  lose();
  sut_.ask(std::make_shared<StreamState>(), sequence_);
  EXPECT_EQ(next().kind, Kind::wait);
  newest_.reached = sequence_;
  EXPECT_EQ(next().kind, Kind::ask);
}

TEST_F(LatestFrameCursor, EndsAfterTheLastFrame) {
  sut_.open(newest_, true);
  publish();
  publish();
  end();
  EXPECT_EQ(next().item->number, 2u);
  EXPECT_EQ(next().kind, Kind::end);
  EXPECT_EQ(next().kind, Kind::wait);
}

TEST_F(LatestFrameCursor, DoesNotEndBeforeTheLastFrameIsDistributed) {
  sut_.open(newest_, true);
  ++sequence_;
  end();
  EXPECT_EQ(next().kind, Kind::wait);
  --sequence_;
  publish();
  EXPECT_EQ(next().kind, Kind::frame);
  EXPECT_EQ(next().kind, Kind::end);
}

TEST_F(LatestFrameCursor, TellsALateBranchTheLastFrameAndTheEnd) {
  publish();
  end();
  sut_.open(newest_, true);
  EXPECT_EQ(next().kind, Kind::frame);
  EXPECT_EQ(next().kind, Kind::end);
}

TEST_F(LatestFrameCursor, SkipsDeltaUnitsAfterALossUntilAKeyFrameAndAsksForIt) {
  sut_.open(newest_, true);
  publish();
  EXPECT_EQ(next().kind, Kind::frame);
  publish(true);
  EXPECT_EQ(next().kind, Kind::frame);
  publish(true);
  publish(true);
  EXPECT_EQ(next().kind, Kind::ask_key);
  EXPECT_EQ(next().kind, Kind::wait);
  publish(true);
  EXPECT_EQ(next().kind, Kind::wait);
  publish();
  EXPECT_EQ(next().kind, Kind::frame);
  publish(true);
  EXPECT_EQ(next().kind, Kind::frame);
  EXPECT_EQ(figures().delivered, 4u);
  EXPECT_EQ(figures().dropped, 3u);
}

TEST_F(LatestFrameCursor, BeginsWithAKeyFrame) {
  publish();
  publish(true);
  sut_.open(newest_, true);
  EXPECT_EQ(next().kind, Kind::ask_key);
  publish();
  EXPECT_EQ(next().kind, Kind::frame);
}

TEST_F(LatestFrameCursor, AsksForAKeyFrameOnceForAllBranchesAndAgainWhileOneWaits) {
  constexpr std::uint64_t kPause = KeyRequests::kInterval;
  Cursor other;
  publish();
  publish(true);
  sut_.open(newest_, true);
  other.open(newest_, true);
  EXPECT_EQ(next(1).kind, Kind::ask_key);
  Step step = other.next(newest_, 2, 0);
  EXPECT_EQ(step.kind, Kind::wait);
  EXPECT_EQ(step.until, 1 + kPause) << "its own request is not forgotten";
  EXPECT_EQ(next(3).until, 0u) << "it was asked for";
  EXPECT_EQ(other.next(newest_, kPause, 0).kind, Kind::wait);
  EXPECT_EQ(other.next(newest_, 1 + kPause, 0).kind, Kind::ask_key);
  publish(true);  // the request, or what answered it, was lost
  EXPECT_EQ(next(2 * kPause).kind, Kind::wait);
  EXPECT_EQ(next(2 * kPause + 1).kind, Kind::ask_key);
  publish();
  EXPECT_EQ(other.next(newest_, 3 * kPause, 0).kind, Kind::frame);
  EXPECT_EQ(other.next(newest_, 9 * kPause, 0).kind, Kind::wait) << "it waits no more";
}

TEST_F(LatestFrameCursor, SendsARequestThatWasKeptWhenItsTimeHasCome) {
  sut_.open(newest_, true);
  EXPECT_TRUE(newest_.keys.ask(1));
  EXPECT_FALSE(newest_.keys.ask(2));
  newest_.keys.keep(adopt(gst_event_new_reconfigure()));
  EXPECT_EQ(next(3).until, 1 + KeyRequests::kInterval);
  EXPECT_EQ(next(1 + KeyRequests::kInterval).kind, Kind::ask_key);
}

TEST_F(LatestFrameCursor, RefusesAFrameThatIsTooOld) {
  sut_.open(newest_, true);
  publish(false, 1000);
  EXPECT_EQ(next(2000, 999).kind, Kind::wait);
  EXPECT_EQ(figures().stale, 1u);
  EXPECT_EQ(figures().pending, 0u);
  publish(false, 2000);
  const Step step = next(2000, 999);
  EXPECT_EQ(step.kind, Kind::frame);
  EXPECT_TRUE(step.gap);
}

TEST_F(LatestFrameCursor, RefusesNoFrameAtTheLargestAge) {
  sut_.open(newest_, true);
  publish(false, 1000);
  EXPECT_EQ(next(2000, UINT64_MAX).kind, Kind::frame);
  publish(false, 3000);
  EXPECT_EQ(next(2000, 1).kind, Kind::frame);  // it came after the clock was read
  EXPECT_EQ(figures().stale, 0u);
}

TEST_F(LatestFrameCursor, ForgetsFramesAndEventsInAFlush) {
  sut_.open(newest_, true);
  publish();
  post("gone");
  sut_.ask(std::make_shared<StreamState>(), sequence_);
  sut_.flush(newest_);
  newest_.item = {};
  EXPECT_EQ(next().kind, Kind::wait);
  EXPECT_EQ(figures().discarded, 1u);
}

TEST_F(LatestFrameCursor, KeepsEventsOnlyWhileTheBranchIsServed) {
  post("early");
  sut_.open(newest_, true);
  EXPECT_EQ(next().kind, Kind::wait);
}

}  // namespace
}  // namespace supplier::latestframe
