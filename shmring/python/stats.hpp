// SPDX-License-Identifier: LGPL-2.1-or-later
// Stats as dictionaries with the names of the C API, and its enumerations by name.
#pragma once

#include <pybind11/pybind11.h>

#include <shmring/shmring.hpp>

namespace shmring::python {

// Text that another process sent: whatever bytes it has must not raise.
pybind11::object text(const char* bytes);

// None is the publisher's own.
shmring_policy policy_of(const pybind11::handle& name);
shmring_wake wake_of(const pybind11::handle& name);

pybind11::dict to_dict(const shmring_reader_stats& stats);
pybind11::dict to_dict(const Stats& stats);

// Stats of a live ring, through an observer.
pybind11::dict inspect(const pybind11::object& path, const pybind11::object& timeout);

}  // namespace shmring::python
