// SPDX-License-Identifier: LGPL-2.1-or-later
// latestframe among GStreamer's own elements.
#include "latestframe_rig.hpp"

namespace latestframe_test {
namespace {

class LatestFramePipeline : public LatestFrame {
 protected:
  static std::uint64_t rendered(const support::Pipeline& pipeline, const char* sink) {
    GstStructure* stats = nullptr;
    g_object_get(pipeline.find(sink).get(), "stats", &stats, nullptr);
    guint64 count = 0;
    gst_structure_get_uint64(adopt(stats).get(), "rendered", &count);
    return count;
  }
  // Frames that came to the fan-out, whatever a loaded machine lets its branches take of them.
  static std::uint64_t received(const support::Pipeline& pipeline) {
    GstStructure* stats = nullptr;
    g_object_get(pipeline.find("l").get(), "stats", &stats, nullptr);
    guint64 count = 0;
    gst_structure_get_uint64(adopt(stats).get(), "received", &count);
    return count;
  }
  static std::string run(const std::string& line) {
    support::Pipeline pipeline(line);
    EXPECT_TRUE(pipeline.play());
    return pipeline.finish();
  }
};

TEST_F(LatestFramePipeline, NegotiatesWithWhatABranchNeeds) {
  support::Pipeline pipeline(
      "videotestsrc is-live=true num-buffers=20 ! video/x-raw,framerate=100/1 ! latestframe ! jpegenc ! fakesink "
      "name=sink");
  ASSERT_TRUE(pipeline.play());
  EXPECT_EQ(pipeline.finish(), "");
  EXPECT_GE(rendered(pipeline, "sink"), 1u);
}

TEST_F(LatestFramePipeline, NegotiatesWithWhatAllBranchesNeed) {
  support::Pipeline pipeline(
      "videotestsrc is-live=true num-buffers=20 ! video/x-raw,framerate=100/1 ! latestframe name=l "
      "l. ! video/x-raw,format={RGB,NV12} ! fakesink name=a l. ! video/x-raw,format={GRAY8,NV12} ! fakesink name=b");
  ASSERT_TRUE(pipeline.play());
  EXPECT_EQ(pipeline.finish(), "");
  EXPECT_GE(rendered(pipeline, "a"), 1u);
  EXPECT_GE(rendered(pipeline, "b"), 1u);
}

TEST_F(LatestFramePipeline, EndsWithEosAtEverySinkAfterTheLastFrame) {
  for (const char* wake : {"block", "adaptive"})
    EXPECT_EQ(run(std::string("videotestsrc is-live=true num-buffers=30 ! video/x-raw,framerate=100/1 ! latestframe "
                              "name=l wake=") +
                  wake + " l. ! fakesink sync=true l. ! identity sleep-time=30000 ! fakesink l. ! queue ! fakesink"),
              "");
}

TEST_F(LatestFramePipeline, TakesPropertiesOfItsPadsInALaunchLine) {
  support::Pipeline pipeline(
      "videotestsrc is-live=true ! latestframe name=l src_0::worker=person src_3::max-drop-rate=0.5 l.src_0 ! fakesink "
      "l.src_3 ! fakesink");
  const auto element = pipeline.find("l");
  gchar* worker = nullptr;
  gdouble rate = 0;
  gst_child_proxy_get(GST_CHILD_PROXY(element.get()), "src_0::worker", &worker, "src_3::max-drop-rate", &rate, nullptr);
  EXPECT_STREQ(adopt(worker).get(), "person");
  EXPECT_EQ(rate, 0.5);
}

TEST_F(LatestFramePipeline, WarnsOfAFileAndNotOfAFileBehindClocksync) {
  const auto warned = [](const std::string& line) {
    support::Pipeline pipeline(line);
    EXPECT_TRUE(pipeline.play());
    bool found = false;
    for (;;) {
      const auto message =
          pipeline.message(static_cast<GstMessageType>(GST_MESSAGE_WARNING | GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
      if (!message || GST_MESSAGE_TYPE(message.get()) != GST_MESSAGE_WARNING) return found;
      found |= support::Pipeline::error_text(message.get()).find("clocksync") != std::string::npos;
    }
  };
  EXPECT_TRUE(warned("videotestsrc num-buffers=100 ! video/x-raw,framerate=200/1 ! latestframe ! fakesink sync=true"));
  EXPECT_FALSE(warned(
      "videotestsrc num-buffers=100 ! video/x-raw,framerate=200/1 ! clocksync ! latestframe ! fakesink sync=true"));
}

TEST_F(LatestFramePipeline, ShowsEveryFrameOfAFileBehindClocksync) {
  support::Pipeline pipeline(
      "videotestsrc num-buffers=60 ! video/x-raw,width=64,height=64,framerate=50/1 ! clocksync ! latestframe "
      "name=l ! fakesink name=sink sync=true");
  ASSERT_TRUE(pipeline.play());
  EXPECT_EQ(pipeline.finish(), "");
  EXPECT_EQ(received(pipeline), 60u);
  EXPECT_GE(rendered(pipeline, "sink"), 1u);
}

TEST_F(LatestFramePipeline, LetsALateSinkHarmNoOther) {
  // The sink with qos is always late; without the fan-out's care the source would drop frames for all.
  support::Pipeline pipeline(
      "videotestsrc is-live=true num-buffers=60 ! video/x-raw,width=64,height=64,framerate=50/1 ! latestframe name=l "
      "l. ! identity sleep-time=60000 ! fakesink sync=true qos=true name=late max-lateness=1 "
      "l. ! fakesink name=prompt sync=false");
  std::atomic<int> told{0};  // upstream, that frames are late
  const auto pad = adopt(gst_element_get_static_pad(pipeline.find("l").get(), "sink"));
  gst_pad_add_probe(
      pad.get(), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
      [](GstPad*, GstPadProbeInfo* info, gpointer count) {
        *static_cast<std::atomic<int>*>(count) += GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_QOS;
        return GST_PAD_PROBE_OK;
      },
      &told, nullptr);
  ASSERT_TRUE(pipeline.play());
  EXPECT_EQ(pipeline.finish(), "");
  EXPECT_EQ(told, 0);
  EXPECT_EQ(received(pipeline), 60u);
  EXPECT_GT(rendered(pipeline, "prompt"), rendered(pipeline, "late"));
}

TEST_F(LatestFramePipeline, LetsABranchWithItsOwnLatencyHarmNoOther) {
  support::Pipeline pipeline(
      "videotestsrc is-live=true num-buffers=60 ! video/x-raw,width=64,height=64,framerate=50/1 ! latestframe name=l "
      "l. ! queue min-threshold-time=300000000 max-size-time=600000000 max-size-buffers=0 max-size-bytes=0 ! fakesink "
      "sync=true async=false name=slow l. ! fakesink name=prompt sync=false async=false");
  ASSERT_TRUE(pipeline.play());
  EXPECT_EQ(pipeline.finish(), "");
  EXPECT_EQ(received(pipeline), 60u);
  EXPECT_GE(rendered(pipeline, "prompt"), 1u);
}

TEST_F(LatestFramePipeline, LetsAWorkerThatStillLoadsHarmNoOther) {
  support::Pipeline pipeline(
      "videotestsrc is-live=true ! video/x-raw,width=64,height=64,framerate=50/1 ! latestframe name=l "
      "l. ! identity sleep-time=2000000 ! fakesink name=loads async=false l. ! fakesink name=prompt sync=false "
      "async=false");
  ASSERT_TRUE(pipeline.play());
  EXPECT_TRUE(eventually([&] { return rendered(pipeline, "prompt") > 20u; }));
  EXPECT_EQ(rendered(pipeline, "loads"), 0u);
}

TEST_F(LatestFramePipeline, KeepsASourceWithFewBuffersGoingWhileBranchesAreStuck) {
  // The branches hold a frame each, for ever; upstream's pool is as large as it was told to be and no larger.
  struct Gate {
    std::mutex lock;
    std::condition_variable changed;
    bool open = false;
    int inside = 0;
  } gate;
  support::Pipeline pipeline(
      "videotestsrc is-live=true name=source ! video/x-raw,width=64,height=64,framerate=100/1 ! latestframe name=l "
      "l. ! fakesink name=a async=false signal-handoffs=true l. ! fakesink name=b async=false signal-handoffs=true "
      "l. ! fakesink name=c sync=false async=false");
  const auto stick = +[](GstElement*, GstBuffer*, GstPad*, Gate* g) {
    std::unique_lock hold(g->lock);
    ++g->inside;
    g->changed.notify_all();
    g->changed.wait(hold, [g] { return g->open; });
  };
  const auto a = pipeline.find("a"), b = pipeline.find("b");
  g_signal_connect(a.get(), "handoff", G_CALLBACK(stick), &gate);
  g_signal_connect(b.get(), "handoff", G_CALLBACK(stick), &gate);
  ASSERT_TRUE(pipeline.play());
  {
    std::unique_lock hold(gate.lock);
    gate.changed.wait(hold, [&] { return gate.inside == 2; });
  }
  const auto before = rendered(pipeline, "c");
  EXPECT_TRUE(eventually([&] { return rendered(pipeline, "c") > before + 50; }));
  {
    std::lock_guard hold(gate.lock);
    gate.open = true;
  }
  gate.changed.notify_all();
}

TEST_F(LatestFramePipeline, CanBePausedAndPlayedAgain) {
  support::Pipeline pipeline(
      "videotestsrc is-live=true ! video/x-raw,width=64,height=64,framerate=100/1 ! latestframe name=l "
      "l. ! fakesink name=a l. ! identity sleep-time=20000 ! fakesink name=b");
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(pipeline.play());
    const auto before = rendered(pipeline, "a");
    ASSERT_TRUE(eventually([&] { return rendered(pipeline, "a") > before + 5; }));
    pipeline.set_state(i % 2 ? GST_STATE_READY : GST_STATE_PAUSED);
  }
}

}  // namespace
}  // namespace latestframe_test
