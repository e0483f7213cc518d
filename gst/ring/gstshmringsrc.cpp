// SPDX-License-Identifier: LGPL-2.1-or-later
// GObject class of shmringsrc: properties and virtual functions. The behaviour is in source.cpp.
/**
 * SECTION:element-shmringsrc
 * @title: shmringsrc
 * @see_also: shmringsink
 *
 * Reads the frames that a shmringsink, or any other program with the ring's library, publishes in another process.
 * Frames are not copied: buffers are read-only memory shared with the publisher, and stay valid as long as an element
 * keeps them, whatever becomes of either side. A publisher that is not there yet, or dies, is waited for.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 shmringsrc socket-path=cam.sock ! videoconvert ! autovideosink
 * ]| Shows what `gst-launch-1.0 videotestsrc is-live=true ! video/x-raw,format=I420 ! shmringsink socket-path=cam.sock`
 * publishes.
 * |[
 * gst-launch-1.0 shmringsrc socket-path=cam.sock worker=detector drop-policy=latest ! videoconvert ! fakesink
 * ]| Always takes the newest frame, under a name of its own in the publisher's health messages.
 */
#include "ring/gstshmringsrc.h"

#include <utility>

#include <gst/video/video.h>

#include "base/ring_query.hpp"
#include "ring/enums.hpp"
#include "ring/source.hpp"

GST_DEBUG_CATEGORY(gst_shm_ring_src_debug);
#define GST_CAT_DEFAULT gst_shm_ring_src_debug

struct _GstShmRingSrc {
  GstPushSrc parent;
  supplier::Source* impl;
};

G_DEFINE_FINAL_TYPE(GstShmRingSrc, gst_shm_ring_src, GST_TYPE_PUSH_SRC)
GST_ELEMENT_REGISTER_DEFINE(shmringsrc, "shmringsrc", GST_RANK_NONE, GST_TYPE_SHM_RING_SRC)

