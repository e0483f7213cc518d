// SPDX-License-Identifier: LGPL-2.1-or-later
// Records in a frame's metadata: the one place that reads and writes them. docs/abi.md has the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <shmring/types.h>

namespace shmring {

// Before the bytes of each record.
struct MetaHeader {
  std::uint32_t kind;
  std::uint32_t size;  // of the bytes that follow
};

// Takes the next record off `rest`; what it gives borrows those bytes. False: they are no record, or one that contradicts itself.
// A kind that is not known is no fault: its bytes are in `data`.
bool take_meta(std::span<const std::byte>& rest, shmring_meta& meta);

// Tells whether all bytes are records.
bool are_metas(std::span<const std::byte> metadata);

// Writes a record to the beginning of `room` and returns its size; 0: there is no room for it.
std::size_t put_meta(std::span<std::byte> room, const shmring_meta& meta);

// UTC of the first record that is a time on a clock with a date, ns since 1970, or SHMRING_TIME_NONE.
std::uint64_t captured_at(std::span<const std::byte> metadata);

}  // namespace shmring
