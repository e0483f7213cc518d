// SPDX-License-Identifier: LGPL-2.1-or-later
// Expected contents of each frame: its origin decides every byte of it, its times, flags, planes, metadata and format. Knows the C API only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <shmring/shmring.h>

namespace chaos {

// The first bytes of each frame.
struct Origin {
  std::uint64_t sequence;
  std::uint32_t publisher;  // which of all publishers of the round
  std::uint32_t ring;       // how often that publisher had changed its ring, plus one
  std::uint32_t format;     // how often it had set a format; 0: never
  std::uint32_t capacity;   // bytes of a slot
  std::uint64_t check;      // over the others

  bool operator==(const Origin&) const = default;
};

Origin make_origin(std::uint64_t sequence, std::uint32_t publisher, std::uint32_t ring, std::uint32_t format,
                   std::uint32_t capacity);

// Frame info of the frame with that origin.
struct Content {
  explicit Content(const Origin& origin);
  Content(const Content&) = delete;

  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  std::vector<std::byte> metadata;
};

// A publisher's n-th format.
struct Format {
  Format(std::uint32_t publisher, std::uint32_t number);
  Format(const Format&) = delete;

  std::string caps;
  shmring_format format = SHMRING_FORMAT_INIT;
};

// Writes the frame; `to` has the size that the content says.
void fill(std::span<std::byte> to, const Origin& origin);

// Fault of a frame in a reader's hand, by everything that it says of itself. `expected`: the origin found when it was taken.
std::optional<std::string> fault_of(const shmring_frame* frame, const Origin* expected = nullptr);
// The origin that the frame's bytes name.
Origin origin_of(const shmring_frame* frame);

}  // namespace chaos
