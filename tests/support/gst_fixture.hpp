// SPDX-License-Identifier: LGPL-2.1-or-later
// Tests with GStreamer: it is initialised once with this build's plugins and a registry of the build's own, and
// pipelines clean up.
#pragma once

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include <gst/gst.h>
#include <gtest/gtest.h>

#include "base/owned.hpp"
#include "watchdog.hpp"

namespace support {

// GStreamer with this build's plugins, also in programs started by hand.
void init_gstreamer();

// Objects that GStreamer's leaks tracer calls alive now. It runs in every test program that uses this file, and a program fails
// that leaves an object alive.
std::vector<std::string> live_objects();

class GstFixture : public testing::Test {
 protected:
  static void SetUpTestSuite() { init_gstreamer(); }
};

// A pipeline from a launch line; set to NULL at the end of its scope.
class Pipeline {
 public:
  explicit Pipeline(const std::string& line) {
    GError* error = nullptr;
    element_ = supplier::adopt(gst_parse_launch_full(line.c_str(), nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error));
    const auto owned_error = supplier::adopt(error);
    if (!element_) throw std::runtime_error(line + ": " + error->message);
    if (!GST_IS_PIPELINE(element_.get())) {  // a single element
      GstElement* pipeline = gst_pipeline_new(nullptr);
      gst_bin_add(GST_BIN(pipeline), GST_ELEMENT(gst_object_ref(element_.get())));
      element_ = supplier::adopt(GST_ELEMENT(gst_object_ref_sink(pipeline)));
    }
    bus_ = supplier::adopt(gst_element_get_bus(element_.get()));
  }
  ~Pipeline() {
    if (element_) set_state(GST_STATE_NULL);
  }
  Pipeline(Pipeline&&) = default;
  Pipeline& operator=(Pipeline&&) = delete;

  GstElement* get() const { return element_.get(); }
  GstBus* bus() const { return bus_.get(); }
  // The element of that name; throws if there is none.
  supplier::Owned<GstElement> find(const std::string& name) const {
    auto found = supplier::adopt(gst_bin_get_by_name(GST_BIN(element_.get()), name.c_str()));
    if (!found) throw std::runtime_error("no element " + name);
    return found;
  }
  GstStateChangeReturn set_state(GstState state) { return gst_element_set_state(element_.get(), state); }
  // Starts it and waits until it is there; false if it failed or did not come so far in time.
  bool play(std::chrono::seconds limit = std::chrono::seconds(20)) {
    if (set_state(GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) return false;
    return gst_element_get_state(element_.get(), nullptr, nullptr, clock_time(limit)) != GST_STATE_CHANGE_FAILURE;
  }
  // The next message of these types; the others before it are dropped. Empty after `limit`.
  supplier::Owned<GstMessage> message(GstMessageType types,
                                      std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    return supplier::adopt(gst_bus_timed_pop_filtered(bus_.get(), clock_time(limit), types));
  }
  // Waits for the end of the stream; returns the sentence of an error, "" at EOS, "timeout" if neither came.
  std::string finish(std::chrono::milliseconds limit = std::chrono::seconds(30)) {
    const auto found = message(static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR), limit);
    if (!found) return "timeout";
    return GST_MESSAGE_TYPE(found.get()) == GST_MESSAGE_EOS ? "" : error_text(found.get());
  }
  // "sentence (debug)" of an ERROR, WARNING or INFO message.
  static std::string error_text(GstMessage* message) {
    GError* error = nullptr;
    gchar* debug = nullptr;
    switch (GST_MESSAGE_TYPE(message)) {
      case GST_MESSAGE_ERROR:
        gst_message_parse_error(message, &error, &debug);
        break;
      case GST_MESSAGE_WARNING:
        gst_message_parse_warning(message, &error, &debug);
        break;
      case GST_MESSAGE_INFO:
        gst_message_parse_info(message, &error, &debug);
        break;
      default:
        return "not an error";
    }
    const auto owned_error = supplier::adopt(error);
    const auto owned_debug = supplier::adopt(debug);
    return std::string(error->message) + (debug ? std::string(" (") + debug + ")" : "");
  }

 private:
  template <class Duration>
  static GstClockTime clock_time(Duration limit) {
    return static_cast<GstClockTime>(std::chrono::nanoseconds(limit).count()) * kSlowdown;
  }

  supplier::Owned<GstElement> element_;
  supplier::Owned<GstBus> bus_;
};

}  // namespace support
