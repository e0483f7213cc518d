// SPDX-License-Identifier: LGPL-2.1-or-later
// GObject class of shmringsink: properties and virtual functions. The behaviour is in sink.cpp.
/**
 * SECTION:element-shmringsink
 * @title: shmringsink
 * @see_also: shmringsrc
 *
 * Publishes frames of any caps to readers in other processes, through a ring in shared memory. It never waits for a
 * reader, unless #GstShmRingSink:max-wait is set: one that is slow, stopped or gone costs only itself frames, and these are counted. Upstream writes raw video
 * straight into the ring where it takes the proposed buffer pool; anything else is copied once. Readers share each
 * frame without a copy and cannot change it.
 *
 * The element posts #GstMessage elements named `frame-health` for each reader.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 videotestsrc is-live=true ! video/x-raw,format=I420,width=640,height=480 ! shmringsink
 *   socket-path=cam.sock
 * ]| Publishes test pictures to one reader.
 * |[
 * gst-launch-1.0 videotestsrc is-live=true ! video/x-raw,format=I420 ! jpegenc ! shmringsink socket-path=cam.sock
 *   slot-size=200000 max-readers=3 drop-policy=latest
 * ]| Publishes JPEG pictures of at most 200 kB to three readers, each of which gets the newest one whenever it is free.
 */
#include "ring/gstshmringsink.h"

#include "ring/enums.hpp"
#include "ring/sink.hpp"

GST_DEBUG_CATEGORY(gst_shm_ring_sink_debug);
#define GST_CAT_DEFAULT gst_shm_ring_sink_debug

struct _GstShmRingSink {
  GstBaseSink parent;
  supplier::Sink* impl;
};

G_DEFINE_FINAL_TYPE(GstShmRingSink, gst_shm_ring_sink, GST_TYPE_BASE_SINK)
GST_ELEMENT_REGISTER_DEFINE(shmringsink, "shmringsink", GST_RANK_NONE, GST_TYPE_SHM_RING_SINK)

