// SPDX-License-Identifier: LGPL-2.1-or-later
// Copies of frames: every byte where it belongs, whichever way they go, and the way chosen by a trial.
#include "client/copier.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "payload.hpp"

namespace shmring {
namespace {

// Copies `from` in parts of these sizes, the last one being the rest.
bool copy(Copier& copier, std::span<const std::byte> from, std::initializer_list<std::size_t> sizes, std::byte* to) {
  std::vector<std::span<const std::byte>> parts;
  std::size_t at = 0;
  for (const std::size_t size : sizes) parts.push_back(from.subspan(std::exchange(at, at + size), size));
  parts.push_back(from.subspan(at));
  return copier.copy(parts, from.size(), to);
}

TEST(Copier, PutsEveryByteWhereItBelongsAndNoOther) {
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{4095}, std::size_t{Copier::kLarge}, Copier::kLarge + 100'001}) {
    std::vector<std::byte> from(size), to(size + 256);
    Copier copier;
    for (std::uint64_t frame = 0; frame < 20; ++frame) {  // both ways, and then the better one
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
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(copy(copier, from, {}, to.data()));
}

TEST(Copier, TriesBothWaysAndThenKeepsToOneUntilTheSizeChanges) {
#if !defined(__x86_64__)
  GTEST_SKIP() << "one way only on this processor";
#endif
  std::vector<std::byte> from(Copier::kLarge + 4096), to(from.size());
  Copier copier;
  for (const std::size_t size : {from.size(), std::size_t{Copier::kLarge}}) {
    const auto frame = std::span(from).first(size);
    for (int i = 0; i < 16; ++i) EXPECT_EQ(copy(copier, frame, {}, to.data()), i % 2 != 0) << i;
    const bool chosen = copy(copier, frame, {}, to.data());
    for (int i = 0; i < 5; ++i) EXPECT_EQ(copy(copier, frame, {}, to.data()), chosen);
  }
}

TEST(Copier, LeavesTheUsualWayOnlyForAClearGain) {
  EXPECT_TRUE(Copier::worth_it(1'000, 800));
  EXPECT_FALSE(Copier::worth_it(1'000, 900));
  EXPECT_FALSE(Copier::worth_it(1'000, 1'000));
  EXPECT_FALSE(Copier::worth_it(1'000, 2'000));
}

}  // namespace
}  // namespace shmring
