// SPDX-License-Identifier: LGPL-2.1-or-later
// The exception classes themselves are Python: shmring/_errors.py.
#include "errors.hpp"

#include <cmath>
#include <cstdint>

namespace py = pybind11;

namespace shmring::python {
namespace {

// Found once, so that raising runs no Python code. Guarded by the GIL.
constinit PyObject* by_status = nullptr;  // {"timeout": Timeout, …}
constinit PyObject* any_error = nullptr;

[[noreturn]] void raise_type(const char* status, const std::string& text) {
  PyObject* type = PyDict_GetItemString(by_status, status);
  PyErr_SetString(type != nullptr ? type : any_error, text.c_str());
  throw py::error_already_set();
}

}  // namespace

void bind_errors() {
  const auto errors = py::module_::import("shmring._errors");
  by_status = errors.attr("by_status").cast<py::object>().release().ptr();
  any_error = errors.attr("Error").cast<py::object>().release().ptr();
}

void raise(shmring_status status) { raise(status, shmring_last_error()); }

void raise(shmring_status status, const std::string& text) { raise_type(shmring_status_name(status), text); }

void raise_closed(const char* what) { raise_type("closed", std::string("the ") + what + " is closed"); }

std::uint64_t nanoseconds(const py::object& seconds) {
  if (seconds.is_none()) return SHMRING_WAIT_FOREVER;
  const double value = PyFloat_AsDouble(seconds.ptr());
  if (value == -1.0 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  if (std::isnan(value) || value < 0) raise(SHMRING_INVALID, "a time is a number of seconds, 0 or more");
  // 2^33 s are 270 years; more is for ever.
  return value < 8589934592.0 ? static_cast<std::uint64_t>(value * 1e9) : SHMRING_WAIT_FOREVER;
}

}  // namespace shmring::python
