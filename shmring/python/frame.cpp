// SPDX-License-Identifier: LGPL-2.1-or-later
// Frame: the type, its properties, numpy views, the buffer protocol.
#include "frame.hpp"

#include <cstddef>
#include <string>

#include "arguments.hpp"
#include "dlpack.hpp"
#include "errors.hpp"
#include "metas.hpp"
#include "numpy.hpp"
#include "stats.hpp"

namespace py = pybind11;

namespace shmring::python {
namespace {

struct Frame {
  PyObject ob_base;
  PyObject* hold;   // the capsule; NULL once released
  PyObject* array;  // made when first asked for
  PyObject* ring;   // the socket's path
  std::uint64_t taken_at;
  bool copies;  // arrays are writable copies
  shmring_frame_info info;
};

PyTypeObject* frame_type = nullptr;

Frame& of(PyObject* self) { return *reinterpret_cast<Frame*>(self); }

shmring_frame* held(const Frame& frame) {
  if (frame.hold == nullptr) raise(SHMRING_INVALID, "the frame was released: use it before, or keep its array");
  return static_cast<shmring_frame*>(PyCapsule_GetPointer(frame.hold, nullptr));
}

// The frame's memory, kept while other threads may run and release the frame.
struct Pixels {
  explicit Pixels(const Frame& frame)
      : data(shmring_frame_data(held(frame))), owner(py::reinterpret_borrow<py::object>(frame.hold)) {}
  const void* data;
  py::object owner;
};

shmring_format format_in(const Frame& frame) {
  shmring_format format = SHMRING_FORMAT_INIT;
  shmring_frame_format(held(frame), &format);
  return format;
}

template <auto member>
PyObject* get_number(PyObject* self, void*) {
  return PyLong_FromUnsignedLongLong(of(self).info.*member);
}

template <auto member>
PyObject* get_time(PyObject* self, void*) {
  const std::uint64_t time = of(self).info.*member;
  if (time == SHMRING_TIME_NONE) Py_RETURN_NONE;
  return PyLong_FromUnsignedLongLong(time);
}

PyObject* get_ring(PyObject* self, void*) { return py::handle(of(self).ring).inc_ref().ptr(); }

PyObject* get_taken_at(PyObject* self, void*) { return PyLong_FromUnsignedLongLong(of(self).taken_at); }

PyObject* get_age(PyObject* self, void*) {
  return PyFloat_FromDouble(static_cast<double>(shmring_now() - of(self).info.published_at) * 1e-9);
}

PyObject* get_caps(PyObject* self, void*) {
  return guarded([&] { return text(format_in(of(self)).caps); });
}

PyObject* get_format(PyObject* self, void*) {
  return guarded([&] { return py::cast(format_name(format_in(of(self)).pixel_format)); });
}

template <auto member>
PyObject* get_size_of_image(PyObject* self, void*) {
  return guarded([&] { return py::int_(format_in(of(self)).*member); });
}

// Metadata lies in the frame: it is kept while Python makes objects of it.
PyObject* get_metadata(PyObject* self, void*) {
  return guarded([&] {
    const Pixels frame(of(self));
    return application_bytes(of(self).info);
  });
}

PyObject* get_metas(PyObject* self, void*) {
  return guarded([&] {
    const Pixels frame(of(self));
    return metas_of(of(self).info);
  });
}

PyObject* get_captured_at(PyObject* self, void*) {
  return guarded([&]() -> py::object {
    const Pixels frame(of(self));
    const std::uint64_t time = shmring_captured_at(&of(self).info);
    if (time == SHMRING_TIME_NONE) return py::none();
    return py::int_(time);
  });
}

py::object copy_of(const py::object& array) { return owned(numpy().new_copy(array.ptr(), Numpy::c_order)); }

py::object view_of(const Frame& frame) {
  const Pixels pixels(frame);
  return make_array(pixels.data, whole_view(format_in(frame), frame.info), pixels.owner, false);
}

PyObject* get_array(PyObject* self, void*) {
  Frame& frame = of(self);
  if (frame.array == nullptr) {
    PyObject* made = guarded([&] {
      py::object view = view_of(frame);
      return frame.copies ? copy_of(view) : view;
    });
    if (made == nullptr) return nullptr;
    // Another thread may have been quicker, or have released the frame meanwhile.
    if (frame.array != nullptr || frame.hold == nullptr) return made;
    frame.array = made;
  }
  Py_INCREF(frame.array);
  return frame.array;
}

PyObject* get_planes(PyObject* self, void*) {
  const Frame& frame = of(self);
  return guarded([&] {
    const Pixels pixels(frame);
    py::tuple arrays = make_arrays(pixels.data, plane_views(format_in(frame), frame.info), pixels.owner, false);
    if (!frame.copies) return arrays;
    py::tuple copies(arrays.size());
    for (std::size_t i = 0; i < arrays.size(); ++i) copies[i] = copy_of(arrays[i]);
    return copies;
  });
}

PyObject* copy(PyObject* self, PyObject*) {
  return guarded([&] { return copy_of(view_of(of(self))); });
}

PyObject* to_bgr(PyObject* self, PyObject*) {
  return guarded([&] { return py::module_::import("shmring._bgr").attr("to_bgr")(py::handle(self)); });
}

PyObject* dlpack(PyObject* self, PyObject* arguments, PyObject* names) {
  return guarded([&] {
    const Frame& frame = of(self);
    const DlpackRequest request = DlpackRequest::parse(arguments, names);
    const Pixels pixels(frame);
    const shmring_array view = whole_view(format_in(frame), frame.info);
    using Copy = DlpackRequest::Copy;
    if (request.copy != Copy::always && !frame.copies)
      return make_tensor(pixels.data, view, pixels.owner, request, true);
    if (request.copy == Copy::never) {
      PyErr_SetString(PyExc_BufferError,
                      "arrays of this reader are copies (writable_copies), and copy=False asks for none");
      throw py::error_already_set();
    }
    const py::object array = copy_of(make_array(pixels.data, view, pixels.owner, false));
    shmring_array packed = view;
    packed.offset = 0;
    std::int64_t stride = view.item_size;
    for (std::uint32_t i = view.dimensions; i-- > 0; stride *= view.shape[i]) packed.strides[i] = stride;
    const auto address = array.attr("ctypes").attr("data").cast<std::uintptr_t>();
    return make_tensor(reinterpret_cast<const void*>(address), packed, array, request, false);
  });
}

// A frame lies in the memory of the host: type 1, the first of them.
PyObject* dlpack_device(PyObject*, PyObject*) { return Py_BuildValue("(ii)", 1, 0); }

PyObject* refuse_pickle(PyObject*, PyObject*) {
  PyErr_SetString(PyExc_TypeError,
                  "a frame cannot leave its process: send frame.copy(), or open a Reader in the other process");
  return nullptr;
}

PyObject* release(PyObject* self, PyObject*) {
  Py_CLEAR(of(self).array);
  Py_CLEAR(of(self).hold);
  Py_RETURN_NONE;
}

// The view's owner is the capsule, not the frame: so it outlives release(), as arrays do.
int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  const Frame& frame = of(self);
  view->obj = nullptr;
  if (frame.hold == nullptr) {
    PyErr_SetString(PyExc_BufferError, "the frame was released");
    return -1;
  }
  return PyBuffer_FillInfo(view, frame.hold, const_cast<void*>(shmring_frame_data(held(frame))),
                           static_cast<Py_ssize_t>(frame.info.size), 1, flags);
}

// numpy.frombuffer holds on to the view, not merely to the frame, only where a view must be released.
void release_buffer(PyObject*, Py_buffer*) {}

PyObject* repr(PyObject* self) {
  const Frame& frame = of(self);
  return guarded([&] {
    std::string said = "<shmring.Frame " + std::to_string(frame.info.sequence);
    if (frame.hold == nullptr) return py::str(said + ", released>");
    const shmring_format format = format_in(frame);
    if (const char* name = format_name(format.pixel_format)) {
      said += std::string(", ") + name + " " + std::to_string(format.width) + "x" + std::to_string(format.height);
    }
    return py::str(said + ", " + std::to_string(frame.info.size) + " bytes>");
  });
}

void dealloc(PyObject* self) {
  Py_XDECREF(of(self).array);
  Py_XDECREF(of(self).hold);
  Py_XDECREF(of(self).ring);
  PyTypeObject* type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(type);
}

using Info = shmring_frame_info;

PyGetSetDef properties[] = {
    {"array", get_array, nullptr,
     "The image as a read-only numpy array, without a copy; OpenCV must not draw into it, see copy()", nullptr},
    {"planes", get_planes, nullptr, "One array a plane", nullptr},
    {"sequence", get_number<&Info::sequence>, nullptr, "Counts every frame offered to the ring, from 1", nullptr},
    {"seq", get_number<&Info::sequence>, nullptr, "The same as sequence", nullptr},
    {"pts", get_time<&Info::pts>, nullptr, "When it was captured or is to be shown, ns, or None", nullptr},
    {"dts", get_time<&Info::dts>, nullptr, "When it is to be decoded, ns, or None", nullptr},
    {"duration", get_time<&Info::duration>, nullptr, "ns, or None", nullptr},
    {"offset", get_time<&Info::offset>, nullptr, "The source's own count, or None", nullptr},
    {"published_at", get_number<&Info::published_at>, nullptr, "When it was published, as time.monotonic_ns()",
     nullptr},
    {"taken_at", get_taken_at, nullptr, "When this reader took it, as time.monotonic_ns()", nullptr},
    {"ring", get_ring, nullptr, "Path of the socket of the ring that it came from", nullptr},
    {"captured_at", get_captured_at, nullptr,
     "When it was captured, UTC, as time.time_ns(), or None where no reference timestamp says it", nullptr},
    {"metadata", get_metadata, nullptr, "Bytes that the publishing application gave with it", nullptr},
    {"metas", get_metas, nullptr, "What GStreamer, or a publisher, attached to it: Timestamp, Region, CustomMeta …",
     nullptr},
    {"age", get_age, nullptr, "Seconds since it was published", nullptr},
    {"size", get_number<&Info::size>, nullptr, "Bytes", nullptr},
    {"flags", get_number<&Info::flags>, nullptr, "Bits of shmring.Flag", nullptr},
    {"caps", get_caps, nullptr, "GStreamer caps as text", nullptr},
    {"format", get_format, nullptr, "The pixel format as GStreamer calls it, or None", nullptr},
    {"width", get_size_of_image<&shmring_format::width>, nullptr, "Pixels; 0 for anything but raw video", nullptr},
    {"height", get_size_of_image<&shmring_format::height>, nullptr, "Pixels; 0 for anything but raw video", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMethodDef methods[] = {
    method("copy", copy,
           "copy($self, /)\n--\n\nThe image as an array of its own, which can be written to and keeps no slot"),
    method("to_bgr", to_bgr,
           "to_bgr($self, /)\n--\n\nThe picture as a new array (height, width, 3) of uint8 for OpenCV, with the "
           "colours of its colorimetry"),
    method("release", release,
           "release($self, /)\n--\n\nLets go of the frame; arrays made from it keep the slot until they die"),
    {"__dlpack__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(dlpack)), METH_VARARGS | METH_KEYWORDS,
     "__dlpack__($self, /, *, stream=None, max_version=None, dl_device=None, copy=None)\n--\n\n"
     "The image as a read-only tensor without a copy, or with copy=True as one of its own"},
    method("__dlpack_device__", dlpack_device, "__dlpack_device__($self, /)\n--\n\n(1, 0): the host's memory"),
    method("__enter__", enter, nullptr),
    {"__exit__", release, METH_VARARGS, nullptr},
    method("__reduce__", refuse_pickle, nullptr),
    {nullptr, nullptr, 0, nullptr}};

PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
                       {Py_tp_repr, reinterpret_cast<void*>(repr)},
                       {Py_tp_getset, properties},
                       {Py_tp_methods, methods},
                       {Py_tp_doc, const_cast<char*>("One frame, in memory shared with the publisher.")},
                       {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
                       {Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)},
                       {0, nullptr}};

PyType_Spec spec = {"shmring.Frame", sizeof(Frame), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

void release_capsule(PyObject* capsule) {
  shmring_frame_release(static_cast<shmring_frame*>(PyCapsule_GetPointer(capsule, nullptr)));
}

}  // namespace

py::object make_array(const void* memory, const shmring_array& view, const py::handle& owner, bool writable) {
  const Numpy& functions = numpy();
  PyObject* descriptor = functions.dtype_of(view);
  Py_INCREF(descriptor);  // it is taken over, also where no array comes of it
  auto array = py::reinterpret_steal<py::object>(functions.new_from_descriptor(
      functions.array_type, descriptor, static_cast<int>(view.dimensions), view.shape, view.strides,
      const_cast<std::byte*>(static_cast<const std::byte*>(memory) + view.offset), writable ? Numpy::writable : 0,
      nullptr));
  if (!array || functions.set_base(array.ptr(), owner.inc_ref().ptr()) != 0) throw py::error_already_set();
  return array;
}

py::tuple make_arrays(const void* memory, const Planes& planes, const py::handle& owner, bool writable) {
  py::tuple arrays(planes.count);
  for (int i = 0; i < planes.count; ++i) {
    arrays[static_cast<std::size_t>(i)] = make_array(memory, planes.view[i], owner, writable);
  }
  return arrays;
}

py::object make_frame(shmring_frame* frame, const py::handle& ring, bool copies) {
  auto hold = py::reinterpret_steal<py::object>(PyCapsule_New(frame, nullptr, release_capsule));
  if (!hold) {
    shmring_frame_release(frame);
    throw py::error_already_set();
  }
  auto* made = PyObject_New(Frame, frame_type);
  if (made == nullptr) throw py::error_already_set();
  made->hold = hold.release().ptr();
  made->array = nullptr;
  made->ring = ring.inc_ref().ptr();
  made->taken_at = shmring_frame_taken_at(frame);
  made->copies = copies;
  made->info.struct_size = sizeof made->info;
  shmring_frame_info_get(frame, &made->info);
  return py::reinterpret_steal<py::object>(&made->ob_base);
}

void bind_frame(py::module_& module) {
  frame_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (frame_type == nullptr) throw py::error_already_set();
  module.attr("Frame") = py::handle(reinterpret_cast<PyObject*>(frame_type));
}

}  // namespace shmring::python
