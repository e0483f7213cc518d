// SPDX-License-Identifier: LGPL-2.1-or-later
// Statuses of the C API as Python exceptions.
#pragma once

#include <exception>
#include <string>

#include <pybind11/pybind11.h>

#include <shmring/types.h>

namespace shmring::python {

// Finds the exceptions' classes; before any of the others.
void bind_errors();

// Raises the exception of `status` with the library's error message or the given one. The GIL is held.
[[noreturn]] void raise(shmring_status status);
[[noreturn]] void raise(shmring_status status, const std::string& text);
[[noreturn]] void raise_closed(const char* what);

inline void check(shmring_status status) {
  if (status != SHMRING_OK) raise(status);
}

// A new reference from Python's C API; NULL says that an error is set.
inline pybind11::object owned(PyObject* reference) {
  if (reference == nullptr) throw pybind11::error_already_set();
  return pybind11::reinterpret_steal<pybind11::object>(reference);
}

// A function as Python itself calls it: what `call` throws becomes the error that is set.
template <class Call>
PyObject* guarded(Call call) {
  try {
    return pybind11::object(call()).release().ptr();
  } catch (pybind11::error_already_set& error) {
    error.restore();
  } catch (const pybind11::builtin_exception& error) {
    error.set_error();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

}  // namespace shmring::python
