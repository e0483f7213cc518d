// SPDX-License-Identifier: LGPL-2.1-or-later
// Joining the answers of the branches.
#include "latestframe/allocation.hpp"

#include <algorithm>

#include <gst/video/video.h>

namespace supplier::latestframe {
namespace {

bool same(const GstStructure* a, const GstStructure* b) { return a == b || (a && b && gst_structure_is_equal(a, b)); }

bool has(GstQuery* answer, const Demand::Meta& meta) {
  guint index = 0;
  if (!gst_query_find_allocation_meta(answer, meta.api, &index)) return false;
  const GstStructure* params = nullptr;
  gst_query_parse_nth_allocation_meta(answer, index, &params);
  return same(params, meta.params.get());
}

// What the first has and all others have too.
std::vector<Demand::Meta> common_metas(const std::vector<GstQuery*>& answers) {
  std::vector<Demand::Meta> metas;
  if (answers.empty() || !answers.front()) return metas;
  const guint count = gst_query_get_n_allocation_metas(answers.front());
  for (guint i = 0; i < count; ++i) {
    const GstStructure* params = nullptr;
    const GType api = gst_query_parse_nth_allocation_meta(answers.front(), i, &params);
    metas.push_back({api, adopt(params ? gst_structure_copy(params) : nullptr)});
  }
  std::erase_if(metas, [&](const Demand::Meta& meta) {
    return !std::all_of(answers.begin(), answers.end(), [&](GstQuery* answer) { return answer && has(answer, meta); });
  });
  return metas;
}

bool same_metas(const Demand& a, const Demand& b) {
  return a.metas.size() == b.metas.size() && std::all_of(a.metas.begin(), a.metas.end(), [&](const Demand::Meta& meta) {
           return std::any_of(b.metas.begin(), b.metas.end(), [&](const Demand::Meta& other) {
             return meta.api == other.api && same(meta.params.get(), other.params.get());
           });
         });
}

void join_params(GstAllocationParams& into, GstQuery* answer) {
  if (gst_query_get_n_allocation_params(answer) == 0) return;
  GstAllocationParams params;
  gst_query_parse_nth_allocation_param(answer, 0, nullptr, &params);
  into.flags = static_cast<GstMemoryFlags>(into.flags | params.flags);
  into.align |= params.align;  // masks: bytes - 1
  into.prefix = std::max(into.prefix, params.prefix);
  into.padding = std::max(into.padding, params.padding);
}

guint raw_video_size(GstQuery* query) {
  GstCaps* caps = nullptr;
  gst_query_parse_allocation(query, &caps, nullptr);
  GstVideoInfo info;
  if (!caps || !gst_caps_is_fixed(caps) || !gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw") ||
      !gst_video_info_from_caps(&info, caps))
    return 0;
  return static_cast<guint>(info.size);
}

}  // namespace

Demand demand_of(const std::vector<GstQuery*>& answers, guint unknown) {
  Demand demand;
  demand.branches = static_cast<guint>(answers.size()) + unknown;
  demand.complete = unknown == 0;
  gst_allocation_params_init(&demand.params);
  guint pools = 0;
  for (GstQuery* answer : answers) {
    if (!answer) continue;
    join_params(demand.params, answer);
    if (gst_query_get_n_allocation_pools(answer) == 0) continue;
    GstBufferPool* pool = nullptr;
    guint size = 0, minimum = 0, maximum = 0;
    gst_query_parse_nth_allocation_pool(answer, 0, &pool, &size, &minimum, &maximum);
    demand.size = std::max(demand.size, size);
    // Branches are at different frames, so each needs its own.
    demand.minimum += minimum;
    if (pool) {
      ++pools;
      demand.pool = adopt(pool);
      demand.maximum = maximum;
    }
  }
  demand.minimum += demand.branches + Demand::kOwn;
  // A pool of limited size that the other branches could empty would make its own branch lose frames.
  if (unknown != 0 || pools != 1 || (demand.maximum != 0 && demand.maximum < demand.minimum)) {
    demand.pool.reset();
    demand.maximum = 0;
  }
  if (unknown == 0) demand.metas = common_metas(answers);
  return demand;
}

void answer(const Demand& demand, GstQuery* query) {
  const guint size = demand.size ? demand.size : raw_video_size(query);
  if (size != 0) gst_query_add_allocation_pool(query, demand.pool.get(), size, demand.minimum, demand.maximum);
  for (const Demand::Meta& meta : demand.metas) gst_query_add_allocation_meta(query, meta.api, meta.params.get());
  gst_query_add_allocation_param(query, nullptr, &demand.params);
}

bool must_hear(const Demand& told, const Demand& now) {
  return told.pool.get() != now.pool.get() || !same_metas(told, now) || now.minimum > told.minimum ||
         now.size > told.size || now.params.flags != told.params.flags ||
         (now.params.align & ~told.params.align) != 0 || now.params.prefix > told.params.prefix ||
         now.params.padding > told.params.padding;
}

}  // namespace supplier::latestframe
