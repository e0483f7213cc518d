// SPDX-License-Identifier: LGPL-2.1-or-later
// The GObject around the fan-out: pads, properties, states.

/**
 * SECTION:element-latestframe
 * @title: latestframe
 * @see_also: tee, queue, shmringsink
 *
 * Hands each frame to any number of branches and waits for none of them. A branch that becomes free gets the newest
 * frame; those it missed are dropped and counted. Every source pad pushes from a thread of its own, so no queue is
 * needed behind it, and a branch that is slow, stuck or has failed costs the others nothing.
 *
 * The source must be live. For a file put clocksync in front of it.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 videotestsrc is-live=true num-buffers=60 ! video/x-raw,format=I420 ! latestframe name=l
 *   l. ! videoconvert ! fakesink  l. !
 * identity sleep-time=200000 ! fakesink
 * ]|
 * Two branches; the second takes 200 ms for a frame and always gets the newest.
 * |[
 * gst-launch-1.0 -m videotestsrc is-live=true num-buffers=60 ! video/x-raw,format=I420 ! latestframe name=l
 *   src_0::worker=person
 * src_1::worker=scene src_1::max-drop-rate=0.5  l.src_0 ! fakesink  l.src_1 ! identity sleep-time=200000 ! fakesink
 * ]|
 * The health of two named workers as messages.
 *
 * Since: 0.1
 */
#include "latestframe/gstlatestframe.h"

#include <atomic>
#include <cstring>
#include <mutex>
#include <string>

#include "latestframe/fanout.hpp"
#include "latestframe/gstlatestframepad.h"

GST_DEBUG_CATEGORY_EXTERN(gst_latest_frame_debug);
#define GST_CAT_DEFAULT gst_latest_frame_debug

using namespace supplier;
using namespace supplier::latestframe;

namespace {

enum : guint { kHealth = 1, kWake = kHealth + HealthProperties::kCount, kStats };

GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
GstStaticPadTemplate source_template =
    GST_STATIC_PAD_TEMPLATE("src_%u", GST_PAD_SRC, GST_PAD_REQUEST, GST_STATIC_CAPS_ANY);

struct Impl {
  Impl(GstElement* element, GstPad* sink) : fanout(std::make_shared<Fanout>(element, sink)) {}

  const std::shared_ptr<Fanout> fanout;
  HealthProperties defaults{kHealth};  // for pads requested from now on
  std::atomic<bool> active{false};     // pads are to be active
  std::mutex lock;                     // a leaf, guards next_index
  guint next_index = 0;
};

}  // namespace

#define GST_TYPE_LATEST_FRAME_WAKE (gst_latest_frame_wake_get_type())
static GType gst_latest_frame_wake_get_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(Wake::block), "Block until a frame arrives", "block"},
      {static_cast<gint>(Wake::adaptive),
       "Spin briefly when the next frame is due, so that upstream need not wake the thread", "adaptive"},
      {0, nullptr, nullptr}};
  static const GType type = g_enum_register_static("GstLatestFrameWake", values);
  return type;
}

struct _GstLatestFrame {
  GstElement parent;
  Impl* impl;
};

static void gst_latest_frame_child_proxy_init(gpointer interface, gpointer);

#define gst_latest_frame_parent_class parent_class
G_DEFINE_TYPE_WITH_CODE(GstLatestFrame, gst_latest_frame, GST_TYPE_ELEMENT,
                        G_IMPLEMENT_INTERFACE(GST_TYPE_CHILD_PROXY, gst_latest_frame_child_proxy_init)
                            GST_DEBUG_CATEGORY_INIT(gst_latest_frame_debug, "latestframe", 0, "latestframe element"))
GST_ELEMENT_REGISTER_DEFINE(latestframe, "latestframe", GST_RANK_NONE, GST_TYPE_LATEST_FRAME)

namespace {

// Unchecked: GObject's look at the type of the instance would be the dearest part of handing in a frame.
Impl& impl_of(gpointer element) { return *static_cast<GstLatestFrame*>(element)->impl; }

GstFlowReturn chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
  Fanout& fanout = *impl_of(parent).fanout;
  auto frame = adopt(buffer);
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_HEADER) && fanout.keep_header(buffer)) {
    GST_DEBUG_OBJECT(parent, "keeps stream header %" GST_PTR_FORMAT " for every branch", buffer);
    return GST_FLOW_OK;
  }
  const bool delta = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  return fanout.publish(Owned<GstMiniObject>(GST_MINI_OBJECT_CAST(frame.release())), delta);
}

GstFlowReturn chain_list(GstPad*, GstObject* parent, GstBufferList* list) {
  const bool delta = gst_buffer_list_length(list) != 0 &&
                     GST_BUFFER_FLAG_IS_SET(gst_buffer_list_get(list, 0), GST_BUFFER_FLAG_DELTA_UNIT);
  return impl_of(parent).fanout->publish(Owned<GstMiniObject>(GST_MINI_OBJECT_CAST(list)), delta);
}

