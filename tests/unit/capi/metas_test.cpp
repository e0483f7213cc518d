// SPDX-License-Identifier: LGPL-2.1-or-later
// Metadata of frames in C and C++: records added, published, read.
#include <chrono>
#include <cstddef>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include <shmring/shmring.hpp>

#include "temp_dir.hpp"
#include "watchdog.hpp"

namespace {

class CApiMetas : public testing::Test {
 protected:
  shmring::Frame published(const shmring_frame_info& given) {
    shmring_frame_info info = given;
    info.size = 1;
    publisher.write("x", info);
    return *reader.read();
  }

  const support::TempDir dir;
  shmring::Publisher publisher{{dir.file("ring"), 1}};
  shmring::Reader reader{{dir.file("ring"), "worker"}};
};

TEST_F(CApiMetas, are_read_as_they_were_added) {
  std::byte metadata[SHMRING_METADATA_SIZE];
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.metadata = metadata;
  shmring_meta time = SHMRING_META_INIT, own = SHMRING_META_INIT;
  time.kind = SHMRING_META_TIMESTAMP;
  time.name = "timestamp/x-unix";
  time.name_size = std::strlen(time.name);
  own.kind = SHMRING_META_BYTES;
  own.data = "own";
  own.data_size = 3;
  EXPECT_EQ(shmring_meta_add(metadata, sizeof metadata, &info.metadata_size, &time), SHMRING_INVALID) << "no time";
  time.timestamp = 5;
  ASSERT_EQ(shmring_meta_add(metadata, sizeof metadata, &info.metadata_size, &time), SHMRING_OK);
  ASSERT_EQ(shmring_meta_add(metadata, sizeof metadata, &info.metadata_size, &own), SHMRING_OK);
  EXPECT_EQ(shmring_captured_at(&info), 5u);

  const shmring::Frame frame = published(info);
  EXPECT_EQ(shmring_captured_at(&frame.info()), 5u);
  ASSERT_TRUE(frame.captured_at());
  EXPECT_EQ(frame.captured_at()->time_since_epoch(), std::chrono::nanoseconds(5));
  const auto metas = frame.metas();
  ASSERT_EQ(metas.size(), 2u);
  EXPECT_EQ(std::string(metas[0].name, metas[0].name_size), "timestamp/x-unix");
  EXPECT_EQ(metas[0].timestamp, 5u);
  EXPECT_EQ(std::string(static_cast<const char*>(metas[1].data), metas[1].data_size), "own");
}

TEST_F(CApiMetas, are_none_where_the_bytes_are_no_records) {
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.metadata = "nonsense";
  info.metadata_size = 8;
  const shmring::Frame frame = published(info);
  EXPECT_TRUE(frame.metas().empty());
  EXPECT_FALSE(frame.captured_at());
  EXPECT_EQ(frame.info().metadata_size, 8u);
}

TEST_F(CApiMetas, metas_out_of_range_are_refused_and_change_nothing) {
  std::byte metadata[20];
  std::size_t size = 0;
  shmring_meta own = SHMRING_META_INIT;
  own.kind = SHMRING_META_BYTES;
  own.data = metadata;
  own.data_size = 13;
  EXPECT_EQ(shmring_meta_add(metadata, sizeof metadata, &size, &own), SHMRING_TOO_LARGE);
  own.data = nullptr;
  EXPECT_EQ(shmring_meta_add(metadata, sizeof metadata, &size, &own), SHMRING_INVALID);
  own.data_size = 0;
  EXPECT_EQ(shmring_meta_add(nullptr, sizeof metadata, &size, &own), SHMRING_INVALID);
  own.struct_size = 0;
  EXPECT_EQ(shmring_meta_add(metadata, sizeof metadata, &size, &own), SHMRING_INVALID);
  EXPECT_EQ(size, 0u);
  size = sizeof metadata + 1;
  own = SHMRING_META_INIT;
  EXPECT_EQ(shmring_meta_add(metadata, sizeof metadata, &size, &own), SHMRING_INVALID);
  std::size_t offset = 0;
  EXPECT_EQ(shmring_meta_next("nonsense", 8, &offset, &own), SHMRING_INVALID);
  EXPECT_EQ(offset, 0u);
  EXPECT_EQ(shmring_meta_next(nullptr, 0, &offset, &own), SHMRING_END);
  EXPECT_EQ(shmring_meta_next(nullptr, 1, &offset, &own), SHMRING_INVALID);
  offset = 9;
  EXPECT_EQ(shmring_meta_next("nonsense", 8, &offset, &own), SHMRING_INVALID);
  EXPECT_EQ(shmring_captured_at(nullptr), SHMRING_TIME_NONE);
}

}  // namespace
