// SPDX-License-Identifier: LGPL-2.1-or-later
// The exception classes themselves are Python (shmring/_errors.py); here they are looked up, on the way out only.
#include "errors.hpp"

#include <cmath>
#include <cstdint>

namespace py = pybind11;

namespace shmring::python {
namespace {

[[noreturn]] void raise_object(const py::object& type, const std::string& text) {
  PyErr_SetString(type.ptr(), text.c_str());
  throw py::error_already_set();
}

}  // namespace

void raise(shmring_status status) { raise(status, shmring_last_error()); }

void raise(shmring_status status, const std::string& text) {
  const py::object of_status = py::module_::import("shmring._errors").attr("of_status");
  raise_object(of_status(shmring_status_name(status)), text);
}

void raise_closed(const char* what) {
  raise_object(py::module_::import("shmring._errors").attr("Closed"), std::string("the ") + what + " is closed");
}

std::uint64_t nanoseconds(const py::object& seconds) {
  if (seconds.is_none()) return SHMRING_WAIT_FOREVER;
  const double value = PyFloat_AsDouble(seconds.ptr());
  if (value == -1.0 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  if (std::isnan(value) || value < 0) raise(SHMRING_INVALID, "a time is a number of seconds, 0 or more");
  // 2^33 s are 270 years; more is for ever.
  return value < 8589934592.0 ? static_cast<std::uint64_t>(value * 1e9) : SHMRING_WAIT_FOREVER;
}

}  // namespace shmring::python
