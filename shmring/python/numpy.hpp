// SPDX-License-Identifier: LGPL-2.1-or-later
// The functions of numpy's C API that make arrays. numpy is imported when the first array is asked for.
//
// pybind11's own table is behind a static guard: a thread that waits for the guard with the GIL held, while another one imports numpy
// and waits for the GIL, waits for ever.
#pragma once

#include <bit>
#include <string_view>

#include <pybind11/pybind11.h>

#include <shmring/types.h>

namespace shmring::python {

struct Numpy {
  PyTypeObject* array_type;
  PyObject* dtypes[5][2][5];  // by kind as in `kinds`, byte order and power of two of the size; NULL: there is none
  PyObject* (*new_from_descriptor)(PyTypeObject* type, PyObject* descriptor, int dimensions, const Py_intptr_t* shape,
                                   const Py_intptr_t* strides, void* data, int flags, PyObject* prototype);
  PyObject* (*new_copy)(PyObject* array, int order);
  int (*set_base)(PyObject* array, PyObject* base);

  // Borrowed. The library makes only arrays of which numpy has the dtype.
  PyObject* dtype_of(const shmring_array& array) const {
    const auto kind = kinds.find(static_cast<char>(array.kind));
    return dtypes[kind][array.big_endian ? 1 : 0][std::countr_zero(array.item_size)];
  }

  static constexpr std::string_view kinds = "uifcb";
  static constexpr int writable = 0x0400;  // NPY_ARRAY_WRITEABLE
  static constexpr int c_order = 0;        // NPY_CORDER
};

// The GIL is held. The first call may give it away for a while, and throws where numpy cannot be imported.
const Numpy& numpy();

}  // namespace shmring::python