gboolean sink_event(GstPad*, GstObject* parent, GstEvent* event) {
  return impl_of(parent).fanout->sink_event(adopt(event));
}

gboolean sink_query(GstPad*, GstObject* parent, GstQuery* query) { return impl_of(parent).fanout->sink_query(query); }

// As tee names them: "src_7" is honoured, and after it come 8, 9 … Empty: not a name of ours.
std::string pad_name(Impl& impl, const char* wanted) {
  std::lock_guard hold(impl.lock);
  guint64 index = impl.next_index;
  if (wanted && std::strcmp(wanted, source_template.name_template) != 0 &&
      (!g_str_has_prefix(wanted, "src_") ||
       !g_ascii_string_to_unsigned(wanted + std::strlen("src_"), 10, 0, G_MAXUINT - 1, &index, nullptr)))
    return {};
  if (index >= impl.next_index) impl.next_index = static_cast<guint>(index) + 1;
  return "src_" + std::to_string(index);
}

GstPad* request_pad(GstElement* element, GstPadTemplate* templ, const char* wanted, const GstCaps*) {
  Impl& impl = impl_of(element);
  const std::string name = pad_name(impl, wanted);
  if (name.empty() || adopt(gst_element_get_static_pad(element, name.c_str()))) {
    GST_WARNING_OBJECT(element, "a pad cannot be called \"%s\": it is in use, or not of the form src_%%u", wanted);
    return nullptr;
  }
  GstPad* pad = gst_latest_frame_pad_new(impl.fanout, templ, name.c_str(), impl.defaults.limits());
  GST_DEBUG_OBJECT(element, "new branch %s, the element is %s", name.c_str(), impl.active ? "active" : "inactive");
  if (impl.active) gst_pad_set_active(pad, TRUE);  // a running element gets an active pad
  if (!gst_element_add_pad(element, pad)) return nullptr;
  // The state change of the element, in another thread, sets its pads too. Repeat until both say the same.
  for (bool active = !impl.active; active != impl.active;) gst_pad_set_active(pad, active = impl.active);
  gst_child_proxy_child_added(GST_CHILD_PROXY(element), G_OBJECT(pad), name.c_str());
  return pad;
}

void release_pad(GstElement* element, GstPad* pad) {
  const auto kept = share(pad);
  const auto name = adopt(gst_pad_get_name(pad));
  GST_DEBUG_OBJECT(element, "releases branch %s", name.get());
  gst_latest_frame_pad_retire(pad);
  gst_element_remove_pad(element, pad);
  gst_pad_set_active(pad, FALSE);  // a state change may have come upon it before it was removed
  gst_child_proxy_child_removed(GST_CHILD_PROXY(element), G_OBJECT(pad), name.get());
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  Impl& impl = impl_of(element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    GST_DEBUG_OBJECT(element, "starts its distribution thread");
    if (!impl.fanout->start()) {
      GST_ELEMENT_ERROR(
          element, RESOURCE, FAILED,
          ("Cannot start the thread that distributes frames: the limit of threads may be reached (ulimit -u)."),
          (nullptr));
      return GST_STATE_CHANGE_FAILURE;
    }
    impl.active = true;
  } else if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED) {
    impl.fanout->monitor().stop();
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    impl.active = false;
  }
  const auto result = GST_ELEMENT_CLASS(parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && result == GST_STATE_CHANGE_FAILURE) {
    // No transition back follows a failed one.
    GST_WARNING_OBJECT(element, "the state change failed, the distribution thread is stopped again");
    impl.active = false;
    GST_ELEMENT_CLASS(parent_class)->change_state(element, GST_STATE_CHANGE_PAUSED_TO_READY);
    impl.fanout->stop();
  }
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING && result != GST_STATE_CHANGE_FAILURE)
    impl.fanout->monitor().start();
  else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    impl.fanout->stop();
  return result;
}

