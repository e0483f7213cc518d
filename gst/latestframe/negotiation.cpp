// SPDX-License-Identifier: LGPL-2.1-or-later
// Joining the answers of the branches; caps and allocation of all of them.
#include "latestframe/negotiation.hpp"

#include <algorithm>

#include <gst/video/video.h>

GST_DEBUG_CATEGORY_EXTERN(gst_latest_frame_debug);
#define GST_CAT_DEFAULT gst_latest_frame_debug

namespace supplier::latestframe {
namespace {

bool same(const GstStructure* a, const GstStructure* b) { return a == b || (a && b && gst_structure_is_equal(a, b)); }

bool has(const std::vector<MetaWish>& metas, const MetaWish& wanted) {
  return std::any_of(metas.begin(), metas.end(), [&](const MetaWish& meta) {
    return meta.api == wanted.api && same(meta.params.get(), wanted.params.get());
  });
}

// Keeps of the first what all others have too.
std::vector<MetaWish> common_metas(const std::vector<AnswerRef>& answers) {
  std::vector<MetaWish> common;
  if (answers.empty() || !answers.front()) return common;
  for (const MetaWish& meta : answers.front()->metas)
    if (std::all_of(answers.begin(), answers.end(),
                    [&](const AnswerRef& answer) { return answer && has(answer->metas, meta); }))
      common.push_back({meta.api, adopt(meta.params ? gst_structure_copy(meta.params.get()) : nullptr)});
  return common;
}

// True if the first has metas that the second has not.
bool has_more_metas(const Demand& a, const Demand& b) {
  return std::any_of(a.metas.begin(), a.metas.end(), [&](const MetaWish& meta) { return !has(b.metas, meta); });
}

void join(GstAllocationParams& into, const GstAllocationParams& params) {
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

AnswerRef answer_of(GstQuery* query) {
  auto answer = std::make_shared<Answer>();
  gst_allocation_params_init(&answer->params);
  if (gst_query_get_n_allocation_params(query) != 0)
    gst_query_parse_nth_allocation_param(query, 0, nullptr, &answer->params);
  if (gst_query_get_n_allocation_pools(query) != 0) {
    GstBufferPool* pool = nullptr;
    gst_query_parse_nth_allocation_pool(query, 0, &pool, &answer->size, &answer->minimum, &answer->maximum);
    answer->pool = adopt(pool);
  }
  const guint metas = gst_query_get_n_allocation_metas(query);
  for (guint i = 0; i < metas; ++i) {
    const GstStructure* params = nullptr;
    const GType api = gst_query_parse_nth_allocation_meta(query, i, &params);
    answer->metas.push_back({api, adopt(params ? gst_structure_copy(params) : nullptr)});
  }
  return answer;
}

Demand demand_of(const std::vector<AnswerRef>& answers, guint unknown, const GstBufferPool* in_use) {
  Demand demand;
  demand.branches = static_cast<guint>(answers.size()) + unknown;
  demand.complete = unknown == 0;
  gst_allocation_params_init(&demand.params);
  for (const AnswerRef& answer : answers) {
    if (!answer) continue;
    join(demand.params, answer->params);
    demand.size = std::max(demand.size, answer->size);
    // Branches are at different frames, so each needs its own.
    demand.minimum += answer->minimum;
  }
  demand.minimum += std::max(demand.branches, Demand::kRoom) + Demand::kOwn;
  for (const AnswerRef& answer : answers) {
    if (!answer || !answer->pool) continue;
    const bool used = answer->pool.get() == in_use;
    // A pool of limited size that the other branches could empty would make its own branch lose frames.
    const bool large_enough = used || answer->maximum == 0 || answer->maximum >= demand.minimum;
    if (!large_enough || (demand.pool && !used)) continue;
    demand.pool = share(answer->pool.get());
    demand.maximum = answer->maximum;
  }
  // One branch needs no more than its pool has.
  if (demand.maximum != 0) demand.minimum = std::min(demand.minimum, demand.maximum);
  if (unknown == 0) demand.metas = common_metas(answers);
  return demand;
}

void answer(const Demand& demand, GstQuery* query) {
  const guint size = demand.size ? demand.size : raw_video_size(query);
  if (size != 0) gst_query_add_allocation_pool(query, demand.pool.get(), size, demand.minimum, demand.maximum);
  for (const MetaWish& meta : demand.metas) gst_query_add_allocation_meta(query, meta.api, meta.params.get());
  gst_query_add_allocation_param(query, nullptr, &demand.params);
}

bool must_hear(const Demand& told, const Demand& now, bool gains) {
  return told.pool.get() != now.pool.get() || has_more_metas(told, now) || (gains && has_more_metas(now, told)) ||
         now.size > told.size || now.params.flags != told.params.flags ||
         (now.params.align & ~told.params.align) != 0 || now.params.prefix > told.params.prefix ||
         now.params.padding > told.params.padding;
}

namespace {

// Upstream's thread goes into a branch only before its first frame. What it takes is known later, and what its pad can
// take at all is known always.
Owned<GstCaps> caps_without_asking(const Candidate& branch) {
  if (branch.wishes.caps) return share(branch.wishes.caps.get());
  const auto peer = adopt(gst_pad_get_peer(branch.pad.get()));
  return adopt(peer ? gst_pad_get_pad_template_caps(peer.get()) : gst_caps_new_any());
}

bool must_ask(const Candidate& branch) { return branch.open && !branch.wishes.caps; }

}  // namespace

void Negotiation::caps(const Candidates& branches, GstQuery* query) {
  GstCaps* filter = nullptr;
  gst_query_parse_caps(query, &filter);
  auto common = adopt(filter ? gst_caps_ref(filter) : gst_caps_new_any());
  for (const Candidate& branch : branches) {
    const auto caps =
        must_ask(branch) ? adopt(gst_pad_peer_query_caps(branch.pad.get(), filter)) : caps_without_asking(branch);
    auto both = adopt(gst_caps_intersect_full(common.get(), caps.get(), GST_CAPS_INTERSECT_FIRST));
    // A branch that has nothing in common with those before it must not stop them; it ends alone when the caps come.
    if (!gst_caps_is_empty(both.get()))
      common = std::move(both);
    else if (!gst_caps_is_empty(common.get()))
      GST_WARNING_OBJECT(branch.pad.get(), "has no caps in common with the branches before it");
  }
  GST_DEBUG_OBJECT(sink_, "all branches together take %" GST_PTR_FORMAT, common.get());
  gst_query_set_caps_result(query, common.get());
}

// Accepts caps that at least one branch takes: a branch that does not take them ends alone. If none does, upstream must
// choose others.
void Negotiation::accept_caps(const Candidates& branches, GstQuery* query) {
  GstCaps* caps = nullptr;
  gst_query_parse_accept_caps(query, &caps);
  const bool accepted =
      branches.empty() || std::any_of(branches.begin(), branches.end(), [caps](const Candidate& branch) {
        return must_ask(branch) ? gst_pad_peer_query_accept_caps(branch.pad.get(), caps)
                                : gst_caps_can_intersect(caps, caps_without_asking(branch).get());
      });
  GST_DEBUG_OBJECT(sink_, "%s %" GST_PTR_FORMAT, accepted ? "accepts" : "no branch accepts", caps);
  gst_query_set_accept_caps_result(query, accepted);
}

Demand Negotiation::demand(const Candidates& branches, const GstCaps* caps) {
  std::vector<AnswerRef> answers;
  guint unknown = 0;
  Owned<GstBufferPool> in_use;
  {
    std::lock_guard hold(lock_);
    if (told_) in_use = share(told_->pool.get());
  }
  for (const Candidate& branch : branches) {
    if (!branch.counts) continue;
    if (branch.wishes.asked_with && caps && gst_caps_is_equal(branch.wishes.asked_with.get(), caps))
      answers.push_back(branch.wishes.allocation);
    else
      ++unknown;
  }
  return demand_of(answers, unknown, in_use.get());
}

void Negotiation::allocation(const Candidates& branches, GstQuery* query) {
  GstCaps* caps = nullptr;
  gst_query_parse_allocation(query, &caps, nullptr);
  Demand now = demand(branches, caps);
  answer(now, query);
  GST_DEBUG_OBJECT(sink_, "answers for %u branches: size %u, at least %u buffers, %s", now.branches, now.size,
                   now.minimum, now.pool ? "a branch's pool" : "no pool");
  std::lock_guard hold(lock_);
  caps_ = share(caps);
  told_ = std::move(now);
  hinted_.reset();
}

bool Negotiation::outdated(const Candidates& branches, bool left) {
  Owned<GstCaps> caps;
  {
    std::lock_guard hold(lock_);
    if (!told_) return false;
    caps = share(caps_.get());
  }
  Demand now = demand(branches, caps.get());
  std::lock_guard hold(lock_);
  // While a branch has not said what it wishes, upstream would only have to be asked once more when it does; one that
  // is stuck before it could say must not cost the others anything.
  if (!told_ || !now.complete || !must_hear(*told_, now, !left) || (hinted_ && !must_hear(*hinted_, now, !left)))
    return false;
  GST_DEBUG_OBJECT(sink_, "what the branches wish has changed: upstream is to ask again");
  hinted_ = std::move(now);
  return true;
}

void Negotiation::forget() {
  std::lock_guard hold(lock_);
  caps_.reset();
  told_.reset();
  hinted_.reset();
}

}  // namespace supplier::latestframe