namespace {

enum Property : guint {
  kSocketPath = 1,
  kWorker,
  kDropPolicy,
  kDepth,
  kMaxHeld,
  kWake,
  kMaxFrameAge,
  kOnDisconnect,
  kMaxRate,
  kStats,
};

GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

supplier::Source& impl(gpointer object) { return *static_cast<GstShmRingSrc*>(object)->impl; }

std::string text_of(const GValue* value) { return g_value_get_string(value) ? g_value_get_string(value) : ""; }

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  GST_OBJECT_LOCK(object);
  supplier::Source::Settings& settings = impl(object).settings;
  switch (id) {
    case kSocketPath:
      settings.reader.socket_path = text_of(value);
      break;
    case kWorker:
      settings.reader.worker = text_of(value);
      break;
    case kDropPolicy:
      settings.reader.drop_policy = static_cast<shmring_policy>(g_value_get_enum(value));
      break;
    case kDepth:
      settings.reader.depth = g_value_get_uint(value);
      break;
    case kMaxHeld:
      settings.reader.max_held = g_value_get_uint(value);
      break;
    case kWake:
      settings.reader.wake = static_cast<shmring_wake>(g_value_get_enum(value));
      break;
    case kMaxFrameAge:
      settings.reader.max_frame_age = g_value_get_uint64(value);
      break;
    case kOnDisconnect:
      settings.on_disconnect = static_cast<supplier::OnDisconnect>(g_value_get_enum(value));
      break;
    case kMaxRate:
      settings.reader.max_rate = g_value_get_double(value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
  GST_OBJECT_UNLOCK(object);
}

void set_text(GValue* value, const std::string& text) {
  g_value_set_string(value, text.empty() ? nullptr : text.c_str());
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  if (id == kStats) return g_value_take_boxed(value, impl(object).stats().release());
  GST_OBJECT_LOCK(object);
  const supplier::Source::Settings& settings = impl(object).settings;
  switch (id) {
    case kSocketPath:
      set_text(value, settings.reader.socket_path);
      break;
    case kWorker:
      set_text(value, settings.reader.worker);
      break;
    case kDropPolicy:
      g_value_set_enum(value, settings.reader.drop_policy);
      break;
    case kDepth:
      g_value_set_uint(value, settings.reader.depth);
      break;
    case kMaxHeld:
      g_value_set_uint(value, settings.reader.max_held);
      break;
    case kWake:
      g_value_set_enum(value, settings.reader.wake);
      break;
    case kMaxFrameAge:
      g_value_set_uint64(value, settings.reader.max_frame_age);
      break;
    case kOnDisconnect:
      g_value_set_enum(value, static_cast<int>(settings.on_disconnect));
      break;
    case kMaxRate:
      g_value_set_double(value, settings.reader.max_rate);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
  GST_OBJECT_UNLOCK(object);
}

void install_properties(GObjectClass* klass) {
  const auto set_before_start =
      static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  const auto shown = static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  const auto add = [klass](guint id, GParamSpec* spec) { g_object_class_install_property(klass, id, spec); };
  add(kSocketPath,
      g_param_spec_string("socket-path", "Socket path", "Path of the publisher's socket (may not exist yet)", nullptr,
                          set_before_start));
  /**
   * GstShmRingSrc:worker:
   *
   * The name under which the publisher keeps this reader's account, over all its restarts. Two readers of one ring at a
   * time need two names.
   */
  add(kWorker,
      g_param_spec_string("worker", "Worker",
                          "Name of this reader at the publisher, 1 to 63 bytes of UTF-8 (NULL = the element's name)",
                          nullptr, set_before_start));
  add(kDropPolicy, g_param_spec_enum("drop-policy", "Drop policy", "Frames to drop when this reader is slow",
                                     supplier::reader_policy_type(), SHMRING_POLICY_DEFAULT, set_before_start));
  add(kDepth,
      g_param_spec_uint("depth", "Depth", "Maximum number of queued frames (0 = as many as the publisher grants)", 0,
                        256, 0, set_before_start));
  /**
   * GstShmRingSrc:max-held:
   *
   * So many frames may be on their way downstream without a copy, less one. When all of these are kept, further frames
   * are copied, see `copied` in #GstShmRingSrc:stats.
   */
  add(kMaxHeld, g_param_spec_uint("max-held", "Maximum held",
                                  "Maximum number of frames held at once (0 = as many as the publisher grants)", 0, 256,
                                  0, set_before_start));
  add(kWake, g_param_spec_enum("wake", "Wake", "Method of waiting for frames", supplier::wake_type(),
                               SHMRING_WAKE_BLOCK, set_before_start));
  add(kMaxFrameAge, g_param_spec_uint64("max-frame-age", "Maximum frame age",
                                        "Age above which a frame is dropped and counted as stale, in ns (0 = disabled)",
                                        0, G_MAXUINT64, 0, set_before_start));
  /**
   * GstShmRingSrc:on-disconnect:
   *
   * Action when the publisher dies or stops. The end of its stream ends this one in any case.
   *
   * `repeat` is for recorders of several streams, whose muxer would wait: raw video's last picture comes again, raw audio goes on as silence. Such
   * buffers have #GST_BUFFER_FLAG_GAP and no offset, and are `repeated` in #GstShmRingSrc:stats.
   */
  add(kOnDisconnect, g_param_spec_enum("on-disconnect", "On disconnect", "Action when the publisher disconnects",
                                       supplier::on_disconnect_type(), static_cast<int>(supplier::OnDisconnect::wait),
                                       set_before_start));
  /**
   * GstShmRingSrc:max-rate:
   *
   * For frames that stand alone: raw video, JPEG, arrays. The element takes the next frame when its turn comes, with #GstShmRingSrc:drop-policy
   * `latest` the newest one, and the publisher wakes it for none in between. A higher frame rate in caps of raw video becomes this one.
   */
  add(kMaxRate,
      g_param_spec_double("max-rate", "Maximum rate", "Maximum number of frames taken per second (0 = no limit)", 0,
                          1e6, 0, set_before_start));
  /**
   * GstShmRingSrc:stats:
   *
   * A #GstStructure named "application/x-shmringsrc-stats" with the fields of shmring_reader_stats, with '-' for '_', and `connected`
   * (#gboolean), `latency` (of the publisher, ns), `copied`, `malformed` (dropped, because they are not what their caps say), `metas-dropped`
   * (frames of which metas that make no sense were left out) and `early` (dropped, because they are from before the start, or of a time
   * that was filled) of the taken, `repeated` (given while the publisher was away). Numbers are #guint64.
   */
  add(kStats, g_param_spec_boxed("stats", "Statistics", "Counters of this reader", GST_TYPE_STRUCTURE, shown));
}

// The element that this thread takes to PAUSED.
thread_local const void* pausing = nullptr;

GstStateChangeReturn change_state(GstElement* self, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED) {
    impl(self).pause(true);
    pausing = self;
  }
  const auto changed = GST_ELEMENT_CLASS(gst_shm_ring_src_parent_class)->change_state(self, transition);
  pausing = nullptr;
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING) impl(self).pause(false);
  return changed;
}

// On the way to PAUSED the base class unlocks, too. create() must not return FLUSHING for that: the base class would pause
// its task, and may do so after PLAYING has started it again, which then stops for ever.
gboolean unlock(GstBaseSrc* self) {
  if (pausing != self) impl(self).unlock(true);
  return TRUE;
}

// The element that this thread gives an event, which may end a flush.
thread_local const void* given_event = nullptr;

class GivenEvent {
 public:
  explicit GivenEvent(const void* element) : outer_(std::exchange(given_event, element)) {}
  ~GivenEvent() { given_event = outer_; }
  GivenEvent(const GivenEvent&) = delete;
  GivenEvent& operator=(const GivenEvent&) = delete;

