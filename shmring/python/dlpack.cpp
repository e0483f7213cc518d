// SPDX-License-Identifier: LGPL-2.1-or-later
#include "dlpack.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "errors.hpp"

namespace py = pybind11;

namespace shmring::python {
namespace {

// The structures of DLPack's binary interface, version 1.0 and the one before it.
struct Version {
  std::uint32_t major;
  std::uint32_t minor;
};
struct Device {
  std::int32_t type;
  std::int32_t id;
};
struct Type {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};
struct Tensor {
  void* data;
  Device device;
  std::int32_t dimensions;
  Type type;
  std::int64_t* shape;
  std::int64_t* strides;  // elements
  std::uint64_t byte_offset;
};
struct Unversioned {
  Tensor tensor;
  void* context;
  void (*deleter)(Unversioned* self);
};
struct Versioned {
  Version version;
  void* context;
  void (*deleter)(Versioned* self);
  std::uint64_t flags;
  Tensor tensor;
};
static_assert(sizeof(Tensor) == 48 && sizeof(Unversioned) == 64 && sizeof(Versioned) == 80);
static_assert(offsetof(Versioned, flags) == 24 && offsetof(Versioned, tensor) == 32);

constexpr std::int32_t kHost = 1;  // type of the device whose memory any program reads
constexpr std::uint64_t kReadOnly = 1, kCopied = 2;

// Name of a capsule that owns its tensor; a consumer renames it and calls the deleter itself.
template <class Managed>
constexpr const char* capsule_name = "dltensor";
template <>
constexpr const char* capsule_name<Versioned> = "dltensor_versioned";

[[noreturn]] void refuse(const std::string& why) {
  PyErr_SetString(PyExc_BufferError, why.c_str());
  throw py::error_already_set();
}

std::uint8_t code_of(std::uint32_t kind) {
  switch (kind) {
    case 'i':
      return 0;
    case 'f':
      return 2;
    case 'c':
      return 5;
    case 'b':
      return 6;
    default:
      return 1;
  }
}

// A tensor with what keeps its memory.
template <class Managed>
struct Kept {
  Managed managed{};
  std::int64_t shape[SHMRING_MAX_DIMENSIONS];
  std::int64_t strides[SHMRING_MAX_DIMENSIONS];
  PyObject* owner = nullptr;
};

// Consumers call this from any thread.
template <class Managed>
void forget(Managed* managed) {
  auto* kept = static_cast<Kept<Managed>*>(managed->context);
  if (Py_IsInitialized() == 0) return;  // the process ends, and its memory with it
  const PyGILState_STATE state = PyGILState_Ensure();
  Py_DECREF(kept->owner);
  PyGILState_Release(state);
  delete kept;
}

template <class Managed>
void end_unused(PyObject* capsule) {
  if (PyCapsule_IsValid(capsule, capsule_name<Managed>) == 0) return;
  forget(static_cast<Managed*>(PyCapsule_GetPointer(capsule, capsule_name<Managed>)));
}

template <class Managed>
py::object wrap(const Tensor& tensor, const shmring_array& array, const py::object& owner, std::uint64_t flags) {
  auto kept = std::make_unique<Kept<Managed>>();
  Managed& managed = kept->managed;
  managed.tensor = tensor;
  managed.tensor.shape = kept->shape;
  managed.tensor.strides = kept->strides;
  for (std::uint32_t i = 0; i < array.dimensions; ++i) {
    kept->shape[i] = array.shape[i];
    kept->strides[i] = array.strides[i] / static_cast<std::int64_t>(array.item_size);
  }
  managed.context = kept.get();
  managed.deleter = forget<Managed>;
  if constexpr (std::is_same_v<Managed, Versioned>) {
    managed.version = {1, 0};
    managed.flags = flags;
  }
  py::object capsule = owned(PyCapsule_New(&managed, capsule_name<Managed>, end_unused<Managed>));
  kept.release()->owner = owner.inc_ref().ptr();
  return capsule;
}

std::pair<int, int> pair_of(PyObject* object, const char* otherwise) {
  int first = 0, second = 0;
  if (PyTuple_Check(object) == 0 || PyArg_ParseTuple(object, "ii", &first, &second) == 0) {
    PyErr_Clear();
    refuse(otherwise);
  }
  return {first, second};
}

}  // namespace

DlpackRequest DlpackRequest::parse(PyObject* arguments, PyObject* names) {
  static const char* known[] = {"stream", "max_version", "dl_device", "copy", nullptr};
  PyObject *stream = Py_None, *version = Py_None, *device = Py_None, *copy = Py_None;
  if (PyArg_ParseTupleAndKeywords(arguments, names, "|$OOOO:__dlpack__", const_cast<char**>(known), &stream, &version,
                                  &device, &copy) == 0)
    throw py::error_already_set();
  if (stream != Py_None) refuse("a frame lies in the host's memory, where stream is None");
  if (device != Py_None) {
    const auto [type, id] = pair_of(device, "dl_device is a pair of numbers, the device's type and its own");
    if (type != kHost || id != 0)
      refuse("a frame lies in the host's memory, device (1, 0): take it from there to another device");
  }
  DlpackRequest request;
  if (version != Py_None) {
    request.knows_read_only = pair_of(version, "max_version is a pair of numbers, major and minor").first >= 1;
  }
  if (copy != Py_None) {
    const int wanted = PyObject_IsTrue(copy);
    if (wanted < 0) throw py::error_already_set();
    request.copy = wanted != 0 ? Copy::always : Copy::never;
  }
  return request;
}

py::object make_tensor(const void* data, const shmring_array& array, const py::object& owner,
                       const DlpackRequest& request, bool read_only) {
  if (array.big_endian != 0 && array.item_size > 1)
    refuse(
        "DLPack knows the byte order of this machine only, and the frame has the other one: take "
        "frame.array.astype(\"=\" + frame.array.dtype.str[1:])");
  if (read_only && !request.knows_read_only)
    refuse(
        "a frame is read-only memory, and this consumer does not know read-only tensors, so a write would end the "
        "process: give it a copy, frame.__dlpack__(copy=True), or frame.copy()");
  for (std::uint32_t i = 0; i < array.dimensions; ++i)
    if (array.strides[i] % static_cast<std::int64_t>(array.item_size) != 0)
      refuse(
          "the rows of this frame are no whole number of samples apart, which DLPack cannot say: take a copy, "
          "copy=True");
  Tensor tensor{};
  tensor.data = const_cast<std::byte*>(static_cast<const std::byte*>(data) + array.offset);
  tensor.device = {kHost, 0};
  tensor.dimensions = static_cast<std::int32_t>(array.dimensions);
  tensor.type = {code_of(array.kind), static_cast<std::uint8_t>(8 * array.item_size), 1};
  const std::uint64_t flags = read_only ? kReadOnly : kCopied;
  return request.knows_read_only ? wrap<Versioned>(tensor, array, owner, flags)
                                 : wrap<Unversioned>(tensor, array, owner, flags);
}

}  // namespace shmring::python
