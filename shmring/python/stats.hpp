// SPDX-License-Identifier: LGPL-2.1-or-later
// Stats as dictionaries with the names of the C API, and its enumerations by name.
#pragma once

#include <string>
#include <vector>

#include <pybind11/pybind11.h>

#include <shmring/reader.h>
#include <shmring/types.h>

namespace shmring::python {

// Text that another process sent: whatever bytes it has must not raise.
pybind11::object text(const char* bytes);

// None is the publisher's own.
shmring_policy policy_of(const pybind11::handle& name);
shmring_wake wake_of(const pybind11::handle& name);

pybind11::dict to_dict(const shmring_reader_stats& stats);
pybind11::dict to_dict(const shmring_ring_stats& ring, const std::vector<shmring_reader_account>& lanes);

// Stats of a live ring, through an observer.
pybind11::dict inspect(const pybind11::object& path, const pybind11::object& timeout);

// Calls a function of the C API that fills an array of lanes until the array was large enough.
template <class Call>
shmring_status all_lanes(Call call, shmring_ring_stats& ring, std::vector<shmring_reader_account>& lanes) {
  std::size_t count = 16;
  do {
    lanes.resize(count);
    const shmring_status status = call(&ring, lanes.data(), sizeof lanes[0], lanes.size(), &count);
    if (status != SHMRING_OK) return status;
  } while (count > lanes.size());
  lanes.resize(count);
  return SHMRING_OK;
}

}  // namespace shmring::python
