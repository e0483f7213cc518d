// SPDX-License-Identifier: LGPL-2.1-or-later
// Records in a frame's metadata: the one place that reads and writes them. docs/abi.md has the bytes.
#pragma once

#include <array>
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

// A row of records in the making, of at most the room that a frame has.
class MetaRow {
 public:
  // False: there is no room for it, and nothing was changed.
  bool add(const shmring_meta& meta);
  // Borrows the bytes.
  shmring_meta as(shmring_meta_kind kind) const;

 private:
  std::array<std::byte, SHMRING_METADATA_SIZE> bytes_;  // not initialised beyond used_
  std::size_t used_ = 0;
};

// Tells whether all bytes are records.
bool are_metas(std::span<const std::byte> metadata);

// Writes a record to the beginning of `room` and returns its size; 0: there is no room for it.
std::size_t put_meta(std::span<std::byte> room, const shmring_meta& meta);

// UTC of the first record that is a time on a clock with a date, ns since 1970, or SHMRING_TIME_NONE.
std::uint64_t captured_at(std::span<const std::byte> metadata);

}  // namespace shmring
