// SPDX-License-Identifier: LGPL-2.1-or-later
// Shared by the tests of framehealth: its messages, its stats, a gate for the worker behind it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include <gst/check/gstharness.h>
#include <gtest/gtest.h>

#include "gst_fixture.hpp"

namespace framehealth_test {

using namespace std::chrono_literals;
using supplier::adopt;
using supplier::Owned;
using support::Pipeline;

// Short, and still many times what a loaded machine needs for one frame.
inline constexpr guint64 kStallTimeout = 400'000'000ull * support::kSlowdown;
inline const std::string kStall = "stall-timeout=" + std::to_string(kStallTimeout) + " ";

inline std::string text(const GstStructure* structure, const char* field) {
  const char* value = gst_structure_get_string(structure, field);
  return value ? value : "";
}

inline std::uint64_t number(const GstStructure* structure, const char* field) {
  guint64 value = 0;
  EXPECT_TRUE(gst_structure_get_uint64(structure, field, &value)) << field;
  return value;
}

inline Owned<GstStructure> stats(GstElement* element) {
  GstStructure* structure = nullptr;
  g_object_get(element, "stats", &structure, nullptr);
  return adopt(structure);
}

inline void expect_balance(const GstStructure* structure) {
  EXPECT_EQ(number(structure, "offered"),
            number(structure, "delivered") + number(structure, "dropped") + number(structure, "pending"));
}

// Holds up whoever passes while it is closed.
class Gate {
 public:
  ~Gate() { open(); }
  void close() { set(true); }
  void open() { set(false); }
  void pass() {
    std::unique_lock hold(lock_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(hold, [&] { return !closed_; });
    --waiting_;
  }
  void wait_until_entered() {
    std::unique_lock hold(lock_);
    changed_.wait(hold, [&] { return closed_ && waiting_ > 0; });
  }

 private:
  void set(bool closed) {
    std::lock_guard hold(lock_);
    closed_ = closed;
    changed_.notify_all();
  }
  std::mutex lock_;
  std::condition_variable changed_;
  bool closed_ = false;
  int waiting_ = 0;
};

// Lets a gate stand in the way of a pad's data.
inline void guard(GstElement* element, const char* pad_name, GstPadProbeType what, Gate& gate) {
  const auto pad = adopt(gst_element_get_static_pad(element, pad_name));
  gst_pad_add_probe(
      pad.get(), what,
      [](GstPad*, GstPadProbeInfo*, gpointer data) {
        static_cast<Gate*>(data)->pass();
        return GST_PAD_PROBE_OK;
      },
      &gate, nullptr);
}

// The frame-health messages on a bus.
class Reports {
 public:
  explicit Reports(GstBus* bus) : bus_(bus) {}

  // Waits until `state` is reported; returns that message's structure, or none after a while.
  Owned<GstStructure> wait_for(const std::string& state, std::chrono::milliseconds limit = 20s) {
    const auto end = std::chrono::steady_clock::now() + limit * support::kSlowdown;
    while (std::chrono::steady_clock::now() < end) {
      const auto message = adopt(gst_bus_timed_pop_filtered(bus_, 10 * GST_MSECOND, GST_MESSAGE_ELEMENT));
      if (!message || !gst_message_has_name(message.get(), "frame-health")) continue;
      auto report = adopt(gst_structure_copy(gst_message_get_structure(message.get())));
      states_.push_back(text(report.get(), "state"));
      if (states_.back() == state) return report;
    }
    ADD_FAILURE() << "never reported: " << state;
    return nullptr;
  }
  // Everything reported up to now.
  const std::vector<std::string>& states() {
    while (const auto message = adopt(gst_bus_pop_filtered(bus_, GST_MESSAGE_ELEMENT)))
      if (gst_message_has_name(message.get(), "frame-health"))
        states_.push_back(text(gst_message_get_structure(message.get()), "state"));
    return states_;
  }

 private:
  GstBus* const bus_;
  std::vector<std::string> states_;
};

using FrameHealth = support::GstFixture;

// framehealth alone between two pads of the test, playing, with a bus of its own.
class FrameHealthAlone : public support::GstFixture {
 protected:
  void SetUp() override {
    harness_ = gst_harness_new("framehealth");
    g_object_set(harness_->element, "stall-timeout", kStallTimeout, nullptr);
    bus_ = adopt(gst_bus_new());
    gst_element_set_bus(harness_->element, bus_.get());
    gst_harness_set_src_caps_str(harness_, "video/x-raw,format=GRAY8,width=8,height=8,framerate=10/1");
    gst_harness_play(harness_);
  }
  void TearDown() override {
    gst_element_set_bus(harness_->element, nullptr);
    gst_harness_teardown(harness_);
  }
  GstElement* sut() { return harness_->element; }
  GstFlowReturn push() { return gst_harness_push(harness_, gst_harness_create_buffer(harness_, 64)); }
  // Flow returns of the next pushes downstream.
  void answer(GstFlowReturn flow) {
    g_object_set_data(G_OBJECT(harness_->sinkpad), "flow", GINT_TO_POINTER(flow));
    gst_pad_set_chain_function(harness_->sinkpad, [](GstPad* pad, GstObject*, GstBuffer* buffer) {
      gst_buffer_unref(buffer);
      return static_cast<GstFlowReturn>(GPOINTER_TO_INT(g_object_get_data(G_OBJECT(pad), "flow")));
    });
  }

  GstHarness* harness_ = nullptr;
  Owned<GstBus> bus_;
};

}  // namespace framehealth_test
