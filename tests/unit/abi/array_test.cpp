// SPDX-License-Identifier: LGPL-2.1-or-later
// The shapes of arrays on frames, and that no publisher can make one that leaves its frame.
#include "abi/array.hpp"

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "abi/video.hpp"

namespace shmring {
namespace {

constexpr std::uint32_t most = std::numeric_limits<std::uint32_t>::max();

struct Frame {
  shmring_format format = SHMRING_FORMAT_INIT;
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
};

Frame frame(shmring_pixel_format pixel_format, std::uint32_t width, std::uint32_t height, std::uint64_t size,
            const std::vector<shmring_plane>& planes) {
  Frame made;
  made.format.pixel_format = pixel_format;
  made.format.width = width;
  made.format.height = height;
  made.info.size = size;
  made.info.plane_count = static_cast<std::uint32_t>(planes.size());
  for (std::size_t i = 0; i < planes.size(); ++i) made.info.planes[i] = planes[i];
  return made;
}

// The error message where a plane is no array, or "".
std::string refusal(const Frame& frame) {
  const shmring_pixel_layout* layout = pixel_layout(frame.format.pixel_format);
  for (std::uint32_t i = 0; i < (layout ? layout->plane_count : 1); ++i)
    if (const auto plane = plane_array(frame.format, frame.info, i); !plane) return plane.error().text;
  return "";
}

// The whole picture; `why` where there is none.
bool whole(const Frame& frame, shmring_array& array, std::string& why) {
  auto found = whole_array(frame.format, frame.info);
  if (found) array = *found;
  if (!found) why = found.error().text;
  return bool{found};
}

// By counting, not by the arithmetic under test: is every byte of the view one of the frame's?
bool lies_inside(const shmring_array& view, std::uint64_t size) {
  __int128 low = view.offset, high = static_cast<__int128>(view.offset) + view.item_size - 1;
  for (std::uint32_t i = 0; i < view.dimensions; ++i) {
    const __int128 reach = static_cast<__int128>(view.shape[i] - 1) * view.strides[i];
    if (view.shape[i] < 1) return false;
    if (reach < 0) low += reach;
    if (reach > 0) high += reach;
  }
  return low >= 0 && high < static_cast<__int128>(size);
}

TEST(Array, AFrameThatFillsItsSizeToTheLastByteHasOne) {
  EXPECT_EQ(refusal(frame(SHMRING_BGR, 10, 4, 32 * 3 + 30, {{0, 32, 0}})), "");
  EXPECT_NE(refusal(frame(SHMRING_BGR, 10, 4, 32 * 3 + 29, {{0, 32, 0}})), "");
  EXPECT_EQ(refusal(frame(SHMRING_BGR, 10, 4, 32 * 3 + 37, {{7, 32, 0}})), "");
  EXPECT_NE(refusal(frame(SHMRING_BGR, 10, 4, 32 * 3 + 36, {{7, 32, 0}})), "");
}

TEST(Array, AnImageUpsideDownLiesInsideWhenItsFirstRowIsTheLastInMemory) {
  EXPECT_EQ(refusal(frame(SHMRING_GRAY8, 8, 4, 32, {{24, -8, 0}})), "");
  EXPECT_NE(refusal(frame(SHMRING_GRAY8, 8, 4, 32, {{23, -8, 0}})), "");
  EXPECT_NE(refusal(frame(SHMRING_GRAY8, 8, 4, 32, {{25, -8, 0}})), "");
}

TEST(Array, ARefusalSaysWhatIsWrong) {
  EXPECT_EQ(refusal(frame(SHMRING_NV12, 8, 4, 48, {{0, 8, 0}})), "NV12 8x4 needs 2 planes; the frame has 1");
  EXPECT_EQ(refusal(frame(SHMRING_BGR, 0, 4, 48, {{0, 8, 0}})), "BGR 0x4 is no size of an image");
  EXPECT_EQ(refusal(frame(SHMRING_NV12, 8, 4, 47, {{0, 8, 0}, {32, 8, 0}})),
            "plane 1 of NV12 8x4 does not lie inside the frame of 47 bytes");
}

TEST(Array, TheLargestNumbersAreRefusedAndDoNotOverflow) {
  for (const std::uint32_t side : {most, most - 1, 1U << 31, (1U << 31) - 1}) {
    for (const std::int32_t stride :
         {std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::min()}) {
      for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{1} << 63, std::uint64_t{SHMRING_TIME_NONE}}) {
        for (const std::uint64_t size : {std::uint64_t{1} << 32, std::uint64_t{SHMRING_TIME_NONE}}) {
          EXPECT_NE(refusal(frame(SHMRING_RGBA, side, side, size, {{offset, stride, 0}})), "");
          EXPECT_NE(refusal(frame(SHMRING_GRAY16_LE, 1, side, size, {{offset, stride, 0}})), "");
        }
      }
    }
  }
}

