// SPDX-License-Identifier: LGPL-2.1-or-later
// The header of .npy files.
#include "snap.hpp"

#include <gtest/gtest.h>

namespace {

TEST(NpyHeader, DescribesAnArrayAndEndsAtAMultipleOf64) {
  shmring_array array = SHMRING_ARRAY_INIT;
  array.kind = 'i';
  array.item_size = 2;
  array.dimensions = 2;
  array.shape[0] = 360;
  array.shape[1] = 640;
  const std::string header = shmring::tools::npy_header(array);
  EXPECT_EQ(header.size() % 64, 0u);
  EXPECT_EQ(header.back(), '\n');
  EXPECT_EQ(header.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_EQ(static_cast<unsigned char>(header[8]) + 256u * static_cast<unsigned char>(header[9]), header.size() - 10);
  EXPECT_NE(header.find("{'descr': '<i2', 'fortran_order': False, 'shape': (360, 640, ), }"), std::string::npos)
      << header;
}

TEST(NpyHeader, NamesTheOrderOfBytes) {
  shmring_array array = SHMRING_ARRAY_INIT;
  array.item_size = 1;
  EXPECT_NE(shmring::tools::npy_header(array).find("'|u1'"), std::string::npos);
  array.item_size = 2;
  array.big_endian = 1;
  EXPECT_NE(shmring::tools::npy_header(array).find("'>u2'"), std::string::npos);
}

}  // namespace
