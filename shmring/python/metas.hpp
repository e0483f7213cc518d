// SPDX-License-Identifier: LGPL-2.1-or-later
// Metadata of a frame in Python: bytes of the application, and metas.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <pybind11/pybind11.h>

#include <shmring/types.h>

namespace shmring::python {

// Bytes of the publishing application; all bytes, where they are not records.
pybind11::bytes application_bytes(const shmring_frame_info& info);

// A tuple of shmring.Timestamp and its like; empty where the metadata is not records.
pybind11::tuple metas_of(const shmring_frame_info& info);

// Metadata that a frame is published with. Each call raises where there is no room.
class Metadata {
 public:
  void add_capture_utc(std::uint64_t time);
  void add_metas(const pybind11::handle& metas);
  void add_bytes(const pybind11::handle& bytes);
  // The info borrows the bytes.
  void put_into(shmring_frame_info& info) const;

 private:
  void add_record(const pybind11::handle& record);
  void add(const shmring_meta& meta);

  std::vector<std::byte> bytes_;  // without room as long as nothing is added
  std::size_t size_ = 0;
};

}  // namespace shmring::python
