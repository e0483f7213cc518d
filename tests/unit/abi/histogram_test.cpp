// SPDX-License-Identifier: LGPL-2.1-or-later
// A histogram's figures are good to an eighth, and any memory read as one gives an answer.
#include "abi/histogram.hpp"

#include <cstring>
#include <memory>

#include <gtest/gtest.h>

namespace shmring {
namespace {

TEST(Histogram, SaysNothingOfNothing) {
  const auto empty = std::make_unique<Histogram>();
  const shmring_times t = empty->summary();
  EXPECT_EQ(t.count, 0u);
  EXPECT_EQ(t.p50, 0u);
  EXPECT_EQ(t.max, 0u);
}

TEST(Histogram, IsGoodToAnEighth) {
  for (std::uint64_t ns = 200; ns < 1ull << 42; ns = ns * 5 / 4 + 13) {
    const auto h = std::make_unique<Histogram>();
    h->record(ns);
    h->record(2 * ns);  // so that the median is not clipped by the maximum
    const auto p50 = static_cast<double>(h->summary().p50), exact = static_cast<double>(ns);
    EXPECT_NEAR(p50, exact, exact / 8);
  }
}

TEST(Histogram, PutsLongerTimesIntoLaterBuckets) {
  unsigned last = 0;
  for (std::uint64_t ns = 1; ns < 1ull << 43; ns += ns / 16 + 1) {
    const unsigned index = Histogram::index(ns);
    EXPECT_GE(index, last);
    EXPECT_LE(index, last + 1);
    last = index;
  }
  EXPECT_EQ(last, Histogram::kBuckets - 1);
  EXPECT_EQ(Histogram::index(UINT64_MAX), Histogram::kBuckets - 1);
}

TEST(Histogram, FindsTheMedianAndTheWorstOfAHundred) {
  const auto h = std::make_unique<Histogram>();
  for (std::uint64_t i = 0; i < 98; ++i) h->record(10'000);
  h->record(1'000'000);
  h->record(5'000'000);
  const shmring_times t = h->summary();
  EXPECT_EQ(t.count, 100u);
  EXPECT_NEAR(static_cast<double>(t.p50), 10'000, 1'250);
  EXPECT_NEAR(static_cast<double>(t.p99), 1'000'000, 125'000);
  EXPECT_EQ(t.max, 5'000'000u);
}

TEST(Histogram, AddsUpWhatOthersCounted) {
  const auto a = std::make_unique<Histogram>(), b = std::make_unique<Histogram>();
  a->record(1000);
  b->record(9000);
  a->add(*b);
  EXPECT_EQ(a->summary().count, 2u);
  EXPECT_EQ(a->summary().max, 9000u);
}

TEST(Histogram, AnswersWhateverIsInItsMemory) {
  const auto h = std::make_unique<Histogram>();
  std::memset(static_cast<void*>(h.get()), 0xFF, sizeof(Histogram));
  const shmring_times t = h->summary();
  EXPECT_EQ(t.count, Histogram::kBuckets * std::uint64_t{UINT32_MAX});
  EXPECT_LE(t.p50, t.p99);
  EXPECT_LE(t.p99, t.max);
}

}  // namespace
}  // namespace shmring
