// SPDX-License-Identifier: LGPL-2.1-or-later
// Frames of which everything follows from the number: bytes, size, times, format. Whatever is torn, stale or another's
// is found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "payload.hpp"
#include "publisher/publisher.hpp"
#include "reader/reader.hpp"

namespace ring_pattern {

// Sizes and formats change all the time, so that no word of a descriptor stays what it was.
inline std::uint64_t size_of(std::uint64_t sequence, std::uint64_t largest) { return largest - sequence % 97; }

inline std::string caps_of(std::uint64_t sequence) {
  return "test/frame, variant=(int)" + std::to_string(sequence / 7 % 5);
}

inline shmring_frame_info info_of(std::uint64_t sequence, std::uint64_t largest) {
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = size_of(sequence, largest);
  info.pts = sequence * 1000;
  info.dts = sequence * 1000 + 1;
  info.duration = sequence + 2;
  info.flags = static_cast<std::uint32_t>(sequence % 256);
  if (sequence % 3 == 0) info.offset = sequence + 3;
  info.plane_count = static_cast<std::uint32_t>(sequence % 5);
  for (std::uint32_t i = 0; i < info.plane_count; ++i)
    info.planes[i] = {i * 8 + sequence % 8, static_cast<std::int32_t>(sequence), 0};
  return info;
}

// Publishes frame `sequence`, written in place. Anything but OK: the frame is counted as dropped, and has had its
// number.
inline shmring::Status publish(shmring::Publisher& publisher, std::uint64_t sequence, std::uint64_t largest) {
  auto loan = publisher.loan();
  if (!loan) {
    publisher.count_dropped();
    return loan.status();
  }
  shmring_format format = SHMRING_FORMAT_INIT;
  const std::string caps = caps_of(sequence);
  format.caps = caps.c_str();
  if (const auto set = publisher.set_format(format); !set) return set.status();
  shmring_frame_info info = info_of(sequence, largest);
  support::fill_payload(loan->bytes().first(info.size), sequence);
  return publisher.publish(*loan, info).status();
}

// Fault of a frame that was taken; none if all of it is frame `info().sequence`.
inline std::optional<std::string> fault(const shmring::Frame& frame, std::uint64_t largest) {
  const shmring_frame_info& got = frame.info();
  const std::uint64_t n = got.sequence;
  const auto wrong = [&](const std::string& what) { return "frame " + std::to_string(n) + ": " + what; };
  const shmring_frame_info said = info_of(n, largest);
  if (got.size != said.size) return wrong("its size is " + std::to_string(got.size));
  if (got.pts != said.pts || got.dts != said.dts || got.duration != said.duration)
    return wrong("its times are another's");
  if (got.flags != said.flags || got.offset != said.offset) return wrong("its flags or its offset are another's");
  if (got.plane_count != said.plane_count) return wrong("it has " + std::to_string(got.plane_count) + " planes");
  for (std::uint32_t i = 0; i < said.plane_count; ++i)
    if (got.planes[i].offset != said.planes[i].offset || got.planes[i].stride != said.planes[i].stride)
      return wrong("its planes are another's");
  if (const std::string caps = frame.format().caps; caps != caps_of(n)) return wrong("its caps are " + caps);
  if (const auto at = support::payload_fault(frame.bytes(), n))
    return wrong("byte " + std::to_string(*at) + " is another's");
  return std::nullopt;
}

}  // namespace ring_pattern
