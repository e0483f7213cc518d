// SPDX-License-Identifier: LGPL-2.1-or-later
// Frame: properties, numpy views, the buffer protocol.
#include "frame.hpp"

#include <cstddef>

#include "errors.hpp"
#include "stats.hpp"

namespace py = pybind11;

namespace shmring::python {
namespace {

void release_capsule(PyObject* capsule) {
  shmring_frame_release(static_cast<shmring_frame*>(PyCapsule_GetPointer(capsule, nullptr)));
}

py::object time_or_none(std::uint64_t time) {
  return time == SHMRING_TIME_NONE ? py::object(py::none()) : py::object(py::int_(time));
}

template <std::uint64_t shmring_frame_info::*time>
py::object time_of(const Frame& frame) {
  return time_or_none(frame.info().*time);
}

}  // namespace

py::array make_array(void* memory, const View& view, const py::handle& owner, bool writable) {
  const auto count = static_cast<std::size_t>(view.dimensions);
  py::array array(view.item_size == 2 ? py::dtype("<u2") : py::dtype::of<std::uint8_t>(),
                  std::vector<py::ssize_t>(view.shape, view.shape + count),
                  std::vector<py::ssize_t>(view.strides, view.strides + count),
                  static_cast<std::byte*>(memory) + view.offset, owner);
  if (!writable) py::detail::array_proxy(array.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return array;
}

Frame::Frame(shmring_frame* frame) {
  shmring_frame_info_get(frame, &info_);
  hold_ = py::reinterpret_steal<py::object>(PyCapsule_New(frame, nullptr, release_capsule));
  if (!hold_) {
    shmring_frame_release(frame);
    throw py::error_already_set();
  }
}

shmring_frame* Frame::get() const {
  if (!hold_) raise(SHMRING_INVALID, "the frame was released");
  return static_cast<shmring_frame*>(PyCapsule_GetPointer(hold_.ptr(), nullptr));
}

shmring_format Frame::format() const {
  shmring_format format = SHMRING_FORMAT_INIT;
  shmring_frame_format(get(), &format);
  return format;
}

py::object Frame::array() {
  if (!array_) {
    View view;
    std::string why;
    if (!whole_view(format(), info_, view, why)) raise(SHMRING_INVALID, why);
    array_ = make_array(const_cast<void*>(shmring_frame_data(get())), view, hold_, false);
  }
  return array_;
}

py::tuple Frame::planes() const {
  Planes planes;
  std::string why;
  if (!plane_views(format(), info_, planes, why)) raise(SHMRING_INVALID, why);
  py::tuple result(planes.count);
  for (int i = 0; i < planes.count; ++i) {
    result[static_cast<std::size_t>(i)] =
        make_array(const_cast<void*>(shmring_frame_data(get())), planes.view[i], hold_, false);
  }
  return result;
}

double Frame::age() const { return static_cast<double>(shmring_now() - info_.published_at) * 1e-9; }

std::string Frame::repr() const {
  std::string text = "<shmring.Frame " + std::to_string(info_.sequence);
  if (!hold_) return text + ", released>";
  const shmring_format about = format();
  if (const char* name = format_name(about.pixel_format)) {
    text += std::string(", ") + name + " " + std::to_string(about.width) + "x" + std::to_string(about.height);
  }
  return text + ", " + std::to_string(info_.size) + " bytes>";
}

void Frame::release() {
  array_ = py::object();
  hold_ = py::object();
}

// The view's owner is the capsule, not the frame: so it outlives release(), as arrays do.
int Frame::get_buffer(PyObject* self, Py_buffer* view, int flags) {
  try {
    const auto& frame = py::handle(self).cast<Frame&>();
    return PyBuffer_FillInfo(view, frame.hold_.ptr(), const_cast<void*>(shmring_frame_data(frame.get())),
                             static_cast<py::ssize_t>(frame.info_.size), 1, flags);
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_BufferError, error.what());
  }
  view->obj = nullptr;
  return -1;
}

void Frame::bind(py::module_& module) {
  py::class_<Frame>(module, "Frame", py::custom_type_setup([](PyHeapTypeObject* type) {
                      type->as_buffer.bf_getbuffer = get_buffer;
                      // numpy.frombuffer holds on to the view, not merely to the frame, only where it must be released.
                      type->as_buffer.bf_releasebuffer = [](PyObject*, Py_buffer*) {};
                      type->ht_type.tp_as_buffer = &type->as_buffer;
                    }))
      .def_property_readonly("array", &Frame::array)
      .def_property_readonly("planes", &Frame::planes)
      .def_property_readonly("seq", [](const Frame& frame) { return frame.info().sequence; })
      .def_property_readonly("pts", time_of<&shmring_frame_info::pts>)
      .def_property_readonly("dts", time_of<&shmring_frame_info::dts>)
      .def_property_readonly("duration", time_of<&shmring_frame_info::duration>)
      .def_property_readonly("offset", time_of<&shmring_frame_info::offset>)
      .def_property_readonly("published_at", [](const Frame& frame) { return frame.info().published_at; })
      .def_property_readonly("age", &Frame::age)
      .def_property_readonly("size", [](const Frame& frame) { return frame.info().size; })
      .def_property_readonly("flags", [](const Frame& frame) { return frame.info().flags; })
      .def_property_readonly("caps", [](const Frame& frame) { return text(frame.format().caps); })
      .def_property_readonly("format", [](const Frame& frame) { return format_name(frame.format().pixel_format); })
      .def_property_readonly("width", [](const Frame& frame) { return frame.format().width; })
      .def_property_readonly("height", [](const Frame& frame) { return frame.format().height; })
      .def("release", &Frame::release)
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](Frame& frame, const py::args&) { frame.release(); })
      .def("__repr__", &Frame::repr);
}

}  // namespace shmring::python
