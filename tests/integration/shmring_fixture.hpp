// SPDX-License-Identifier: LGPL-2.1-or-later
// shmringsink and shmringsrc under the hand of a test: one element at a time in a harness, with its messages.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <gst/check/gstharness.h>
#include <gst/gst.h>
#include <gtest/gtest.h>

#include "base/owned.hpp"
#include "gst_fixture.hpp"
#include "payload.hpp"
#include "temp_dir.hpp"
#include "watchdog.hpp"

namespace shmring_test {

using namespace std::chrono_literals;
using supplier::adopt;
using supplier::Owned;
using support::eventually;

// Frames of the payload helper, as pictures.
inline constexpr guint kWidth = 64;
inline constexpr guint kHeight = 48;
inline constexpr gsize kFrameSize = kWidth * kHeight;
inline const std::string kCaps = "video/x-raw,format=GRAY8,width=64,height=48,framerate=30/1";

inline Owned<GstBuffer> frame(std::uint64_t number, gsize size = kFrameSize) {
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, size, nullptr);
  GstMapInfo map;
  if (gst_buffer_map(buffer, &map, GST_MAP_WRITE)) {
    support::fill_payload(std::as_writable_bytes(std::span(map.data, map.size)), number);
    gst_buffer_unmap(buffer, &map);
  }
  return adopt(buffer);
}

inline std::vector<std::byte> bytes_of(GstBuffer* buffer) {
  std::vector<std::byte> bytes(gst_buffer_get_size(buffer));
  gst_buffer_extract(buffer, 0, bytes.data(), bytes.size());
  return bytes;
}

// The number of an unharmed frame; 0 for a harmed one.
inline std::uint64_t number_of(GstBuffer* buffer) {
  const auto bytes = bytes_of(buffer);
  return support::payload_intact(bytes) ? support::payload_sequence(bytes) : 0;
}

inline Owned<GstStructure> stats_of(GstElement* element) {
  GstStructure* structure = nullptr;
  g_object_get(element, "stats", &structure, nullptr);
  return adopt(structure);
}

inline guint64 number(const GstStructure* structure, const char* field) {
  guint64 value = 0;
  EXPECT_TRUE(gst_structure_get_uint64(structure, field, &value)) << field;
  return value;
}

inline std::string text(const GstStructure* structure, const char* field) {
  const char* value = gst_structure_get_string(structure, field);
  return value ? value : "";
}

// The figures of one reader in the stats of a sink.
inline Owned<GstStructure> lane_of(GstElement* sink, const std::string& worker) {
  const auto stats = stats_of(sink);
  const GValue* lanes = gst_structure_get_value(stats.get(), "accounts");
  for (guint i = 0; i < gst_value_array_get_size(lanes); ++i) {
    const GstStructure* lane = gst_value_get_structure(gst_value_array_get_value(lanes, i));
    if (text(lane, "worker") == worker) return adopt(gst_structure_copy(lane));
  }
  return nullptr;
}

inline void expect_balance(const GstStructure* lane) {
  ASSERT_NE(lane, nullptr);
  EXPECT_EQ(number(lane, "offered"), number(lane, "delivered") + number(lane, "dropped") + number(lane, "pending"));
}

// The next message of this type, as "sentence (debug)"; empty if there is none.
inline std::string next_message(GstBus* bus, GstMessageType type, std::chrono::milliseconds limit) {
  const auto wait = static_cast<GstClockTime>(std::chrono::nanoseconds(limit).count());
  const auto found = adopt(gst_bus_timed_pop_filtered(bus, wait, type));
  return found ? support::Pipeline::error_text(found.get()) : "";
}

// One element and its bus, without anybody to talk to.
class Alone {
 public:
  explicit Alone(const std::string& line)
      : element_(adopt(GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(line.c_str(), nullptr))))) {
    gst_element_set_bus(element_.get(), bus_.get());
  }
  ~Alone() {
    set_state(GST_STATE_NULL);
    gst_element_set_bus(element_.get(), nullptr);
  }
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;

  GstElement* element() const { return element_.get(); }
  GstStateChangeReturn set_state(GstState state) { return gst_element_set_state(element_.get(), state); }
  std::string error(std::chrono::milliseconds limit = 20s) {
    return next_message(bus_.get(), GST_MESSAGE_ERROR, limit);
  }

 private:
  Owned<GstBus> bus_ = adopt(gst_bus_new());
  Owned<GstElement> element_;
};

