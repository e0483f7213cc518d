// SPDX-License-Identifier: LGPL-2.1-or-later
// When whoever looks for a frame sleeps instead, and when it looks from another processor.
#include "reader/courtesy.hpp"

#include <gtest/gtest.h>

namespace shmring {
namespace {

constexpr std::uint64_t kCollision = 20'000;
constexpr std::uint64_t kLoss = Courtesy::kPause + 1;

void frames(Courtesy& sut, int count) {
  for (int i = 0; i < count; ++i) sut.frame();
}

TEST(Courtesy, MovesOffTheProcessorThatThePublisherUsesAsOftenAsItTakes) {
  Courtesy sut;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(sut.shared(kCollision));
    EXPECT_FALSE(sut.blocked());
    sut.frame();
  }
}

TEST(Courtesy, GoesBackFromAProcessorThatOthersNeedMoreAndTriesItAgainLaterEachTime) {
  Courtesy sut;
  for (const int barred : {100, 200, 400}) {
    ASSERT_TRUE(sut.shared(kCollision));
    sut.frame();
    EXPECT_TRUE(sut.shared(kLoss) || sut.shared(kLoss)) << "once is nothing, twice is: back";
    EXPECT_FALSE(sut.blocked()) << "nobody needs the one it goes back to";
    for (int i = 0; i < barred; ++i) {
      EXPECT_FALSE(sut.shared(kCollision)) << i;
      sut.frame();
    }
  }
  EXPECT_TRUE(sut.shared(kCollision));
}

TEST(Courtesy, SleepsWhereOthersNeedTheProcessorThatItStayedOn) {
  Courtesy sut;
  ASSERT_TRUE(sut.shared(kCollision));
  frames(sut, 128);  // the move was good
  EXPECT_FALSE(sut.shared(kLoss));
  EXPECT_FALSE(sut.blocked()) << "once is nothing";
  EXPECT_FALSE(sut.shared(kLoss));
  EXPECT_TRUE(sut.blocked());
  frames(sut, 100);
  EXPECT_FALSE(sut.blocked());
}

TEST(Courtesy, ForgetsABadMoveInTime) {
  Courtesy sut;
  for (int i = 0; i < 3; ++i) {  // barred for 100, 200, 400 frames
    ASSERT_TRUE(sut.shared(kCollision));
    ASSERT_TRUE(sut.shared(kLoss) || sut.shared(kLoss));
    frames(sut, 100 << i);
  }
  frames(sut, 4 * 1024);
  ASSERT_TRUE(sut.shared(kCollision));
  ASSERT_TRUE(sut.shared(kLoss) || sut.shared(kLoss));
  frames(sut, 100);
  EXPECT_TRUE(sut.shared(kCollision));
}

}  // namespace
}  // namespace shmring
