// SPDX-License-Identifier: LGPL-2.1-or-later
#include "resultjoin/findings.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <utility>

#include "resultjoin/analytics.hpp"

namespace supplier::resultjoin {
namespace {

// Labels become GQuarks, which are never freed. A worker that invents new ones without end gets this one for the further ones.
constexpr int kMostLabels = 4096;
constexpr const char* kAnyLabel = "object";

GQuark quark_of(const std::string& label) {
  static std::mutex lock;
  static int labels = 0;
  const std::lock_guard hold(lock);
  if (const GQuark known = g_quark_try_string(label.c_str())) return known;
  return g_quark_from_string(labels++ < kMostLabels ? label.c_str() : kAnyLabel);
}

template <class Integer>
void set_unsigned(GstStructure* structure, const char* name, Integer value) {
  if (value != kUnknown) gst_structure_set(structure, name, G_TYPE_UINT64, guint64{value}, nullptr);
}

// The part of [from, from + size] that lies within [0, most], in whole pixels.
std::pair<guint, guint> clip(double from, double size, double factor, guint most) {
  const double limit = most != 0 ? most : std::numeric_limits<gint>::max();
  const double begin = std::clamp(std::round(from * factor), 0.0, limit);
  const double end = std::clamp(std::round((from + size) * factor), begin, limit);
  return {static_cast<guint>(begin), static_cast<guint>(end - begin)};
}

gint next_id(GstBuffer* buffer) {
  gint id = 0;
  gpointer state = nullptr;
  while (const GstMeta* meta =
             gst_buffer_iterate_meta_filtered(buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))
    id = std::max(id, reinterpret_cast<const GstVideoRegionOfInterestMeta*>(meta)->id);
  return id < std::numeric_limits<gint>::max() / 2 ? id + 1 : 1;
}

}  // namespace

PictureSize PictureSize::from_caps(const GstCaps* caps) {
  gint width = 0;
  gint height = 0;
  if (const GstStructure* structure = caps && !gst_caps_is_empty(caps) ? gst_caps_get_structure(caps, 0) : nullptr) {
    gst_structure_get_int(structure, "width", &width);
    gst_structure_get_int(structure, "height", &height);
  }
  if (width <= 0 || height <= 0) return {};
  return {static_cast<unsigned>(width), static_cast<unsigned>(height)};
}

std::shared_ptr<const Findings> Findings::from_result(const shmring::FrameResult& result, std::uint64_t frame_time) {
  auto findings = std::make_shared<Findings>();
  findings->size_ = {result.width, result.height};
  findings->regions_.reserve(result.objects.size());
  for (const shmring::Object& object : result.objects) {
    Region region;
    region.type = quark_of(object.label);
    region.box = object.box;
    region.score = object.score;
    region.track = object.track.value_or(-1);
    region.parent = object.parent.value_or(-1);
    auto detection = adopt(gst_structure_new("detection", "label", G_TYPE_STRING, object.label.c_str(), "score",
                                             G_TYPE_DOUBLE, object.score, nullptr));
    if (object.track) gst_structure_set(detection.get(), "track", G_TYPE_INT64, gint64{*object.track}, nullptr);
    for (const auto& [name, text] : {std::pair("worker", &result.worker), std::pair("model", &result.model)})
      if (!text->empty()) gst_structure_set(detection.get(), name, G_TYPE_STRING, text->c_str(), nullptr);
    set_unsigned(detection.get(), "sequence", result.sequence);
    set_unsigned(detection.get(), "pts", frame_time);
    region.parameters.push_back(std::move(detection));
    findings->regions_.push_back(std::move(region));
  }
  for (const shmring::Classification& each : result.classes)
    findings->classes_.push_back({quark_of(each.label), static_cast<float>(each.score)});
  return findings;
}

std::shared_ptr<const Findings> Findings::from_metas(GstBuffer* buffer, PictureSize size) {
  auto findings = std::make_shared<Findings>();
  findings->size_ = size;
  std::vector<gint> ids;
  std::vector<gint> parents;
  gpointer state = nullptr;
  while (const GstMeta* meta =
             gst_buffer_iterate_meta_filtered(buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)) {
    const auto& roi = *reinterpret_cast<const GstVideoRegionOfInterestMeta*>(meta);
    Region region;
    region.type = roi.roi_type;
    region.box = {double(roi.x), double(roi.y), double(roi.w), double(roi.h)};
    for (const GList* each = roi.params; each; each = each->next) {
      const auto* fields = static_cast<const GstStructure*>(each->data);
      for (const char* name : {"score", "confidence"}) gst_structure_get_double(fields, name, &region.score);
      region.parameters.push_back(adopt(gst_structure_copy(fields)));
    }
    findings->regions_.push_back(std::move(region));
    ids.push_back(roi.id);
    parents.push_back(roi.parent_id);
  }
  for (std::size_t at = 0; at < ids.size(); ++at) {
    const auto parent = std::find(ids.begin(), ids.end(), parents[at]);
    if (parents[at] != ids[at] && parent != ids.end()) findings->regions_[at].parent = parent - ids.begin();
  }
  findings->analytics_ = keep_analytics(buffer);
  if (findings->regions_.empty() && findings->analytics_) findings->regions_ = regions_of(findings->analytics_.get());
  return findings;
}

void Findings::add_to(GstBuffer* buffer, PictureSize size, std::int64_t age) const {
  const bool scaled = size.width != 0 && size_.width != 0 && size_.height != 0;
  const double across = scaled ? double(size.width) / size_.width : 1;
  const double down = scaled ? double(size.height) / size_.height : 1;
  const gint first = regions_.empty() ? 0 : next_id(buffer);
  for (std::size_t at = 0; at < regions_.size(); ++at) {
    const Region& region = regions_[at];
    const auto [x, width] = clip(region.box[0], region.box[2], across, size.width);
    const auto [y, height] = clip(region.box[1], region.box[3], down, size.height);
    auto* roi = gst_buffer_add_video_region_of_interest_meta_id(buffer, region.type, x, y, width, height);
    roi->id = first + static_cast<gint>(at);
    if (region.parent >= 0) roi->parent_id = first + static_cast<gint>(region.parent);
    for (const auto& fields : region.parameters) {
      GstStructure* own = gst_structure_copy(fields.get());
      if (&fields == &region.parameters.front()) gst_structure_set(own, "age", G_TYPE_INT64, gint64{age}, nullptr);
      gst_video_region_of_interest_meta_add_param(roi, own);
    }
  }
  if (analytics_)
    add_analytics(buffer, analytics_.get(), across, down);
  else
    add_analytics(buffer, regions_, classes_, across, down);
}

namespace {

// A view of the parent's bytes, which holds the parent itself: its pool gets it back whole, with memory that nothing else refers to.
struct View {
  Owned<GstBuffer> parent;
  GstMapInfo map{};
  static void end(gpointer self) {
    auto* view = static_cast<View*>(self);
    gst_buffer_unmap(view->parent.get(), &view->map);
    delete view;
  }
};

GstMemory* view_of(GstBuffer* buffer) {
  if (!buffer->pool || gst_buffer_n_memory(buffer) != 1 ||
      !gst_memory_is_type(gst_buffer_peek_memory(buffer, 0), GST_ALLOCATOR_SYSMEM))
    return nullptr;
  auto view = std::make_unique<View>();
  if (!gst_buffer_map(buffer, &view->map, GST_MAP_READ)) return nullptr;
  view->parent = share(buffer);
  const GstMapInfo map = view->map;
  return gst_memory_new_wrapped(GST_MEMORY_FLAG_READONLY, map.data, map.size, 0, map.size, view.release(), View::end);
}

}  // namespace

Owned<GstBuffer> with_own_metas(Owned<GstBuffer> buffer) {
  if (gst_buffer_is_writable(buffer.get())) return buffer;
  auto own = adopt(gst_buffer_new());
  if (GstMemory* view = view_of(buffer.get()))
    gst_buffer_append_memory(own.get(), view);
  else
    for (guint i = 0; i < gst_buffer_n_memory(buffer.get()); ++i)
      gst_buffer_append_memory(own.get(), gst_buffer_get_memory(buffer.get(), i));
  gst_buffer_copy_into(own.get(), buffer.get(),
                       static_cast<GstBufferCopyFlags>(GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS), 0,
                       static_cast<gsize>(-1));
  // Not by the call above: it leaves out what describes the memory, such as planes, where it does not add the memory itself.
  GstMetaTransformCopy whole{FALSE, 0, static_cast<gsize>(-1)};
  gpointer state = nullptr;
  while (GstMeta* meta = gst_buffer_iterate_meta(buffer.get(), &state))
    if (meta->info->transform_func)
      meta->info->transform_func(own.get(), meta, buffer.get(), _gst_meta_transform_copy, &whole);
  return own;
}

}  // namespace supplier::resultjoin
