// SPDX-License-Identifier: LGPL-2.1-or-later
// Arrays of a frame for PyTorch, CuPy, JAX and others, by the DLPack protocol.
#pragma once

#include <cstdint>

#include <pybind11/pybind11.h>

#include <shmring/types.h>

namespace shmring::python {

// Arguments of __dlpack__, as the consumer gave them.
struct DlpackRequest {
  bool knows_read_only = false;  // it takes versioned capsules, which have a flag for that
  enum class Copy { if_needed, always, never } copy = Copy::if_needed;

  // Raises BufferError for what a frame in the host's memory cannot be.
  static DlpackRequest parse(PyObject* arguments, PyObject* names);
};

// A capsule with a tensor of the array in `data`, which `owner` keeps.
pybind11::object make_tensor(const void* data, const shmring_array& array, const pybind11::object& owner,
                             const DlpackRequest& request, bool read_only);

}  // namespace shmring::python
