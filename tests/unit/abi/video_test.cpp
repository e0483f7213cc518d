// SPDX-License-Identifier: LGPL-2.1-or-later
// Raw video layouts are those of GStreamer's default allocation.
#include "abi/video.hpp"

#include <string>
#include <tuple>

#include <gtest/gtest.h>

namespace shmring {
namespace {

struct Described {
  shmring_format format = SHMRING_FORMAT_INIT;
  std::string caps;
  std::uint64_t size;
  Described(shmring_pixel_format pixel_format, std::uint32_t width, std::uint32_t height)
      : size(describe_video(format, caps, pixel_format, width, height)) {}
};

TEST(Video, RoundsRowsUpToFourBytes) {
  EXPECT_EQ(Described(SHMRING_GRAY8, 5, 3).size, 8u * 3);
  EXPECT_EQ(Described(SHMRING_RGB, 5, 3).size, 16u * 3);
  EXPECT_EQ(Described(SHMRING_BGRX, 5, 3).size, 20u * 3);
  EXPECT_EQ(Described(SHMRING_GRAY16_LE, 5, 3).size, 12u * 3);
}

TEST(Video, PutsPlanesOneAfterTheOther) {
  const Described nv12(SHMRING_NV12, 64, 48);
  EXPECT_EQ(nv12.format.plane_count, 2u);
  EXPECT_EQ(nv12.format.planes[1].offset, 64u * 48);
  EXPECT_EQ(nv12.format.planes[1].stride, 64);
  EXPECT_EQ(nv12.size, 64u * 48 * 3 / 2);
  const Described i420(SHMRING_I420, 64, 48);
  EXPECT_EQ(i420.format.planes[1].offset, 64u * 48);
  EXPECT_EQ(i420.format.planes[2].offset, 64u * 48 * 5 / 4);
  EXPECT_EQ(i420.format.planes[2].stride, 32);
}

TEST(Video, RoundsOddSidesOfSubsampledFormatsUp) {
  const Described nv12(SHMRING_NV12, 5, 3);  // GStreamer: strides 8 and 8, 4 rows and 2
  EXPECT_EQ(nv12.format.planes[1].offset, 8u * 4);
  EXPECT_EQ(nv12.size, 8u * 4 + 8u * 2);
  const Described i420(SHMRING_I420, 5, 3);  // strides 8, 4, 4
  EXPECT_EQ(i420.size, 8u * 4 + 4u * 2 + 4u * 2);
}

TEST(Video, PacksSixtyFourBitsAndPairsOfPixels) {
  EXPECT_EQ(Described(SHMRING_ABGR64_LE, 5, 3).size, 40u * 3);
  EXPECT_EQ(Described(SHMRING_YUY2, 5, 3).size, 12u * 3);
}

TEST(Video, RoundsRowsOfPlanesUpOnlyWhereTheyShareColour) {
  const Described a444(SHMRING_A444_16LE, 5, 3);
  EXPECT_EQ(a444.format.plane_count, 4u);
  EXPECT_EQ(a444.format.planes[3].offset, 3 * 12u * 3);
  EXPECT_EQ(a444.size, 4 * 12u * 3);
}

TEST(Video, FindsAFormatByItsName) {
  EXPECT_EQ(pixel_format_of("BGR"), SHMRING_BGR);
  EXPECT_EQ(pixel_format_of("UYVY"), SHMRING_UYVY);
  EXPECT_EQ(pixel_format_of("v210"), SHMRING_BYTES);
}

TEST(Video, WritesCapsThatGStreamerParses) {
  EXPECT_EQ(Described(SHMRING_BGRX, 768, 576).caps,
            "video/x-raw, format=(string)BGRx, width=(int)768, height=(int)576, framerate=(fraction)0/1");
}

TEST(Video, KnowsNoOtherNumbers) {
  EXPECT_EQ(Described(SHMRING_BYTES, 64, 48).size, 0u);
  EXPECT_EQ(Described(static_cast<shmring_pixel_format>(SHMRING_RGGB16BE + 1), 64, 48).size, 0u);
  EXPECT_EQ(Described(SHMRING_RGB, 0, 48).size, 0u);
  EXPECT_EQ(Described(SHMRING_RGB, 64, 65537).size, 0u);
}

}  // namespace
}  // namespace shmring
