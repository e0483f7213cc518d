// SPDX-License-Identifier: LGPL-2.1-or-later
// Reader: the wait, and the account of it.
#include "reader.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include "errors.hpp"
#include "frame.hpp"
#include "gil.hpp"
#include "stats.hpp"

namespace py = pybind11;

namespace shmring::python {
namespace {

// How long a signal may wait for a reader that sleeps.
constexpr std::uint64_t slice = 100'000'000;

}  // namespace

Reader::Reader(const std::filesystem::path& path, const std::optional<std::string>& policy, const std::string& worker,
               std::uint32_t depth, std::uint32_t max_held, const py::object& max_frame_age, const std::string& wake,
               bool reconnect) {
  shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
  options.path = path.c_str();
  options.name = worker.c_str();
  options.policy = policy_of(policy);
  options.wake = wake_of(wake);
  options.depth = depth;
  options.max_held = max_held;
  options.max_frame_age = max_frame_age.is_none() ? 0 : nanoseconds(max_frame_age);
  options.reconnect = reconnect;
  check(shmring_reader_open(&options, &reader_));
}

shmring_reader* Reader::get() const {
  if (reader_ == nullptr) raise_closed("reader");
  return reader_;
}

// Without the GIL, or with it and no wait.
shmring_status Reader::take_once(Take call, shmring_reader* reader, std::uint64_t timeout, shmring_frame** frame) {
  if (timeout == 0 ? !busy_.try_lock() : !busy_.try_lock_for(std::chrono::nanoseconds(timeout))) return SHMRING_TIMEOUT;
  const std::lock_guard lock(busy_, std::adopt_lock);
  return closed_ ? SHMRING_INTERRUPTED : call(reader, timeout, frame);
}

shmring_status Reader::wait(Take call, std::uint64_t timeout, shmring_frame** frame) {
  shmring_reader* reader = get();
  if (fork_.in_child()) raise(SHMRING_FORKED, "this reader belongs to the parent process; open another one here");
  // A frame that is there already is taken with the GIL held: giving it away can cost a busy program 5 ms.
  if (shmring_reader_connected(reader)) {
    const shmring_status status = take_once(call, reader, 0, frame);
    if (status != SHMRING_TIMEOUT || timeout == 0) return status;
  }
  const std::uint64_t start = shmring_now();
  for (;;) {
    const std::uint64_t waited = shmring_now() - start;
    const std::uint64_t left = waited < timeout ? timeout - waited : 0;
    shmring_status status = SHMRING_TIMEOUT;
    {
      const WithoutGil others_may_run;
      status = take_once(call, reader, std::min(slice, left), frame);
    }
    if (status != SHMRING_TIMEOUT) return status;
    if (outlive_interpreter(PyErr_CheckSignals) != 0) throw py::error_already_set();
    if (left <= slice) return SHMRING_TIMEOUT;
  }
}

py::object Reader::take(Take call, const py::object& timeout) {
  shmring_frame* frame = nullptr;
  const shmring_status status = wait(call, nanoseconds(timeout), &frame);
  if (status == SHMRING_TIMEOUT) return py::none();
  if (status == SHMRING_INTERRUPTED && closed_) raise_closed("reader");
  check(status);
  return make_frame(frame);
}

py::object Reader::next() {
  if (reader_ == nullptr) return {};
  shmring_frame* frame = nullptr;
  const shmring_status status = wait(shmring_reader_read, SHMRING_WAIT_FOREVER, &frame);
  if (status == SHMRING_END || (status == SHMRING_INTERRUPTED && closed_)) return {};
  check(status);
  return make_frame(frame);
}

PyObject* Reader::iterate(PyObject* self) {
  return guarded([&] { return py::handle(self).cast<Reader&>().next(); });
}

template <Reader::Take call>
PyObject* Reader::called(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  return guarded([&] {
    const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
    if (count + named > 1 ||
        (named == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "timeout") != 0))
      throw py::type_error("the only argument is `timeout`, in seconds");
    const auto timeout = count + named == 1 ? py::reinterpret_borrow<py::object>(arguments[0]) : py::none();
    return py::handle(self).cast<Reader&>().take(call, timeout);
  });
}

// Other threads see the reader closed at once (the GIL is held until the pointer is gone); one that waits is woken and
// leaves first.
void Reader::close() {
  shmring_reader* reader = std::exchange(reader_, nullptr);
  if (reader == nullptr) return;
  if (fork_.in_child()) {
    shmring_reader_close(reader);
    return;
  }
  closed_ = true;
  shmring_reader_interrupt(reader, true);
  const WithoutGil others_may_run;
  const std::lock_guard lock(busy_);
  shmring_reader_close(reader);
}

void Reader::bind(py::module_& module) {
  const auto function = [](auto* called) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(called));
  };
  static PyMethodDef methods[] = {{"read", function(called<shmring_reader_read>), METH_FASTCALL | METH_KEYWORDS,
                                   "read($self, /, timeout=None)\n--\n\n"},
                                  {"latest", function(called<shmring_reader_latest>), METH_FASTCALL | METH_KEYWORDS,
                                   "latest($self, /, timeout=None)\n--\n\n"},
                                  {nullptr, nullptr, 0, nullptr}};
  py::class_<Reader>(module, "Reader", py::custom_type_setup([](PyHeapTypeObject* type) {
                       type->ht_type.tp_iter = PyObject_SelfIter;
                       type->ht_type.tp_iternext = iterate;
                       type->ht_type.tp_methods = methods;
                     }))
      .def(py::init<const std::filesystem::path&, const std::optional<std::string>&, const std::string&, std::uint32_t,
                    std::uint32_t, const py::object&, const std::string&, bool>(),
           py::arg("path"), py::arg("policy"), py::arg("worker"), py::arg("depth"), py::arg("max_held"),
           py::arg("max_frame_age"), py::arg("wake"), py::arg("reconnect"))
      .def(
          "interrupt", [](Reader& self, bool on) { shmring_reader_interrupt(self.get(), on); }, py::arg("on") = true)
      .def("flush",
           [](Reader& self) {
             shmring_reader* reader = self.get();
             if (self.fork_.in_child()) return;
             const WithoutGil others_may_run;
             const std::lock_guard lock(self.busy_);
             if (!self.closed_) shmring_reader_flush(reader);
           })
      .def("fileno", [](const Reader& self) { return shmring_reader_fileno(self.get()); })
      .def_property_readonly("connected", [](const Reader& self) { return shmring_reader_connected(self.get()); })
      .def_property_readonly(
          "latency", [](const Reader& self) { return static_cast<double>(shmring_reader_latency(self.get())) * 1e-9; })
      .def_property_readonly("closed", [](const Reader& self) { return self.reader_ == nullptr; })
      .def("stats",
           [](const Reader& self) {
             shmring_reader_stats stats{};
             stats.struct_size = sizeof stats;
             check(shmring_reader_stats_get(self.get(), &stats));
             return to_dict(stats);
           })
      .def("close", &Reader::close);
}

}  // namespace shmring::python
