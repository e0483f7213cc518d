// SPDX-License-Identifier: LGPL-2.1-or-later
// The GObject around the joiner: pads, properties, states.

/**
 * SECTION:element-resultjoin
 * @title: resultjoin
 * @see_also: shmringsrc, shmringsink, latestframe
 *
 * Puts what workers found in a frame onto that frame: results come back from other processes through a ring, or from an
 * inference branch of the same pipeline, and become regions of interest and analytics metas. A result never gets onto a
 * frame that it is not of, and frames never wait for a worker that is gone, stuck or silent.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 videotestsrc is-live=true num-buffers=60 ! video/x-raw,format=I420 ! tee name=t
 *   resultjoin name=join mode=exact ! fakesink  t. ! queue ! join.sink  t. ! queue ! identity ! join.results_0
 * ]|
 * Metas that an inference branch of the same pipeline attaches (here there are none) are joined to the frames.
 *
 * Since: 0.1
 */
#include "resultjoin/gstresultjoin.h"

#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>

#include "resultjoin/gstresultjoinpad.h"
#include "resultjoin/joiner.hpp"

GST_DEBUG_CATEGORY(gst_result_join_debug);
#define GST_CAT_DEFAULT gst_result_join_debug

using namespace supplier;
using namespace supplier::resultjoin;

namespace {

enum : guint { kMode = 1, kMaxFrames, kMaxWait, kExpire, kStats };

constexpr std::uint64_t kLongestWait = 3600 * GST_SECOND;

GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
GstStaticPadTemplate source_template = GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
GstStaticPadTemplate results_template =
    GST_STATIC_PAD_TEMPLATE("results_%u", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS_ANY);

struct Impl {
  Impl(GstElement* element, GstPad* sink_pad, GstPad* source_pad)
      : sink(sink_pad), source(source_pad), joiner(std::make_shared<Joiner>(element, sink, source)) {}

  GstPad* const sink;
  GstPad* const source;
  const std::shared_ptr<Joiner> joiner;
  std::atomic<bool> active{false};  // pads are to be active
  std::mutex lock;                  // a leaf, guards next_index
  guint next_index = 0;
};

}  // namespace

#define GST_TYPE_RESULT_JOIN_MODE (gst_result_join_mode_get_type())
static GType gst_result_join_mode_get_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(Mode::latest), "Take the newest results there are and wait for none", "latest"},
      {static_cast<gint>(Mode::exact), "Hold each frame for its own results", "exact"},
      {0, nullptr, nullptr}};
  static const GType type = g_enum_register_static("GstResultJoinMode", values);
  return type;
}

struct _GstResultJoin {
  GstElement parent;
  Impl* impl;
};

#define gst_result_join_parent_class parent_class
G_DEFINE_TYPE_WITH_CODE(GstResultJoin, gst_result_join, GST_TYPE_ELEMENT,
                        GST_DEBUG_CATEGORY_INIT(gst_result_join_debug, "resultjoin", 0, "resultjoin element"))
GST_ELEMENT_REGISTER_DEFINE(resultjoin, "resultjoin", GST_RANK_NONE, GST_TYPE_RESULT_JOIN)

namespace {

Impl& impl_of(gpointer element) { return *static_cast<GstResultJoin*>(element)->impl; }

GstFlowReturn chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
  return impl_of(parent).joiner->chain(Owned<GstMiniObject>(GST_MINI_OBJECT_CAST(buffer)));
}

GstFlowReturn chain_list(GstPad*, GstObject* parent, GstBufferList* list) {
  return impl_of(parent).joiner->chain(Owned<GstMiniObject>(GST_MINI_OBJECT_CAST(list)));
}

gboolean sink_event(GstPad*, GstObject* parent, GstEvent* event) {
  return impl_of(parent).joiner->sink_event(adopt(event));
}

gboolean sink_query(GstPad*, GstObject* parent, GstQuery* query) { return impl_of(parent).joiner->sink_query(query); }

