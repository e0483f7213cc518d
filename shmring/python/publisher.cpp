// SPDX-License-Identifier: LGPL-2.1-or-later
// Publisher: what frames are, how any buffer becomes one, and the figures.
#include "publisher.hpp"

#include <utility>
#include <vector>

#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include "errors.hpp"
#include "gil.hpp"
#include "stats.hpp"
#include "views.hpp"

namespace py = pybind11;

namespace shmring::python {
namespace {

std::shared_ptr<const Format> make_format(const std::optional<std::string>& name, std::uint32_t width,
                                          std::uint32_t height, const std::optional<std::string>& caps) {
  auto made = std::make_shared<Format>();
  if (name) {
    char text[256] = "";
    const shmring_pixel_format pixel_format = format_of(*name);
    if (pixel_format != SHMRING_BYTES) {
      made->size = shmring_format_video(&made->format, pixel_format, width, height, text, sizeof text);
    }
    if (made->size == 0) {
      raise(SHMRING_INVALID, "no format is \"" + *name + "\" " + std::to_string(width) + "x" + std::to_string(height));
    }
    made->caps = text;
  }
  if (caps) made->caps = *caps;
  made->format.caps = made->caps.c_str();
  return made;
}

// Bytes of any object that lends them in one piece.
class Buffer {
 public:
  explicit Buffer(const py::object& object) {
    if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_SIMPLE) != 0) throw py::error_already_set();
  }
  ~Buffer() { PyBuffer_Release(&view_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  const void* data() const { return view_.buf; }
  std::uint64_t size() const { return static_cast<std::uint64_t>(view_.len); }

 private:
  Py_buffer view_{};
};

std::uint64_t time_of(const std::optional<std::uint64_t>& time) { return time.value_or(SHMRING_TIME_NONE); }

// A status keeps its sentence on the way: the library's text is this thread's own.
template <class Call>
shmring_status without_gil(Call call) {
  const WithoutGil others_may_run;
  return call();
}

}  // namespace

Publisher::Publisher(const std::filesystem::path& path, std::uint64_t slot_size,
                     const std::optional<std::string>& format, std::uint32_t width, std::uint32_t height,
                     const std::optional<std::string>& caps, const std::optional<std::string>& policy,
                     std::uint32_t max_readers, std::uint32_t depth, std::uint32_t max_held, std::uint32_t slots,
                     std::uint32_t loans, std::uint32_t perms)
    : format_(make_format(format, width, height, caps)), slot_size_(slot_size != 0 ? slot_size : format_->size) {
  if (slot_size_ == 0) raise(SHMRING_INVALID, "a publisher needs slot_size, or format with width and height");
  shmring_publisher_options options = SHMRING_PUBLISHER_OPTIONS_INIT;
  options.path = path.c_str();
  options.slot_size = slot_size_;
  options.perms = perms;
  options.slots = slots;
  options.loans = loans;
  options.max_readers = max_readers;
  options.depth = depth;
  options.max_held = max_held;
  options.policy = policy_of(policy);
  auto ring = std::make_shared<Ring>();
  check(without_gil([&] { return shmring_publisher_open(&options, &ring->handle); }));
  check(shmring_publisher_set_format(ring->handle, &format_->format));
  ring_ = std::move(ring);
}

Ring& Publisher::get() const {
  if (ring_ == nullptr) raise_closed("publisher");
  if (ring_->fork.in_child()) raise(SHMRING_FORKED, "this publisher belongs to the parent process");
  return *ring_;
}

void Publisher::set_format(const std::optional<std::string>& format, std::uint32_t width, std::uint32_t height,
                           const std::optional<std::string>& caps) {
  Ring& ring = get();
  auto made = make_format(format, width, height, caps);
  if (made->size > slot_size_) resize(made->size);
  const std::lock_guard lock(ring.busy);
  check(shmring_publisher_set_format(ring.handle, &made->format));
  format_ = std::move(made);
}

void Publisher::resize(std::uint64_t slot_size) {
  Ring& ring = get();
  check(without_gil([&] {
    const std::lock_guard lock(ring.busy);
    return shmring_publisher_resize(ring.handle, slot_size);
  }));
  slot_size_ = slot_size;
}

Loan Publisher::loan() const {
  get();
  return Loan(ring_, format_);
}

// numpy packs rows where GStreamer pads them to 4 bytes: such a frame brings its own strides, so that it is copied in
// one piece.
void Publisher::fit(shmring_frame_info& info) const {
  if (format_->size == 0 || info.size == format_->size) return;
  Planes planes;
  std::string why;
  if (!plane_views(format_->format, format_->info(), planes, why)) raise(SHMRING_INVALID, why);
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
                               " has " + std::to_string(packed) + " bytes, not " + std::to_string(info.size));
  }
}