TEST(Array, NoFrameWhateverItSaysHasAnArrayThatLeavesIt) {
  std::mt19937_64 random(20261121);
  const auto any = [&](std::uint64_t limit) { return random() % limit; };
  int accepted = 0;
  for (int round = 0; round < 200000; ++round) {
    Frame made = frame(static_cast<shmring_pixel_format>(any(SHMRING_RGGB16BE + 2)),
                       static_cast<std::uint32_t>(any(40)), static_cast<std::uint32_t>(any(40)), any(4000), {});
    made.info.plane_count = static_cast<std::uint32_t>(any(5));
    for (auto& plane : made.info.planes) plane = {any(1000), static_cast<std::int32_t>(any(200)) - 100, 0};
    if (auto array = whole_array(made.format, made.info)) {
      ASSERT_TRUE(made.info.size == 0 || lies_inside(*array, made.info.size)) << round;
    }
    if (!refusal(made).empty()) continue;
    ++accepted;
    for (std::uint32_t i = 0; i < SHMRING_MAX_PLANES; ++i) {
      auto plane = plane_array(made.format, made.info, i);
      if (plane) {
        ASSERT_TRUE(made.info.size == 0 || lies_inside(*plane, made.info.size)) << round;
      }
    }
  }
  EXPECT_GT(accepted, 1000);
}

TEST(Array, PairsOfPixelsKeepTheColourOfTheLastOne) {
  const Frame yuy2 = frame(SHMRING_YUY2, 5, 2, 24, {{0, 12, 0}});
  shmring_array view;
  std::string why;
  ASSERT_TRUE(whole(yuy2, view, why)) << why;
  EXPECT_EQ(std::vector<std::int64_t>(view.shape, view.shape + 3), (std::vector<std::int64_t>{2, 6, 2}));
}

TEST(Array, APlaneThatTheFormatHasNotIsRefusedByName) {
  const Frame nv12 = frame(SHMRING_NV12, 8, 4, 48, {{0, 8, 0}, {32, 8, 0}});
  EXPECT_NE(plane_array(nv12.format, nv12.info, 2).error().text.find("NV12 8x4 has 2 planes"), std::string::npos);
  const Frame bytes = frame(SHMRING_BYTES, 0, 0, 48, {});
  EXPECT_NE(plane_array(bytes.format, bytes.info, 1).error().text.find("one plane of bytes"), std::string::npos);
}

TEST(Array, PlanesThatFollowEachOtherAreOneImage) {
  shmring_array view;
  std::string why;
  const Frame nv12 = frame(SHMRING_NV12, 6, 4, 48, {{0, 8, 0}, {32, 8, 0}});  // padded rows are no obstacle
  ASSERT_TRUE(whole(nv12, view, why)) << why;
  EXPECT_EQ(view.shape[0], 6);
  EXPECT_EQ(view.shape[1], 6);
  EXPECT_EQ(view.strides[0], 8);
  const Frame i420 = frame(SHMRING_I420, 8, 4, 48, {{0, 8, 0}, {32, 4, 0}, {40, 4, 0}});
  ASSERT_TRUE(whole(i420, view, why)) << why;
  EXPECT_EQ(view.shape[0], 6);
}

TEST(Array, PlanesOfOneSizeAreAStack) {
  shmring_array view;
  std::string why;
  const Frame a444 = frame(SHMRING_A444_16LE, 3, 2, 64, {{0, 8, 0}, {16, 8, 0}, {32, 8, 0}, {48, 8, 0}});
  ASSERT_TRUE(whole(a444, view, why)) << why;
  EXPECT_EQ(view.dimensions, 3);
  EXPECT_EQ(std::vector<std::int64_t>(view.shape, view.shape + 3), (std::vector<std::int64_t>{4, 2, 3}));
  EXPECT_EQ(std::vector<std::int64_t>(view.strides, view.strides + 3), (std::vector<std::int64_t>{16, 8, 2}));
  const Frame gap = frame(SHMRING_A444_16LE, 3, 2, 80, {{0, 8, 0}, {16, 8, 0}, {40, 8, 0}, {56, 8, 0}});
  EXPECT_FALSE(whole(gap, view, why));
  EXPECT_NE(why.find("use planes"), std::string::npos);
}

TEST(Array, PlanesWithAGapInAnotherOrderOrWithPaddedHalfRowsAreNoSingleImage) {
  shmring_array view;
  std::string why;
  for (const Frame& made : {
           frame(SHMRING_NV12, 8, 4, 64, {{0, 8, 0}, {40, 8, 0}}),              // a gap
           frame(SHMRING_NV12, 8, 4, 64, {{16, 8, 0}, {0, 8, 0}}),              // the other way round
           frame(SHMRING_NV12, 8, 4, 64, {{0, 8, 0}, {32, 16, 0}}),             // other strides
           frame(SHMRING_NV12, 7, 4, 64, {{0, 8, 0}, {32, 8, 0}}),              // an odd width
           frame(SHMRING_NV12, 8, 3, 64, {{0, 8, 0}, {24, 8, 0}}),              // an odd height
           frame(SHMRING_I420, 6, 4, 64, {{0, 8, 0}, {32, 4, 0}, {40, 4, 0}}),  // padded half rows
           frame(SHMRING_I420, 8, 4, 64, {{0, 8, 0}, {40, 4, 0}, {32, 4, 0}}),  // V before U
       }) {
    EXPECT_FALSE(whole(made, view, why));
    EXPECT_NE(why.find("use planes"), std::string::npos) << why;
  }
}

