// SPDX-License-Identifier: LGPL-2.1-or-later
// Reader: the wait, and the account of it.
#include "reader.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "arguments.hpp"
#include "errors.hpp"
#include "frame.hpp"
#include "gil.hpp"
#include "stats.hpp"

namespace py = pybind11;

namespace shmring::python {
namespace {

// Longest wait of a signal for a reader that sleeps.
constexpr std::uint64_t slice = 100'000'000;

// Of frames; 0 leaves it to the publisher.
std::uint32_t limit(const py::handle& value, const char* name) {
  return static_cast<std::uint32_t>(whole_number(value, name, 0, 256));
}

}  // namespace

Reader::Reader(const py::kwargs& given)
    : ring_(given["ring"].cast<py::str>()), copies_(truth(given["writable_copies"])) {
  shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
  const std::string path = string_of(given["socket_path"], "socket_path");
  const std::string worker = string_of(given["worker"], "worker");
  options.socket_path = path.c_str();
  options.worker = worker.c_str();
  options.drop_policy = policy_of(given["drop_policy"]);
  options.wake = wake_of(given["wake"]);
  options.depth = limit(given["depth"], "depth");
  options.max_held = limit(given["max_held"], "max_held");
  options.max_frame_age = given["max_frame_age"].is_none() ? 0 : nanoseconds(given["max_frame_age"], "max_frame_age");
  options.reconnect = truth(given["reconnect"]);
  options.max_rate = given["max_rate"].cast<double>();
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
  if (closed_) return SHMRING_INTERRUPTED;
  return call(reader, timeout, frame);
}

shmring_status Reader::wait(Take call, std::uint64_t timeout, shmring_frame** frame) {
  shmring_reader* reader = get();
  if (fork_.in_child()) raise(SHMRING_FORKED, "this reader belongs to the parent process; open another one here");
  // A frame that is there already is taken with the GIL held: giving it away can cost a busy program 5 ms.
  if (shmring_reader_connected(reader)) {
    const shmring_status status = take_once(call, reader, 0, frame);
    // Within a time limit frames of former rings may be released.
    const bool may_come =
        status == SHMRING_TIMEOUT || (status == SHMRING_TOO_MANY_HELD && timeout != SHMRING_WAIT_FOREVER);
    if (!may_come || timeout == 0) return status;
  }
  const std::uint64_t start = shmring_now();
  for (;;) {
    const std::uint64_t waited = shmring_now() - start;
    const std::uint64_t left = waited < timeout ? timeout - waited : 0;
    const std::uint64_t limit = timeout == 0 ? 0 : std::clamp<std::uint64_t>(left, 1, slice);
    shmring_status status = SHMRING_TIMEOUT;
    {
      const WithoutGil others_may_run;
      status = take_once(call, reader, limit, frame);
      // A slice has a time limit, the whole wait has none: where frames of former rings are in the way, this says so.
      if (status == SHMRING_TIMEOUT && timeout == SHMRING_WAIT_FOREVER) status = take_once(call, reader, 0, frame);
    }
    if (status != SHMRING_TIMEOUT) return status;
    if (outlive_interpreter(PyErr_CheckSignals) != 0) throw py::error_already_set();
    if (left <= slice) return SHMRING_TIMEOUT;
  }
}

template <Reader::Take call>
py::object Reader::take(const Arguments& arguments) {
  const py::handle timeout = arguments.only("timeout");
  shmring_frame* frame = nullptr;
  const shmring_status status = wait(call, timeout ? nanoseconds(timeout, "timeout") : SHMRING_WAIT_FOREVER, &frame);
  if (status == SHMRING_TIMEOUT) return py::none();
  if (status == SHMRING_INTERRUPTED && closed_) raise_closed("reader");
  check(status);
  return make_frame(frame, ring_, copies_);
}

py::object Reader::next() {
  if (reader_ == nullptr) return {};
  shmring_frame* frame = nullptr;
  const shmring_status status = wait(shmring_reader_read, SHMRING_WAIT_FOREVER, &frame);
  if (status == SHMRING_END || (status == SHMRING_INTERRUPTED && closed_)) return {};
  check(status);
  return make_frame(frame, ring_, copies_);
}

PyObject* Reader::iterate(PyObject* self) {
  return guarded([&] { return py::handle(self).cast<Reader&>().next(); });
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

py::object Reader::interrupt(const Arguments& arguments) {
  const py::handle on = arguments.only("on");
  shmring_reader_interrupt(get(), !on || truth(on));
  return py::none();
}

void Reader::flush() {
  shmring_reader* reader = get();
  if (fork_.in_child()) return;
  const WithoutGil others_may_run;
  const std::lock_guard lock(busy_);
  if (!closed_) shmring_reader_flush(reader);
}

int Reader::fileno() const { return shmring_reader_fileno(get()); }

py::object Reader::memory() const { return py::cast(std::make_unique<Memory>(get())); }

bool Reader::request_key_frame() {
  const shmring_status status = shmring_reader_request_key_frame(get());
  if (status == SHMRING_DISCONNECTED || status == SHMRING_REFUSED) return false;
  check(status);
  return true;
}

py::dict Reader::stats() const {
  shmring_reader_stats stats = SHMRING_READER_STATS_INIT;
  check(shmring_reader_stats_get(get(), &stats));
  return to_dict(stats);
}

void Reader::bind(py::module_& module) {
  static PyMethodDef methods[] = {
      method("read", with_arguments<&Reader::take<shmring_reader_read>>,
             "read($self, /, timeout=None)\n--\n\n"
             "The next frame; None when none came within `timeout` seconds. Raises End at the end of the stream."),
      method("latest", with_arguments<&Reader::take<shmring_reader_latest>>,
             "latest($self, /, timeout=None)\n--\n\n"
             "As read, but passes over everything older than the newest frame."),
      method("interrupt", with_arguments<&Reader::interrupt>,
             "interrupt($self, /, on=True)\n--\n\n"
             "Makes a waiting read, and every later one, raise Interrupted until called with False. Any thread."),
      method("flush", without_arguments<&Reader::flush>, "flush($self, /)\n--\n\nGives up every frame that waits now."),
      method("fileno", without_arguments<&Reader::fileno>,
             "fileno($self, /)\n--\n\nReadable when a read would not wait. After it was readable, read(0) until None."),
      method(
          "request_key_frame", without_arguments<&Reader::request_key_frame>,
          "request_key_frame($self, /)\n--\n\n"
          "Asks the publisher for a key frame, as after a loss in an encoded stream; it hears of all requests at most "
          "once in 500 ms. False: no publisher is attached, or its version knows no such request. Any thread."),
      method("memory", without_arguments<&Reader::memory>,
             "memory($self, /)\n--\n\nThe ring's mapping, for registering it with a device. Raises Disconnected "
             "without one."),
      method("stats", without_arguments<&Reader::stats>, "stats($self, /)\n--\n\nThis reader's own account."),
      method("close", without_arguments<&Reader::close>,
             "close($self, /)\n--\n\nDetaches. Frames and arrays that still live stay valid."),
      {nullptr, nullptr, 0, nullptr}};
  py::class_<Memory>(module, "Memory", py::buffer_protocol(), "A ring as it is mapped here; read-only.")
      .def_buffer([](const Memory& self) {
        return py::buffer_info(const_cast<void*>(self.memory.data), 1, "B", 1,
                               {static_cast<py::ssize_t>(self.memory.size)}, {1}, true);
      })
      .def_property_readonly("address",
                             [](const Memory& self) { return reinterpret_cast<std::uintptr_t>(self.memory.data); })
      .def_property_readonly("nbytes", [](const Memory& self) { return self.memory.size; })
      .def_property_readonly("generation", [](const Memory& self) { return self.memory.generation; });
  py::class_<Reader>(module, "Reader", py::custom_type_setup([](PyHeapTypeObject* type) {
                       type->ht_type.tp_iter = PyObject_SelfIter;
                       type->ht_type.tp_iternext = iterate;
                       type->ht_type.tp_methods = methods;
                     }))
      .def(py::init<const py::kwargs&>())
      .def_property_readonly("connected", [](const Reader& self) { return shmring_reader_connected(self.get()); })
      .def_property_readonly(
          "latency", [](const Reader& self) { return static_cast<double>(shmring_reader_latency(self.get())) * 1e-9; })
      .def_property_readonly("attachments", [](const Reader& self) { return shmring_reader_attachments(self.get()); })
      .def_property_readonly("closed", [](const Reader& self) { return self.reader_ == nullptr; });
}

}  // namespace shmring::python
