// SPDX-License-Identifier: LGPL-2.1-or-later
// The functions of numpy's C API that make arrays. numpy is imported when the first array is asked for.
//
// pybind11's own table is behind a static guard: a thread that waits for the guard with the GIL held, while another one imports numpy
// and waits for the GIL, waits for ever.
#pragma once

#include <pybind11/pybind11.h>

namespace shmring::python {

struct Numpy {
  PyTypeObject* array_type;
  PyObject* unsigned_of[2][3];  // dtypes: little-endian and big-endian, of 1, 2 and 4 bytes
  PyObject* (*new_from_descriptor)(PyTypeObject* type, PyObject* descriptor, int dimensions, const Py_intptr_t* shape,
                                   const Py_intptr_t* strides, void* data, int flags, PyObject* prototype);
  PyObject* (*new_copy)(PyObject* array, int order);
  int (*set_base)(PyObject* array, PyObject* base);

  static constexpr int writable = 0x0400;  // NPY_ARRAY_WRITEABLE
  static constexpr int c_order = 0;        // NPY_CORDER
};

// The GIL is held. The first call may give it away for a while, and throws where numpy cannot be imported.
const Numpy& numpy();

}  // namespace shmring::python
