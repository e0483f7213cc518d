// SPDX-License-Identifier: LGPL-2.1-or-later
// Questions of GStreamer's own tests of tee and queue, asked of latestframe, where no other test here does. The whole list
// is in tests/integration/README.md.
#include <algorithm>
#include <thread>

#include "latestframe_rig.hpp"

namespace latestframe_test {
namespace {

using Stuck = Worker::Stuck;

class LatestFramePeers : public LatestFrame {};

// tee: test_release_while_second_buffer_alloc
TEST_F(LatestFramePeers, ABranchIsReleasedDuringItsSecondAllocationQuery) {
  Rig rig;
  Worker other;
  other.join(rig.element());
  rig.start();
  for (int i = 0; i < 10; ++i) {
    Worker worker;
    worker.join(rig.element());
    ASSERT_TRUE(worker.got(rig.push()));
    worker.stick_at(Stuck::allocation);
    rig.set_caps(i % 2 ? kCaps : kOtherCaps);
    rig.push_in_step(other, 1);
    ASSERT_TRUE(worker.await_stuck());
    worker.leave();
    worker.free();
    rig.push_in_step(other, 1);
  }
}

// tee: test_allow_not_linked; here always
TEST_F(LatestFramePeers, FramesThatWereNotTakenAreLetGoOf) {
  Rig rig;
  const auto unlinked = adopt(gst_element_request_pad_simple(rig.element(), "src_%u"));
  rig.start();
  std::vector<Owned<GstBuffer>> ours;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    auto buffer = Rig::frame(i);
    ours.push_back(share(buffer.get()));
    ASSERT_EQ(rig.push(std::move(buffer)), GST_FLOW_OK);
  }
  rig.stop();
  for (const auto& buffer : ours) EXPECT_EQ(GST_MINI_OBJECT_REFCOUNT_VALUE(buffer.get()), 1);
}

// queue: test_newsegment. The segment that came with an overwritten frame holds for the next one.
TEST_F(LatestFramePeers, TheSegmentOfAnOverwrittenFrameIsStillSent) {
  Rig rig;
  Worker slow, quick;
  slow.join(rig.element());
  quick.join(rig.element());
  rig.start();
  slow.stick_at(Stuck::frame);
  rig.push_in_step(quick, 1);
  ASSERT_TRUE(slow.await_stuck());
  for (int i = 1; i <= 3; ++i) {
    rig.segment(static_cast<GstClockTime>(i) * GST_SECOND);
    rig.push_in_step(quick, 2);
  }
  slow.free();
  ASSERT_TRUE(slow.got(7));
  EXPECT_EQ(slow.story(), (Story{"stream-start", "caps", "segment", "1", "segment", "7"}));
  const auto event = adopt(gst_pad_get_sticky_event(slow.pad(), GST_EVENT_SEGMENT, 0));
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(event.get(), &segment);
  EXPECT_EQ(segment->start, 3u * GST_SECOND);
}

// queue: test_sticky_not_linked
TEST_F(LatestFramePeers, StickyEventsDoNotFailUpstreamWhenNothingIsLinkedFurtherDown) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  worker.fail_with(GST_FLOW_NOT_LINKED);
  rig.start();
  rig.push_in_step(worker, 1);
  for (int i = 1; i <= 5; ++i) {
    EXPECT_TRUE(rig.event(gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "title", nullptr))));
    rig.segment(static_cast<GstClockTime>(i) * GST_SECOND);
    rig.push();
  }
  ASSERT_TRUE(eventually([&] { return rig.figure("published") + rig.figure("mailbox-drops") == rig.number(); }));
  worker.fail_with(GST_FLOW_OK);
  gst_pad_push_event(worker.pad(), gst_event_new_reconfigure());
  ASSERT_TRUE(worker.got(rig.number()));
  EXPECT_EQ(worker.count(GST_EVENT_SEGMENT), 2);
  EXPECT_EQ(worker.count(GST_EVENT_TAG), 1);
}

