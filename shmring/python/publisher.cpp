// SPDX-License-Identifier: LGPL-2.1-or-later
// Publisher: frame formats, conversion of buffers to frames, stats.
#include "publisher.hpp"

#include <utility>

#include "arguments.hpp"
#include "errors.hpp"
#include "gil.hpp"
#include "metas.hpp"
#include "stats.hpp"
#include "views.hpp"

namespace py = pybind11;

namespace shmring::python {
namespace {

// None is no name, no array and no caps. An array is its kind, the bytes of a number, its shape and its words.
std::shared_ptr<const Format> make_format(const py::handle& name, const py::handle& width, const py::handle& height,
                                          const py::handle& caps, const py::handle& framerate,
                                          const py::handle& array) {
  auto made = std::make_shared<Format>();
  if (!array.is_none()) {
    const auto parts = array.cast<py::tuple>();
    const auto shape = parts[2].cast<py::tuple>();
    if (shape.size() > SHMRING_MAX_DIMENSIONS) raise(SHMRING_INVALID, "an array has 1 to 8 sides of at least 1");
    shmring_array numbers = SHMRING_ARRAY_INIT;
    numbers.kind = static_cast<unsigned char>(parts[0].cast<std::string>().at(0));
    numbers.item_size = parts[1].cast<std::uint32_t>();
    numbers.dimensions = static_cast<std::uint32_t>(shape.size());
    for (std::size_t i = 0; i < shape.size(); ++i) numbers.shape[i] = shape[i].cast<std::int64_t>();
    char text[256] = "";
    made->size = shmring_format_array(&made->format, &numbers, text, sizeof text);
    if (made->size == 0) raise(SHMRING_INVALID);
    made->caps = text;
    made->array = parts[3].cast<std::string>();
  }
  if (!name.is_none()) {
    char text[256] = "";
    const std::string wanted = string_of(name, "format");
    const shmring_pixel_format pixel_format = shmring_pixel_format_of(wanted.c_str());
    if (pixel_format == SHMRING_BYTES) {
      raise(SHMRING_INVALID, "format is one of " + format_names() + ", not \"" + wanted +
                                 "\"; frames in other formats go as bytes, with slot_size and caps");
    }
    const std::uint32_t columns = small_number(width, "width"), rows = small_number(height, "height");
    made->size = shmring_format_video(&made->format, pixel_format, columns, rows, text, sizeof text);
    if (made->size == 0) {
      raise(SHMRING_INVALID, "format " + wanted +
                                 " needs width and height, of 1 pixel or more and of an image that fits a slot, not " +
                                 std::to_string(columns) + "x" + std::to_string(rows));
    }
    made->caps = text;
    if (!framerate.is_none()) made->caps.replace(made->caps.rfind("0/1"), 3, string_of(framerate, "framerate"));
  }
  if (!caps.is_none()) made->caps = string_of(caps, "caps");
  made->format.caps = made->caps.c_str();
  return made;
}

// Description of an array in numpy's words: "float32 (48, 64, 3)". Empty for anything else.
std::string described(const py::handle& data) {
  if (!py::hasattr(data, "dtype") || !py::hasattr(data, "shape")) return {};
  return " (" + py::str(data.attr("dtype")).cast<std::string>() + " " +
         py::str(data.attr("shape")).cast<std::string>() + ")";
}

// Bytes of any object that lends them in one piece.
class Buffer {
 public:
  explicit Buffer(const py::handle& object) {
    if (PyObject_CheckBuffer(object.ptr()) == 0) {
      const std::string text = "data is a numpy array, any other buffer of bytes or a Loan, not " + type_name(object) +
                               ": make a numpy array of it first";
      PyErr_SetString(PyExc_TypeError, text.c_str());
      throw py::error_already_set();
    }
    if (outlive_interpreter([&] { return PyObject_GetBuffer(object.ptr(), &view_, PyBUF_ND); }) == 0) return;
    if (PyErr_ExceptionMatches(PyExc_ValueError) == 0 && PyErr_ExceptionMatches(PyExc_BufferError) == 0)
      throw py::error_already_set();
    PyErr_Clear();
    raise(SHMRING_INVALID, "data is not C-contiguous" + described(object) + ": publish numpy.ascontiguousarray(data)");
  }
  ~Buffer() { PyBuffer_Release(&view_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  const void* data() const { return view_.buf; }
  // Tells whether it is an array of that many rows and columns.
  bool has_sides(std::uint32_t rows, std::uint32_t columns) const {
    return view_.ndim >= 2 && view_.shape[0] == rows && view_.shape[1] == columns;
  }
  std::uint64_t size() const { return static_cast<std::uint64_t>(view_.len); }

 private:
  Py_buffer view_{};
};

// Arguments of publish() beside the data.
struct Given {
  py::handle data;
  py::handle size;
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  Metadata metadata;

  explicit Given(const Arguments& arguments) {
    if (arguments.by_place > 1) refuse("one argument by place, the data; the others by name, as in pts=…");
    if (arguments.by_place == 1) data = arguments.values[0];
    const Py_ssize_t named = arguments.names == nullptr ? 0 : PyTuple_GET_SIZE(arguments.names);
    for (Py_ssize_t i = 0; i < named; ++i)
      set(PyTuple_GET_ITEM(arguments.names, i), arguments.values[arguments.by_place + i]);
    if (!data) refuse("data: an array, another buffer of bytes or a Loan");
    // captured_at is the first time that a reader finds, so the argument comes before metas that were passed on.
    if (given(capture_utc_))
      metadata.add_capture_utc(whole_number(capture_utc_, "capture_utc", 0, SHMRING_TIME_NONE - 1));
    if (given(metas_)) metadata.add_metas(metas_);
    if (given(bytes_)) metadata.add_bytes(bytes_);
    metadata.put_into(info);
  }

 private:
  static bool given(const py::handle& value) { return value && !value.is_none(); }
  [[noreturn]] static void refuse(const std::string& what) {
    PyErr_SetString(PyExc_TypeError, ("publish() takes " + what).c_str());
    throw py::error_already_set();
  }
  void set(PyObject* name, PyObject* value) {
    const auto is = [name](const char* known) { return PyUnicode_CompareWithASCIIString(name, known) == 0; };
    const auto time = [value](const char* argument) {
      return value == Py_None ? SHMRING_TIME_NONE : whole_number(value, argument, 0, SHMRING_TIME_NONE - 1);
    };
    if (is("pts")) {
      info.pts = time("pts");
    } else if (is("dts")) {
      info.dts = time("dts");
    } else if (is("duration")) {
      info.duration = time("duration");
    } else if (is("offset")) {
      info.offset = time("offset");
    } else if (is("flags")) {
      info.flags = small_number(value, "flags");
    } else if (is("size")) {
      size = value == Py_None ? nullptr : value;
    } else if (is("capture_utc")) {
      capture_utc_ = value;
    } else if (is("metadata")) {
      bytes_ = value;
    } else if (is("metas")) {
      metas_ = value;
    } else if (is("data") && !data) {
      data = value;
    } else {
      refuse("data, size, pts, dts, duration, offset, flags, capture_utc, metadata and metas, each once, not " +
             string_of(name, "a name"));
    }
  }

  py::handle capture_utc_, metas_, bytes_;
};

// As the library has it: from 2017 to 2128.
bool is_wall_clock(std::uint64_t time) { return time >= 1'500'000'000'000'000'000 && time < 5'000'000'000'000'000'000; }

void warn_of_wall_clock() {
  if (PyErr_WarnEx(
          PyExc_RuntimeWarning,
          "pts is a time of the wall clock, such as time.time_ns(): it is converted to the monotonic clock, which all "
          "readers use; publish pts=time.monotonic_ns(), or no pts",
          1) != 0)
    throw py::error_already_set();
}

// Keeps the error message with its status: the library's text is thread-local.
template <class Call>
shmring_status without_gil(Call call) {
  const WithoutGil others_may_run;
  return call();
}

// Refuses exchanged rows and columns: the bytes are as many as those of a right one, and would be a picture of stripes.
void refuse_exchanged_sides(const shmring_format& format, const Buffer& buffer, const py::handle& data) {
  if (format.width == format.height || format.pixel_format == SHMRING_BYTES ||
      !buffer.has_sides(format.width, format.height))
    return;
  raise(SHMRING_INVALID, std::string("a frame of ") + format_name(format.pixel_format) + " " +
                             std::to_string(format.width) + "x" + std::to_string(format.height) + " has " +
                             std::to_string(format.height) + " rows and " + std::to_string(format.width) +
                             " columns, not" + described(data) +
                             ": exchange width and height of the publisher, or of the array");
}

}  // namespace

Publisher::Publisher(const py::kwargs& given)
    : format_(make_format(given["format"], given["width"], given["height"], given["caps"], given["framerate"],
                          given["array"])) {
  const std::string path = string_of(given["socket_path"], "socket_path");
  slot_size_ = whole_number(given["slot_size"], "slot_size", 0, UINT64_MAX);
  if (slot_size_ == 0) slot_size_ = format_->size;
  if (slot_size_ == 0) {
    raise(SHMRING_INVALID, path + ": a publisher needs slot_size, or format with width and height, or dtype and shape");
  }
  shmring_publisher_options options = SHMRING_PUBLISHER_OPTIONS_INIT;
  options.socket_path = path.c_str();
  options.slot_size = slot_size_;
  options.perms = small_number(given["perms"], "perms");
  options.slots = small_number(given["slots"], "slots");
  options.loans = small_number(given["loans"], "loans");
  options.max_readers = small_number(given["max_readers"], "max_readers");
  options.depth = small_number(given["depth"], "depth");
  options.max_held = small_number(given["max_held"], "max_held");
  options.drop_policy = policy_of(given["drop_policy"]);
  auto ring = std::make_shared<Ring>();
  check(without_gil([&] { return shmring_publisher_open(&options, &ring->handle); }));
  check(shmring_publisher_set_format(ring->handle, &format_->format));
  ring_ = std::move(ring);
}

// Kept by each call: another thread may close the publisher while this one gives the GIL away.
std::shared_ptr<Ring> Publisher::get() const {
  if (ring_ == nullptr) raise_closed("publisher");
  if (ring_->fork.in_child())
    raise(SHMRING_FORKED, "this publisher belongs to the parent process; open another one here, at another path");
  return ring_;
}

void Publisher::set_format(const py::object& format, const py::object& width, const py::object& height,
                           const py::object& caps, const py::object& framerate, const py::object& array) {
  const auto ring = get();
  auto made = make_format(format, width, height, caps, framerate, array);
  if (made->size > slot_size_) make_ring(made->size);
  check(shmring_publisher_set_format(ring->handle, &made->format));
  format_ = std::move(made);
}

py::object Publisher::resize(const Arguments& arguments) {
  const py::handle slot_size = arguments.only("slot_size");
  get();
  if (!slot_size) {
    PyErr_SetString(PyExc_TypeError, "resize() takes slot_size: the bytes of the largest frame");
    throw py::error_already_set();
  }
  make_ring(whole_number(slot_size, "slot_size", 1, UINT64_MAX));
  return py::none();
}

py::object Publisher::set_latency(const Arguments& arguments) {
  const py::handle seconds = arguments.only("seconds");
  if (!seconds) {
    PyErr_SetString(PyExc_TypeError, "set_latency() takes seconds");
    throw py::error_already_set();
  }
  shmring_publisher_set_latency(get()->handle, nanoseconds(seconds, "seconds"));
  return py::none();
}

void Publisher::make_ring(std::uint64_t slot_size) {
  const auto ring = get();
  check(without_gil([&] { return shmring_publisher_resize(ring->handle, slot_size); }));
  slot_size_ = slot_size;
}

Loan Publisher::loan() const { return Loan(get(), format_); }

// numpy packs rows where GStreamer pads them to 4 bytes: such a frame brings its own strides, so that it is copied in
// one piece.
void Publisher::fit(shmring_frame_info& info, const py::handle& data) const {
  if (!format_->array.empty()) {
    const std::string given = described(data);
    if (info.size != format_->size || (!given.empty() && given != " (" + format_->array + ")"))
      raise(SHMRING_INVALID,
            "each frame is an array " + format_->array + " of " + std::to_string(format_->size) + " bytes, not " +
                (given.empty() ? std::to_string(info.size) + " bytes" : given.substr(2, given.size() - 3)) +
                ": convert it, or call set_format()");
    return;
  }
  if (format_->size == 0 || info.size == format_->size) return;
  const Planes planes = plane_views(format_->format, format_->info());
  std::uint64_t packed = 0;
  info.plane_count = static_cast<std::uint32_t>(planes.count);
  for (int i = 0; i < planes.count; ++i) {
    const std::int64_t row = planes.view[i].shape[1] * planes.view[i].strides[1];
    info.planes[i] = {packed, static_cast<std::int32_t>(row), 0};
    packed += static_cast<std::uint64_t>(row * planes.view[i].shape[0]);
  }
  if (info.size != packed) {
    raise(SHMRING_INVALID, std::string("a frame of ") + format_name(format_->format.pixel_format) + " " +
                               std::to_string(format_->format.width) + "x" + std::to_string(format_->format.height) +
                               " has " + std::to_string(packed) + " bytes, not " + std::to_string(info.size) +
                               described(data) + ": convert the image, or call set_format()");
  }
}

py::object Publisher::publish(const Arguments& arguments) {
  const auto ring = get();
  Given given(arguments);
  shmring_frame_info& info = given.info;
  if (is_wall_clock(info.pts) && !std::exchange(warned_, true)) warn_of_wall_clock();
  const auto size = [&](std::uint64_t most) {
    return given.size ? whole_number(given.size, "size", 0, UINT64_MAX) : most;
  };
  shmring_status status = SHMRING_OK;
  if (py::isinstance<Loan>(given.data)) {
    auto& loan = given.data.cast<Loan&>();
    info.size = size(loan.default_size());
    status = loan.publish(*ring, info);
  } else {
    const Buffer buffer(given.data);
    info.size = size(buffer.size());
    if (info.size > buffer.size()) {
      raise(SHMRING_INVALID, "the data has " + std::to_string(buffer.size()) + " bytes, which is shorter than size " +
                                 std::to_string(info.size));
    }
    refuse_exchanged_sides(format_->format, buffer, given.data);
    fit(info, given.data);
    status = without_gil([&] { return shmring_publisher_write(ring->handle, buffer.data(), &info); });
  }
  if (status == SHMRING_FULL) return py::none();
  check(status);
  return py::int_(info.sequence);
}

bool Publisher::key_frame_requested() const { return shmring_publisher_key_frame_requested(get()->handle); }

void Publisher::end() {
  const auto ring = get();
  check(shmring_publisher_end(ring->handle));
}

py::dict Publisher::stats() const {
  const auto ring = get();
  try {
    return to_dict(collect_stats([&](auto... to) { return shmring_publisher_stats(ring->handle, to...); }));
  } catch (const Error& error) {
    raise(error.status(), error.what());
  }
}

void Publisher::bind(py::module_& module) {
  static PyMethodDef methods[] = {
      method("resize", with_arguments<&Publisher::resize>,
             "resize($self, /, slot_size)\n--\n\nMakes a ring with other slots on the same path."),
      method("loan", without_arguments<&Publisher::loan>,
             "loan($self, /)\n--\n\nBorrows a slot; raises Full when none is free."),
      method("publish", with_arguments<&Publisher::publish>,
             "publish($self, /, data, *, size=None, pts=None, dts=None, duration=None, offset=None, flags=0, "
             "capture_utc=None, metadata=None, metas=None)\n--\n\n"
             "Copies any C-contiguous buffer into the ring, or publishes a loan without a copy. The frame's number; "
             "None: no "
             "slot was free."),
      method("set_latency", with_arguments<&Publisher::set_latency>,
             "set_latency($self, /, seconds)\n--\n\nWhat happens before the ring adds to a frame's age."),
      method("key_frame_requested", without_arguments<&Publisher::key_frame_requested>,
             "key_frame_requested($self, /)\n--\n\n"
             "Tells whether readers ask for a key frame: True once for all that asked, and at most once in 500 ms. Ask "
             "before each frame that is encoded."),
      method("end", without_arguments<&Publisher::end>,
             "end($self, /)\n--\n\nEnd of stream: readers take what is pending, then stop."),
      method("stats", without_arguments<&Publisher::stats>,
             "stats($self, /)\n--\n\nThe ring and its readers in numbers."),
      method("close", without_arguments<&Publisher::close>,
             "close($self, /)\n--\n\nEnds the ring. Frames that readers hold stay valid."),
      method("__enter__", enter, nullptr),
      {"__exit__", without_arguments<&Publisher::close>, METH_VARARGS, nullptr},
      {nullptr, nullptr, 0, nullptr}};
  py::class_<Publisher>(module, "Publisher", "A ring of frames that others read. It never waits for a reader.",
                        py::custom_type_setup([](PyHeapTypeObject* type) { type->ht_type.tp_methods = methods; }))
      .def(py::init<const py::kwargs&>())
      .def("_set_format", &Publisher::set_format)
      .def_property_readonly("closed", &Publisher::closed);
}

}  // namespace shmring::python
