// SPDX-License-Identifier: LGPL-2.1-or-later
#include "resultjoin/analytics.hpp"

#ifdef HAVE_GST_ANALYTICS

#include <cmath>
#include <utility>
#include <vector>

#include <gst/analytics/analytics.h>

namespace supplier::resultjoin {
namespace {

// An item of one meta, and what became of it in another.
using Item = std::pair<guint, GstAnalyticsMtd>;

gint pixels(double value) { return static_cast<gint>(std::lround(value)); }

GstAnalyticsRelationMeta* analytics_of(GstBuffer* buffer) {
  GstAnalyticsRelationMeta* meta = gst_buffer_get_analytics_relation_meta(buffer);
  return meta ? meta : gst_buffer_add_analytics_relation_meta(buffer);
}

bool copy_whole(GstBuffer* to, GstBuffer* from) {
  auto* meta = reinterpret_cast<GstMeta*>(gst_buffer_get_analytics_relation_meta(from));
  GstMetaTransformCopy whole{FALSE, 0, static_cast<gsize>(-1)};
  return meta && meta->info->transform_func(to, meta, from, _gst_meta_transform_copy, &whole);
}

void set(GstAnalyticsRelationMeta* meta, guint type, const GstAnalyticsMtd& one, const GstAnalyticsMtd& other) {
  gst_analytics_relation_meta_set_relation(meta, static_cast<GstAnalyticsRelTypes>(type), one.id, other.id);
}

bool copy_item(GstAnalyticsRelationMeta* to, GstAnalyticsMtd item, double across, double down, GstAnalyticsMtd& made) {
  const GstAnalyticsMtdType type = gst_analytics_mtd_get_mtd_type(&item);
  if (type == gst_analytics_od_mtd_get_mtd_type()) {
    gint x = 0, y = 0, width = 0, height = 0;
    gfloat score = 0;
    gst_analytics_od_mtd_get_location(&item, &x, &y, &width, &height, &score);
    return gst_analytics_relation_meta_add_od_mtd(to, gst_analytics_od_mtd_get_obj_type(&item), pixels(x * across),
                                                  pixels(y * down), pixels(width * across), pixels(height * down),
                                                  score, &made);
  }
  if (type == gst_analytics_tracking_mtd_get_mtd_type()) {
    guint64 track = 0;
    GstClockTime first = GST_CLOCK_TIME_NONE, last = GST_CLOCK_TIME_NONE;
    gboolean lost = FALSE;
    gst_analytics_tracking_mtd_get_info(&item, &track, &first, &last, &lost);
    return gst_analytics_relation_meta_add_tracking_mtd(to, track, first, &made) &&
           gst_analytics_tracking_mtd_update_last_seen(&made, last) &&
           (!lost || gst_analytics_tracking_mtd_set_lost(&made));
  }
  if (type == gst_analytics_cls_mtd_get_mtd_type()) {
    const gsize length = gst_analytics_cls_mtd_get_length(&item);
    std::vector<gfloat> scores(length + 1);
    std::vector<GQuark> labels(length + 1);
    for (gsize at = 0; at < length; ++at) {
      scores[at] = gst_analytics_cls_mtd_get_level(&item, at);
      labels[at] = gst_analytics_cls_mtd_get_quark(&item, at);
    }
    return gst_analytics_relation_meta_add_cls_mtd(to, length, scores.data(), labels.data(), &made);
  }
  return false;
}

}  // namespace

// Items of other kinds, such as masks, come over where the meta can be copied whole.
void add_analytics(GstBuffer* buffer, GstBuffer* kept, double across, double down) {
  if (across == 1 && down == 1 && !gst_buffer_get_analytics_relation_meta(buffer) && copy_whole(buffer, kept)) return;
  GstAnalyticsRelationMeta* from = gst_buffer_get_analytics_relation_meta(kept);
  GstAnalyticsRelationMeta* to = analytics_of(buffer);
  std::vector<Item> items;
  GstAnalyticsMtd item;
  for (gpointer state = nullptr;
       gst_analytics_relation_meta_iterate(from, &state, GST_ANALYTICS_MTD_TYPE_ANY, &item);) {
    GstAnalyticsMtd made;
    if (copy_item(to, item, across, down, made)) items.emplace_back(item.id, made);
  }
  for (const auto& [one, new_one] : items)
    for (const auto& [other, new_other] : items)
      if (const guint type = gst_analytics_relation_meta_get_relation(from, one, other))
        set(to, type, new_one, new_other);
}

void add_analytics(GstBuffer* buffer, std::span<const Region> regions, std::span<const Class> classes, double across,
                   double down) {
  if (regions.empty() && classes.empty()) return;
  GstAnalyticsRelationMeta* meta = analytics_of(buffer);
  std::vector<GstAnalyticsMtd> objects;
  objects.reserve(regions.size());
  for (const Region& region : regions) {
    GstAnalyticsMtd object;
    if (!gst_analytics_relation_meta_add_od_mtd(
            meta, region.type, pixels(region.box[0] * across), pixels(region.box[1] * down),
            pixels(region.box[2] * across), pixels(region.box[3] * down), static_cast<gfloat>(region.score), &object))
      return;
    objects.push_back(object);
    GstAnalyticsMtd track;
    if (region.track >= 0 && gst_analytics_relation_meta_add_tracking_mtd(meta, static_cast<guint64>(region.track),
                                                                          GST_BUFFER_PTS(buffer), &track)) {
      set(meta, GST_ANALYTICS_REL_TYPE_RELATE_TO, object, track);
      set(meta, GST_ANALYTICS_REL_TYPE_RELATE_TO, track, object);
    }
  }
  for (std::size_t at = 0; at < objects.size(); ++at) {
    const auto parent = static_cast<std::size_t>(regions[at].parent);
    if (parent >= objects.size()) continue;  // none
    set(meta, GST_ANALYTICS_REL_TYPE_IS_PART_OF, objects[at], objects[parent]);
    set(meta, GST_ANALYTICS_REL_TYPE_CONTAIN, objects[parent], objects[at]);
  }
  std::vector<gfloat> scores;
  std::vector<GQuark> labels;
  for (const Class& each : classes) {
    scores.push_back(each.score);
    labels.push_back(each.label);
  }
  GstAnalyticsMtd made;
  if (!labels.empty())
    gst_analytics_relation_meta_add_cls_mtd(meta, labels.size(), scores.data(), labels.data(), &made);
}

Owned<GstBuffer> keep_analytics(GstBuffer* buffer) {
  auto kept = adopt(gst_buffer_new());
  if (!copy_whole(kept.get(), buffer)) return nullptr;
  return kept;
}

std::vector<Region> regions_of(GstBuffer* kept) {
  std::vector<Region> regions;
  GstAnalyticsRelationMeta* meta = gst_buffer_get_analytics_relation_meta(kept);
  GstAnalyticsMtd object;
  for (gpointer state = nullptr;
       gst_analytics_relation_meta_iterate(meta, &state, gst_analytics_od_mtd_get_mtd_type(), &object);) {
    gint x = 0, y = 0, width = 0, height = 0;
    gfloat score = 0;
    gst_analytics_od_mtd_get_location(&object, &x, &y, &width, &height, &score);
    Region region;
    region.type = gst_analytics_od_mtd_get_obj_type(&object);
    region.box = {double(x), double(y), double(width), double(height)};
    region.score = score;
    region.parameters.push_back(
        adopt(gst_structure_new("detection", "label", G_TYPE_STRING, g_quark_to_string(region.type), "score",
                                G_TYPE_DOUBLE, gdouble{score}, nullptr)));
    regions.push_back(std::move(region));
  }
  return regions;
}

}  // namespace supplier::resultjoin

#else

namespace supplier::resultjoin {

Owned<GstBuffer> keep_analytics(GstBuffer*) { return nullptr; }
std::vector<Region> regions_of(GstBuffer*) { return {}; }
void add_analytics(GstBuffer*, GstBuffer*, double, double) {}
void add_analytics(GstBuffer*, std::span<const Region>, std::span<const Class>, double, double) {}

}  // namespace supplier::resultjoin

#endif
