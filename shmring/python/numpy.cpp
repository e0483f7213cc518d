// SPDX-License-Identifier: LGPL-2.1-or-later
// numpy's C API is a capsule with an array of pointers, whose places never change.
#include "numpy.hpp"

#include <cstddef>
#include <string>

#include "errors.hpp"
#include "gil.hpp"

namespace py = pybind11;

namespace shmring::python {
namespace {

// Guarded by the GIL, and without a static guard of C++: see the header.
constinit Numpy loaded{};

py::object import(const char* name) {
  return owned(outlive_interpreter([name] { return PyImport_ImportModule(name); }));
}

// numpy 2 moved it.
py::object import_c_api() {
  try {
    return import("numpy._core._multiarray_umath");
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_ModuleNotFoundError)) throw;
  }
  return import("numpy.core._multiarray_umath");
}

template <class Function>
void load(Function& function, void* const* table, std::size_t place) {
  function = reinterpret_cast<Function>(table[place]);
}

}  // namespace

// Several threads may be in here at once: Python's import lock is all the order they need, and all find the same.
const Numpy& numpy() {
  if (loaded.array_type != nullptr) return loaded;
  const py::object module = import("numpy");
  Numpy found{};
  // The sizes of each kind, as powers of two: 1 to 8 bytes of integers, 2 to 8 of floats, 8 and 16 of complex numbers, 1 of booleans.
  constexpr int smallest[] = {0, 0, 1, 3, 0};
  constexpr int largest[] = {3, 3, 3, 4, 0};
  for (std::size_t kind = 0; kind < Numpy::kinds.size(); ++kind) {
    for (int order = 0; order < 2; ++order) {
      for (int log = smallest[kind]; log <= largest[kind]; ++log) {
        const std::string name =
            (order == 0 ? "<" : ">") + std::string(1, Numpy::kinds[kind]) + std::to_string(1 << log);
        found.dtypes[kind][order][log] =
            owned(outlive_interpreter([&] { return PyObject_CallMethod(module.ptr(), "dtype", "s", name.c_str()); }))
                .release()
                .ptr();
      }
    }
  }
  const py::object c_api = import_c_api().attr("_ARRAY_API");
  auto* const* table = static_cast<void* const*>(PyCapsule_GetPointer(c_api.ptr(), nullptr));
  if (table == nullptr) throw py::error_already_set();
  load(found.array_type, table, 2);
  load(found.new_from_descriptor, table, 94);
  load(found.new_copy, table, 85);
  load(found.set_base, table, 282);
  return loaded = found;
}

}  // namespace shmring::python
