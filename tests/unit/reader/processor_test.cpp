// SPDX-License-Identifier: LGPL-2.1-or-later
// Leaving a processor that others use.
#include "reader/processor.hpp"

#include <sched.h>

#include <gtest/gtest.h>

namespace shmring {
namespace {

class Processor : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::sched_getaffinity(0, sizeof before_, &before_), 0); }
  void TearDown() override { ::sched_setaffinity(0, sizeof before_, &before_); }
  static cpu_set_t allowed() {
    cpu_set_t set;
    EXPECT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
    return set;
  }
  cpu_set_t before_;
};

TEST_F(Processor, IsLeftForAnotherAndAllAreAllowedAsBefore) {
  if (CPU_COUNT(&before_) < 2) GTEST_SKIP() << "there is one processor";
  // The kernel may move us between the look and the step: now and then, not every time.
  int moved = 0;
  for (int i = 0; i < 20; ++i) {
    const int here = ::sched_getcpu();
    step_aside();
    moved += ::sched_getcpu() != here;
    const cpu_set_t after = allowed();
    ASSERT_TRUE(CPU_EQUAL(&after, &before_));
  }
  EXPECT_GT(moved, 10);
}

TEST_F(Processor, ThatIsTheOnlyOneAllowedIsKept) {
  cpu_set_t one;
  CPU_ZERO(&one);
  const int here = ::sched_getcpu();
  CPU_SET(here, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  step_aside();
  const cpu_set_t after = allowed();
  EXPECT_TRUE(CPU_EQUAL(&after, &one));
  EXPECT_EQ(::sched_getcpu(), here);
}

TEST_F(Processor, IsSharedOnlyIfTheKernelGaveItToSomebody) {
  const std::int64_t before = times_preempted();
  EXPECT_FALSE(others_ran(Courtesy::kShared, before)) << "too short to be anybody";
  EXPECT_TRUE(others_ran(Courtesy::kShared + 1, before - 1));
}

}  // namespace
}  // namespace shmring
