// SPDX-License-Identifier: LGPL-2.1-or-later
// A resultjoin between harnesses of the test: one for the frames, one for each results pad.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include "base/ring_query.hpp"
#include "gst_fixture.hpp"
#include "results/result.hpp"
#include "watchdog.hpp"

namespace resultjoin_test {

using supplier::adopt;
using supplier::Owned;
using supplier::share;
using support::eventually;

inline constexpr const char* kCaps = "video/x-raw,format=GRAY8,width=64,height=48,framerate=25/1";
inline constexpr std::uint64_t kLong = 600 * GST_SECOND;

inline Owned<GstBuffer> frame(std::uint64_t ms, std::uint64_t sequence = GST_BUFFER_OFFSET_NONE) {
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, 64 * 48, nullptr);
  GST_BUFFER_PTS(buffer) = ms * GST_MSECOND;
  GST_BUFFER_OFFSET(buffer) = sequence;
  return adopt(buffer);
}

// The JSON of a result with one object, whose label is the frame's time in ms.
inline Owned<GstBuffer> result(std::uint64_t ms, std::uint64_t sequence = GST_BUFFER_OFFSET_NONE,
                               const std::string& ring = "") {
  shmring::FrameResult said;
  said.ring = ring;
  said.sequence = sequence;
  said.width = 64;
  said.height = 48;
  said.objects.push_back({std::to_string(ms), 0.5, {0, 0, 4, 4}, {}, {}, {}, {}, {}});
  std::string why;
  const std::string json = shmring::to_json(said, why).value();
  GstBuffer* buffer = gst_buffer_new_memdup(json.data(), json.size());
  GST_BUFFER_PTS(buffer) = ms * GST_MSECOND;
  return adopt(buffer);
}

// Labels of the regions on a buffer.
inline std::vector<std::string> labels(GstBuffer* buffer) {
  std::vector<std::string> found;
  gpointer state = nullptr;
  while (const GstMeta* meta =
             gst_buffer_iterate_meta_filtered(buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))
    found.emplace_back(g_quark_to_string(reinterpret_cast<const GstVideoRegionOfInterestMeta*>(meta)->roi_type));
  return found;
}

inline guint64 number(const GstStructure* structure, const char* field) {
  guint64 value = 0;
  EXPECT_TRUE(gst_structure_get_uint64(structure, field, &value)) << field;
  return value;
}

inline Owned<GstStructure> stats_of(gpointer object) {
  GstStructure* stats = nullptr;
  g_object_get(object, "stats", &stats, nullptr);
  return adopt(stats);
}

// Upstream of a results pad. Released with the object, if it was not before.
class Results {
 public:
  explicit Results(GstElement* join, const char* caps = shmring::kResultCaps)
      : harness_(gst_harness_new_with_element(join, "results_%u", nullptr)),
        pad_(adopt(gst_pad_get_peer(harness_->srcpad))) {
    gst_harness_set_src_caps_str(harness_, caps);
  }
  ~Results() { release(); }
  Results(Results&& other) noexcept : harness_(std::exchange(other.harness_, nullptr)), pad_(std::move(other.pad_)) {}
  Results& operator=(Results&&) = delete;

  void send(Owned<GstBuffer> buffer) { ASSERT_EQ(gst_harness_push(harness_, buffer.release()), GST_FLOW_OK); }
  void send(std::uint64_t ms, std::uint64_t sequence = GST_BUFFER_OFFSET_NONE) { send(result(ms, sequence)); }
  bool send(GstEvent* event) { return gst_harness_push_event(harness_, event); }
  void unlink() { gst_pad_unlink(harness_->srcpad, pad_.get()); }
  void link() { ASSERT_EQ(gst_pad_link(harness_->srcpad, pad_.get()), GST_PAD_LINK_OK); }
  void release() {
    if (!harness_) return;
    gst_harness_teardown(std::exchange(harness_, nullptr));  // releases the pad
    pad_.reset();
  }
  GstPad* pad() const { return pad_.get(); }
  GstHarness* harness() const { return harness_; }
  std::uint64_t count(const char* field) const { return number(stats_of(pad_.get()).get(), field); }
  std::string state() const { return gst_structure_get_string(stats_of(pad_.get()).get(), "state"); }

 private:
  GstHarness* harness_;
  Owned<GstPad> pad_;
};

class ResultJoin : public support::GstFixture {
 protected:
  ~ResultJoin() override { close(); }

  // `from_ring`: upstream says that OFFSET is the sequence in a ring.
  void open(const char* mode, std::uint64_t max_wait = kLong, bool from_ring = false) {
    harness_ = gst_harness_new_empty();
    element_ = adopt(GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("resultjoin", nullptr))));
    gst_util_set_object_arg(G_OBJECT(element()), "mode", mode);
    g_object_set(element(), "max-wait", max_wait, "expire", kLong, "max-frames", 100, nullptr);
    static GstStaticPadTemplate from = GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
    static GstStaticPadTemplate to = GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
    gst_harness_add_element_full(harness_, element(), &from, "sink", &to, "src");
    if (from_ring)
      gst_pad_add_probe(
          harness_->srcpad, GST_PAD_PROBE_TYPE_QUERY_UPSTREAM,
          [](GstPad*, GstPadProbeInfo* info, gpointer) {
            GstQuery* const query = GST_PAD_PROBE_INFO_QUERY(info);
            if (!supplier::is_ring_query(query)) return GST_PAD_PROBE_OK;
            supplier::answer_ring_query(query, "/run/front.sock");
            return GST_PAD_PROBE_HANDLED;
          },
          nullptr, nullptr);
    gst_harness_use_systemclock(harness_);
    gst_harness_play(harness_);
    gst_harness_set_src_caps_str(harness_, kCaps);
  }
  void close() {
    element_.reset();
    if (harness_) gst_harness_teardown(std::exchange(harness_, nullptr));
  }
  GstElement* element() const { return element_.get(); }
  std::uint64_t count(const char* field) const { return number(stats_of(element()).get(), field); }

  void push(Owned<GstBuffer> buffer) { ASSERT_EQ(gst_harness_push(harness_, buffer.release()), GST_FLOW_OK); }
  void push(std::uint64_t ms, std::uint64_t sequence = GST_BUFFER_OFFSET_NONE) { push(frame(ms, sequence)); }
  // The next frame; the watchdog ends a test in which none comes.
  Owned<GstBuffer> pull() {
    GstBuffer* buffer = nullptr;
    while (!(buffer = gst_harness_pull(harness_))) {
    }
    return adopt(buffer);
  }
  std::vector<std::string> pull_labels() { return labels(pull().get()); }
  // Frames that wait downstream.
  guint arrived() const { return gst_harness_buffers_in_queue(harness_); }

  GstHarness* harness_ = nullptr;
  Owned<GstElement> element_;
};

}  // namespace resultjoin_test
