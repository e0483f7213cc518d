// SPDX-License-Identifier: LGPL-2.1-or-later
// Copies of frames: every byte where it belongs, whichever way they go.
#include "publisher/frame_copy.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "payload.hpp"

namespace shmring {
namespace {

// Copies `from` in parts of these sizes, the last one being the rest.
Copied copy_in_parts(std::span<const std::byte> from, std::initializer_list<std::size_t> sizes, std::byte* to) {
  std::vector<std::span<const std::byte>> parts;
  std::size_t at = 0;
  for (const std::size_t size : sizes) parts.push_back(from.subspan(std::exchange(at, at + size), size));
  parts.push_back(from.subspan(at));
  return copy(parts, from.size(), to);
}

TEST(FrameCopy, PutsEveryByteWhereItBelongsAndNoOther) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{4095}, std::size_t{1'001}, std::size_t{kPastCaches - 1},
                                 std::size_t{kPastCaches}, std::size_t{kPastCaches + 100'001}}) {
    std::vector<std::byte> from(size), to(size + 256);
    for (const std::size_t offset : {64, 127}) {  // a slot's start is even, a part's is not
      support::fill_payload(from, offset);
      std::fill(to.begin(), to.end(), std::byte{0xEE});
      copy_in_parts(from, {size / 3, 0, size / 7}, to.data() + offset);
      const std::span<const std::byte> written(to.data() + offset, size);
      ASSERT_FALSE(support::payload_fault(written, offset)) << size << " " << offset;
      const auto untouched = [](std::byte b) { return b == std::byte{0xEE}; };
      ASSERT_TRUE(std::all_of(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(offset), untouched));
      ASSERT_TRUE(std::all_of(to.begin() + static_cast<std::ptrdiff_t>(offset + size), to.end(), untouched));
    }
  }
}

TEST(FrameCopy, OnlyFramesThatTheCachesDoNotKeepGoPastThem) {
#if !defined(__x86_64__)
  GTEST_SKIP() << "no way past the caches on this processor";
#endif
  std::vector<std::byte> from(kPastCaches), to(from.size());
  EXPECT_EQ(copy_in_parts(from, {}, to.data()), Copied::past_caches);
  EXPECT_EQ(copy_in_parts(std::span(from).first(kPastCaches - 1), {}, to.data()), Copied::through_caches);
}

}  // namespace
}  // namespace shmring
