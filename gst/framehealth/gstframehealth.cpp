// SPDX-License-Identifier: LGPL-2.1-or-later
// The GObject shell of framehealth: every function converts, forwards, returns.

/**
 * SECTION:element-framehealth
 * @title: framehealth
 * @short_description: reports the health of the worker behind it on the bus
 *
 * framehealth stands directly before the work it watches and times each push into it. So it tells a worker that is busy
 * from one that is stuck, and both from one that gets no frames. It forwards buffers, buffer lists, events, queries and
 * flow returns untouched.
 *
 * Whenever the state of the worker changes it posts an element message named `frame-health` whose field `state` is one
 * of waiting, ok, slow, stuck, starved and dead; #GstFrameHealth:interval adds periodic ones. It never posts an error.
 * The property #GstFrameHealth:stats has the same fields at any moment.
 *
 * A queue right behind framehealth hides the work: the push ends when the frame is queued. Put the queue before
 * framehealth.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -m videotestsrc is-live=true num-buffers=90 ! video/x-raw,format=I420 ! queue ! framehealth
 *   worker=sink stall-timeout=2000000000
 * ! fakesink
 * ]| prints a message when the worker becomes ok.
 * |[
 * gst-launch-1.0 -m videotestsrc is-live=true num-buffers=60 ! video/x-raw,format=I420 ! queue ! framehealth
 *   interval=500000000 ! identity
 * sleep-time=50000 ! fakesink
 * ]| reports every half second how long the work takes (`hold-p50`).
 *
 * Since: 0.1
 */

#include "gstframehealth.h"

#include "frame_health.hpp"

using supplier::FrameHealth;
using supplier::HealthProperties;

GST_DEBUG_CATEGORY(gst_frame_health_debug);
#define GST_CAT_DEFAULT gst_frame_health_debug

struct _GstFrameHealth {
  GstElement parent;
  FrameHealth* impl;
};

G_DEFINE_TYPE_WITH_CODE(GstFrameHealth, gst_frame_health, GST_TYPE_ELEMENT,
                        GST_DEBUG_CATEGORY_INIT(gst_frame_health_debug, "framehealth", 0, "health of a worker"))
GST_ELEMENT_REGISTER_DEFINE(framehealth, "framehealth", GST_RANK_NONE, GST_TYPE_FRAME_HEALTH)

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
static GstStaticPadTemplate source_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

static FrameHealth* impl(gpointer self) { return GST_FRAME_HEALTH(self)->impl; }

static GstStateChangeReturn gst_frame_health_change_state(GstElement* element, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) impl(element)->begin_run();
  if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED) impl(element)->pause();
  const auto result = GST_ELEMENT_CLASS(gst_frame_health_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING && result != GST_STATE_CHANGE_FAILURE && !impl(element)->play())
    return GST_STATE_CHANGE_FAILURE;
  return result;
}

static void gst_frame_health_set_property(GObject* object, guint id, const GValue* value, GParamSpec*) {
  impl(object)->set_property(id, value);
}

static void gst_frame_health_get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  if (!impl(object)->get_property(id, value)) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

static void gst_frame_health_finalize(GObject* object) {
  delete impl(object);
  G_OBJECT_CLASS(gst_frame_health_parent_class)->finalize(object);
}

static void gst_frame_health_class_init(GstFrameHealthClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  auto* element_class = GST_ELEMENT_CLASS(klass);
  object_class->set_property = gst_frame_health_set_property;
  object_class->get_property = gst_frame_health_get_property;
  object_class->finalize = gst_frame_health_finalize;
  element_class->change_state = gst_frame_health_change_state;

  HealthProperties::install(object_class, FrameHealth::kFirstProperty, HealthProperties::Worker::own,
                            "Lateness of a frame after its running time above which the worker is reported slow, in ns "
                            "(0 = disabled)");
  /**
   * GstFrameHealth:stats:
   *
   * The fields of the message `frame-health` as they are now, in a structure `application/x-framehealth-stats`.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      object_class, FrameHealth::kStats,
      g_param_spec_boxed("stats", "Statistics", "Current fields of the frame-health message", GST_TYPE_STRUCTURE,
                         static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));

  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &source_template);
  gst_element_class_set_static_metadata(element_class, "Frame health", "Filter/Analyzer",
                                        "Measures the worker downstream and posts its health on the bus",
                                        "The gst-frame-supplier authors");
}

static GstPad* add_pad(GstElement* element, GstStaticPadTemplate* pad_template) {
  GstPad* pad = gst_pad_new_from_static_template(pad_template, pad_template->name_template);
  GST_PAD_SET_PROXY_CAPS(pad);
  gst_element_add_pad(element, pad);
  return pad;
}

static void gst_frame_health_init(GstFrameHealth* self) {
  auto* element = GST_ELEMENT(self);
  GstPad* sink = add_pad(element, &sink_template);
  GstPad* source = add_pad(element, &source_template);
  self->impl = new FrameHealth(element, sink, source);
  GST_PAD_SET_PROXY_ALLOCATION(sink);

  gst_pad_set_chain_function(
      sink, [](GstPad*, GstObject* parent, GstBuffer* buffer) -> GstFlowReturn { return impl(parent)->chain(buffer); });
  gst_pad_set_chain_list_function(sink, [](GstPad*, GstObject* parent, GstBufferList* list) -> GstFlowReturn {
    return impl(parent)->chain_list(list);
  });
  gst_pad_set_event_function(
      sink, [](GstPad*, GstObject* parent, GstEvent* event) -> gboolean { return impl(parent)->sink_event(event); });
  gst_pad_set_query_function(
      sink, [](GstPad*, GstObject* parent, GstQuery* query) -> gboolean { return impl(parent)->sink_query(query); });
  gst_pad_set_query_function(source, [](GstPad*, GstObject* parent, GstQuery* query) -> gboolean {
    return impl(parent)->source_query(query);
  });
}
