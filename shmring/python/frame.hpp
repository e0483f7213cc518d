// SPDX-License-Identifier: LGPL-2.1-or-later
// A frame in Python. What keeps its slot is a capsule; frame, arrays and memoryviews each hold a reference to it, so
// the slot goes back with the last of them, in whatever order they die.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <shmring/reader.h>

#include "views.hpp"

namespace shmring::python {

// A numpy array on memory that `owner` keeps.
pybind11::array make_array(void* memory, const View& view, const pybind11::handle& owner, bool writable);

class Frame {
 public:
  // Takes the frame over.
  explicit Frame(shmring_frame* frame);

  const shmring_frame_info& info() const { return info_; }
  shmring_format format() const;
  pybind11::object array();
  pybind11::tuple planes() const;
  double age() const;
  std::string repr() const;
  void release();

  static void bind(pybind11::module_& module);

 private:
  shmring_frame* get() const;
  static int get_buffer(PyObject* self, Py_buffer* view, int flags);

  pybind11::object hold_;   // null once released
  pybind11::object array_;  // made when first asked for
  shmring_frame_info info_ = SHMRING_FRAME_INFO_INIT;
};

}  // namespace shmring::python
