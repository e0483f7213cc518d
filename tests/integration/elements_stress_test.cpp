// SPDX-License-Identifier: LGPL-2.1-or-later
// GstHarness's stress for every element: states, frames, lists, events both ways, properties and pads, all at once.
#include <atomic>
#include <chrono>
#include <cstring>
#include <deque>
#include <functional>
#include <thread>

#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include "elements.hpp"

namespace elements_test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kVideo = "video/x-raw,format=GRAY8,width=8,height=8,framerate=100/1";

class Stress : public support::GstFixture {
 protected:
  // While states change and flushes come, frames do come without a segment, and GStreamer says so each time.
  static void SetUpTestSuite() {
    GstFixture::SetUpTestSuite();
    g_log_set_handler(
        "GStreamer", G_LOG_LEVEL_WARNING,
        [](const char* domain, GLogLevelFlags level, const char* text, gpointer) {
          if (!std::strstr(text, "Got data flow before")) g_log_default_handler(domain, level, text, nullptr);
        },
        nullptr);
  }
  ~Stress() override { close(); }

  void close() {
    if (harness_) gst_harness_teardown(std::exchange(harness_, nullptr));
  }

  void set_up(GstHarness* harness) {
    harness_ = harness;
    gst_harness_set_drop_buffers(harness_, TRUE);
    gst_element_set_bus(harness_->element, nullptr);
    caps_ = adopt(gst_caps_from_string(kVideo));
    gst_segment_init(&segment_, GST_FORMAT_TIME);
    buffer_ = adopt(gst_buffer_new_allocate(nullptr, 64, nullptr));
    GST_BUFFER_PTS(buffer_.get()) = 0;
    list_ = adopt(gst_buffer_list_new());
    for (int i = 0; i < 3; ++i) gst_buffer_list_add(list_.get(), gst_buffer_copy(buffer_.get()));
  }
  GstElement* element() { return harness_->element; }

  void states() { threads_.push_back(gst_harness_stress_statechange_start(harness_)); }
  // The harness's own way of pushing wants every event to be taken, which a flush or a change of state prevents.
  void frames() {
    again([this] {
      gst_pad_push_event(harness_->srcpad, gst_event_new_stream_start("stress"));
      gst_pad_push_event(harness_->srcpad, gst_event_new_caps(caps_.get()));
      gst_pad_push_event(harness_->srcpad, gst_event_new_segment(&segment_));
      for (int i = 0; i < 20; ++i) {
        gst_pad_push(harness_->srcpad, share(buffer_.get()).release());
        gst_pad_push_list(harness_->srcpad, share(list_.get()).release());
      }
    });
  }
  void events_down() {
    for (GstEvent* event : {gst_event_new_gap(0, GST_MSECOND), gst_event_new_segment(&segment_),
                            gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "title", nullptr)),
                            gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty("test")),
                            gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM_OOB, gst_structure_new_empty("test"))}) {
      threads_.push_back(gst_harness_stress_push_event_start_full(harness_, event, 1000));
      gst_event_unref(event);
    }
  }
  void flushes() {
    again([this] {
      gst_pad_push_event(harness_->srcpad, gst_event_new_flush_start());
      gst_pad_push_event(harness_->srcpad, gst_event_new_flush_stop(TRUE));
    });
  }
  void events_up() {
    for (GstEvent* event : {gst_event_new_reconfigure(), gst_event_new_latency(GST_MSECOND),
                            gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 0.5, 0, 0),
                            gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM, gst_structure_new_empty("test"))}) {
      threads_.push_back(gst_harness_stress_push_upstream_event_start_full(harness_, event, 1000));
      gst_event_unref(event);
    }
  }
  void queries_down() {
    again([this] {
      const auto allocation = adopt(gst_query_new_allocation(caps_.get(), TRUE));
      gst_pad_peer_query(harness_->srcpad, allocation.get());
      const auto drain = adopt(gst_query_new_drain());
      gst_pad_peer_query(harness_->srcpad, drain.get());
      adopt(gst_pad_peer_query_caps(harness_->srcpad, nullptr));
    });
  }
  void queries_up() {
    again([this] {
      const auto latency = adopt(gst_query_new_latency());
      gst_pad_peer_query(harness_->sinkpad, latency.get());
      gint64 position = 0;
      gst_pad_peer_query_position(harness_->sinkpad, GST_FORMAT_TIME, &position);
    });
  }
  void properties(std::vector<const char*> numbers) {
    for (const char* name : numbers) {
      GValue value = G_VALUE_INIT;
      g_value_init(&value, G_TYPE_UINT64);
      g_value_set_uint64(&value, 1'000'000);
      threads_.push_back(gst_harness_stress_property_start(harness_, name, &value));
      g_value_unset(&value);
    }
    again([this] { read_properties(element()); });
  }
  void pads(const char* name) {
    GstPadTemplate* source = gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(element()), name);
    for (int i = 0; i < 3; ++i)
      threads_.push_back(gst_harness_stress_requestpad_start_full(harness_, source, nullptr, nullptr, TRUE, 500));
  }
  void again(std::function<void()> work) {
    work_.push_back(std::move(work));
    threads_.push_back(gst_harness_stress_custom_start(
        harness_, nullptr, [](gpointer, gpointer what) { (*static_cast<std::function<void()>*>(what))(); },
        &work_.back(), 1000));
  }
  // Everything goes on for a while; then each thread has done something.
  void run(std::chrono::milliseconds time = 1s) {
    std::this_thread::sleep_for(time);
    for (GstHarnessThread* thread : threads_) EXPECT_GT(gst_harness_stress_thread_stop(thread), 0u);
    threads_.clear();
  }

  GstHarness* harness_ = nullptr;
  Owned<GstCaps> caps_;
  GstSegment segment_{};
  Owned<GstBuffer> buffer_;
  Owned<GstBufferList> list_;
  std::deque<std::function<void()>> work_;
  std::vector<GstHarnessThread*> threads_;
};

