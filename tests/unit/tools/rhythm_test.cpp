// SPDX-License-Identifier: LGPL-2.1-or-later
// The figures of shmring hz.
#include "rhythm.hpp"

#include <gtest/gtest.h>

namespace {

using shmring::tools::Rhythm;

constexpr std::uint64_t kMs = 1'000'000;

void add(Rhythm& sut, std::uint64_t sequence, std::uint64_t published_at) {
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.sequence = sequence;
  info.published_at = published_at;
  info.size = 1000;
  sut.add(info, 2 * kMs);
}

bool says(const Rhythm& sut, const std::string& words) {
  const std::string text = sut.text();
  EXPECT_NE(text.find(words), std::string::npos) << text;
  return true;
}

TEST(Rhythm, HasNoRateOfOneFrame) {
  Rhythm sut;
  EXPECT_EQ(sut.text(), "0 frames");
  add(sut, 1, 5 * kMs);
  EXPECT_EQ(sut.text(), "1 frames");
}

TEST(Rhythm, TellsRateJitterAndAge) {
  Rhythm sut;
  for (const std::uint64_t at : {0, 30, 70, 100, 140}) add(sut, sut.frames() + 1, kMs + at * kMs);
  says(sut, "28.57 Hz");
  says(sut, "interval 35 ms ± 5.77 ms (30 ms to 40 ms)");
  says(sut, "age 2 ms, at most 2 ms");
  says(sut, "missed 0 of 5");
}

TEST(Rhythm, CountsFramesThatWereMissed) {
  Rhythm sut;
  add(sut, 1, kMs);
  add(sut, 2, 2 * kMs);
  add(sut, 7, 7 * kMs);
  says(sut, "missed 4 of 7");
}

TEST(Rhythm, TakesNoIntervalBetweenTwoPublishers) {
  Rhythm sut;
  add(sut, 900, kMs);
  add(sut, 901, 11 * kMs);
  add(sut, 1, 5011 * kMs);
  add(sut, 2, 5021 * kMs);
  says(sut, "interval 10 ms ± 0 ns (10 ms to 10 ms)");
  says(sut, "missed 0 of 4");
}

TEST(Rhythm, BeginsAnewWithTheLastFrame) {
  Rhythm sut;
  add(sut, 1, kMs);
  add(sut, 2, 11 * kMs);
  sut.restart();
  EXPECT_EQ(sut.frames(), 0u);
  add(sut, 4, 31 * kMs);
  says(sut, "interval 20 ms");
  says(sut, "missed 1 of 2");
}

}  // namespace
