// SPDX-License-Identifier: LGPL-2.1-or-later
// A results pad: reads results, in whatever form they come, and hands them on.

/**
 * GstResultJoinPad:
 *
 * A results pad of #GstResultJoin.
 *
 * Since: 0.1
 */
#include "resultjoin/gstresultjoinpad.h"

#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.hpp"
#include "base/log_limit.hpp"

GST_DEBUG_CATEGORY_EXTERN(gst_result_join_debug);
#define GST_CAT_DEFAULT gst_result_join_debug

using namespace supplier;
using namespace supplier::resultjoin;

namespace {

enum : guint { kStats = 1 };

struct Impl {
  std::shared_ptr<Joiner> joiner;
  JoinTable::SourceRef source;

  // Of the streaming thread.
  GstSegment segment{};
  bool json = false;  // buffers are results; else they have metas
  PictureSize size;
  LogLimit refusals;

  std::mutex lock;  // a leaf, guards what decides whether a result may come
  bool linked = false;
  bool active = false;
  bool flushing = false;
  bool ended = false;

  template <class Change>
  void change(Change change) {
    const std::lock_guard hold(lock);
    change();
    joiner->set_present(*source, linked && active && !flushing && !ended);
  }
};

}  // namespace

struct _GstResultJoinPad {
  GstPad parent;
  Impl* impl;
};

G_DEFINE_TYPE(GstResultJoinPad, gst_result_join_pad, GST_TYPE_PAD)

namespace {

Impl& impl_of(gpointer pad) { return *GST_RESULT_JOIN_PAD(pad)->impl; }

[[gnu::cold]] void refuse(GstPad* pad, const std::string& why) {
  Impl& impl = impl_of(pad);
  impl.joiner->refuse_result(*impl.source);
  if (const auto count = impl.refusals.due(monotonic_now()))
    GST_WARNING_OBJECT(pad, "refused %" G_GUINT64_FORMAT " results since the last such line: %s", guint64{count},
                       why.c_str());
}

// Nothing: it was refused, or is of another ring.
FindingRef read(GstPad* pad, GstBuffer* buffer, FrameId& frame) {
  Impl& impl = impl_of(pad);
  if (!impl.json) return Findings::from_metas(buffer, impl.size);
  std::string why = "it is empty or cannot be read";
  std::optional<shmring::FrameResult> result;
  if (const gsize size = gst_buffer_get_size(buffer); size > shmring::kResultSize) {
    why = "it has " + std::to_string(size) + " bytes, " + std::to_string(shmring::kResultSize) + " are allowed";
  } else if (GstMapInfo map; gst_buffer_map(buffer, &map, GST_MAP_READ)) {
    result = shmring::parse_result({reinterpret_cast<const char*>(map.data), map.size}, why);
    gst_buffer_unmap(buffer, &map);
  }
  if (!result) {
    refuse(pad, why);
    return nullptr;
  }
  if (!impl.joiner->is_of_this_ring(*impl.source, result->ring)) {
    GST_LOG_OBJECT(pad, "result for a frame of another ring: %s", result->ring.c_str());
    return nullptr;
  }
  frame.sequence = result->sequence;
  return Findings::from_result(*result, frame.time);
}

GstFlowReturn chain(GstPad* pad, GstObject*, GstBuffer* owned) {
  const auto buffer = adopt(owned);
  Impl& impl = impl_of(pad);
  FrameId frame;
  if (impl.segment.format == GST_FORMAT_TIME)
    frame.time = gst_segment_to_running_time(&impl.segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer.get()));
  if (frame.time == kUnknown) {
    refuse(pad, "it has no time by which its frame is known");
    return GST_FLOW_OK;
  }
  auto findings = read(pad, buffer.get(), frame);
  if (!findings) return GST_FLOW_OK;
  const auto outcome = impl.joiner->add_result(*impl.source, frame, std::move(findings));
  GST_LOG_OBJECT(pad, "result for the frame of %" GST_TIME_FORMAT ": %s", GST_TIME_ARGS(frame.time), name_of(outcome));
  return GST_FLOW_OK;
}

void set_caps(GstPad* pad, GstEvent* event) {
  Impl& impl = impl_of(pad);
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  impl.json = gst_structure_has_name(gst_caps_get_structure(caps, 0), shmring::kResultMediaType);
  impl.size = PictureSize::from_caps(caps);
  GST_DEBUG_OBJECT(pad, "gets %s: %" GST_PTR_FORMAT, impl.json ? "results" : "buffers with metas", caps);
}

// None goes on: the source pad has the events of the frames.
gboolean event(GstPad* pad, GstObject*, GstEvent* owned) {
  const auto event = adopt(owned);
  Impl& impl = impl_of(pad);
  switch (GST_EVENT_TYPE(event.get())) {
    case GST_EVENT_CAPS:
      set_caps(pad, event.get());
      break;
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment(event.get(), &impl.segment);
      break;
    case GST_EVENT_STREAM_START:
      impl.change([&impl] { impl.ended = false; });
      break;
    case GST_EVENT_EOS:
      GST_DEBUG_OBJECT(pad, "has ended, no frame waits for it");
      impl.change([&impl] { impl.ended = true; });
      break;
    case GST_EVENT_FLUSH_START:
      impl.change([&impl] { impl.flushing = true; });
      impl.joiner->discard_results(*impl.source);
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_segment_init(&impl.segment, GST_FORMAT_UNDEFINED);
      impl.joiner->discard_results(*impl.source);
      impl.change([&impl] { impl.flushing = impl.ended = false; });
      break;
    default:
      break;
  }
  return TRUE;
}

