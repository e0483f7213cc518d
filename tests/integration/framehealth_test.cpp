// SPDX-License-Identifier: LGPL-2.1-or-later
// framehealth in real pipelines: what it says of the worker behind it.
#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

#include "child_process.hpp"
#include "framehealth_fixture.hpp"

namespace framehealth_test {
namespace {

using support::ChildProcess;
using support::eventually;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// States.

TEST_F(FrameHealth, ReportsOkAfterTheFirstFrameWithAllFields) {
  Pipeline pipeline("videotestsrc is-live=true ! framehealth name=h worker=person ! fakesink sync=false");
  ASSERT_TRUE(pipeline.play());
  const auto report = Reports(pipeline.bus()).wait_for("ok");
  ASSERT_TRUE(report);
  EXPECT_EQ(text(report.get(), "worker"), "person");
  EXPECT_EQ(text(report.get(), "previous-state"), "waiting");
  EXPECT_NE(text(report.get(), "reason"), "");
  EXPECT_EQ(number(report.get(), "generation"), 1u);
  EXPECT_GT(number(report.get(), "last-consumed-at"), 0u);
  EXPECT_GT(number(report.get(), "last-consumed-seq"), 0u);
  EXPECT_GE(number(report.get(), "at"), number(report.get(), "last-consumed-at"));
  for (const char* field :
       {"consecutive-drops", "discarded", "stale", "held", "age", "age-p50", "age-p99", "age-max", "hold-p50",
        "hold-p99", "hold-max", "wait-p50", "wait-p99", "wait-max", "last-offered-at", "unfinished-since"})
    EXPECT_TRUE(gst_structure_has_field_typed(report.get(), field, G_TYPE_UINT64)) << field;
  EXPECT_TRUE(gst_structure_has_field_typed(report.get(), "drop-rate", G_TYPE_DOUBLE));
  expect_balance(report.get());
}

TEST_F(FrameHealth, ReportsAHungWorkerAsStuckAndItsRecoveryAsOk) {
  Gate gate;
  Pipeline pipeline("videotestsrc is-live=true ! framehealth name=h " + kStall + "! identity name=w ! fakesink");
  guard(pipeline.find("w").get(), "sink", GST_PAD_PROBE_TYPE_BUFFER, gate);
  ASSERT_TRUE(pipeline.play());
  Reports reports(pipeline.bus());
  reports.wait_for("ok");
  gate.close();
  const auto stuck = reports.wait_for("stuck");
  ASSERT_TRUE(stuck);
  EXPECT_EQ(text(stuck.get(), "previous-state"), "ok");
  EXPECT_EQ(number(stuck.get(), "pending"), 1u);
  EXPECT_GT(number(stuck.get(), "unfinished-since"), number(stuck.get(), "last-consumed-at"));
  expect_balance(stuck.get());
  EXPECT_EQ(text(stats(pipeline.find("h").get()).get(), "state"), "stuck");
  gate.open();
  ASSERT_TRUE(reports.wait_for("ok"));
  EXPECT_THAT(reports.states(), ElementsAre("ok", "stuck", "ok"));
}

TEST_F(FrameHealthAlone, ReportsASilentSourceAsStarvedAndItsReturnAsOk) {
  Reports reports(bus_.get());
  EXPECT_EQ(push(), GST_FLOW_OK);
  reports.wait_for("ok");
  const auto starved = reports.wait_for("starved");
  ASSERT_TRUE(starved);
  EXPECT_EQ(number(starved.get(), "pending"), 0u);
  EXPECT_EQ(push(), GST_FLOW_OK);
  reports.wait_for("ok");
  EXPECT_THAT(reports.states(), ElementsAre("ok", "starved", "ok"));
}

TEST_F(FrameHealthAlone, ReportsEveryFailureOfDownstreamAsDeadWithItsReason) {
  Reports reports(bus_.get());
  for (const auto& [flow, words] :
       {std::pair{GST_FLOW_ERROR, "error"}, std::pair{GST_FLOW_EOS, "eos"},
        std::pair{GST_FLOW_NOT_NEGOTIATED, "not-negotiated"}, std::pair{GST_FLOW_NOT_LINKED, "not linked"}}) {
    answer(GST_FLOW_OK);
    EXPECT_EQ(push(), GST_FLOW_OK);
    reports.wait_for("ok");
    answer(flow);
    EXPECT_EQ(push(), flow);
    const auto dead = reports.wait_for("dead");
    ASSERT_TRUE(dead);
    EXPECT_THAT(text(dead.get(), "reason"), HasSubstr(words));
    EXPECT_EQ(number(dead.get(), "consecutive-drops"), 1u);
    expect_balance(dead.get());
  }
}

TEST_F(FrameHealth, ReportsAWorkerThatPostsAnErrorAsDead) {
  Pipeline pipeline("videotestsrc is-live=true ! framehealth ! identity error-after=4 ! fakesink");
  ASSERT_TRUE(pipeline.play());
  ASSERT_TRUE(Reports(pipeline.bus()).wait_for("dead"));
}

// A pipeline is stopped from its sinks on: what is inside of a worker then may come back as an error, or EOS.
TEST_F(FrameHealth, AWorkerThatIsBeingStoppedHasNotFailed) {
  Pipeline pipeline("videotestsrc is-live=true ! framehealth name=h ! identity name=w ! fakesink");
  std::atomic<bool> entered{false};
  struct Stop {
    GstElement* pipeline;
    std::atomic<bool>& entered;
  } stop{pipeline.get(), entered};
  const auto pad = adopt(gst_element_get_static_pad(pipeline.find("w").get(), "sink"));
  gst_pad_add_probe(
      pad.get(), GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad*, GstPadProbeInfo* info, gpointer data) {
        const auto& at = *static_cast<Stop*>(data);
        at.entered = true;
        EXPECT_TRUE(eventually([&] { return GST_STATE_TARGET(at.pipeline) == GST_STATE_READY; }));
        gst_buffer_unref(GST_PAD_PROBE_INFO_BUFFER(info));
        GST_PAD_PROBE_INFO_FLOW_RETURN(info) = GST_FLOW_ERROR;
        return GST_PAD_PROBE_HANDLED;
      },
      &stop, nullptr);
  pipeline.set_state(GST_STATE_PLAYING);
  ASSERT_TRUE(eventually([&] { return entered.load(); }));
  pipeline.set_state(GST_STATE_READY);
  EXPECT_EQ(number(stats(pipeline.find("h").get()).get(), "discarded"), 1u);
}

TEST_F(FrameHealth, ReportsAWorkerWhoseFramesComeTooLateAsSlow) {
  Pipeline pipeline("videotestsrc is-live=true ! identity name=delay ! framehealth name=h max-frame-age=50000000 " +
                    kStall + "! fakesink sync=false");
  const auto delay = adopt(gst_element_get_static_pad(pipeline.find("delay").get(), "src"));
  gst_pad_set_offset(delay.get(), -static_cast<gint64>(GST_SECOND));  // a second older than they were
  ASSERT_TRUE(pipeline.play());
  Reports reports(pipeline.bus());
  const auto slow = reports.wait_for("slow");
  ASSERT_TRUE(slow);
  gint64 lateness = 0;
  ASSERT_TRUE(gst_structure_get_int64(slow.get(), "lateness", &lateness));
  EXPECT_GE(lateness, static_cast<gint64>(GST_SECOND));
  EXPECT_EQ(number(slow.get(), "age"), 0u) << "lateness is no publish age";
  gst_pad_set_offset(delay.get(), 3600 * static_cast<gint64>(GST_SECOND));
  ASSERT_TRUE(reports.wait_for("ok"));
}

TEST_F(FrameHealthAlone, GoesUpAndDownAllStatesAndCountsTheRunsWhileTheAccountGoesOn) {
  Reports reports(bus_.get());
  for (std::uint64_t run = 1; run <= 3; ++run) {
    EXPECT_EQ(push(), GST_FLOW_OK);
    const auto ok = reports.wait_for("ok");
    ASSERT_TRUE(ok);
    EXPECT_EQ(number(ok.get(), "generation"), run);
    EXPECT_EQ(number(ok.get(), "offered"), run);
    for (const GstState state : {GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_PAUSED, GST_STATE_READY, GST_STATE_NULL,
                                 GST_STATE_READY, GST_STATE_NULL, GST_STATE_PLAYING})
      EXPECT_NE(gst_element_set_state(sut(), state), GST_STATE_CHANGE_FAILURE);
    gst_harness_set_src_caps_str(harness_, "video/x-raw,format=GRAY8,width=8,height=8,framerate=10/1");
    gst_pad_push_event(harness_->srcpad, gst_event_new_stream_start("again"));
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_pad_push_event(harness_->srcpad, gst_event_new_segment(&segment));
    reports.wait_for("waiting");
  }
  EXPECT_THAT(reports.states(), ElementsAre("ok", "waiting", "ok", "waiting", "ok", "waiting"));
}

// False alarms.

TEST_F(FrameHealth, PrerollIsNotStuckAndNoPartOfTheWork) {
  Pipeline pipeline("videotestsrc ! framehealth name=h " + kStall + "! fakesink sync=true");
  pipeline.set_state(GST_STATE_PAUSED);
  gst_element_get_state(pipeline.get(), nullptr, nullptr, GST_CLOCK_TIME_NONE);
  std::this_thread::sleep_for(1s * support::kSlowdown);
  EXPECT_EQ(text(stats(pipeline.find("h").get()).get(), "state"), "waiting");
  EXPECT_EQ(number(stats(pipeline.find("h").get()).get(), "pending"), 1u);
  ASSERT_TRUE(pipeline.play());
  Reports reports(pipeline.bus());
  const auto ok = reports.wait_for("ok");
  ASSERT_TRUE(ok);
  EXPECT_LT(number(ok.get(), "hold-max"), 900'000'000ull * support::kSlowdown);
  EXPECT_THAT(reports.states(), ElementsAre("ok"));
}

TEST_F(FrameHealth, AModelLoadedAtTheCapsRaisesNoAlarmButAnEventThatHangsLaterDoes) {
  Gate gate;
  Pipeline pipeline("appsrc name=src is-live=true format=time caps=video/x-raw,format=GRAY8,width=8,height=8 ! " +
                    ("framehealth name=h " + kStall) + "! identity name=w ! fakesink async=false sync=false");
  guard(pipeline.find("w").get(), "sink", static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM), gate);
  const auto source = pipeline.find("src");
  const auto push = [&] {
    GstFlowReturn flow;
    GstBuffer* buffer = gst_buffer_new_allocate(nullptr, 64, nullptr);
    g_signal_emit_by_name(source.get(), "push-buffer", buffer, &flow);
    gst_buffer_unref(buffer);
  };
  gate.close();
  ASSERT_TRUE(pipeline.play());
  push();
  gate.wait_until_entered();
  std::this_thread::sleep_for(1s * support::kSlowdown);  // more than twice the stall timeout
  Reports reports(pipeline.bus());
  EXPECT_THAT(reports.states(), IsEmpty());
  gate.open();
  ASSERT_TRUE(reports.wait_for("ok"));

