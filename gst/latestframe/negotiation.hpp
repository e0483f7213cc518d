// SPDX-License-Identifier: LGPL-2.1-or-later
// Upstream's questions about caps and allocation, answered from what the branches' own threads found out, so that the
// answer never waits for a branch.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/owned.hpp"

namespace supplier::latestframe {

// The branches' answers to ALLOCATION, and their sum. Pure.
struct MetaWish {
  GType api;
  Owned<GstStructure> params;  // or NULL
};

// One branch's answer. Taken out of the query at once, because even reading a query may change it.
struct Answer {
  guint size = 0;
  guint minimum = 0;
  guint maximum = 0;
  Owned<GstBufferPool> pool;
  GstAllocationParams params{};
  std::vector<MetaWish> metas;
};
using AnswerRef = std::shared_ptr<const Answer>;  // NULL: downstream did not answer

AnswerRef answer_of(GstQuery* query);

struct Demand {
  guint branches = 0;
  guint minimum = 0;  // buffers
  guint maximum = 0;  // of the pool
  guint size = 0;     // of a buffer; 0: unknown
  GstAllocationParams params{};
  std::vector<MetaWish> metas;  // what every branch can handle
  Owned<GstBufferPool> pool;
  bool complete = false;  // every branch has said what it wishes

  // Buffers that are not with a branch: one that upstream fills, in the mailbox, in the distribution thread, the newest.
  static constexpr guint kOwn = 4;
  // So many branches are counted at least: one that joins later finds its buffer there already.
  static constexpr guint kRoom = 4;
};

// `unknown`: branches that have not asked yet. `in_use`: the pool that upstream was told before, or NULL; it stays as
// long as its branch proposes it. Else it is that of the first branch which has one.
Demand demand_of(const std::vector<AnswerRef>& answers, guint unknown, const GstBufferPool* in_use = nullptr);

// Puts it into upstream's query. The size of raw video is taken from the caps if no branch said one.
void answer(const Demand& demand, GstQuery* query);

// True if upstream, told the one, must hear of the other. More buffers alone are not worth it: a camera may stop for a
// moment to allocate them, and does not run out of those it has (see PoolGuard).
//
// `gains`: what upstream may do now and was told it may not counts too.
bool must_hear(const Demand& told, const Demand& now, bool gains = true);

// Answers that a branch's own thread found downstream, for upstream's questions.
struct Wishes {
  Owned<GstCaps> caps;  // what downstream can take; NULL: not asked yet
  AnswerRef allocation;
  Owned<GstCaps> asked_with;  // the caps of that question; NULL: not asked yet
};

// A branch whose wishes matter to upstream.
struct Candidate {
  Owned<GstPad> pad;
  Wishes wishes;
  bool open = false;    // to a question of upstream's thread: not inside a push, nor behind a probe that blocks
  bool counts = false;  // for ALLOCATION too: it has not refused the caps
};
using Candidates = std::vector<Candidate>;

// The caps and the allocation of all branches.
class Negotiation {
 public:
  // `sink`, the pad that upstream asks, is borrowed.
  explicit Negotiation(GstPad* sink) : sink_(sink) {}

  // Not under a lock: the last reference to a pad of `branches` may go there, and with it a branch.
  void caps(const Candidates& branches, GstQuery* query);
  void accept_caps(const Candidates& branches, GstQuery* query);
  void allocation(const Candidates& branches, GstQuery* query);
  // True if upstream should ask for ALLOCATION again. `left`: only because a branch has left.
  bool outdated(const Candidates& branches, bool left);
  void forget();

 private:
  Demand demand(const Candidates& branches, const GstCaps* caps);

  GstPad* const sink_;
  std::mutex lock_;               // a leaf, guards what follows
  Owned<GstCaps> caps_;           // upstream's, when it last asked for ALLOCATION
  std::optional<Demand> told_;    // what it was answered
  std::optional<Demand> hinted_;  // what it was last asked to ask for again
};

}  // namespace supplier::latestframe