namespace {

enum Property : guint {
  kSocketPath = 1,
  kPerms,
  kDepth,
  kMaxHeld,
  kSlots,
  kSlotSize,
  kMaxSlotSize,
  kMaxReaders,
  kDropPolicy,
  kNumClients,
  kStats,
  kWorkerLimits,
  kForwardEos,
  kMaxWait,
  kHealth,  // and those after it
};

GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

supplier::Sink& impl(gpointer object) { return *static_cast<GstShmRingSink*>(object)->impl; }
GstBaseSinkClass* parent() { return GST_BASE_SINK_CLASS(gst_shm_ring_sink_parent_class); }

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  if (impl(object).health.set(id, value)) return;
  if (id == kWorkerLimits) {
    if (const auto wrong = impl(object).lane_limits.set(value)) g_warning("worker-limits: %s: ignored", wrong->c_str());
    return;
  }
  if (id == kMaxWait) {
    impl(object).room_wait.longest = g_value_get_uint64(value);
    return;
  }
  GST_OBJECT_LOCK(object);
  shmring::PublisherOptions& options = impl(object).options;
  switch (id) {
    case kSocketPath:
      options.socket_path = g_value_get_string(value) ? g_value_get_string(value) : "";
      break;
    case kPerms:
      options.perms = g_value_get_uint(value);
      break;
    case kDepth:
      options.depth = g_value_get_uint(value);
      break;
    case kMaxHeld:
      options.max_held = g_value_get_uint(value);
      break;
    case kSlots:
      options.slots = g_value_get_uint(value);
      break;
    case kSlotSize:
      options.slot_size = g_value_get_uint64(value);
      break;
    case kMaxSlotSize:
      impl(object).max_slot_size = g_value_get_uint64(value);
      break;
    case kMaxReaders:
      options.max_readers = g_value_get_uint(value);
      break;
    case kDropPolicy:
      options.drop_policy = static_cast<shmring_policy>(g_value_get_enum(value));
      break;
    case kForwardEos:
      impl(object).forward_eos = static_cast<supplier::ForwardEos>(g_value_get_enum(value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
  GST_OBJECT_UNLOCK(object);
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  if (impl(object).health.get(id, value)) return;
  if (id == kNumClients) return g_value_set_uint(value, impl(object).readers());
  if (id == kWorkerLimits) return impl(object).lane_limits.get(value);
  if (id == kMaxWait) return g_value_set_uint64(value, impl(object).room_wait.longest);
  if (id == kStats) return g_value_take_boxed(value, impl(object).stats().release());
  GST_OBJECT_LOCK(object);
  const shmring::PublisherOptions& options = impl(object).options;
  switch (id) {
    case kSocketPath:
      g_value_set_string(value, options.socket_path.empty() ? nullptr : options.socket_path.c_str());
      break;
    case kPerms:
      g_value_set_uint(value, options.perms);
      break;
    case kDepth:
      g_value_set_uint(value, options.depth);
      break;
    case kMaxHeld:
      g_value_set_uint(value, options.max_held);
      break;
    case kSlots:
      g_value_set_uint(value, options.slots);
      break;
    case kSlotSize:
      g_value_set_uint64(value, options.slot_size);
      break;
    case kMaxSlotSize:
      g_value_set_uint64(value, impl(object).max_slot_size);
      break;
    case kMaxReaders:
      g_value_set_uint(value, options.max_readers);
      break;
    case kDropPolicy:
      g_value_set_enum(value, options.drop_policy);
      break;
    case kForwardEos:
      g_value_set_enum(value, static_cast<int>(impl(object).forward_eos.load()));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
  GST_OBJECT_UNLOCK(object);
}

void install_properties(GObjectClass* klass) {
  const shmring::PublisherOptions defaults;
  const auto set_before_start = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
  const auto shown = static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  const auto add = [klass](guint id, GParamSpec* spec) { g_object_class_install_property(klass, id, spec); };
  /**
   * GstShmRingSink:socket-path:
   *
   * Path of the socket by which readers find the ring, at most 107 bytes. Its folder must exist; a file that a
   * publisher left behind when it was killed is replaced. To share it with a container, share the folder.
   */
  add(kSocketPath, g_param_spec_string("socket-path", "Socket path", "Path of the socket that readers connect to",
                                       nullptr, set_before_start));
  /**
   * GstShmRingSink:perms:
   *
   * Permission bits of the socket. A process that may write to the socket may read frames.
   */
  add(kPerms,
      g_param_spec_uint("perms", "Permissions", "Permission bits of the socket (384 = 0600: this user may connect)", 0,
                        0777, defaults.perms, set_before_start));
  add(kDepth, g_param_spec_uint("depth", "Depth", "Maximum number of queued frames per reader", 1, 256, defaults.depth,
                                set_before_start));
  add(kMaxHeld, g_param_spec_uint("max-held", "Maximum held", "Maximum number of frames that a reader may hold at once",
                                  1, 256, defaults.max_held, set_before_start));
  /**
   * GstShmRingSink:slots:
   *
   * Number of frame slots in the ring. The default is enough for #GstShmRingSink:max-readers readers with full queues.
   */
  add(kSlots, g_param_spec_uint("slots", "Slots", "Number of frame slots in the ring (0 = enough for max-readers)", 0,
                                16384, defaults.slots, set_before_start));
  /**
   * GstShmRingSink:slot-size:
   *
   * Size of the largest frame, which stays as it is. 0: raw video is as large as its caps say; other frames with a width
   * and a height are expected to be smaller than as I420; for anything else the first slots have four times the size of
   * the first frame, at least 64 KiB. A frame that outgrows such a guess gets a new ring with larger slots, up to
   * #GstShmRingSink:max-slot-size. A frame that does not fit is dropped, counted and reported once.
   */
  add(kSlotSize,
      g_param_spec_uint64("slot-size", "Slot size",
                          "Size of the largest frame in bytes (0 = from caps or the first frame, grows on demand)", 0,
                          G_GUINT64_CONSTANT(1) << 32, defaults.slot_size, set_before_start));
  /**
   * GstShmRingSink:max-slot-size:
   *
   * Limit of the slots' growth where #GstShmRingSink:slot-size is 0. Raw video is not bounded by it, only by its caps.
   */
  add(kMaxSlotSize,
      g_param_spec_uint64("max-slot-size", "Maximum slot size",
                          "Largest slot size in bytes that slot-size=0 may grow to, except for raw video", 1,
                          G_GUINT64_CONSTANT(1) << 32, supplier::Sink::kMaxSlotSize, set_before_start));
  add(kMaxReaders,
      g_param_spec_uint("max-readers", "Maximum readers", "Maximum number of attached readers (1 = exclusive)", 1,
                        SHMRING_MAX_READERS, defaults.max_readers, set_before_start));
  add(kDropPolicy, g_param_spec_enum("drop-policy", "Drop policy", "Drop policy for readers that do not request one",
                                     supplier::policy_type(), defaults.drop_policy, set_before_start));
  add(kNumClients, g_param_spec_uint("num-clients", "Number of clients", "Number of attached readers", 0,
                                     SHMRING_MAX_READERS, 0, shown));
  /**
   * GstShmRingSink:stats:
   *
   * A #GstStructure named "application/x-shmringsink-stats" with the fields of shmring_ring_stats, with '-' for '_'; numbers are #guint64.
   * `offered` = `published` + `dropped-no-slot` + `dropped-too-large` + `dropped-malformed`; `copied` of the published (the others
   * were written in place), `streamed` of these past the caches; `slots` = `free-slots` + `owned` + `loaned`. `violations` is a structure: how many peers were
   * sent away for each way to break the rules. `metas-dropped` counts metas of buffers that did not fit into the ring's 4 KiB a frame or
   * cannot cross, since the element was made. `accounts` is a #GST_TYPE_ARRAY with a structure for each reader that is or was there: the
   * fields of the message `frame-health` and those of shmring_reader_account, whose `state` and `reason` are `reader-state` and
   * `reader-reason` here.
   */
  add(kStats,
      g_param_spec_boxed("stats", "Statistics", "Counters of the ring and of each reader", GST_TYPE_STRUCTURE, shown));
  /**
   * GstShmRingSink:worker-limits:
   *
   * Limits of single readers, where those of the element (`stall-timeout`, `max-frame-age`, `max-drop-rate`, `interval`)
   * do not fit them all: a #GST_TYPE_ARRAY with a #GstStructure for each, which has the reader's name as `worker` and any
   * of the four. It counts at once, also for readers that come later.
   */
  // Without a spec of its elements: GStreamer 1.22 cannot parse an array of structures with one.
  add(kWorkerLimits, gst_param_spec_array("worker-limits", "Worker limits", "Per-reader health limits", nullptr,
                                          static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                                   GST_PARAM_MUTABLE_PLAYING)));
  /**
   * GstShmRingSink:forward-eos:
   *
   * Tells whether EOS goes to readers as the end of the stream, which ends them. With `auto` it is where upstream is not
   * live, such as a file. EOS of a live pipeline means that it is being stopped or that its camera failed: readers then
   * do what their `on-disconnect` says when this publisher is gone. After an ERROR message in the pipeline EOS is never
   * told.
   */
  add(kForwardEos,
      g_param_spec_enum(
          "forward-eos", "Forward EOS", "Condition under which EOS ends the stream of the readers",
          supplier::forward_eos_type(), static_cast<int>(supplier::ForwardEos::automatic),
          static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)));
  /**
   * GstShmRingSink:max-wait:
   *
   * For files, which can wait: a frame for which a reader with the policy `drop-newest` has no room is kept back until it has some, but not
   * longer than this. A reader that has no room for so long, because it is stopped or hangs, costs that time once: then it loses frames, and
   * they are counted, until it takes frames again. Readers with another policy are never waited for. Leave it 0 for cameras.
   */
  add(kMaxWait, g_param_spec_uint64(
                    "max-wait", "Maximum wait",
                    "Longest time that a frame waits for room at drop-newest readers, in ns (0 = it does not wait)", 0,
                    G_MAXUINT64, 0,
                    static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)));
  supplier::HealthProperties::install(klass, kHealth, supplier::HealthProperties::Worker::none);
}

gboolean event(GstBaseSink* self, GstEvent* event) {
  GstClockTime pts = GST_CLOCK_TIME_NONE;
  GstClockTime duration = GST_CLOCK_TIME_NONE;
  const bool gap = GST_EVENT_TYPE(event) == GST_EVENT_GAP;
  if (gap) gst_event_parse_gap(event, &pts, &duration);
  impl(self).event_comes(event);
  const gboolean handled = parent()->event(self, event);
  if (gap && handled) impl(self).gap_passed(pts, duration);
  return handled;
}

// The base class would answer from what get_caps() offers without a filter, which is ANY.
gboolean query(GstBaseSink* self, GstQuery* query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_ACCEPT_CAPS) return parent()->query(self, query);
  GstCaps* caps = nullptr;
  gst_query_parse_accept_caps(query, &caps);
  gst_query_set_accept_caps_result(query, bool{supplier::StreamFormat::from_caps(caps)});
  return TRUE;
}

