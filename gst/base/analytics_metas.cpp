// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/analytics_metas.hpp"

#ifdef HAVE_GST_ANALYTICS
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gst/analytics/analytics.h>

namespace supplier {
namespace {

using shmring::MetaRow;

#if GST_CHECK_VERSION(1, 26, 0)
constexpr guint kRelations =
    SHMRING_RELATION_IS_PART_OF | SHMRING_RELATION_CONTAIN | SHMRING_RELATION_RELATE_TO | SHMRING_RELATION_N_TO_N;
static_assert(guint{GST_ANALYTICS_REL_TYPE_N_TO_N} == guint{SHMRING_RELATION_N_TO_N});
#else
constexpr guint kRelations = SHMRING_RELATION_IS_PART_OF | SHMRING_RELATION_CONTAIN | SHMRING_RELATION_RELATE_TO;
#endif
static_assert(guint{GST_ANALYTICS_REL_TYPE_IS_PART_OF} == guint{SHMRING_RELATION_IS_PART_OF});
static_assert(guint{GST_ANALYTICS_REL_TYPE_CONTAIN} == guint{SHMRING_RELATION_CONTAIN});
static_assert(guint{GST_ANALYTICS_REL_TYPE_RELATE_TO} == guint{SHMRING_RELATION_RELATE_TO});

constexpr std::size_t kMostItems = SHMRING_METADATA_SIZE / sizeof(shmring::MetaHeader);

void set_name(shmring_meta& meta, GQuark quark) {
  meta.name = g_quark_to_string(quark);
  meta.name_size = meta.name ? std::strlen(meta.name) : 0;
}

bool put_detection(const GstAnalyticsMtd& item, MetaRow& row) {
  shmring_meta meta = SHMRING_META_INIT;
  meta.kind = SHMRING_META_DETECTION;
  gint x = 0, y = 0, width = 0, height = 0;
#if GST_CHECK_VERSION(1, 26, 0)
  gst_analytics_od_mtd_get_oriented_location(&item, &x, &y, &width, &height, &meta.rotation, &meta.confidence);
#else
  auto handle = item;  // 1.24 takes handles that are not const
  gst_analytics_od_mtd_get_location(&handle, &x, &y, &width, &height, &meta.confidence);
#endif
  meta.x = static_cast<std::uint32_t>(x);
  meta.y = static_cast<std::uint32_t>(y);
  meta.width = static_cast<std::uint32_t>(width);
  meta.height = static_cast<std::uint32_t>(height);
  auto object = item;
  set_name(meta, gst_analytics_od_mtd_get_obj_type(&object));
  return row.add(meta);
}

bool put_classification(GstAnalyticsMtd item, MetaRow& row) {
  MetaRow classes;
  for (gsize i = 0; i < gst_analytics_cls_mtd_get_length(&item); ++i) {
    shmring_meta each = SHMRING_META_INIT;
    each.kind = SHMRING_META_CLASS;
    each.confidence = gst_analytics_cls_mtd_get_level(&item, i);
    set_name(each, gst_analytics_cls_mtd_get_quark(&item, i));
    if (!classes.add(each)) return false;
  }
  return row.add(classes.as(SHMRING_META_CLASSIFICATION));
}

bool put_track(GstAnalyticsMtd item, MetaRow& row) {
  shmring_meta meta = SHMRING_META_INIT;
  meta.kind = SHMRING_META_TRACKING;
  guint64 track = 0;
  GstClockTime first_seen = GST_CLOCK_TIME_NONE, last_seen = GST_CLOCK_TIME_NONE;
  gboolean lost = FALSE;
  gst_analytics_tracking_mtd_get_info(&item, &track, &first_seen, &last_seen, &lost);
  meta.track = track;
  meta.timestamp = first_seen;
  meta.last_seen = last_seen;
  meta.lost = lost ? 1 : 0;
  return row.add(meta);
}

// Nothing: its kind has no form here.
std::optional<bool> put_item(const GstAnalyticsMtd& item, MetaRow& row) {
  const GstAnalyticsMtdType type = gst_analytics_mtd_get_mtd_type(&item);
  if (type == gst_analytics_od_mtd_get_mtd_type()) return put_detection(item, row);
  if (type == gst_analytics_cls_mtd_get_mtd_type()) return put_classification(item, row);
  if (type == gst_analytics_tracking_mtd_get_mtd_type()) return put_track(item, row);
  return std::nullopt;
}

bool put_relations(const GstAnalyticsRelationMeta* from, const std::vector<guint>& ids, MetaRow& row) {
  std::vector<shmring_relation> relations;
  for (std::size_t first = 0; first < ids.size(); ++first)
    for (std::size_t second = 0; second < ids.size(); ++second) {
      const guint types = gst_analytics_relation_meta_get_relation(const_cast<GstAnalyticsRelationMeta*>(from),
                                                                   ids[first], ids[second]);
      if (types == 0) continue;
      relations.push_back(
          {static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(second), static_cast<std::uint16_t>(types)});
      if (relations.size() * sizeof(shmring_relation) > SHMRING_METADATA_SIZE) return false;
    }
  if (relations.empty()) return true;
  shmring_meta meta = SHMRING_META_INIT;
  meta.kind = SHMRING_META_RELATIONS;
  meta.data = relations.data();
  meta.data_size = relations.size() * sizeof(shmring_relation);
  return row.add(meta);
}

// Labels become GQuarks, which are for ever; text that is not UTF-8 is none.
std::optional<GQuark> quark_of(const shmring_meta& meta) {
  if (!g_utf8_validate_len(meta.name, meta.name_size, nullptr)) return std::nullopt;
  return g_quark_from_string(std::string(meta.name, meta.name_size).c_str());
}

bool add_detection(GstAnalyticsRelationMeta* to, const shmring_meta& meta, GstAnalyticsMtd& made) {
  const auto label = quark_of(meta);
  if (!label) return false;
  const auto x = static_cast<gint>(meta.x), y = static_cast<gint>(meta.y);
  const auto width = static_cast<gint>(meta.width), height = static_cast<gint>(meta.height);
#if GST_CHECK_VERSION(1, 26, 0)
  return gst_analytics_relation_meta_add_oriented_od_mtd(to, *label, x, y, width, height, meta.rotation,
                                                         meta.confidence, &made);
#else
  return gst_analytics_relation_meta_add_od_mtd(to, *label, x, y, width, height, meta.confidence, &made);
#endif
}

bool add_classification(GstAnalyticsRelationMeta* to, std::span<const std::byte> row, GstAnalyticsMtd& made) {
  std::vector<gfloat> levels;
  std::vector<GQuark> labels;
  levels.reserve(1);  // GStreamer 1.26 takes none, but no NULL
  labels.reserve(1);
  shmring_meta each;
  while (shmring::take_meta(row, each)) {
    if (each.kind != SHMRING_META_CLASS) continue;
    const auto label = quark_of(each);
    if (!label) return false;
    labels.push_back(*label);
    levels.push_back(each.confidence);
  }
  return gst_analytics_relation_meta_add_cls_mtd(to, labels.size(), levels.data(), labels.data(), &made);
}

bool add_track(GstAnalyticsRelationMeta* to, const shmring_meta& meta, GstAnalyticsMtd& made) {
  return gst_analytics_relation_meta_add_tracking_mtd(to, meta.track, meta.timestamp, &made) &&
         gst_analytics_tracking_mtd_update_last_seen(&made, meta.last_seen) &&
         (meta.lost == 0 || gst_analytics_tracking_mtd_set_lost(&made));
}

bool add_item(GstAnalyticsRelationMeta* to, const shmring_meta& meta, GstAnalyticsMtd& made) {
  switch (meta.kind) {
    case SHMRING_META_DETECTION:
      return add_detection(to, meta, made);
    case SHMRING_META_CLASSIFICATION:
      return add_classification(to, {static_cast<const std::byte*>(meta.data), meta.data_size}, made);
    case SHMRING_META_TRACKING:
      return add_track(to, meta, made);
    default:
      return true;
  }
}

// The relations between items that became some of the buffer's.
void add_relations(GstAnalyticsRelationMeta* to, const shmring_meta& meta, const std::vector<GstAnalyticsMtd>& items) {
  for (std::size_t at = 0; at + sizeof(shmring_relation) <= meta.data_size; at += sizeof(shmring_relation)) {
    shmring_relation relation;
    std::memcpy(&relation, static_cast<const std::byte*>(meta.data) + at, sizeof relation);
    const auto &first = items[relation.first], &second = items[relation.second];
    if (!first.meta || !second.meta) continue;
    const guint had = gst_analytics_relation_meta_get_relation(to, first.id, second.id);
    gst_analytics_relation_meta_set_relation(to, static_cast<GstAnalyticsRelTypes>((had | relation.types) & kRelations),
                                             first.id, second.id);
  }
}

}  // namespace

bool is_analytics(const GstMeta& meta) { return meta.info->api == GST_ANALYTICS_RELATION_META_API_TYPE; }

bool put_analytics(const GstMeta& meta, MetaRow& row, std::size_t& left_out) {
  auto* from = const_cast<GstAnalyticsRelationMeta*>(reinterpret_cast<const GstAnalyticsRelationMeta*>(&meta));
  if (gst_analytics_relation_get_length(from) > kMostItems) return false;
  std::vector<guint> ids;  // by the number of the item in the row
  GstAnalyticsMtd item;
  for (gpointer state = nullptr;
       gst_analytics_relation_meta_iterate(from, &state, GST_ANALYTICS_MTD_TYPE_ANY, &item);) {
    const auto fits = put_item(item, row);
    if (!fits) {
      ++left_out;
      continue;
    }
    if (!*fits) return false;
    ids.push_back(item.id);
  }
  return put_relations(from, ids, row);
}

bool add_analytics(GstBuffer* buffer, std::span<const std::byte> row) {
  std::vector<shmring_meta> relations;
  std::vector<shmring_meta> records;
  shmring_meta each;
  while (shmring::take_meta(row, each)) (each.kind == SHMRING_META_RELATIONS ? relations : records).push_back(each);
  if (records.empty()) return true;
  // Room for all at once: GStreamer 1.26 grows by steps of the first size.
  GstAnalyticsRelationMetaInitParams size = {records.size(), 1024};
  auto* to = gst_buffer_add_analytics_relation_meta_full(buffer, &size);
  bool sense = true;
  std::vector<GstAnalyticsMtd> items(records.size(), GstAnalyticsMtd{0, nullptr});
  for (std::size_t i = 0; i < records.size(); ++i)
    if (!add_item(to, records[i], items[i])) {
      items[i].meta = nullptr;
      sense = false;
    }
  for (const shmring_meta& table : relations) add_relations(to, table, items);
  return sense;
}

}  // namespace supplier

#else

namespace supplier {

bool is_analytics(const GstMeta&) { return false; }
bool put_analytics(const GstMeta&, shmring::MetaRow&, std::size_t&) { return false; }
bool add_analytics(GstBuffer*, std::span<const std::byte>) { return true; }

}  // namespace supplier
#endif
