// SPDX-License-Identifier: LGPL-2.1-or-later
// What all branches together wish of upstream's buffers, from their answers to ALLOCATION. Pure.
#pragma once

#include <memory>
#include <vector>

#include "common/owned.hpp"

namespace supplier::latestframe {

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
  guint size = 0;     // of a buffer; 0: nobody said
  GstAllocationParams params{};
  std::vector<MetaWish> metas;  // what every branch can handle
  Owned<GstBufferPool> pool;
  bool complete = false;  // every branch has said what it wishes

  // Buffers that the fan-out itself keeps: in the inbox, in the distribution thread, as the newest; and one for
  // upstream to fill is every branch's own.
  static constexpr guint kOwn = 3;
};

// `unknown`: branches that have not asked yet.
Demand demand_of(const std::vector<AnswerRef>& answers, guint unknown);

// Puts it into upstream's query. The size of raw video is taken from the caps if no branch said one.
void answer(const Demand& demand, GstQuery* query);

// Whether upstream, told the one, must hear of the other.
bool must_hear(const Demand& told, const Demand& now);

}  // namespace supplier::latestframe
