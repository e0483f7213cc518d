// SPDX-License-Identifier: LGPL-2.1-or-later
// Conversion of arguments, and method tables of the extension's classes.
//
// Methods are functions of Python's own C API: a dispatcher would cost more than most of them, and answers a wrong argument with the
// text of every argument, which may be an image.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>

#include <pybind11/pybind11.h>

#include "errors.hpp"

namespace shmring::python {

// Each raises TypeError or Invalid, with the argument's name, for a wrong type or a value out of range.
std::uint64_t whole_number(const pybind11::handle& value, const char* name, std::uint64_t least, std::uint64_t most);
inline std::uint32_t small_number(const pybind11::handle& value, const char* name) {
  return static_cast<std::uint32_t>(whole_number(value, name, 0, UINT32_MAX));
}
bool truth(const pybind11::handle& value);
// A str or bytes object, as UTF-8.
std::string string_of(const pybind11::handle& value, const char* name);
// Seconds, as everywhere in Python, as the library's nanoseconds. None waits for ever.
std::uint64_t nanoseconds(const pybind11::handle& seconds, const char* name);

// Name of a value's type for an error message.
std::string type_name(const pybind11::handle& value);

// Arguments of METH_FASTCALL | METH_KEYWORDS.
struct Arguments {
  PyObject* const* values;
  Py_ssize_t by_place;
  PyObject* names;  // a tuple of those that follow, or NULL

  // The one argument that there may be; NULL where it was not given.
  pybind11::handle only(const char* name) const;
};

namespace detail {
template <class Member>
struct OwnerOf;
template <class Value, class Type>
struct OwnerOf<Value Type::*> {
  using type = Type;
};
}  // namespace detail

// A method without arguments.
template <auto member>
PyObject* without_arguments(PyObject* self, PyObject*) {
  return guarded([&]() -> pybind11::object {
    auto& object = pybind11::handle(self).cast<typename detail::OwnerOf<decltype(member)>::type&>();
    using Value = std::invoke_result_t<decltype(member), decltype(object)>;
    if constexpr (std::is_void_v<Value>) {
      std::invoke(member, object);
      return pybind11::none();
    } else if constexpr (std::is_base_of_v<pybind11::object, Value>) {
      return std::invoke(member, object);
    } else {
      return pybind11::cast(std::invoke(member, object));
    }
  });
}

// A method with arguments, which takes them as Arguments.
template <auto member>
PyObject* with_arguments(PyObject* self, PyObject* const* values, Py_ssize_t count, PyObject* names) {
  return guarded([&] {
    auto& object = pybind11::handle(self).cast<typename detail::OwnerOf<decltype(member)>::type&>();
    return std::invoke(member, object, Arguments{values, count, names});
  });
}

// __enter__, and __exit__ by whatever ends the object's use.
PyObject* enter(PyObject* self, PyObject*);

inline PyMethodDef method(const char* name, PyCFunction function, const char* documentation) {
  return {name, function, METH_NOARGS, documentation};
}
inline PyMethodDef method(const char* name, _PyCFunctionFastWithKeywords function, const char* documentation) {
  return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function)), METH_FASTCALL | METH_KEYWORDS,
          documentation};
}

}  // namespace shmring::python
