// SPDX-License-Identifier: LGPL-2.1-or-later
// A frame in Python. What keeps its slot is a capsule; frame, arrays and memoryviews each hold a reference to it, so
// the slot goes back with the last of them, in whatever order they die.
//
// It is the one object that is made for every frame, so it is a type of Python's own C API: half the cost of a pybind11
// class.
#pragma once

#include <pybind11/pybind11.h>

#include <shmring/reader.h>

#include "views.hpp"

namespace shmring::python {

// A numpy array on memory that `owner` keeps.
pybind11::object make_array(const void* memory, const shmring_array& view, const pybind11::handle& owner,
                            bool writable);
// One array a plane.
pybind11::tuple make_arrays(const void* memory, const Planes& planes, const pybind11::handle& owner, bool writable);

// Takes the frame over, also where it throws. `ring`: the path of its socket. `copies`: its arrays are writable copies.
pybind11::object make_frame(shmring_frame* frame, const pybind11::handle& ring, bool copies);

void bind_frame(pybind11::module_& module);

}  // namespace shmring::python