gboolean source_query(GstPad*, GstObject* parent, GstQuery* query) {
  return impl_of(parent).joiner->source_query(query);
}

gboolean activate_sink(GstPad*, GstObject* parent, GstPadMode mode, gboolean on) {
  return mode == GST_PAD_MODE_PUSH && impl_of(parent).joiner->activate_sink(on);
}

gboolean activate_source(GstPad*, GstObject* parent, GstPadMode mode, gboolean on) {
  return mode == GST_PAD_MODE_PUSH && impl_of(parent).joiner->activate_source(on);
}

// sink and source pad alone: a seek must not go to the workers, nor what they send downstream.
GstIterator* internal_links(GstPad* pad, GstObject* parent) {
  const Impl& impl = impl_of(parent);
  GValue other = G_VALUE_INIT;
  g_value_init(&other, GST_TYPE_PAD);
  g_value_set_object(&other, pad == impl.sink ? impl.source : impl.sink);
  GstIterator* iterator = gst_iterator_new_single(GST_TYPE_PAD, &other);
  g_value_unset(&other);
  return iterator;
}

// "results_7" is honoured, and after it come 8, 9 … Empty: not a name of ours.
std::string pad_name(Impl& impl, const char* wanted) {
  std::lock_guard hold(impl.lock);
  guint64 index = impl.next_index;
  if (wanted && std::strcmp(wanted, results_template.name_template) != 0 &&
      (!g_str_has_prefix(wanted, "results_") ||
       !g_ascii_string_to_unsigned(wanted + std::strlen("results_"), 10, 0, G_MAXUINT - 1, &index, nullptr)))
    return {};
  if (index >= impl.next_index) impl.next_index = static_cast<guint>(index) + 1;
  return "results_" + std::to_string(index);
}

GstPad* request_pad(GstElement* element, GstPadTemplate* templ, const char* wanted, const GstCaps*) {
  Impl& impl = impl_of(element);
  const std::string name = pad_name(impl, wanted);
  if (name.empty() || adopt(gst_element_get_static_pad(element, name.c_str()))) {
    GST_WARNING_OBJECT(element, "a pad cannot be called \"%s\": it is in use, or not of the form results_%%u", wanted);
    return nullptr;
  }
  GstPad* pad = gst_result_join_pad_new(impl.joiner, templ, name.c_str());
  GST_DEBUG_OBJECT(element, "new pad %s, the element is %s", name.c_str(), impl.active ? "active" : "inactive");
  if (impl.active) gst_pad_set_active(pad, TRUE);  // a running element gets an active pad
  if (!gst_element_add_pad(element, pad)) return nullptr;
  // The state change of the element, in another thread, sets its pads too. Repeat until both say the same.
  for (bool active = !impl.active; active != impl.active;) gst_pad_set_active(pad, active = impl.active);
  return pad;
}

// It is not deactivated: a buffer that is on its way to it would be answered with "flushing", which ends the other branches of a tee, too.
// It is taken and forgotten; upstream then sees a pad that is not linked, which a tee passes over.
void release_pad(GstElement* element, GstPad* pad) {
  GST_DEBUG_OBJECT(pad, "is released");
  if (const auto peer = adopt(gst_pad_get_peer(pad))) gst_pad_unlink(peer.get(), pad);
  gst_result_join_pad_retire(pad);
  GST_OBJECT_FLAG_UNSET(pad, GST_PAD_FLAG_NEED_PARENT);
  gst_element_remove_pad(element, pad);
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  Impl& impl = impl_of(element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    impl.joiner->start();
    impl.active = true;
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING) {
    impl.joiner->use_clock(adopt(gst_element_get_clock(element)).get());
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    impl.active = false;
  }
  const auto result = GST_ELEMENT_CLASS(parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && result == GST_STATE_CHANGE_FAILURE) {
    // No transition back follows a failed one.
    impl.active = false;
    GST_ELEMENT_CLASS(parent_class)->change_state(element, GST_STATE_CHANGE_PAUSED_TO_READY);
  }
  return result;
}

