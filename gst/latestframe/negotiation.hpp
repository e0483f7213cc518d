// SPDX-License-Identifier: LGPL-2.1-or-later
// Upstream's questions about caps and allocation, answered from what the branches' own threads found out, so that the
// answer never waits for a branch.
#pragma once

#include <mutex>
#include <optional>

#include "latestframe/allocation.hpp"

namespace supplier::latestframe {

class Fanout;

class Negotiation {
 public:
  explicit Negotiation(Fanout& home) : home_(home) {}

  void caps(GstQuery* query);
  void accept_caps(GstQuery* query);
  void allocation(GstQuery* query);
  // Whether upstream should ask for ALLOCATION again. `left`: only because a branch has left.
  bool outdated(bool left);
  void forget();

 private:
  Demand demand(GstCaps* caps);

  Fanout& home_;
  std::mutex lock_;               // a leaf, guards what follows
  Owned<GstCaps> caps_;           // upstream's, when it last asked for ALLOCATION
  std::optional<Demand> told_;    // what it was answered
  std::optional<Demand> hinted_;  // what it was last asked to ask for again
};

}  // namespace supplier::latestframe
