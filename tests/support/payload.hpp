// SPDX-License-Identifier: LGPL-2.1-or-later
// Frames whose every byte depends on their sequence number, so that a torn, stale or foreign byte is found.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace support {

namespace detail {
// The first word is the sequence itself; the others are a mix of sequence and place (splitmix64's finaliser).
inline std::uint64_t payload_word(std::uint64_t sequence, std::size_t index) {
  if (index == 0) return sequence;
  std::uint64_t z = sequence * 0x9e3779b97f4a7c15u + index * 0xd1342543de82ef95u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}
}  // namespace detail

inline void fill_payload(std::span<std::byte> frame, std::uint64_t sequence) {
  for (std::size_t at = 0; at < frame.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t word = detail::payload_word(sequence, at / sizeof word);
    std::memcpy(frame.data() + at, &word, std::min(sizeof word, frame.size() - at));
  }
}

// The number a frame says it has; its first eight bytes.
inline std::uint64_t payload_sequence(std::span<const std::byte> frame) {
  std::uint64_t sequence = 0;
  std::memcpy(&sequence, frame.data(), std::min(sizeof sequence, frame.size()));
  return sequence;
}

// Where the first wrong word starts; nothing if every byte belongs to frame `sequence`.
inline std::optional<std::size_t> payload_fault(std::span<const std::byte> frame, std::uint64_t sequence) {
  for (std::size_t at = 0; at < frame.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t word = detail::payload_word(sequence, at / sizeof word);
    if (std::memcmp(frame.data() + at, &word, std::min(sizeof word, frame.size() - at)) != 0) return at;
  }
  return std::nullopt;
}

// Tells whether the frame is whole: every byte belongs to the number that it says it has.
inline bool payload_intact(std::span<const std::byte> frame) {
  return !payload_fault(frame, payload_sequence(frame)).has_value();
}

}  // namespace support
