// SPDX-License-Identifier: LGPL-2.1-or-later
// The account of a branch balances whatever happens.
#include <random>

#include <gtest/gtest.h>

#include "latestframe/cursor.hpp"

namespace supplier::latestframe {
namespace {

void expect_balance(const FrameCounts& figures) {
  EXPECT_EQ(figures.offered, figures.delivered + figures.dropped + figures.pending);
  EXPECT_LE(figures.discarded, figures.dropped);
  EXPECT_LE(figures.stale, figures.delivered);
  EXPECT_LE(figures.pending, 1u);
}

TEST(LatestFrameAccount, OffersNothingBeforeItIsOpen) {
  const Account sut;
  EXPECT_EQ(sut.read(100).offered, 0u);
}

TEST(LatestFrameAccount, CountsWhatABranchMissedAsTheDifferenceOfTwoNumbers) {
  Account sut;
  sut.open(10);
  sut.take(11);
  sut.take(17);
  const FrameCounts figures = sut.read(20);
  EXPECT_EQ(figures.offered, 10u);
  EXPECT_EQ(figures.delivered, 2u);
  EXPECT_EQ(figures.dropped, 5u + 2u);  // 12 to 16, and 18 and 19, which 20 has overwritten
  EXPECT_EQ(figures.pending, 1u);
  EXPECT_EQ(figures.consecutive_drops, 2u);
}

TEST(LatestFrameAccount, BeginsToCountDropsInARowAnewWithEachDelivery) {
  Account sut;
  sut.open(0);
  EXPECT_EQ(sut.read(10).consecutive_drops, 9u);
  sut.take(10);
  EXPECT_EQ(sut.read(10).consecutive_drops, 0u);
}

TEST(LatestFrameAccount, TellsWhatAFlushTookFromWhatWasOverwritten) {
  Account sut;
  sut.open(0);
  sut.discard(5);
  const FrameCounts figures = sut.read(5);
  EXPECT_EQ(figures.dropped, 5u);
  EXPECT_EQ(figures.discarded, 1u);
  EXPECT_EQ(figures.pending, 0u);
}

TEST(LatestFrameAccount, OffersNothingWhileItIsClosed) {
  Account sut;
  sut.open(0);
  sut.take(1);
  sut.close(1);
  EXPECT_EQ(sut.read(50).offered, 1u);
  sut.open(50);
  sut.take(51);
  EXPECT_EQ(sut.read(51).offered, 2u);
}

TEST(LatestFrameAccount, BalancesAfterAnySequenceOfSteps) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    Account sut;
    std::uint64_t newest = 0;
    std::uint64_t offered = 0;
    for (int step = 0; step < 200; ++step) {
      switch (random() % 7) {
        case 0:
          if (!sut.is_open()) sut.open(newest);
          break;
        case 1:
          sut.close(newest);
          break;
        case 2:
          sut.discard(newest);
          break;
        case 3:
          if (sut.is_open() && newest > sut.seen()) sut.take(newest);
          break;
        case 4:
          if (sut.is_open() && newest > sut.seen()) sut.drop(newest);
          break;
        default:
          ++newest;
          offered += sut.is_open();
          break;
      }
      expect_balance(sut.read(newest));
      ASSERT_EQ(sut.read(newest).offered, offered) << "seed " << seed << " step " << step;
    }
  }
}

}  // namespace
}  // namespace supplier::latestframe