// The sides of the array that caps describe; empty where they describe none.
std::vector<std::int64_t> shape_of(const std::string& caps) {
  auto array = array_of_caps(caps);
  if (!array) return {};
  return {array->shape, array->shape + array->dimensions};
}

TEST(Array, CapsOfAnArrayAreUnderstoodInEachOfTheirSpellings) {
  for (const char* caps : {
           "application/x-ndarray, dtype=(string)int16, shape=(int)< 16, 4096 >",
           "application/x-ndarray,dtype=int16,shape=<16,4096>",
           "application/x-ndarray(memory:SystemMemory), shape=(int)< (int)16, (int)4096 >, rate=(int)5, "
           "dtype=(string)\"int16\"",
           "application/x-ndarray, my-dtype=(string)a, dtype=(string)int16, framerate=(fraction)0/1, shape=< 16,4096 "
           ">; other/type",
       }) {
    auto array = array_of_caps(caps);
    ASSERT_TRUE(is_array(caps) && array) << caps << ": " << array.error().text;
    EXPECT_EQ(shape_of(caps), (std::vector<std::int64_t>{16, 4096})) << caps;
    EXPECT_EQ(array->kind, static_cast<std::uint32_t>('i'));
    EXPECT_EQ(array->item_size, 2u);
    EXPECT_EQ(array->strides[0], 8192);
    EXPECT_EQ(array->strides[1], 2);
  }
  EXPECT_EQ(shape_of("application/x-ndarray, dtype=bool, shape=<1,2,3,4,5,6,7,8>").size(), 8u);
}

TEST(Array, CapsThatDescribeNoneAreRefusedWithWhatToWrite) {
  for (const char* rest :
       {"dtype=int17, shape=<4>", "dtype=int16, shape=<>", "dtype=int16, shape=<0>", "dtype=int16, shape=<-4>",
        "dtype=int16, shape=<4", "dtype=int16, shape=4", "dtype=int16, shape=<4,,4>", "dtype=int16, shape=<4 4>",
        "dtype=int16, shape=<1,2,3,4,5,6,7,8,9>", "dtype=int16, shape=<99999999999999999999>",
        "dtype=int64, shape=<2147483647,2147483647,2147483647>", "dtype=(string, shape=<4>"}) {
    const std::string caps = "application/x-ndarray, " + std::string(rest);
    const auto array = array_of_caps(caps);
    EXPECT_FALSE(array) << caps;
    EXPECT_NE(array.error().text.find("write application/x-ndarray"), std::string::npos) << array.error().text;
  }
  for (const char* bytes :
       {"application/x-ndarray", "application/x-ndarray, dtype=int16", "application/x-ndarrays, dtype=int16, shape=<4>",
        "video/x-raw, dtype=int16, shape=<4>", ""})
    EXPECT_FALSE(is_array(bytes)) << bytes;
}

TEST(Array, DescribesWhatItReadsAgain) {
  shmring_array array = SHMRING_ARRAY_INIT;
  array.kind = 'c';
  array.item_size = 16;
  array.dimensions = 2;
  array.shape[0] = 3;
  array.shape[1] = 5;
  std::uint64_t size = 0;
  auto caps = describe_array(array, size);
  ASSERT_TRUE(caps) << caps.error().text;
  EXPECT_EQ(*caps, "application/x-ndarray, dtype=(string)complex128, shape=(int)< 3, 5 >");
  EXPECT_EQ(size, 240u);
  EXPECT_EQ(shape_of(*caps), (std::vector<std::int64_t>{3, 5}));
  array.item_size = 3;
  EXPECT_NE(describe_array(array, size).error().text.find("complex64"), std::string::npos);
  array.item_size = 8;
  array.shape[1] = 0;
  EXPECT_FALSE(describe_array(array, size));
}

TEST(Array, AFrameOfNumbersIsTheArrayOfItsCapsWhereItIsLongEnough) {
  shmring_format format = SHMRING_FORMAT_INIT;
  format.caps = "application/x-ndarray, dtype=(string)float32, shape=(int)< 2, 3 >";
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = 24;
  auto array = whole_array(format, info);
  ASSERT_TRUE(array) << array.error().text;
  EXPECT_EQ(array->dimensions, 2u);
  EXPECT_EQ(array->kind, static_cast<std::uint32_t>('f'));
  info.size = 23;
  EXPECT_NE(whole_array(format, info).error().text.find("23 bytes"), std::string::npos);
}

}  // namespace
}  // namespace shmring
