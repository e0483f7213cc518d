// SPDX-License-Identifier: LGPL-2.1-or-later
// How regularly frames come. Pure.
#pragma once

#include <cstdint>
#include <string>

#include <shmring/types.h>

namespace shmring::tools {

class Rhythm {
 public:
  // The next frame, and how old it was when it was taken, ns.
  void add(const shmring_frame_info& frame, std::uint64_t age);
  // Begins anew with the last frame, so that the next interval counts.
  void restart();

  std::uint64_t frames() const { return frames_; }
  std::string text() const;
  // One object without a line break; times in ns.
  std::string json(const char* span) const;

 private:
  double rate() const;
  double jitter() const;

  std::uint64_t frames_ = 0, intervals_ = 0, missed_ = 0, bytes_ = 0;
  std::uint64_t published_at_ = 0, sequence_ = 0;  // of the last frame
  double mean_ = 0, squares_ = 0;                  // of intervals, by Welford's method
  std::uint64_t shortest_ = 0, longest_ = 0, age_sum_ = 0, age_most_ = 0;
};

}  // namespace shmring::tools