Owned<GstStructure> stats_of(GstElement* element) {
  const FrameCounts counts = impl_of(element).joiner->counts();
  auto stats = adopt(gst_structure_new(
      "application/x-resultjoin-stats", "received", G_TYPE_UINT64, guint64{counts.received}, "pushed", G_TYPE_UINT64,
      guint64{counts.pushed}, "held", G_TYPE_UINT64, guint64{counts.held}, "discarded", G_TYPE_UINT64,
      guint64{counts.discarded}, "joined", G_TYPE_UINT64, guint64{counts.joined}, nullptr));
  GValue pads = G_VALUE_INIT;
  gst_value_array_init(&pads, 0);
  gst_element_foreach_sink_pad(
      element,
      [](GstElement*, GstPad* pad, gpointer to) -> gboolean {
        if (G_OBJECT_TYPE(pad) != GST_TYPE_RESULT_JOIN_PAD) return TRUE;
        GValue each = G_VALUE_INIT;
        g_value_init(&each, GST_TYPE_STRUCTURE);
        g_value_take_boxed(&each, pad_stats(pad).release());
        gst_value_array_append_and_take_value(static_cast<GValue*>(to), &each);
        return TRUE;
      },
      &pads);
  gst_structure_take_value(stats.get(), "pads", &pads);
  return stats;
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  Joiner& joiner = *impl_of(object).joiner;
  GST_DEBUG_OBJECT(object, "property %s is set", spec->name);
  switch (id) {
    case kMode:
      return joiner.set_mode(static_cast<Mode>(g_value_get_enum(value)));
    case kMaxFrames:
      return joiner.set_max_frames(g_value_get_uint(value));
    case kMaxWait:
      if (joiner.set_max_wait(g_value_get_uint64(value)))
        gst_element_post_message(GST_ELEMENT(object), gst_message_new_latency(GST_OBJECT(object)));
      return;
    case kExpire:
      return joiner.set_expire(g_value_get_uint64(value));
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  const Joiner& joiner = *impl_of(object).joiner;
  switch (id) {
    case kMode:
      return g_value_set_enum(value, static_cast<gint>(joiner.mode()));
    case kMaxFrames:
      return g_value_set_uint(value, joiner.limits().max_frames);
    case kMaxWait:
      return g_value_set_uint64(value, joiner.limits().max_wait);
    case kExpire:
      return g_value_set_uint64(value, joiner.limits().expire);
    case kStats:
      return g_value_take_boxed(value, stats_of(GST_ELEMENT(object)).release());
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

void dispose(GObject* object) {
  std::vector<Owned<GstPad>> pads;
  GST_OBJECT_LOCK(object);
  for (GList* each = GST_ELEMENT(object)->sinkpads; each; each = each->next)
    if (G_OBJECT_TYPE(each->data) == GST_TYPE_RESULT_JOIN_PAD) pads.push_back(share(GST_PAD(each->data)));
  GST_OBJECT_UNLOCK(object);
  for (const auto& pad : pads) gst_element_release_request_pad(GST_ELEMENT(object), pad.get());
  G_OBJECT_CLASS(parent_class)->dispose(object);
}

void finalize(GObject* object) {
  delete GST_RESULT_JOIN(object)->impl;
  G_OBJECT_CLASS(parent_class)->finalize(object);
}

void install_properties(GObjectClass* klass) {
  const JoinLimits defaults;
  constexpr auto kAlways =
      static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  constexpr auto kBeforeStart =
      static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  /**
   * GstResultJoin:mode:
   *
   * With `exact` each frame waits for its own results, for at most #GstResultJoin:max-wait. With `latest` no frame waits, and takes the
   * newest results that are not older than #GstResultJoin:expire.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      klass, kMode,
      g_param_spec_enum("mode", "Mode", "Results that a frame takes", GST_TYPE_RESULT_JOIN_MODE,
                        static_cast<gint>(Mode::latest), kBeforeStart));
  g_object_class_install_property(
      klass, kMaxFrames,
      g_param_spec_uint("max-frames", "Maximum frames", "Maximum number of frames held for their results (mode=exact)",
                        1, kMostHeld, defaults.max_frames, kAlways));
  /**
   * GstResultJoin:max-wait:
   *
   * Longest time for which a frame is held for its results. It is added to the latency of the pipeline. A pad that was silent for twice
   * that time while frames waited for it is not waited for until its next result.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      klass, kMaxWait,
      g_param_spec_uint64("max-wait", "Maximum wait",
                          "Longest time that a frame waits for its results, in ns (mode=exact)", 0, kLongestWait,
                          defaults.max_wait, kAlways));
  g_object_class_install_property(
      klass, kExpire,
      g_param_spec_uint64("expire", "Expire",
                          "Age above which a result is dropped: of its frame (mode=latest), or of its wait for a frame "
                          "that has not come yet (mode=exact), in ns",
                          0, G_MAXUINT64, defaults.expire, kAlways));
  /**
   * GstResultJoin:stats:
   *
   * `application/x-resultjoin-stats` with the #guint64 fields `received` = `pushed` + `held` + `discarded` (by a flush, a stop or an error
   * of downstream), `joined` (frames with a result, of the pushed), and `pads`, an array of the results pads' own `stats`.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      klass, kStats,
      g_param_spec_boxed("stats", "Statistics", "Counters of the element and of each results pad", GST_TYPE_STRUCTURE,
                         static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

}  // namespace

static void gst_result_join_class_init(GstResultJoinClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->dispose = dispose;
  object_class->finalize = finalize;
  install_properties(object_class);

  auto* element_class = GST_ELEMENT_CLASS(klass);
  element_class->request_new_pad = GST_DEBUG_FUNCPTR(request_pad);
  element_class->release_pad = GST_DEBUG_FUNCPTR(release_pad);
  element_class->change_state = GST_DEBUG_FUNCPTR(change_state);
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &source_template);
  gst_element_class_add_static_pad_template_with_gtype(element_class, &results_template, GST_TYPE_RESULT_JOIN_PAD);
  gst_element_class_set_static_metadata(
      element_class, "Result join", "Generic",
      "Puts what workers found in a frame onto that frame, and waits for no worker that is gone",
      "The gst-frame-supplier authors");
  gst_type_mark_as_plugin_api(GST_TYPE_RESULT_JOIN_MODE, static_cast<GstPluginAPIFlags>(0));
  gst_type_mark_as_plugin_api(GST_TYPE_RESULT_JOIN_PAD, static_cast<GstPluginAPIFlags>(0));
}

static void gst_result_join_init(GstResultJoin* self) {
  GstPad* sink = gst_pad_new_from_static_template(&sink_template, "sink");
  gst_pad_set_chain_function(sink, GST_DEBUG_FUNCPTR(chain));
  gst_pad_set_chain_list_function(sink, GST_DEBUG_FUNCPTR(chain_list));
  gst_pad_set_event_function(sink, GST_DEBUG_FUNCPTR(sink_event));
  gst_pad_set_query_function(sink, GST_DEBUG_FUNCPTR(sink_query));
  gst_pad_set_activatemode_function(sink, GST_DEBUG_FUNCPTR(activate_sink));
  GstPad* source = gst_pad_new_from_static_template(&source_template, "src");
  gst_pad_set_query_function(source, GST_DEBUG_FUNCPTR(source_query));
  gst_pad_set_activatemode_function(source, GST_DEBUG_FUNCPTR(activate_source));
  for (GstPad* pad : {sink, source}) {
    gst_pad_set_iterate_internal_links_function(pad, GST_DEBUG_FUNCPTR(internal_links));
    GST_PAD_SET_PROXY_CAPS(pad);
  }
  self->impl = new Impl(GST_ELEMENT(self), sink, source);
  gst_element_add_pad(GST_ELEMENT(self), sink);
  gst_element_add_pad(GST_ELEMENT(self), source);
}