gboolean send_event(GstElement* self, GstEvent* event) {
  const bool latency = GST_EVENT_TYPE(event) == GST_EVENT_LATENCY;
  const gboolean handled = GST_ELEMENT_CLASS(gst_shm_ring_sink_parent_class)->send_event(self, event);
  if (latency) impl(self).latency_changed();
  return handled;
}

GstStateChangeReturn change_state(GstElement* self, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED) impl(self).playing(false);
  const auto changed = GST_ELEMENT_CLASS(gst_shm_ring_sink_parent_class)->change_state(self, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING && changed != GST_STATE_CHANGE_FAILURE) impl(self).playing(true);
  return changed;
}

}  // namespace

static void gst_shm_ring_sink_class_init(GstShmRingSinkClass* klass) {
  GST_DEBUG_CATEGORY_INIT(gst_shm_ring_sink_debug, "shmringsink", 0, "shared memory ring sink");
  auto* object = G_OBJECT_CLASS(klass);
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = [](GObject* self) {
    delete &impl(self);
    G_OBJECT_CLASS(gst_shm_ring_sink_parent_class)->finalize(self);
  };
  install_properties(object);

  auto* element = GST_ELEMENT_CLASS(klass);
  element->send_event = send_event;
  element->change_state = change_state;
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_set_static_metadata(
      element, "Shared memory ring sink", "Sink",
      "Publishes frames to other processes through shared memory and never waits for a reader",
      "The gst-frame-supplier authors");
  gst_type_mark_as_plugin_api(supplier::policy_type(), GstPluginAPIFlags{});
  gst_type_mark_as_plugin_api(supplier::forward_eos_type(), GstPluginAPIFlags{});

  auto* sink = GST_BASE_SINK_CLASS(klass);
  sink->start = [](GstBaseSink* self) -> gboolean { return impl(self).start(); };
  sink->stop = [](GstBaseSink* self) -> gboolean {
    impl(self).stop();
    return TRUE;
  };
  sink->get_caps = [](GstBaseSink*, GstCaps* filter) { return supplier::crossing_caps(filter).release(); };
  sink->query = query;
  sink->set_caps = [](GstBaseSink* self, GstCaps* caps) -> gboolean { return impl(self).set_caps(caps); };
  sink->propose_allocation = [](GstBaseSink* self, GstQuery* query) -> gboolean {
    return impl(self).propose_allocation(query);
  };
  sink->event = event;
  sink->unlock = [](GstBaseSink* self) -> gboolean {
    impl(self).room_wait.unlock(true);
    return TRUE;
  };
  sink->unlock_stop = [](GstBaseSink* self) -> gboolean {
    impl(self).room_wait.unlock(false);
    return TRUE;
  };
  sink->render = [](GstBaseSink* self, GstBuffer* buffer) { return impl(self).render(buffer); };
  sink->render_list = [](GstBaseSink* self, GstBufferList* list) { return impl(self).render_list(list); };
}

static void gst_shm_ring_sink_init(GstShmRingSink* self) {
  self->impl = new supplier::Sink(GST_BASE_SINK(self), kHealth);
  gst_base_sink_set_sync(GST_BASE_SINK(self), FALSE);
  gst_base_sink_set_async_enabled(GST_BASE_SINK(self), FALSE);
  gst_base_sink_set_last_sample_enabled(GST_BASE_SINK(self), FALSE);
}
