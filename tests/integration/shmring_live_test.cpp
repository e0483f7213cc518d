// SPDX-License-Identifier: LGPL-2.1-or-later
// Whole pipelines on both sides of the ring, each with a base-time and a latency of its own: pictures are shown at the same
// moment, whatever either side does meanwhile.
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string_view>
#include <thread>

#include <gst/base/gstbasesink.h>

#include "shmring_fixture.hpp"

namespace {

using namespace shmring_test;
using support::Pipeline;

// Notes for each picture when its sink is to show it, on the common clock. Pictures are noise: each is known by its bytes.
class Screen {
 public:
  explicit Screen(const Pipeline& pipeline) : sink_(pipeline.find("screen")) {
    handler_ = g_signal_connect(sink_.get(), "handoff",
                                G_CALLBACK(+[](GstElement*, GstBuffer* buffer, GstPad*, gpointer self) {
                                  static_cast<Screen*>(self)->show(buffer);
                                }),
                                this);
  }
  // Stopped first: disconnecting does not wait for a handler that runs.
  ~Screen() {
    gst_element_set_state(sink_.get(), GST_STATE_NULL);
    g_signal_handler_disconnect(sink_.get(), handler_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // When that picture was due; 0: it was not shown.
  GstClockTime due(std::size_t picture) const {
    const std::lock_guard hold(lock_);
    const auto found = due_.find(picture);
    return found == due_.end() ? 0 : found->second;
  }
  std::size_t last() const {
    const std::lock_guard hold(lock_);
    return last_;
  }
  std::size_t shown() const {
    const std::lock_guard hold(lock_);
    return due_.size();
  }
  [[nodiscard]] bool shows(std::size_t more) const {
    const std::size_t from = shown();
    return eventually([&] { return shown() >= from + more; });
  }
  // Of the next five pictures. Not while the latency changes: that is waited for picture by picture.
  int too_early() {
    early_ = 0;
    EXPECT_TRUE(shows(5));
    return early_;
  }
  GstClockTime latency() const { return gst_base_sink_get_latency(GST_BASE_SINK(sink_.get())); }

  // A deadline would be latency in live pipelines only.
  static inline const std::string kLine = "fakesink name=screen sync=true signal-handoffs=true processing-deadline=0";

 private:
  void show(GstBuffer* buffer) {
    const GstSegment& segment = GST_BASE_SINK(sink_.get())->segment;
    const GstClockTime due = gst_segment_to_running_time(&segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer)) +
                             gst_element_get_base_time(sink_.get()) + latency();
    const auto clock = adopt(gst_element_get_clock(sink_.get()));
    if (gst_clock_get_time(clock.get()) < due) ++early_;
    const auto bytes = bytes_of(buffer);
    const std::string_view picture(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::lock_guard hold(lock_);
    last_ = std::hash<std::string_view>{}(picture);
    due_[last_] = due;
  }

  const Owned<GstElement> sink_;
  gulong handler_;
  std::atomic<int> early_{0};
  mutable std::mutex lock_;  // guards what follows
  std::map<std::size_t, GstClockTime> due_;
  std::size_t last_ = 0;
};

// As applications do, and gst-launch: latency is distributed anew on request.
void handle_latency(Pipeline& pipeline) {
  while (pipeline.message(GST_MESSAGE_LATENCY, 0ms)) gst_bin_recalculate_latency(GST_BIN(pipeline.get()));
}

class ShmRingLive : public ShmRing {
 protected:
  std::string camera(const std::string& properties = "is-live=true", const std::string& ring = "") const {
    return "videotestsrc pattern=snow " + properties +
           " ! video/x-raw,format=GRAY8,width=64,height=48,framerate=50/1 ! queue name=delay ! tee name=t  t. ! queue "
           "! " +
           Screen::kLine + "  t. ! queue ! shmringsink socket-path=" + path() + " " + ring;
  }
  std::string viewer() const { return "shmringsrc socket-path=" + path() + " ! " + Screen::kLine; }

  // From now on both show the same picture for the same moment, and not before it.
  static void expect_together(Pipeline& in, Screen& here, Pipeline& out, Screen& there) {
    const std::size_t from = there.shown();
    std::size_t picture = 0;
    EXPECT_TRUE(eventually([&] {
      handle_latency(in);
      handle_latency(out);
      picture = there.last();
      return there.shown() > from && there.due(picture) == here.due(picture);
    })) << "due at "
        << there.due(picture) << ", not at " << here.due(picture);
    EXPECT_EQ(here.too_early(), 0);
    EXPECT_EQ(there.too_early(), 0);
  }
};

TEST_F(ShmRingLive, both_sides_show_a_picture_at_the_same_moment_whoever_comes_later_or_pauses) {
  Pipeline out(viewer());
  Screen there(out);
  out.set_state(GST_STATE_PLAYING);  // before there is a publisher
  Pipeline in(camera());
  Screen here(in);
  ASSERT_TRUE(in.play());
  expect_together(in, here, out, there);
  for (Pipeline* pausing : {&in, &out}) {  // its running time stands still, its base-time moves
    pausing->set_state(GST_STATE_PAUSED);
    std::this_thread::sleep_for(150ms);
    pausing->set_state(GST_STATE_PLAYING);
    expect_together(in, here, out, there);
  }
}

TEST_F(ShmRingLive, a_latency_that_grows_is_waited_for_on_both_sides) {
  Pipeline in(camera());
  Pipeline out(viewer());
  Screen here(in);
  Screen there(out);
  ASSERT_TRUE(in.play());
  out.set_state(GST_STATE_PLAYING);
  expect_together(in, here, out, there);
  const GstClockTime before = there.latency();
  EXPECT_EQ(before, here.latency());
  g_object_set(in.find("delay").get(), "min-threshold-time", 200 * GST_MSECOND, nullptr);
  gst_bin_recalculate_latency(GST_BIN(in.get()));
  EXPECT_TRUE(eventually([&] {
    handle_latency(out);
    return there.latency() == before + 200 * GST_MSECOND;
  })) << there.latency()
      << " instead of " << here.latency();
  expect_together(in, here, out, there);
}

TEST_F(ShmRingLive, pictures_after_a_flushing_seek_of_the_publisher_are_shown_at_their_new_moment) {
  Pipeline in(camera("", "sync=true"));
  Pipeline out(viewer());
  Screen here(in);
  Screen there(out);
  ASSERT_TRUE(in.play());
  out.set_state(GST_STATE_PLAYING);
  ASSERT_TRUE(there.shows(1));
  std::this_thread::sleep_for(300ms);  // a running time that begins anew is told from one that goes on
  ASSERT_TRUE(gst_element_seek_simple(in.get(), GST_FORMAT_TIME,
                                      static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE),
                                      100 * GST_SECOND));
  expect_together(in, here, out, there);
}

TEST_F(ShmRingLive, a_seek_at_the_reader_is_refused_and_harms_nothing) {
  Pipeline in(camera());
  Pipeline out(viewer());
  Screen there(out);
  ASSERT_TRUE(in.play());
  out.set_state(GST_STATE_PLAYING);
  ASSERT_TRUE(there.shows(1));
  EXPECT_FALSE(gst_element_seek_simple(out.get(), GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0));
  EXPECT_TRUE(there.shows(3));
}

TEST_F(ShmRingLive, after_the_end_both_sides_can_start_again) {
  Pipeline in(camera("is-live=true", "forward-eos=always"));
  Pipeline out(viewer());
  for (int round = 0; round < 3; ++round) {
    Screen there(out);
    // In this order: a reader that comes before the next stream begins finds the end of the last one.
    ASSERT_TRUE(in.play());
    out.set_state(GST_STATE_PLAYING);
    ASSERT_TRUE(there.shows(1)) << "in round " << round;
    EXPECT_TRUE(gst_element_send_event(in.get(), gst_event_new_eos()));
    EXPECT_EQ(in.finish(), "");
    EXPECT_EQ(out.finish(), "");
    in.set_state(GST_STATE_READY);
    out.set_state(GST_STATE_READY);
  }
}

TEST_F(ShmRingLive, a_reader_that_was_ended_stays_so_when_the_next_publisher_comes) {
  Pipeline out(viewer());
  out.set_state(GST_STATE_PLAYING);
  {
    Pipeline in(camera("is-live=true num-buffers=5", "forward-eos=always"));
    ASSERT_TRUE(in.play());
    EXPECT_EQ(in.finish(), "");
    EXPECT_EQ(out.finish(), "");
  }
  Screen there(out);
  Pipeline next(camera());
  Screen here(next);
  ASSERT_TRUE(next.play());
  ASSERT_TRUE(here.shows(10));
  EXPECT_EQ(there.shown(), 0u);
  EXPECT_FALSE(out.message(static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR), 0ms));
}

}  // namespace
