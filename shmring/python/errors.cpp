// SPDX-License-Identifier: LGPL-2.1-or-later
// The exception classes themselves are Python: shmring/_errors.py.
#include "errors.hpp"

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

}  // namespace shmring::python
