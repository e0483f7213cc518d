// SPDX-License-Identifier: LGPL-2.1-or-later
#include "arguments.hpp"

#include <cmath>

#include "gil.hpp"

namespace py = pybind11;

namespace shmring::python {
namespace {

[[noreturn]] void raise_type_error(const std::string& text) {
  PyErr_SetString(PyExc_TypeError, text.c_str());
  throw py::error_already_set();
}

}  // namespace

std::string type_name(const py::handle& value) { return Py_TYPE(value.ptr())->tp_name; }

std::uint64_t whole_number(const py::handle& value, const char* name, std::uint64_t least, std::uint64_t most) {
  PyObject* index = outlive_interpreter([&] { return PyNumber_Index(value.ptr()); });
  if (index == nullptr && PyErr_ExceptionMatches(PyExc_TypeError) != 0) {
    PyErr_Clear();
    raise_type_error(std::string(name) + " is a whole number, not " + type_name(value) +
                     (PyFloat_Check(value.ptr()) ? ": use int()" : ""));
  }
  const auto number = owned(index);
  const std::uint64_t result = PyLong_AsUnsignedLongLong(number.ptr());
  const bool outside = result == UINT64_MAX && PyErr_Occurred() != nullptr;
  if (!outside && result >= least && result <= most) return result;
  PyErr_Clear();
  const long long negative = outside ? PyLong_AsLongLong(number.ptr()) : 0;
  const bool shown = !outside || PyErr_Occurred() == nullptr;
  PyErr_Clear();
  const std::string range = most >= UINT32_MAX ? std::to_string(least) + " or more"
                                               : "between " + std::to_string(least) + " and " + std::to_string(most);
  raise(SHMRING_INVALID, std::string(name) + " is " + range +
                             (shown ? ", not " + (outside ? std::to_string(negative) : std::to_string(result))
                                    : ", not a number of more than 64 bits"));
}

bool truth(const py::handle& value) {
  const int is_true = outlive_interpreter([&] { return PyObject_IsTrue(value.ptr()); });
  if (is_true < 0) throw py::error_already_set();
  return is_true != 0;
}

std::string string_of(const py::handle& value, const char* name) {
  std::string text;
  if (PyBytes_Check(value.ptr())) {
    text.assign(PyBytes_AS_STRING(value.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(value.ptr())));
  } else if (PyUnicode_Check(value.ptr())) {
    Py_ssize_t size = 0;
    const char* bytes = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
    if (bytes == nullptr) throw py::error_already_set();
    text.assign(bytes, static_cast<std::size_t>(size));
  } else {
    raise_type_error(std::string(name) + " is a string, not " + type_name(value));
  }
  if (text.find('\0') != std::string::npos) raise(SHMRING_INVALID, std::string(name) + " contains a zero byte");
  return text;
}

std::uint64_t nanoseconds(const py::handle& seconds, const char* name) {
  if (seconds.is_none()) return SHMRING_WAIT_FOREVER;
  const double value = outlive_interpreter([&] { return PyFloat_AsDouble(seconds.ptr()); });
  if (value == -1.0 && PyErr_Occurred() != nullptr) {
    if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) throw py::error_already_set();
    PyErr_Clear();
    raise_type_error(std::string(name) + " is a number of seconds or None, not " + type_name(seconds));
  }
  if (std::isnan(value) || value < 0) {
    raise(SHMRING_INVALID, std::string(name) + " is a number of seconds, 0 or more, not " +
                               (std::isnan(value) ? "nan" : py::str(py::float_(value)).cast<std::string>()));
  }
  // 2^33 s are 270 years; more is for ever.
  return value < 8589934592.0 ? static_cast<std::uint64_t>(value * 1e9) : SHMRING_WAIT_FOREVER;
}

py::handle Arguments::only(const char* name) const {
  const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  if (by_place + named > 1 || (named == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), name) != 0))
    raise_type_error(std::string("the only argument is `") + name + "`");
  return by_place + named == 1 ? values[0] : nullptr;
}

PyObject* enter(PyObject* self, PyObject*) {
  Py_INCREF(self);
  return self;
}

}  // namespace shmring::python