TEST_F(LatestFramePeers, ABranchGoesOnThatIsLinkedFurtherDownWhileAPushFailsThere) {
  Rig rig;
  Worker worker;
  worker.join(rig.element());
  worker.fail_with(GST_FLOW_NOT_LINKED, true);
  worker.stick_at(Worker::Stuck::frame);
  rig.start();
  rig.push();
  ASSERT_TRUE(worker.await_stuck());
  gst_pad_push_event(worker.pad(), gst_event_new_reconfigure());  // what a pad that is linked sends
  worker.free();
  ASSERT_TRUE(eventually([&] { return worker.frames().size() == 2; }));
  EXPECT_EQ(worker.frames(), (std::vector<std::uint64_t>{1, 1})) << "the frame that no branch got";
}

// queue: test_queries_while_flushing
TEST_F(LatestFramePeers, QueriesReturnWhileUpstreamFlushesAndTheElementStops) {
  for (int i = 0; i < 50; ++i) {
    Rig rig;
    Worker worker;
    worker.join(rig.element());
    worker.propose([](GstQuery*) { std::this_thread::sleep_for(std::chrono::milliseconds(1)); });
    rig.start();
    rig.push();
    std::thread asks([&] {
      for (int j = 0; j < 100; ++j) {
        const auto query = adopt(gst_query_new_allocation(adopt(gst_caps_new_any()).get(), FALSE));
        if (!rig.query(query.get())) break;
        const auto drain = adopt(gst_query_new_drain());
        rig.query(drain.get());
      }
    });
    rig.event(gst_event_new_flush_start());
    rig.stop();
    asks.join();
  }
}

// queue: test_serialized_query_with_threshold
TEST_F(LatestFramePeers, DrainReturnsWhileAFrameIsPending) {
  Rig rig;
  Worker slow;
  slow.join(rig.element());
  rig.start();
  slow.stick_at(Stuck::frame);
  rig.push();
  ASSERT_TRUE(slow.await_stuck());
  rig.push();
  ASSERT_TRUE(eventually([&] { return slow.figure("pending") == 1; }));
  const auto drain = adopt(gst_query_new_drain());
  EXPECT_TRUE(rig.query(drain.get()));
  EXPECT_EQ(slow.figure("pending"), 1u);
}

// queue: test_state_change_when_flushing
TEST_F(LatestFramePeers, StopsWhileAFlushEndsInAnotherThread) {
  for (int i = 0; i < 50; ++i) {
    Rig rig(GST_STATE_PAUSED);
    Worker worker;
    worker.join(rig.element());
    rig.start();
    rig.push();
    rig.event(gst_event_new_flush_start());
    std::thread ends([&] { rig.event(gst_event_new_flush_stop(TRUE)); });
    EXPECT_EQ(gst_element_set_state(rig.element(), GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
    ends.join();
    EXPECT_EQ(gst_element_set_state(rig.element(), GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  }
}

// Shows every buffer that comes to an element to `viewer`.
template <class Viewer>
void show(const support::Pipeline& pipeline, const char* element, Viewer& viewer) {
  const auto pad = adopt(gst_element_get_static_pad(pipeline.find(element).get(), "sink"));
  gst_pad_add_probe(
      pad.get(), GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad*, GstPadProbeInfo* info, gpointer data) {
        static_cast<Viewer*>(data)->see(GST_PAD_PROBE_INFO_BUFFER(info));
        return GST_PAD_PROBE_OK;
      },
      &viewer, nullptr);
}

// In which order an encoder gave its frames.
class Order {
 public:
  void see(GstBuffer* buffer) {
    std::lock_guard hold(lock_);
    times_.push_back(GST_BUFFER_PTS(buffer));
  }
  std::ptrdiff_t place_of(GstBuffer* buffer) const {
    std::lock_guard hold(lock_);
    return std::find(times_.rbegin(), times_.rend(), GST_BUFFER_PTS(buffer)).base() - times_.begin();
  }

 private:
  mutable std::mutex lock_;
  std::vector<GstClockTime> times_;
};

// Input of a decoder; slow at will.
class Taker {
 public:
  explicit Taker(const Order& order) : order_(order) {}
  void see(GstBuffer* buffer) {
    if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_HEADER)) return;
    const auto place = order_.place_of(buffer);
    const bool delta = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    if (delta && place != last_ + 1) torn = true;
    last_ = place;
    ++frames;
    key += !delta;
    if (slow) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }

  std::atomic<bool> slow{false};
  std::atomic<int> frames{0}, key{0};
  std::atomic<bool> torn{false};  // a delta unit came right after a loss

 private:
  const Order& order_;
  std::ptrdiff_t last_ = 0;
};

// Real encoded streams: after a loss a branch goes on with a key frame that the encoder was asked for, for there would
// not be another one; a branch that keeps up gets every frame.
class LatestFrameEncoded : public LatestFrame,
                           public testing::WithParamInterface<std::pair<const char*, const char*>> {};

TEST_P(LatestFrameEncoded, GoesOnWithAKeyFrameAndHarmsNoOtherBranch) {
  const auto [encode, decode] = GetParam();
  for (const std::string& name : {std::string(encode).substr(0, std::string(encode).find(' ')), std::string(decode)})
    if (!adopt(GST_ELEMENT(gst_element_factory_make(name.c_str(), nullptr)))) GTEST_SKIP() << "no " << name;
  Order order;
  Taker slow{order}, quick{order};
  support::Pipeline pipeline("videotestsrc is-live=true ! video/x-raw,width=64,height=64,framerate=60/1 ! " +
                             std::string(encode) + " ! latestframe name=l  l. ! identity name=slow ! " + decode +
                             " ! fakesink async=false sync=false name=a  l. ! " + "identity name=quick ! " + decode +
                             " ! fakesink async=false sync=false name=b");
  show(pipeline, "l", order);
  show(pipeline, "slow", slow);
  show(pipeline, "quick", quick);
  ASSERT_TRUE(pipeline.play());
  ASSERT_TRUE(eventually([&] { return slow.frames > 5 && quick.frames > 5; }));
  slow.slow = true;
  const int keys = slow.key;
  EXPECT_TRUE(eventually([&] { return slow.key >= keys + 3; })) << "the encoder was not asked for a key frame";
  EXPECT_FALSE(slow.torn);
  EXPECT_FALSE(quick.torn);
  pipeline.set_state(GST_STATE_NULL);
  EXPECT_FALSE(pipeline.message(static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_WARNING),
                                std::chrono::milliseconds(0)));
}