  gate.close();
  g_object_set(source.get(), "caps", adopt(gst_caps_from_string("video/x-raw,format=GRAY8,width=4,height=16")).get(),
               nullptr);
  push();
  ASSERT_TRUE(reports.wait_for("stuck"));
  gate.open();
  ASSERT_TRUE(reports.wait_for("ok"));
  for (const std::string& state : reports.states()) EXPECT_NE(state, "starved");
}

TEST_F(FrameHealthAlone, NoWorkerIsStarvedAfterTheEndOfTheStream) {
  Reports reports(bus_.get());
  EXPECT_EQ(push(), GST_FLOW_OK);
  reports.wait_for("ok");
  EXPECT_TRUE(gst_harness_push_event(harness_, gst_event_new_eos()));
  std::this_thread::sleep_for(1s * support::kSlowdown);
  EXPECT_THAT(reports.states(), ElementsAre("ok"));
}

TEST_F(FrameHealthAlone, GapEventsShowThatTheSourceOfASparseStreamLives) {
  Reports reports(bus_.get());
  EXPECT_EQ(push(), GST_FLOW_OK);
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(50ms * support::kSlowdown);
    gst_harness_push_event(harness_, gst_event_new_gap(static_cast<GstClockTime>(i) * GST_SECOND, GST_SECOND));
  }
  EXPECT_THAT(reports.states(), ElementsAre("ok"));
}