// Between two pads of the harness.
class StressBetween : public Stress, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    const std::string name = GetParam();
    set_up(gst_harness_new_with_padnames(name.c_str(), "sink", name == "latestframe" ? "src_%u" : "src"));
    if (joins()) {
      gst_util_set_object_arg(G_OBJECT(element()), "mode", "exact");
      g_object_set(element(), "max-wait", 2 * GST_MSECOND, nullptr);
    }
    gst_harness_set_src_caps_str(harness_, kVideo);
    gst_harness_play(harness_);
  }
  static bool joins() { return GetParam() == std::string("resultjoin"); }
  // Buffers of a branch with metas, and all else that comes by there.
  void results() {
    branch_ = gst_harness_new_with_element(element(), "results_%u", nullptr);
    again([this] {
      gst_pad_push_event(branch_->srcpad, gst_event_new_stream_start("results"));
      gst_pad_push_event(branch_->srcpad, gst_event_new_caps(caps_.get()));
      gst_pad_push_event(branch_->srcpad, gst_event_new_segment(&segment_));
      for (int i = 0; i < 20; ++i) {
        GstBuffer* found = gst_buffer_copy(buffer_.get());
        gst_buffer_add_video_region_of_interest_meta(found, "thing", 0, 0, 1, 1);
        gst_pad_push(branch_->srcpad, found);
      }
      gst_pad_push_event(branch_->srcpad, gst_event_new_flush_start());
      gst_pad_push_event(branch_->srcpad, gst_event_new_flush_stop(TRUE));
      gst_pad_push_event(branch_->srcpad, gst_event_new_eos());
    });
  }
  void TearDown() override {
    if (branch_) gst_harness_teardown(branch_);
  }
  void everything_but_states() {
    events_down();
    flushes();
    events_up();
    queries_down();
    queries_up();
    if (joins()) {
      properties({"max-wait", "expire"});
      pads("results_%u");
      results();
    } else {
      properties({"stall-timeout", "max-frame-age", "interval"});
    }
    if (GetParam() == std::string("latestframe")) pads("src_%u");
    frames();
  }
  GstHarness* branch_ = nullptr;
  // After all that a frame still comes through.
  void expect_flow() {
    gst_element_set_state(element(), GST_STATE_READY);
    ASSERT_NE(gst_element_set_state(element(), GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
    gst_pad_push_event(harness_->srcpad, gst_event_new_stream_start("after"));
    gst_pad_push_event(harness_->srcpad, gst_event_new_caps(caps_.get()));
    gst_pad_push_event(harness_->srcpad, gst_event_new_segment(&segment_));
    const guint before = gst_harness_buffers_received(harness_);
    EXPECT_TRUE(support::eventually([&] {
      EXPECT_EQ(gst_pad_push(harness_->srcpad, share(buffer_.get()).release()), GST_FLOW_OK);
      return gst_harness_buffers_received(harness_) > before;
    }));
  }
};

TEST_P(StressBetween, SurvivesEverythingAtOnce) {
  everything_but_states();
  run();
  expect_flow();
}

TEST_P(StressBetween, SurvivesEverythingAtOnceWhileItsStateChanges) {
  states();
  everything_but_states();
  run();
  expect_flow();
}

// Queries reach a pad in every state, and what they look at is what stopping clears. No pause between two of them.
TEST_P(StressBetween, AnswersQueriesWhileItStopsAndStarts) {
  std::atomic<bool> over{false};
  std::vector<std::thread> asking;
  const auto keep = [&](std::function<void()> work) {
    asking.emplace_back([&over, work = std::move(work)] {
      while (!over) work();
    });
  };
  const auto ask = [this](GstQuery* query, GstPad* pad) { gst_pad_peer_query(pad, adopt(query).get()); };
  keep([&] { ask(gst_query_new_allocation(caps_.get(), TRUE), harness_->srcpad); });
  keep([&] {
    ask(gst_query_new_drain(), harness_->srcpad);
    ask(gst_query_new_caps(nullptr), harness_->srcpad);
    ask(gst_query_new_accept_caps(caps_.get()), harness_->srcpad);
    ask(gst_query_new_latency(), harness_->sinkpad);
    ask(gst_query_new_scheduling(), harness_->sinkpad);
    ask(gst_query_new_caps(nullptr), harness_->sinkpad);
  });
  keep([&] {
    gst_pad_push_event(harness_->srcpad, gst_event_new_stream_start("stress"));
    gst_pad_push_event(harness_->srcpad, gst_event_new_caps(caps_.get()));
    gst_pad_push_event(harness_->srcpad, gst_event_new_segment(&segment_));
    for (int i = 0; i < 5; ++i) gst_pad_push(harness_->srcpad, share(buffer_.get()).release());
    std::this_thread::sleep_for(50us);
  });
  const auto end = std::chrono::steady_clock::now() + 2s;
  for (int i = 0; i < 100 || std::chrono::steady_clock::now() < end; ++i) {
    gst_element_set_state(element(), GST_STATE_PLAYING);
    std::this_thread::sleep_for(std::chrono::microseconds(i * 37 % 300));
    gst_element_set_state(element(), GST_STATE_READY);
  }
  over = true;
  for (auto& thread : asking) thread.join();
  expect_flow();
}

INSTANTIATE_TEST_SUITE_P(Each, StressBetween, testing::Values("latestframe", "framehealth", "resultjoin"),
                         [](const auto& which) { return which.param; });

// Both ends of a ring at once; one is in the harness, the other goes on beside it.
class StressRing : public Stress {
 protected:
  std::string path() const { return folder_.file("s"); }
  static GstHarness* harness_of(const char* name, const std::string& path, const char* sink, const char* source) {
    const auto element = adopt(GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make(name, nullptr))));
    g_object_set(element.get(), "socket-path", path.c_str(), nullptr);
    return gst_harness_new_with_element(element.get(), sink, source);
  }

  static std::string error_of(Pipeline& other) {
    const auto error = other.message(GST_MESSAGE_ERROR, 0ms);
    return error ? Pipeline::error_text(error.get()) : "";
  }

  support::TempDir folder_;
};

