// SPDX-License-Identifier: LGPL-2.1-or-later
// Key frames of encoded streams: a branch that waits for one gets it, whatever is lost, and the others pay little.
#include <gst/video/video.h>

#include "latestframe_rig.hpp"

namespace latestframe_test {
namespace {

using Stuck = Worker::Stuck;

// The requests for key frames that came out at the top.
class Requests {
 public:
  explicit Requests(GstPad* pad) : pad_(share(pad)) {
    probe_ = gst_pad_add_probe(
        pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
        [](GstPad*, GstPadProbeInfo* info, gpointer self) {
          GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
          auto& requests = *static_cast<Requests*>(self);
          std::lock_guard hold(requests.lock_);
          if (gst_video_event_is_force_key_unit(event)) requests.seen_.push_back(share(event));
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
  }
  ~Requests() { gst_pad_remove_probe(pad_.get(), probe_); }

  std::size_t count() const {
    std::lock_guard hold(lock_);
    return seen_.size();
  }
  bool got(std::size_t times) const {
    return eventually([&] { return count() >= times; });
  }
  const GstStructure* operator[](std::size_t i) const {
    std::lock_guard hold(lock_);
    return gst_event_get_structure(seen_.at(i).get());
  }

 private:
  Owned<GstPad> pad_;
  gulong probe_;
  mutable std::mutex lock_;
  std::vector<Owned<GstEvent>> seen_;
};

GstEvent* request(GstClockTime running_time = GST_CLOCK_TIME_NONE, gboolean all_headers = FALSE, guint count = 0) {
  return gst_video_event_new_upstream_force_key_unit(running_time, all_headers, count);
}

class LatestFrameKeys : public LatestFrame {};

TEST_F(LatestFrameKeys, ARequestThatWasLostIsRepeated) {
  Rig rig;
  Requests requests(rig.source());
  Worker good, late;
  good.join(rig.element());
  rig.start();
  rig.push_in_step(good, 1);
  ASSERT_TRUE(good.got(rig.push(true)));
  late.join(rig.element());
  // An encoder that does not hear, and later does.
  ASSERT_TRUE(eventually([&] {
    EXPECT_TRUE(good.got(rig.push(true)));
    return requests.count() >= 3;
  }));
  EXPECT_TRUE(late.frames().empty());
  const auto key = rig.push();
  ASSERT_TRUE(late.got(key));
  EXPECT_EQ(late.frames(), (std::vector<std::uint64_t>{key}));
  const auto asked = requests.count();
  g_usleep(2 * 500'000);  // as long as two more would take
  EXPECT_EQ(requests.count(), asked) << "no branch waits any more";
  late.expect_balance();
}

TEST_F(LatestFrameKeys, AKeyFrameThatIsOverwrittenBeforeItWasTakenIsAskedForAgain) {
  Rig rig;
  Requests requests(rig.source());
  Worker good, other;
  good.join(rig.element());
  other.join(rig.element());
  rig.start();
  rig.push_in_step(good, 1);
  ASSERT_TRUE(other.got(rig.number()));
  other.stick_at(Stuck::frame);
  ASSERT_TRUE(good.got(rig.push(true)));
  ASSERT_TRUE(other.await_stuck());
  ASSERT_TRUE(good.got(rig.push()));  // the key frame that answers another branch
  ASSERT_TRUE(good.got(rig.push(true)));
  other.free();
  ASSERT_TRUE(requests.got(1));
  other.stick_at(Stuck::event);
  rig.custom("stick");
  ASSERT_TRUE(other.await_stuck());
  ASSERT_TRUE(good.got(rig.push()));  // the answer
  ASSERT_TRUE(good.got(rig.push(true)));
  other.free();
  ASSERT_TRUE(requests.got(2));
  const auto key = rig.push();
  EXPECT_TRUE(other.got(key));
}

TEST_F(LatestFrameKeys, ManyBranchesTogetherAskAtMostTwiceASecond) {
  Rig rig;
  Requests requests(rig.source());
  Worker good, slow[6];
  good.join(rig.element());
  for (Worker& worker : slow) worker.join(rig.element());
  rig.start();
  const gint64 begin = g_get_monotonic_time();
  std::size_t answered = 0;
  while (requests.count() < 4) {
    const bool key = requests.count() != answered || rig.number() == 0;
    answered = requests.count();
    ASSERT_TRUE(good.got(rig.push(!key)));
    // Each of them misses what comes next, and so needs the next key frame.
    for (Worker& worker : slow) worker.stick_at(rig.number() % 3 == 0 ? Stuck::frame : Stuck::nowhere);
    if (rig.number() % 3 == 2)
      for (Worker& worker : slow) worker.free();
  }
  EXPECT_GE(g_get_monotonic_time() - begin, 3 * 500'000);
}

TEST_F(LatestFrameKeys, ARequestOfDownstreamGoesThroughAsItIs) {
  Rig rig;
  Requests requests(rig.source());
  Worker worker;
  worker.join(rig.element());
  GstEvent* event = gst_event_new_custom(
      GST_EVENT_CUSTOM_UPSTREAM,
      gst_structure_new("GstForceKeyUnit", "running-time", GST_TYPE_CLOCK_TIME, GST_CLOCK_TIME_NONE, "all-headers",
                        G_TYPE_BOOLEAN, FALSE, "count", G_TYPE_UINT, 7u, "layer", G_TYPE_INT, 3, nullptr));
  const guint32 seqnum = gst_event_get_seqnum(event);
  EXPECT_TRUE(gst_pad_push_event(worker.pad(), event));
  ASSERT_EQ(requests.count(), 1u);
  gint layer = 0;
  EXPECT_TRUE(gst_structure_get_int(requests[0], "layer", &layer));
  EXPECT_EQ(layer, 3);
  gboolean all_headers = TRUE;
  EXPECT_TRUE(gst_structure_get_boolean(requests[0], "all-headers", &all_headers));
  EXPECT_FALSE(all_headers);
  EXPECT_NE(seqnum, 0u);
}

TEST_F(LatestFrameKeys, RequestsThatComeTooSoonBecomeOneAndAreNotLostWithoutFrames) {
  Rig rig;
  Requests requests(rig.source());
  Worker a, b;
  a.join(rig.element());
  b.join(rig.element());
  rig.start();
  rig.push_in_step(a, 1);
  ASSERT_TRUE(b.got(1));
  const gint64 begin = g_get_monotonic_time();
  for (guint i = 1; i <= 10; ++i)
    EXPECT_TRUE(gst_pad_push_event(i % 2 ? a.pad() : b.pad(), request(GST_CLOCK_TIME_NONE, FALSE, i)));
  const auto last = [&] {
    guint count = 0;
    gst_structure_get_uint(requests[requests.count() - 1], "count", &count);
    return count;
  };
  EXPECT_TRUE(eventually([&] { return last() == 10; })) << "the last one, in time";
  const auto sent = static_cast<gint64>(requests.count());
  EXPECT_GE(g_get_monotonic_time() - begin, (sent - 1) * 500'000);
  g_usleep(2 * 500'000);
  EXPECT_EQ(requests.count(), static_cast<std::size_t>(sent));
}

TEST_F(LatestFrameKeys, ARequestForACertainTimeGoesThroughAtOnceAndOnce) {
  Rig rig;
  Requests requests(rig.source());
  Worker a, b;
  a.join(rig.element());
  b.join(rig.element());
  for (const GstClockTime time : {GST_SECOND, 2 * GST_SECOND, 3 * GST_SECOND})
    for (Worker* worker : {&a, &b}) EXPECT_TRUE(gst_pad_push_event(worker->pad(), request(time, TRUE, 1)));
  EXPECT_EQ(requests.count(), 3u);
  EXPECT_TRUE(gst_pad_push_event(a.pad(), request()));
  EXPECT_EQ(requests.count(), 4u) << "one for now is no less urgent";
}

}  // namespace
}  // namespace latestframe_test