// A harness around one element, with a bus of its own.
class Harness {
 public:
  explicit Harness(const std::string& line) : harness_(gst_harness_new_empty()), bus_(adopt(gst_bus_new())) {
    const auto element = adopt(GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(line.c_str(), nullptr))));
    gst_element_set_bus(element.get(), bus_.get());
    static GstStaticPadTemplate from = GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
    static GstStaticPadTemplate to = GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
    const bool sink = adopt(gst_element_get_static_pad(element.get(), "sink")) != nullptr;
    gst_harness_add_element_full(harness_, element.get(), sink ? &from : nullptr, sink ? "sink" : nullptr,
                                 sink ? nullptr : &to, sink ? nullptr : "src");
    gst_harness_use_systemclock(harness_);
  }
  ~Harness() { close(); }
  Harness(Harness&& other) noexcept : harness_(std::exchange(other.harness_, nullptr)), bus_(std::move(other.bus_)) {}
  Harness& operator=(Harness&&) = delete;

  GstHarness* get() const { return harness_; }
  GstElement* element() const { return harness_->element; }
  void close() {
    if (!harness_) return;
    gst_element_set_bus(element(), nullptr);
    gst_harness_teardown(std::exchange(harness_, nullptr));
  }
  GstStateChangeReturn set_state(GstState state) { return gst_element_set_state(element(), state); }
  void set(const char* property, guint64 value) { g_object_set(element(), property, value, nullptr); }

  // To a sink.
  void caps(const std::string& caps) { gst_harness_set_src_caps_str(harness_, caps.c_str()); }
  GstFlowReturn push(Owned<GstBuffer> buffer) { return gst_harness_push(harness_, buffer.release()); }
  bool push_event(GstEvent* event) { return gst_harness_push_event(harness_, event); }
  guint readers() const {
    guint count = 0;
    g_object_get(element(), "num-clients", &count, nullptr);
    return count;
  }
  [[nodiscard]] bool has_readers(guint count) const {
    return eventually([&] { return readers() == count; });
  }

  // From a source: the next buffer, NULL after `limit`.
  Owned<GstBuffer> pull(std::chrono::milliseconds limit = 20s) {
    GstBuffer* buffer = nullptr;
    eventually([&] { return (buffer = gst_harness_try_pull(harness_)) != nullptr; }, limit);
    return adopt(buffer);
  }
  // The next event of this type; others are dropped.
  Owned<GstEvent> event(GstEventType type, std::chrono::milliseconds limit = 20s) {
    Owned<GstEvent> found;
    eventually(
        [&] {
          while (auto event = adopt(gst_harness_try_pull_event(harness_)))
            if (GST_EVENT_TYPE(event.get()) == type) {
              found = std::move(event);
              return true;
            }
          return false;
        },
        limit);
    return found;
  }
  bool end_of_stream() { return event(GST_EVENT_EOS) != nullptr; }
  std::string caps_now() const {
    const auto caps = adopt(gst_pad_get_current_caps(harness_->sinkpad));
    const auto text = adopt(caps ? gst_caps_to_string(caps.get()) : nullptr);
    return text ? text.get() : "";
  }

  std::string message(GstMessageType type, std::chrono::milliseconds limit = 20s) {
    return next_message(bus_.get(), type, limit);
  }
  std::string error(std::chrono::milliseconds limit = 20s) { return message(GST_MESSAGE_ERROR, limit); }
  GstBus* bus() const { return bus_.get(); }

 private:
  GstHarness* harness_;
  Owned<GstBus> bus_;
};

class ShmRing : public support::GstFixture {
 protected:
  // Slots are there before the first frame, so that a reader that attaches loses none.
  Harness sink(const std::string& properties = "") {
    return Harness("shmringsink socket-path=" + path() + " slot-size=" + std::to_string(kFrameSize) + " " + properties);
  }
  Harness source(const std::string& properties = "") {
    Harness made = idle_source(properties);
    gst_harness_play(made.get());
    return made;
  }
  Harness idle_source(const std::string& properties = "") {
    return Harness("shmringsrc socket-path=" + path() + " " + properties);
  }
  std::string path() const { return folder_.file("cam.sock"); }

  support::TempDir folder_;
};

}  // namespace shmring_test