 private:
  const void* outer_;
};

// In GStreamer 1.26 the streaming thread, too, ends an unlock, that of a pause, as late as before its next create(): the unlock of
// a flush or a stop that came in between would be lost, and its caller would wait for that thread for ever. A stop needs no
// end, start() begins anew.
gboolean unlock_stop(GstBaseSrc* self) {
  if (given_event == self) impl(self).unlock(false);
  return TRUE;
}

// The base class waits for the streaming thread before it ends a flush. Where none is on, because the element was stopped
// and started since it began, nothing would stop that thread: the call would wait for ever.
gboolean send_event(GstElement* self, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP && !GST_PAD_IS_FLUSHING(GST_BASE_SRC_PAD(self))) {
    gst_event_unref(event);
    return TRUE;
  }
  const GivenEvent given(self);
  return GST_ELEMENT_CLASS(gst_shm_ring_src_parent_class)->send_event(self, event);
}

gboolean event(GstBaseSrc* self, GstEvent* event) {
  const GivenEvent given(self);
  if (!gst_video_event_is_force_key_unit(event))
    return GST_BASE_SRC_CLASS(gst_shm_ring_src_parent_class)->event(self, event);
  GstClockTime running_time = GST_CLOCK_TIME_NONE;
  (void)gst_video_event_parse_upstream_force_key_unit(event, &running_time, nullptr, nullptr);
  return impl(self).request_key_frame(running_time);
}

gboolean query(GstBaseSrc* self, GstQuery* query) {
  if (supplier::is_ring_query(query)) {
    supplier::answer_ring_query(query, impl(self).settings.reader.socket_path);
    return TRUE;
  }
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY)
    return GST_BASE_SRC_CLASS(gst_shm_ring_src_parent_class)->query(self, query);
  gst_query_set_latency(query, TRUE, impl(self).latency(), GST_CLOCK_TIME_NONE);
  return TRUE;
}

}  // namespace

static void gst_shm_ring_src_class_init(GstShmRingSrcClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_shm_ring_src_debug, "shmringsrc", 0, "reads frames of another process");
  auto* object = G_OBJECT_CLASS(klass);
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = [](GObject* self) {
    delete &impl(self);
    G_OBJECT_CLASS(gst_shm_ring_src_parent_class)->finalize(self);
  };
  install_properties(object);

  auto* element = GST_ELEMENT_CLASS(klass);
  element->change_state = change_state;
  element->send_event = send_event;
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_set_static_metadata(
      element, "Shared memory ring source", "Source",
      "Reads the frames of shmringsink in another process from shared memory without a copy",
      "The gst-frame-supplier authors");
  gst_type_mark_as_plugin_api(supplier::reader_policy_type(), GstPluginAPIFlags{});
  gst_type_mark_as_plugin_api(supplier::wake_type(), GstPluginAPIFlags{});
  gst_type_mark_as_plugin_api(supplier::on_disconnect_type(), GstPluginAPIFlags{});

  auto* source = GST_BASE_SRC_CLASS(klass);
  source->start = [](GstBaseSrc* self) -> gboolean { return impl(self).start(); };
  source->stop = [](GstBaseSrc* self) -> gboolean {
    impl(self).stop();
    return TRUE;
  };
  source->unlock = unlock;
  source->unlock_stop = unlock_stop;
  source->negotiate = [](GstBaseSrc* self) -> gboolean { return impl(self).negotiate(); };
  source->decide_allocation = [](GstBaseSrc* self, GstQuery* query) -> gboolean {
    impl(self).decide_allocation(query);
    return TRUE;
  };
  source->query = query;
  source->event = event;
  GST_PUSH_SRC_CLASS(klass)->create = [](GstPushSrc* self, GstBuffer** buffer) { return impl(self).create(buffer); };
}

static void gst_shm_ring_src_init(GstShmRingSrc* self) {
  self->impl = new supplier::Source(GST_BASE_SRC(self));
  gst_base_src_set_live(GST_BASE_SRC(self), TRUE);
  gst_base_src_set_format(GST_BASE_SRC(self), GST_FORMAT_TIME);
}
