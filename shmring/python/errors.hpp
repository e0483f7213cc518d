// SPDX-License-Identifier: LGPL-2.1-or-later
// Statuses of the C API as Python exceptions.
#pragma once

#include <string>

#include <pybind11/pybind11.h>

#include <shmring/types.h>

namespace shmring::python {

// Raises the exception of `status` with the library's sentence, or with ours. The GIL is held.
[[noreturn]] void raise(shmring_status status);
[[noreturn]] void raise(shmring_status status, const std::string& text);
[[noreturn]] void raise_closed(const char* what);

inline void check(shmring_status status) {
  if (status != SHMRING_OK) raise(status);
}

// Seconds, as everywhere in Python, to the library's nanoseconds. None waits for ever.
std::uint64_t nanoseconds(const pybind11::object& seconds);

}  // namespace shmring::python
