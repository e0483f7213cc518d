// SPDX-License-Identifier: LGPL-2.1-or-later
// The GObject around a branch.

/**
 * GstLatestFramePad:
 *
 * A source pad of #GstLatestFrame: one branch, with a thread of its own and the health properties of its worker.
 *
 * Since: 0.1
 */
#include "latestframe/gstlatestframepad.h"

#include "latestframe/fanout.hpp"

GST_DEBUG_CATEGORY_EXTERN(gst_latest_frame_debug);
#define GST_CAT_DEFAULT gst_latest_frame_debug

using namespace supplier;
using namespace supplier::latestframe;

Owned<GstStructure> supplier::latestframe::branch_stats(Fanout& fanout, const Branch& branch) {
  auto stats = fanout.monitor().describe("application/x-latestframe-pad-stats", branch.watched().seen);
  gst_structure_set(stats.get(), "events-dropped", G_TYPE_UINT64, guint64{branch.events_dropped()}, nullptr);
  return stats;
}

namespace {

struct Impl {
  std::shared_ptr<Fanout> fanout;
  std::shared_ptr<Branch> branch;
};

}  // namespace

struct _GstLatestFramePad {
  GstPad parent;
  Impl* impl;
};

G_DEFINE_TYPE(GstLatestFramePad, gst_latest_frame_pad, GST_TYPE_PAD)

namespace {

enum : guint { kHealth = 1, kStats = kHealth + HealthProperties::kCount };

// NULL while the pad is being made.
Impl* impl_of(gpointer pad) { return GST_LATEST_FRAME_PAD(pad)->impl; }

Branch& branch_of(gpointer pad) { return *impl_of(pad)->branch; }

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  Impl* impl = impl_of(object);
  GST_DEBUG_OBJECT(object, "property %s is set", spec->name);
  if (impl && !impl->branch->properties().set(id, value)) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  Impl* impl = impl_of(object);
  if (!impl) return;
  if (id == kStats)
    g_value_take_boxed(value, branch_stats(*impl->fanout, *impl->branch).release());
  else if (!impl->branch->properties().get(id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

void dispose(GObject* object) {
  if (Impl* impl = impl_of(object)) impl->fanout->remove(*impl->branch);
  G_OBJECT_CLASS(gst_latest_frame_pad_parent_class)->dispose(object);
}

void finalize(GObject* object) {
  delete impl_of(object);
  G_OBJECT_CLASS(gst_latest_frame_pad_parent_class)->finalize(object);
}

gboolean activate_mode(GstPad* pad, GstObject*, GstPadMode mode, gboolean active) {
  if (mode != GST_PAD_MODE_PUSH) return FALSE;
  GST_DEBUG_OBJECT(pad, active ? "becomes active" : "becomes inactive");
  if (active) return branch_of(pad).activate();
  branch_of(pad).deactivate();
  return TRUE;
}

gboolean source_event(GstPad* pad, GstObject*, GstEvent* event) {
  return impl_of(pad)->fanout->source_event(branch_of(pad), adopt(event));
}

gboolean source_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  bool result = false;
  if (impl_of(pad)->fanout->source_query(query, result)) return result;
  return gst_pad_query_default(pad, parent, query);
}

}  // namespace

static void gst_latest_frame_pad_class_init(GstLatestFramePadClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->dispose = dispose;
  object_class->finalize = finalize;
  HealthProperties::install(
      object_class, kHealth, HealthProperties::Worker::own,
      "Age of a frame, from the sink pad to its push, above which it is not pushed and counts as stale, "
      "and the worker is reported slow, in ns (0 = disabled, else up to 18446744073709551615)");

  /**
   * GstLatestFramePad:stats:
   *
   * `application/x-latestframe-pad-stats`: the fields of the message `frame-health` at this moment, and
   * `events-dropped` (#guint64), one-shot events lost because the branch took none of the last 16.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      object_class, kStats,
      g_param_spec_boxed("stats", "Statistics", "Counters and health of this branch", GST_TYPE_STRUCTURE,
                         static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));

  auto* pad_class = GST_PAD_CLASS(klass);
  pad_class->linked = [](GstPad* pad, GstPad*) { branch_of(pad).linked(); };
  pad_class->unlinked = [](GstPad* pad, GstPad*) { branch_of(pad).unlinked(); };
}

static void gst_latest_frame_pad_init(GstLatestFramePad* self) {
  GstPad* pad = GST_PAD(self);
  gst_pad_set_activatemode_function(pad, GST_DEBUG_FUNCPTR(activate_mode));
  gst_pad_set_event_function(pad, GST_DEBUG_FUNCPTR(source_event));
  gst_pad_set_query_function(pad, GST_DEBUG_FUNCPTR(source_query));
  GST_PAD_SET_PROXY_CAPS(pad);
}

void gst_latest_frame_pad_retire(GstPad* pad) {
  GST_DEBUG_OBJECT(pad, "is retired: the pad is being released");
  branch_of(pad).retire();
  gst_pad_set_active(pad, FALSE);
  impl_of(pad)->fanout->remove(branch_of(pad));  // now: a message on the bus may keep the pad for long
}

GstPad* gst_latest_frame_pad_new(const std::shared_ptr<Fanout>& fanout, GstPadTemplate* templ, const char* name,
                                 const Limits& limits) {
  auto* pad = GST_PAD(
      g_object_new(GST_TYPE_LATEST_FRAME_PAD, "name", name, "direction", GST_PAD_SRC, "template", templ, nullptr));
  auto branch = std::make_shared<Branch>(fanout, pad, kHealth);
  branch->properties().set_limits(limits);
  fanout->add(branch);
  GST_LATEST_FRAME_PAD(pad)->impl = new Impl{fanout, std::move(branch)};
  gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_DATA_DOWNSTREAM,
      [](GstPad* at, GstPadProbeInfo*, gpointer) {
        branch_of(at).passed();
        return GST_PAD_PROBE_OK;
      },
      nullptr, nullptr);
  return pad;
}
