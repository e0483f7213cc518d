// SPDX-License-Identifier: LGPL-2.1-or-later
// One branch is stuck for ever beside another: neither upstream nor the other one may notice, whatever comes by.
#pragma once

#include <numeric>

#include "latestframe_rig.hpp"

namespace latestframe_test {

using Stuck = Worker::Stuck;

// Two branches; one hangs for ever in what its parameter says. Everything is called from the test's own thread: where
// it waited for the stuck branch, the watchdog would end the test.
class BesideAStuckBranch : public LatestFrame {
 protected:
  void SetUp() override {
    stuck_.join(rig_.element());
    other_.join(rig_.element());
    stuck_.stick_at(where());
    rig_.start("video/x-raw,format=GRAY8,width=8,height=8,framerate=30/1");
    rig_.push_in_step(other_, 1);
    ASSERT_TRUE(stuck_.await_stuck());
  }
  virtual Stuck where() const = 0;
  // The other branch lost nothing on the way, and still gets frames.
  void expect_unharmed() {
    rig_.push_in_step(other_, 3);
    std::vector<std::uint64_t> all(rig_.number());
    std::iota(all.begin(), all.end(), 1);
    EXPECT_EQ(other_.frames(), all);
    EXPECT_EQ(other_.figure("dropped"), 0u);
    EXPECT_EQ(rig_.figure("mailbox-drops"), 0u);
    if (stuck_.branch()) stuck_.expect_balance();
  }

  Rig rig_;
  Worker stuck_, other_;
};

class LatestFrameStuck : public BesideAStuckBranch, public testing::WithParamInterface<Stuck> {
  Stuck where() const override { return GetParam(); }
};

inline const auto kEverywhere = testing::Values(Stuck::frame, Stuck::event, Stuck::caps, Stuck::allocation);

inline std::string name_of(Stuck where) {
  switch (where) {
    case Stuck::frame:
      return "AFrame";
    case Stuck::event:
      return "AnEvent";
    case Stuck::caps:
      return "ACapsQuery";
    default:
      return "AnAllocationQuery";
  }
}
inline std::string where_name(const testing::TestParamInfo<Stuck>& info) { return name_of(info.param); }

}  // namespace latestframe_test
