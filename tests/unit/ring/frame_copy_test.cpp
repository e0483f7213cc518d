// SPDX-License-Identifier: LGPL-2.1-or-later
// Copies of frames: every byte where it belongs, whichever way they go, and the way chosen by trials.
#include "publisher/copier.hpp"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "payload.hpp"

namespace shmring {
namespace {

using Way = Copier::Way;

// Copies `from` in parts of these sizes, the last one being the rest.
Way copy(Copier& copier, std::span<const std::byte> from, std::initializer_list<std::size_t> sizes, std::byte* to) {
  std::vector<std::span<const std::byte>> parts;
  std::size_t at = 0;
  for (const std::size_t size : sizes) parts.push_back(from.subspan(std::exchange(at, at + size), size));
  parts.push_back(from.subspan(at));
  return copier.copy(parts, from.size(), to);
}

TEST(Copier, PutsEveryByteWhereItBelongsAndNoOther) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{4095}, std::size_t{Copier::kMedium},
                                 Copier::kMedium + 1'001, std::size_t{Copier::kLarge}, Copier::kLarge + 100'001}) {
    std::vector<std::byte> from(size), to(size + 256);
    Copier copier;
    for (std::uint64_t frame = 0; frame < 30; ++frame) {  // each way, and then the best one
      support::fill_payload(from, frame);
      std::fill(to.begin(), to.end(), std::byte{0xEE});
      const std::size_t offset = 128 - frame;  // a slot's start is even, a part's is not
      copy(copier, from, {size / 3, 0, size / 7}, to.data() + offset);
      const std::span<const std::byte> written(to.data() + offset, size);
      ASSERT_FALSE(support::payload_fault(written, frame)) << size << " " << frame;
      const auto untouched = [](std::byte b) { return b == std::byte{0xEE}; };
      ASSERT_TRUE(std::all_of(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(offset), untouched));
      ASSERT_TRUE(std::all_of(to.begin() + static_cast<std::ptrdiff_t>(offset + size), to.end(), untouched));
    }
  }
}

TEST(Copier, LeavesSmallFramesInTheCaches) {
  std::vector<std::byte> from(Copier::kLarge - 1), to(from.size());
  Copier copier;
  for (int i = 0; i < 20; ++i) EXPECT_NE(copy(copier, from, {}, to.data()), Way::past_caches);
  const auto small = std::span(from).first(Copier::kMedium - 1);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(copy(copier, small, {}, to.data()), Way::plain);
}

TEST(Copier, TriesEachWayByTurnsAndThenKeepsToOneUntilTheNextTrialOrAnotherSize) {
#if !defined(__x86_64__)
  GTEST_SKIP() << "no way past the caches on this processor";
#endif
  std::vector<std::byte> from(Copier::kLarge), to(from.size());
  Copier copier;
  const struct {
    std::size_t size;
    unsigned ways;
  } trials[] = {{Copier::kMedium, 2}, {Copier::kLarge, 3}, {Copier::kMedium, 2}};
  for (const auto& [size, ways] : trials) {
    const auto frame = std::span(from).first(size);
    const auto tries = [&] {
      for (unsigned i = 0; i < ways * Copier::kTrial; ++i)
        EXPECT_EQ(copy(copier, frame, {}, to.data()), static_cast<Way>(i % ways)) << size << " " << i;
    };
    tries();
    const Way chosen = copy(copier, frame, {}, to.data());
    if (size == Copier::kLarge) continue;  // a thousand of these take long
    for (unsigned i = ways * Copier::kTrial + 1; i < Copier::kStay; ++i)
      ASSERT_EQ(copy(copier, frame, {}, to.data()), chosen) << i;
    tries();
  }
}

TEST(Copier, LeavesThePlainWayOnlyForAClearGain) {
  EXPECT_EQ(Copier::fastest({1'000, 800, UINT64_MAX}), Way::fetching);
  EXPECT_EQ(Copier::fastest({1'000, 800, 790}), Way::past_caches);
  EXPECT_EQ(Copier::fastest({1'000, 900, UINT64_MAX}), Way::plain);
  EXPECT_EQ(Copier::fastest({1'000, 1'000, 1'000}), Way::plain);
  EXPECT_EQ(Copier::fastest({1'000, 2'000, 900}), Way::plain);
  EXPECT_EQ(Copier::fastest({1'000, UINT64_MAX, UINT64_MAX}), Way::plain);
}

}  // namespace
}  // namespace shmring