TEST_F(FrameHealthAlone, ARepeatedPictureIsAGapAndNoFrame) {
  gst_harness_set_src_caps_str(harness_, "video/x-raw,format=GRAY8,width=4,height=1,framerate=10/1");
  Reports reports(bus_.get());
  EXPECT_EQ(push(), GST_FLOW_OK);
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(50ms * support::kSlowdown);
    GstBuffer* repeated = gst_buffer_new_allocate(nullptr, 4, nullptr);
    GST_BUFFER_FLAG_SET(repeated, GST_BUFFER_FLAG_GAP);
    EXPECT_EQ(gst_harness_push(harness_, repeated), GST_FLOW_OK);
  }
  EXPECT_THAT(reports.states(), ElementsAre("ok"));
  const auto now = stats(harness_->element);
  EXPECT_EQ(number(now.get(), "offered"), 1u);
  EXPECT_EQ(number(now.get(), "delivered"), 1u);
}

TEST_F(FrameHealthAlone, AFlushMakesAWorkerThatHadEndedWorkAgain) {
  Reports reports(bus_.get());
  EXPECT_EQ(push(), GST_FLOW_OK);
  reports.wait_for("ok");
  answer(GST_FLOW_EOS);
  EXPECT_EQ(push(), GST_FLOW_EOS);
  reports.wait_for("dead");
  answer(GST_FLOW_OK);
  gst_harness_push_event(harness_, gst_event_new_flush_start());
  gst_harness_push_event(harness_, gst_event_new_flush_stop(FALSE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(harness_, gst_event_new_segment(&segment));
  ASSERT_TRUE(reports.wait_for("waiting"));
  EXPECT_EQ(push(), GST_FLOW_OK);
  ASSERT_TRUE(reports.wait_for("ok"));
}

// Messages and figures.

TEST_F(FrameHealth, TheFiguresTellWorkFromWaiting) {
  Pipeline pipeline(
      "videotestsrc is-live=true ! video/x-raw,framerate=10/1 ! framehealth name=h ! "
      "identity sleep-time=20000 ! fakesink");
  ASSERT_TRUE(pipeline.play());
  const auto sut = pipeline.find("h");
  ASSERT_TRUE(eventually([&] { return number(stats(sut.get()).get(), "delivered") >= 15; }));
  const auto now = stats(sut.get());
  EXPECT_GE(number(now.get(), "hold-p50"), 17'000'000u);
  EXPECT_GE(number(now.get(), "hold-max"), number(now.get(), "hold-p99"));
  EXPECT_GE(number(now.get(), "wait-max"), 40'000'000u);
  EXPECT_EQ(text(now.get(), "worker"), "h") << "the element's name where no worker is named";
}

TEST_F(FrameHealth, TheAccountBalancesAtAnyMoment) {
  constexpr std::uint64_t kFrames = 200'000 / support::kSlowdown;
  Pipeline pipeline("fakesrc sizetype=fixed sizemax=64 filltype=nothing num-buffers=" + std::to_string(kFrames) +
                    " ! framehealth name=h ! fakesink");
  const auto sut = pipeline.find("h");
  ASSERT_TRUE(pipeline.play());
  std::uint64_t last = 0;
  for (bool done = false; !done;) {
    done = static_cast<bool>(pipeline.message(GST_MESSAGE_EOS, 0ms));
    const auto now = stats(sut.get());
    expect_balance(now.get());
    EXPECT_LE(number(now.get(), "pending"), 1u);
    EXPECT_GE(number(now.get(), "delivered"), last);
    last = number(now.get(), "delivered");
  }
  EXPECT_EQ(last, kFrames);
}

TEST_F(FrameHealthAlone, PostsPeriodicallyWithAnIntervalAndNothingWithoutPostMessages) {
  Reports reports(bus_.get());
  g_object_set(sut(), "interval", guint64{20'000'000}, "stall-timeout", guint64{0}, nullptr);
  EXPECT_EQ(push(), GST_FLOW_OK);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(reports.wait_for("ok"));
  g_object_set(sut(), "post-messages", FALSE, nullptr);
  std::this_thread::sleep_for(100ms);
  const auto before = reports.states().size();
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(reports.states().size(), before);
}

TEST_F(FrameHealthAlone, NeverPostsFromTheStreamingThread) {
  static std::mutex lock;
  static std::set<std::thread::id> posters;
  posters.clear();
  gst_bus_set_sync_handler(
      bus_.get(),
      [](GstBus*, GstMessage*, gpointer) {
        std::lock_guard hold(lock);
        posters.insert(std::this_thread::get_id());
        return GST_BUS_PASS;
      },
      nullptr, nullptr);
  Reports reports(bus_.get());
  EXPECT_EQ(push(), GST_FLOW_OK);
  reports.wait_for("ok");
  answer(GST_FLOW_ERROR);
  EXPECT_EQ(push(), GST_FLOW_ERROR);
  reports.wait_for("dead");
  std::lock_guard hold(lock);
  EXPECT_FALSE(posters.contains(std::this_thread::get_id()));
  EXPECT_EQ(posters.size(), 1u);
}

TEST_F(FrameHealthAlone, StopsThoughABusHandlerNeverReturnsFromAMessage) {
  static Gate gate;
  gate.close();
  gst_bus_set_sync_handler(
      bus_.get(),
      [](GstBus*, GstMessage* message, gpointer) {
        if (gst_message_has_name(message, "frame-health")) gate.pass();
        return GST_BUS_PASS;
      },
      nullptr, nullptr);
  EXPECT_EQ(push(), GST_FLOW_OK);
  gate.wait_until_entered();
  EXPECT_EQ(gst_element_set_state(sut(), GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
  EXPECT_EQ(gst_element_set_state(sut(), GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
  EXPECT_EQ(gst_element_set_state(sut(), GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  gate.open();
}

TEST_F(FrameHealthAlone, MayBeStoppedByTheVeryHandlerOfItsMessage) {
  static std::atomic<bool> stopped;
  stopped = false;
  gst_bus_set_sync_handler(
      bus_.get(),
      [](GstBus*, GstMessage* message, gpointer) {
        if (gst_message_has_name(message, "frame-health")) {
          gst_element_set_state(GST_ELEMENT(GST_MESSAGE_SRC(message)), GST_STATE_NULL);
          stopped = true;
        }
        return GST_BUS_PASS;
      },
      nullptr, nullptr);
  EXPECT_EQ(push(), GST_FLOW_OK);
  EXPECT_TRUE(eventually([] { return stopped.load(); }));
}

TEST_F(FrameHealthAlone, RefusesAWorkerNameThatIsNoName) {
  static std::atomic<int> warnings;
  warnings = 0;
  g_log_set_default_handler([](const char*, GLogLevelFlags, const char*, gpointer) { ++warnings; }, nullptr);
  for (const char* name : {"\xff\xfe", "a\nb", "0123456789012345678901234567890123456789012345678901234567890123"})
    g_object_set(sut(), "worker", name, nullptr);
  g_log_set_default_handler(g_log_default_handler, nullptr);
  EXPECT_EQ(warnings, 3);
  EXPECT_THAT(text(stats(sut()).get(), "worker"), testing::StartsWith("framehealth")) << "still the element's name";
  g_object_set(sut(), "worker", "Füße-検出", nullptr);
  EXPECT_EQ(text(stats(sut()).get(), "worker"), "Füße-検出");
}

TEST_F(FrameHealth, SurvivesStateChangesPushesAndPropertyTrafficAtOnce) {
  GstHarness* harness = gst_harness_new("framehealth");
  gst_harness_set_src_caps_str(harness, "video/x-raw,format=GRAY8,width=8,height=8,framerate=10/1");
  gst_harness_set_drop_buffers(harness, TRUE);
  gst_harness_play(harness);
  const auto caps = adopt(gst_caps_from_string("video/x-raw,format=GRAY8,width=8,height=8"));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  const auto buffer = adopt(gst_buffer_new_allocate(nullptr, 64, nullptr));
  GValue timeout = G_VALUE_INIT;
  g_value_init(&timeout, G_TYPE_UINT64);
  g_value_set_uint64(&timeout, 20'000'000);
  std::vector<GstHarnessThread*> threads = {
      gst_harness_stress_push_buffer_start(harness, caps.get(), &segment, buffer.get()),
      gst_harness_stress_property_start(harness, "stall-timeout", &timeout),
      gst_harness_stress_statechange_start(harness)};
  for (const auto end = std::chrono::steady_clock::now() + 1s; std::chrono::steady_clock::now() < end;)
    expect_balance(stats(harness->element).get());
  for (GstHarnessThread* thread : threads) EXPECT_GT(gst_harness_stress_thread_stop(thread), 0u);
  gst_harness_teardown(harness);
}

TEST_F(FrameHealth, GstLaunchShowsTheMessages) {
  auto launch = ChildProcess::spawn({"gst-launch-1.0", "-m", "videotestsrc", "is-live=true", "!", "fakesink",
                                     "videotestsrc", "is-live=true", "!", "framehealth", "worker=person", "!",
                                     "identity", "eos-after=20", "!", "fakesink"});
  EXPECT_TRUE(launch.says("frame-health, worker=(string)person, state=(string)ok, previous-state=(string)waiting"))
      << launch.output();
  EXPECT_TRUE(launch.says("state=(string)dead, previous-state=(string)ok")) << launch.output();
}

}  // namespace
}  // namespace framehealth_test