TEST_F(StressRing, ASinkSurvivesEverythingAtOnce) {
  Pipeline reader("shmringsrc socket-path=" + path() + " ! fakesink sync=false");
  reader.set_state(GST_STATE_PLAYING);
  for (const bool with_states : {false, true}) {
    set_up(harness_of("shmringsink", path(), "sink", nullptr));
    gst_harness_set_src_caps_str(harness_, kVideo);
    gst_harness_play(harness_);
    if (with_states) states();
    events_down();
    flushes();
    queries_down();
    properties({"stall-timeout", "interval"});
    frames();
    run();
    close();
  }
  EXPECT_EQ(error_of(reader), "");
}

TEST_F(StressRing, ASourceSurvivesEverythingAtOnce) {
  Pipeline publisher(
      "videotestsrc is-live=true ! video/x-raw,width=64,height=64,framerate=500/1 ! "
      "shmringsink max-readers=2 socket-path=" +
      path());
  ASSERT_TRUE(publisher.play());
  for (const bool with_states : {false, true}) {
    set_up(harness_of("shmringsrc", path(), nullptr, "src"));
    gst_harness_play(harness_);
    if (with_states) states();
    events_up();
    queries_up();
    properties({"max-frame-age"});
    again([this] {
      gst_element_send_event(element(), gst_event_new_flush_start());
      gst_element_send_event(element(), gst_event_new_flush_stop(TRUE));
    });
    run();
    close();
  }
  EXPECT_EQ(error_of(publisher), "");
}

}  // namespace
}  // namespace elements_test