Owned<GstStructure> fanout_stats(Fanout& fanout) {
  const Flow flow = fanout.flow();
  auto stats = adopt(gst_structure_new(
      "application/x-latestframe-stats", "received", G_TYPE_UINT64, guint64{flow.received}, "published", G_TYPE_UINT64,
      guint64{flow.published}, "mailbox-drops", G_TYPE_UINT64, guint64{flow.mailbox_drops}, "discarded", G_TYPE_UINT64,
      guint64{flow.discarded}, "copied", G_TYPE_UINT64, guint64{flow.copied}, nullptr));
  GValue branches = G_VALUE_INIT;
  gst_value_array_init(&branches, 0);
  for (const auto& member : fanout.members()) {
    GValue branch = G_VALUE_INIT;
    g_value_init(&branch, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&branch, branch_stats(fanout, *member.branch).release());
    gst_value_array_append_and_take_value(&branches, &branch);
  }
  gst_structure_take_value(stats.get(), "branches", &branches);
  return stats;
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  Impl& impl = impl_of(object);
  GST_DEBUG_OBJECT(object, "property %s is set", spec->name);
  if (id == kWake)
    impl.fanout->set_wake(static_cast<Wake>(g_value_get_enum(value)));
  else if (!impl.defaults.set(id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  Impl& impl = impl_of(object);
  if (id == kWake)
    g_value_set_enum(value, static_cast<gint>(impl.fanout->wake()));
  else if (id == kStats)
    g_value_take_boxed(value, fanout_stats(*impl.fanout).release());
  else if (!impl.defaults.get(id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

void dispose(GObject* object) {
  while (GList* pads = GST_ELEMENT(object)->srcpads)
    gst_element_release_request_pad(GST_ELEMENT(object), GST_PAD(pads->data));
  G_OBJECT_CLASS(parent_class)->dispose(object);
}

void finalize(GObject* object) {
  delete GST_LATEST_FRAME(object)->impl;
  G_OBJECT_CLASS(parent_class)->finalize(object);
}

GObject* child_by_index(GstChildProxy* proxy, guint index) {
  GST_OBJECT_LOCK(proxy);
  gpointer pad = g_list_nth_data(GST_ELEMENT(proxy)->srcpads, index);
  if (pad) gst_object_ref(pad);
  GST_OBJECT_UNLOCK(proxy);
  return static_cast<GObject*>(pad);
}

guint children_count(GstChildProxy* proxy) {
  GST_OBJECT_LOCK(proxy);
  const guint count = GST_ELEMENT(proxy)->numsrcpads;
  GST_OBJECT_UNLOCK(proxy);
  return count;
}

}  // namespace

static void gst_latest_frame_child_proxy_init(gpointer interface, gpointer) {
  auto* proxy = static_cast<GstChildProxyInterface*>(interface);
  proxy->get_child_by_index = child_by_index;
  proxy->get_children_count = children_count;
}

static void gst_latest_frame_class_init(GstLatestFrameClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->dispose = dispose;
  object_class->finalize = finalize;
  HealthProperties::install(object_class, kHealth, HealthProperties::Worker::none,
                            "Value of max-frame-age that pads requested from now on begin with, in ns (0 = disabled, "
                            "else up to 18446744073709551615); such a pad does not push an older frame");

  /**
   * GstLatestFrame:wake:
   *
   * How the thread that distributes frames waits for the next one. With `adaptive` it is awake when the next frame is
   * due, for at most a tenth of a processor; handing a frame in then costs upstream no wake-up.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      object_class, kWake,
      g_param_spec_enum(
          "wake", "Wake", "Method by which the distribution thread waits for the next frame",
          GST_TYPE_LATEST_FRAME_WAKE, static_cast<gint>(Wake::block),
          static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)));
  /**
   * GstLatestFrame:stats:
   *
   * `application/x-latestframe-stats` with the #guint64 fields `received`, `published`, `mailbox-drops` (frames the
   * fan-out itself could not keep up with: a serious fault, or a source that is not live), `discarded` (by a flush or a
   * stop, or for want of buffers), `copied` (because the source has few buffers and downstream keeps them), and
   * `branches`, an array of the pads' own `stats`.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      object_class, kStats,
      g_param_spec_boxed("stats", "Statistics", "Counters of the element and of each branch", GST_TYPE_STRUCTURE,
                         static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));

  auto* element_class = GST_ELEMENT_CLASS(klass);
  element_class->request_new_pad = GST_DEBUG_FUNCPTR(request_pad);
  element_class->release_pad = GST_DEBUG_FUNCPTR(release_pad);
  element_class->change_state = GST_DEBUG_FUNCPTR(change_state);
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template_with_gtype(element_class, &source_template, GST_TYPE_LATEST_FRAME_PAD);
  gst_element_class_set_static_metadata(
      element_class, "Latest-frame fan-out", "Generic/Connector",
      "Hands the newest frame to each branch and never waits for one; a slow branch skips frames",
      "The gst-frame-supplier authors");
  gst_type_mark_as_plugin_api(GST_TYPE_LATEST_FRAME_WAKE, static_cast<GstPluginAPIFlags>(0));
  gst_type_mark_as_plugin_api(GST_TYPE_LATEST_FRAME_PAD, static_cast<GstPluginAPIFlags>(0));
}

static void gst_latest_frame_init(GstLatestFrame* self) {
  GstPad* sink = gst_pad_new_from_static_template(&sink_template, "sink");
  gst_pad_set_chain_function(sink, GST_DEBUG_FUNCPTR(chain));
  gst_pad_set_chain_list_function(sink, GST_DEBUG_FUNCPTR(chain_list));
  gst_pad_set_event_function(sink, GST_DEBUG_FUNCPTR(sink_event));
  gst_pad_set_query_function(sink, GST_DEBUG_FUNCPTR(sink_query));
  self->impl = new Impl(GST_ELEMENT(self), sink);
  gst_element_add_pad(GST_ELEMENT(self), sink);
}