py::object Publisher::publish(const py::object& data, const std::optional<std::uint64_t>& size,
                              shmring_frame_info info) {
  get();
  shmring_status status = SHMRING_OK;
  if (py::isinstance<Loan>(data)) {
    auto& loan = data.cast<Loan&>();
    info.size = size ? *size : loan.default_size();
    status = loan.publish(*ring_, info);
  } else {
    const Buffer buffer(data);
    info.size = size.value_or(buffer.size());
    if (info.size > buffer.size()) raise(SHMRING_INVALID, "the data is shorter than size");
    fit(info);
    status = without_gil([&, ring = ring_] {
      const std::lock_guard lock(ring->busy);
      return shmring_publisher_write(ring->handle, buffer.data(), &info);
    });
  }
  if (status == SHMRING_FULL) return py::none();
  check(status);
  return py::int_(info.sequence);
}

void Publisher::end() {
  Ring& ring = get();
  const std::lock_guard lock(ring.busy);
  check(shmring_publisher_end(ring.handle));
}

py::dict Publisher::stats() const {
  Ring& ring = get();
  shmring_ring_stats figures{};
  std::vector<shmring_lane_stats> lanes;
  check(
      all_lanes([&](auto... arguments) { return shmring_publisher_stats(ring.handle, arguments...); }, figures, lanes));
  return to_dict(figures, lanes);
}

void Publisher::bind(py::module_& module) {
  const auto none = py::none();
  py::class_<Publisher>(module, "Publisher", "A ring of frames that others read. It never waits for a reader.")
      .def(py::init<const std::filesystem::path&, std::uint64_t, const std::optional<std::string>&, std::uint32_t,
                    std::uint32_t, const std::optional<std::string>&, const std::optional<std::string>&, std::uint32_t,
                    std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t>(),
           py::arg("path"), py::kw_only(), py::arg("slot_size") = 0, py::arg("format") = none, py::arg("width") = 0,
           py::arg("height") = 0, py::arg("caps") = none, py::arg("policy") = "drop-newest", py::arg("max_readers") = 1,
           py::arg("depth") = 5, py::arg("max_held") = 4, py::arg("slots") = 0, py::arg("loans") = 2,
           py::arg("perms") = 0600)
      .def("set_format", &Publisher::set_format, py::arg("format") = none, py::arg("width") = 0, py::arg("height") = 0,
           py::kw_only(), py::arg("caps") = none)
      .def("resize", &Publisher::resize, py::arg("slot_size"))
      .def("loan", &Publisher::loan)
      .def(
          "publish",
          [](Publisher& self, const py::object& data, const std::optional<std::uint64_t>& size,
             const std::optional<std::uint64_t>& pts, const std::optional<std::uint64_t>& dts,
             const std::optional<std::uint64_t>& duration, const std::optional<std::uint64_t>& offset,
             std::uint32_t flags) {
            shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
            info.pts = time_of(pts);
            info.dts = time_of(dts);
            info.duration = time_of(duration);
            info.offset = time_of(offset);
            info.flags = flags;
            return self.publish(data, size, info);
          },
          py::arg("data"), py::kw_only(), py::arg("size") = none, py::arg("pts") = none, py::arg("dts") = none,
          py::arg("duration") = none, py::arg("offset") = none, py::arg("flags") = 0)
      .def(
          "set_latency",
          [](Publisher& self, const py::object& seconds) {
            shmring_publisher_set_latency(self.get().handle, nanoseconds(seconds));
          },
          py::arg("seconds"))
      .def("end", &Publisher::end)
      .def("stats", &Publisher::stats)
      .def_property_readonly("closed", &Publisher::closed)
      .def("close", &Publisher::close)
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](Publisher& self, const py::args&) { self.close(); });
}

}  // namespace shmring::python