gboolean query(GstPad* pad, GstObject* parent, GstQuery* query) {
  if (GST_QUERY_TYPE(query) == GST_QUERY_DRAIN) return TRUE;  // no buffer is kept
  if (is_serialized(query)) return FALSE;
  return gst_pad_query_default(pad, parent, query);
}

gboolean activate_mode(GstPad* pad, GstObject*, GstPadMode mode, gboolean on) {
  if (mode != GST_PAD_MODE_PUSH) return FALSE;
  Impl& impl = impl_of(pad);
  if (!on) {
    gst_segment_init(&impl.segment, GST_FORMAT_UNDEFINED);
    impl.joiner->discard_results(*impl.source);
  }
  impl.change([&impl, on] {
    impl.active = on;
    impl.flushing = impl.ended = false;
  });
  return TRUE;
}

void finalize(GObject* object) {
  delete GST_RESULT_JOIN_PAD(object)->impl;
  G_OBJECT_CLASS(gst_result_join_pad_parent_class)->finalize(object);
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  if (id == kStats)
    g_value_take_boxed(value, pad_stats(GST_PAD(object)).release());
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

const char* state_name(const SourceState& state) {
  if (!state.present) return "absent";
  return state.silent ? "silent" : "awaited";
}

}  // namespace

Owned<GstStructure> supplier::resultjoin::pad_stats(GstPad* pad) {
  Impl& impl = impl_of(pad);
  if (!impl.joiner) return nullptr;  // the pad is being made
  const SourceState state = impl.joiner->state_of(*impl.source);
  auto stats = adopt(gst_structure_new("application/x-resultjoin-pad-stats", "pad", G_TYPE_STRING, GST_OBJECT_NAME(pad),
                                       "state", G_TYPE_STRING, state_name(state), nullptr));
  const ResultCounts& counts = state.counts;
  for (const auto& [name, value] :
       {std::pair("results", counts.results), std::pair("joined", counts.joined), std::pair("late", counts.late),
        std::pair("duplicates", counts.duplicates), std::pair("expired", counts.expired),
        std::pair("refused", counts.refused), std::pair("other-rings", counts.other_rings),
        std::pair("discarded", counts.discarded), std::pair("pending", counts.pending),
        std::pair("frames", counts.frames), std::pair("missing", counts.missing)})
    gst_structure_set(stats.get(), name, G_TYPE_UINT64, guint64{value}, nullptr);
  return stats;
}

static void gst_result_join_pad_class_init(GstResultJoinPadClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  /**
   * GstResultJoinPad:stats:
   *
   * `application/x-resultjoin-pad-stats` with the strings `pad` and `state` (`awaited`, `silent`, `absent`) and the #guint64 fields
   * `results` = `joined` + `late` + `duplicates` + `expired` + `refused` + `other-rings` + `discarded` + `pending`, and `frames`, of which `missing` went
   * on without a result of this pad.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      object_class, kStats,
      g_param_spec_boxed("stats", "Statistics", "Counters of this pad's results", GST_TYPE_STRUCTURE,
                         static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
  auto* pad_class = GST_PAD_CLASS(klass);
  pad_class->linked = [](GstPad* pad, GstPad*) { impl_of(pad).change([pad] { impl_of(pad).linked = true; }); };
  pad_class->unlinked = [](GstPad* pad, GstPad*) {
    GST_DEBUG_OBJECT(pad, "is unlinked, no frame waits for it");
    impl_of(pad).change([pad] { impl_of(pad).linked = false; });
  };
}

static void gst_result_join_pad_init(GstResultJoinPad* self) {
  self->impl = new Impl;
  gst_segment_init(&self->impl->segment, GST_FORMAT_UNDEFINED);
}

GstPad* gst_result_join_pad_new(const std::shared_ptr<Joiner>& joiner, GstPadTemplate* templ, const char* name) {
  auto* pad = GST_PAD(
      g_object_new(GST_TYPE_RESULT_JOIN_PAD, "name", name, "direction", GST_PAD_SINK, "template", templ, nullptr));
  gst_pad_set_chain_function(pad, GST_DEBUG_FUNCPTR(chain));
  gst_pad_set_event_function(pad, GST_DEBUG_FUNCPTR(event));
  gst_pad_set_query_function(pad, GST_DEBUG_FUNCPTR(query));
  gst_pad_set_activatemode_function(pad, GST_DEBUG_FUNCPTR(activate_mode));
  // Nothing that comes here leaves by the source pad, nor the other way round.
  gst_pad_set_iterate_internal_links_function(pad, [](GstPad*, GstObject*) -> GstIterator* { return nullptr; });
  Impl& impl = impl_of(pad);
  impl.joiner = joiner;
  impl.source = joiner->add_source();
  return pad;
}

void gst_result_join_pad_retire(GstPad* pad) {
  Impl& impl = impl_of(pad);
  impl.joiner->remove_source(impl.source);
}
