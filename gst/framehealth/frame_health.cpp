// SPDX-License-Identifier: LGPL-2.1-or-later
// Forwarding and watching. No lock of ours is held during a push, and a push costs two clock reads and a few relaxed
// stores.
#include "frame_health.hpp"

#include <vector>

#include "base/clock.hpp"
#include "base/stopping.hpp"

GST_DEBUG_CATEGORY_EXTERN(gst_frame_health_debug);
#define GST_CAT_DEFAULT gst_frame_health_debug

namespace supplier {
namespace {

bool is_video(GstEvent* caps_event) {
  GstCaps* caps = nullptr;
  gst_event_parse_caps(caps_event, &caps);
  return gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw");
}

}  // namespace

FrameHealth::FrameHealth(GstElement* element, GstPad* sink, GstPad* source)
    : element_(element), sink_(sink), source_(source), monitor_(element, [this](std::vector<Watched>& workers) {
        workers.push_back({observe(), properties_.limits()});
      }) {
  gst_segment_init(&segment_, GST_FORMAT_UNDEFINED);
}

GstFlowReturn FrameHealth::chain(GstBuffer* buffer) {
  // A picture that was repeated to fill a gap shows that the source lives, as a GAP event does. It is no frame of the camera.
  const std::uint64_t count = video_ && GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP) ? 0 : 1;
  watch_.enter(count, running_time(buffer), monotonic_now());
  return leave(count, gst_pad_push(source_, buffer));
}

GstFlowReturn FrameHealth::chain_list(GstBufferList* list) {
  const guint count = gst_buffer_list_length(list);
  if (count == 0) return gst_pad_push_list(source_, list);
  watch_.enter(count, running_time(gst_buffer_list_get(list, 0)), monotonic_now());
  return leave(count, gst_pad_push_list(source_, list));
}

GstFlowReturn FrameHealth::leave(std::uint64_t count, GstFlowReturn result) {
  const bool stops = result < GST_FLOW_OK && is_stopping(source_);
  if (watch_.leave(count, stops ? GST_FLOW_FLUSHING : result, monotonic_now())) {
    GST_DEBUG_OBJECT(element_, "%s", result < GST_FLOW_OK ? gst_flow_get_name(result) : "first frame finished");
    monitor_.poke();
  }
  return result;
}

gboolean FrameHealth::sink_event(GstEvent* event) {
  const GstEventType type = GST_EVENT_TYPE(event);
  if (!(gst_event_type_get_flags(type) & GST_EVENT_TYPE_SERIALIZED)) return gst_pad_push_event(source_, event);
  switch (type) {
    case GST_EVENT_STREAM_START:
      GST_DEBUG_OBJECT(element_, "a new stream begins");
      watch_.restart();
      break;
    case GST_EVENT_FLUSH_STOP:
      GST_DEBUG_OBJECT(element_, "a flush ended, failures are forgotten");
      watch_.restart();
      gst_segment_init(&segment_, GST_FORMAT_UNDEFINED);
      break;
    case GST_EVENT_CAPS:
      video_ = is_video(event);
      break;
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment(event, &segment_);
      break;
    case GST_EVENT_GAP:
      watch_.gap(monotonic_now());
      break;
    default:
      break;
  }
  watch_.enter_event(monotonic_now());
  const gboolean done = gst_pad_push_event(source_, event);
  watch_.leave_event();
  GST_LOG_OBJECT(element_, "passed %s", gst_event_type_get_name(type));
  if (type == GST_EVENT_EOS) watch_.end();
  return done;
}

gboolean FrameHealth::sink_query(GstQuery* query) {
  if (!(gst_query_type_get_flags(GST_QUERY_TYPE(query)) & GST_QUERY_TYPE_SERIALIZED))
    return gst_pad_query_default(sink_, GST_OBJECT(element_), query);
  watch_.enter_event(monotonic_now());
  const gboolean done = gst_pad_query_default(sink_, GST_OBJECT(element_), query);
  watch_.leave_event();
  return done;
}

gboolean FrameHealth::source_query(GstQuery* query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_SCHEDULING) return gst_pad_query_default(source_, GST_OBJECT(element_), query);
  // Upstream's properties, but data passes here in push mode only.
  const auto upstream = adopt(gst_query_new_scheduling());
  if (!gst_pad_peer_query(sink_, upstream.get())) return FALSE;
  GstSchedulingFlags flags;
  gint smallest, largest, align;
  gst_query_parse_scheduling(upstream.get(), &flags, &smallest, &largest, &align);
  gst_query_set_scheduling(query, flags, smallest, largest, align);
  gst_query_add_scheduling_mode(query, GST_PAD_MODE_PUSH);
  return TRUE;
}

void FrameHealth::set_property(guint id, const GValue* value) {
  GST_DEBUG_OBJECT(element_, "property %u is set", id);
  if (properties_.set(id, value)) monitor_.poke();
}

bool FrameHealth::get_property(guint id, GValue* value) const {
  if (id != kStats) return properties_.get(id, value);
  g_value_take_boxed(value, monitor_.describe("application/x-framehealth-stats", observe()).release());
  return true;
}

void FrameHealth::begin_run() {
  video_ = false;
  gst_segment_init(&segment_, GST_FORMAT_UNDEFINED);
  watch_.begin_run();
}

bool FrameHealth::play() {
  GST_DEBUG_OBJECT(element_, "watching begins");
  watch_.set_timing(true);
  if (monitor_.start()) return true;
  GST_ELEMENT_ERROR(
      element_, RESOURCE, FAILED,
      ("Cannot start the thread that monitors the worker: the limit of threads may be reached (ulimit -u)."),
      (nullptr));
  return false;
}

GstClockTime FrameHealth::running_time(GstBuffer* buffer) const {
  if (segment_.format != GST_FORMAT_TIME) return GST_CLOCK_TIME_NONE;
  return gst_segment_to_running_time(&segment_, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
}

// Read on request and not for every frame, whatever clock the pipeline has.
std::int64_t FrameHealth::clock_offset() const {
  const auto clock = adopt(gst_element_get_clock(element_));
  const GstClockTime base_time = gst_element_get_base_time(element_);
  if (!clock || !GST_CLOCK_TIME_IS_VALID(base_time)) return FrameWatch::kNoOffset;
  return static_cast<std::int64_t>(gst_clock_get_time(clock.get()) - monotonic_now() - base_time);
}

void FrameHealth::pause() {
  GST_DEBUG_OBJECT(element_, "watching pauses");
  watch_.set_timing(false);
  monitor_.stop();
}

Observation FrameHealth::observe() const {
  Observation seen = watch_.observe(clock_offset());
  const auto name = adopt(gst_object_get_name(GST_OBJECT(element_)));
  seen.worker = properties_.worker(name.get());
  return seen;
}

}  // namespace supplier
