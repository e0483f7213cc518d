// SPDX-License-Identifier: LGPL-2.1-or-later
// A reader in Python: waits without the GIL, in slices, so that signals (Ctrl-C) and close() get through.
#pragma once

#include <atomic>
#include <mutex>

#include <pybind11/pybind11.h>

#include <shmring/reader.h>

#include "arguments.hpp"
#include "errors.hpp"
#include "fork_guard.hpp"

namespace shmring::python {

// A ring's mapping in Python's hands.
struct Memory {
  explicit Memory(shmring_reader* reader) { check(shmring_reader_memory(reader, &memory)); }
  ~Memory() { shmring_memory_release(&memory); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  shmring_memory memory = SHMRING_MEMORY_INIT;
};

class Reader {
 public:
  // All of them by name: shmring/__init__.py has the defaults.
  explicit Reader(const pybind11::kwargs& given);
  ~Reader() { close(); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // The next Frame; NULL at the end of the stream and once closed.
  pybind11::object next();
  void flush();
  void close();
  int fileno() const;
  pybind11::object memory() const;
  bool request_key_frame();
  pybind11::dict stats() const;

  static void bind(pybind11::module_& module);

 private:
  using Take = shmring_status (*)(shmring_reader*, std::uint64_t, shmring_frame**);

  // `for frame in reader`.
  static PyObject* iterate(PyObject* self);
  // read(timeout) and latest(timeout): a Frame, or None when the time is over.
  template <Take call>
  pybind11::object take(const Arguments& arguments);
  pybind11::object interrupt(const Arguments& arguments);
  shmring_status wait(Take call, std::uint64_t timeout, shmring_frame** frame);
  shmring_status take_once(Take call, shmring_reader* reader, std::uint64_t timeout, shmring_frame** frame);
  shmring_reader* get() const;

  shmring_reader* reader_ = nullptr;  // guarded by the GIL; null once closed
  std::timed_mutex busy_;             // held by the one thread that is inside read, latest, flush or close
  std::atomic<bool> closed_ = false;
  ForkGuard fork_;
  const pybind11::str ring_;  // the socket's path, for its frames
  const bool copies_;         // arrays of frames are writable copies
};

}  // namespace shmring::python