// Key frames cost bit rate. A good branch has those that it has alone, and at most one in 500 ms that the slow one asked for.
TEST_P(LatestFrameEncoded, ASlowBranchAddsFewKeyFramesToAGoodOne) {
  const std::string encode = GetParam().first;
  if (!adopt(GST_ELEMENT(gst_element_factory_make(encode.substr(0, encode.find(' ')).c_str(), nullptr))))
    GTEST_SKIP() << "no " << encode;
  const std::string camera = "videotestsrc is-live=true ! video/x-raw,width=64,height=64,framerate=60/1 ! " + encode +
                             " ! latestframe name=l  l. ! identity name=quick ! fakesink async=false sync=false";
  int frames = 0, keys = 0;
  gint64 asked = 0;
  {
    Order order;
    Taker slow{order}, quick{order};
    support::Pipeline pipeline(camera + "  l. ! identity name=slow ! fakesink async=false sync=false");
    show(pipeline, "l", order);
    show(pipeline, "slow", slow);
    show(pipeline, "quick", quick);
    slow.slow = true;
    const gint64 begin = g_get_monotonic_time();
    ASSERT_TRUE(pipeline.play());
    ASSERT_TRUE(eventually([&] { return slow.key >= 4; })) << "the encoder was not asked for a key frame";
    keys = quick.key;
    frames = quick.frames;
    asked = 1 + (g_get_monotonic_time() - begin) / 500'000;
    pipeline.set_state(GST_STATE_NULL);
  }
  Order order;
  Taker alone{order};
  support::Pipeline pipeline(camera);
  show(pipeline, "l", order);
  show(pipeline, "quick", alone);
  ASSERT_TRUE(pipeline.play());
  ASSERT_TRUE(eventually([&] { return alone.frames >= frames; }));
  EXPECT_LE(keys, alone.key + asked);
  pipeline.set_state(GST_STATE_NULL);
}

INSTANTIATE_TEST_SUITE_P(
    By, LatestFrameEncoded,
    testing::Values(std::pair("vp8enc deadline=1 keyframe-max-dist=100000", "vp8dec"),
                    std::pair("theoraenc keyframe-auto=false keyframe-force=32768 keyframe-freq=32768", "theoradec")),
    [](const auto& which) { return std::string(which.param.second).substr(0, 3); });

}  // namespace
}  // namespace latestframe_test
