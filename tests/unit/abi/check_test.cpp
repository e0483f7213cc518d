// SPDX-License-Identifier: LGPL-2.1-or-later
// Checks of the words that a publisher wrote: descriptors and formats.
#include "abi/check.hpp"

#include <cstring>
#include <memory>

#include <gtest/gtest.h>

namespace shmring {
namespace {

class Descriptor : public testing::Test {
 protected:
  bool check() { return check_descriptor(shared, geometry, copy); }

  const RingGeometry geometry = *RingGeometry::make(4, 1, 2, 1000);
  SlotDescriptor shared{}, copy{};
};

TEST_F(Descriptor, IsTakenWhenItFits) {
  shared.sequence = 9;
  shared.size = 1000;
  shared.plane_count = 2;
  shared.planes[1] = {600, 40, 0};
  ASSERT_TRUE(check());
  EXPECT_EQ(copy.sequence, 9u);
  EXPECT_EQ(copy.planes[1].offset, 600u);
  EXPECT_EQ(copy.planes[1].stride, 40);
}

TEST_F(Descriptor, IsRefusedWhenTheFrameIsLargerThanItsSlot) {
  shared.size = 1001;
  EXPECT_FALSE(check());
  shared.size = UINT64_MAX;
  EXPECT_FALSE(check());
}

TEST_F(Descriptor, IsRefusedWithMorePlanesThanThereAre) {
  shared.plane_count = SHMRING_MAX_PLANES + 1;
  EXPECT_FALSE(check());
  shared.plane_count = UINT16_MAX;
  EXPECT_FALSE(check());
}

TEST_F(Descriptor, IsRefusedWhenAPlaneStartsOutsideTheFrame) {
  shared.size = 500;
  shared.plane_count = 1;
  shared.planes[0].offset = 501;
  EXPECT_FALSE(check());
}

TEST_F(Descriptor, IsRefusedWithMoreMetadataThanThereIsRoomFor) {
  shared.metadata_size = kMetadataSize + 1;
  EXPECT_TRUE(check()) << "it is not said to have any";
  shared.extras = kHasMetadata;
  EXPECT_FALSE(check());
  shared.metadata_size = kMetadataSize;
  EXPECT_TRUE(check());
}

class Format : public testing::Test {
 protected:
  void set_caps(const char* text) {
    std::strcpy(shared->caps, text);
    shared->caps_size = static_cast<std::uint32_t>(std::strlen(text));
  }
  bool check() { return check_format(*shared, *copy); }

  const std::unique_ptr<FormatArea> shared = std::make_unique<FormatArea>(), copy = std::make_unique<FormatArea>();
};

TEST_F(Format, IsTakenWhenItIsWhole) {
  set_caps("video/x-raw, format=(string)NV12");
  shared->pixel_format = SHMRING_NV12;
  shared->width = 64;
  shared->height = 48;
  shared->plane_count = 2;
  shared->planes[1] = {64 * 48, 64, 0};
  ASSERT_TRUE(check());
  EXPECT_STREQ(copy->caps, "video/x-raw, format=(string)NV12");
  EXPECT_EQ(copy->planes[1].offset, 64u * 48);
}

TEST_F(Format, ClosesItsCapsWhateverFollowsThem) {
  set_caps("video/x-raw");
  std::memset(shared->caps + 11, 'x', sizeof shared->caps - 11);
  ASSERT_TRUE(check());
  EXPECT_STREQ(copy->caps, "video/x-raw");
}

TEST_F(Format, IsRefusedWhenItsCapsDoNotEndInTheArea) {
  shared->caps_size = sizeof shared->caps;
  EXPECT_FALSE(check());
  shared->caps_size = UINT32_MAX;
  EXPECT_FALSE(check());
}

TEST_F(Format, IsRefusedWhenItsCapsHaveAHole) {
  set_caps("video/x-raw");
  shared->caps[5] = '\0';
  EXPECT_FALSE(check());
}

TEST_F(Format, IsRefusedWithSidesOrPlanesBeyondReason) {
  shared->width = (1u << 20) + 1;
  EXPECT_FALSE(check());
  shared->width = 0;
  shared->height = UINT32_MAX;
  EXPECT_FALSE(check());
  shared->height = 0;
  shared->plane_count = 5;
  EXPECT_FALSE(check());
  shared->plane_count = 1;
  shared->planes[0].offset = UINT64_MAX;
  EXPECT_FALSE(check());
}

// A newer publisher may know more layouts than this reader, and a hostile one may say any number.
TEST_F(Format, ReadsALayoutItDoesNotKnowAsBytes) {
  set_caps("video/x-raw, format=(string)P010_10LE");
  for (const std::uint32_t unknown : {std::uint32_t{SHMRING_RGGB16BE} + 1, 9999u, UINT32_MAX}) {
    shared->pixel_format = unknown;
    ASSERT_TRUE(check());
    EXPECT_EQ(copy->pixel_format, std::uint32_t{SHMRING_BYTES}) << unknown;
  }
}

}  // namespace
}  // namespace shmring
