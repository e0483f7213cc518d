// SPDX-License-Identifier: LGPL-2.1-or-later
// A reader in Python: waits without the GIL, in slices, so that signals (Ctrl-C) and close() get through.
#pragma once

#include <atomic>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>

#include <pybind11/pybind11.h>

#include <shmring/reader.h>

#include "fork_guard.hpp"

namespace shmring::python {

class Reader {
 public:
  Reader(const std::filesystem::path& path, const std::optional<std::string>& policy, const std::string& worker,
         std::uint32_t depth, std::uint32_t max_held, const pybind11::object& max_frame_age, const std::string& wake,
         bool reconnect);
  ~Reader() { close(); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // The next Frame; NULL at the end of the stream and once closed.
  pybind11::object next();
  void close();

  static void bind(pybind11::module_& module);

 private:
  using Take = shmring_status (*)(shmring_reader*, std::uint64_t, shmring_frame**);

  // `for frame in reader`, read(timeout) and latest(timeout), as Python calls them: a dispatcher would cost more than the frame.
  static PyObject* iterate(PyObject* self);
  template <Take call>
  static PyObject* called(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names);
  // A Frame, or None when the time is over.
  pybind11::object take(Take call, const pybind11::object& timeout);
  shmring_status wait(Take call, std::uint64_t timeout, shmring_frame** frame);
  shmring_status take_once(Take call, shmring_reader* reader, std::uint64_t timeout, shmring_frame** frame);
  shmring_reader* get() const;

  shmring_reader* reader_ = nullptr;  // guarded by the GIL; null once closed
  std::timed_mutex busy_;             // held by the one thread that is inside read, latest, flush or close
  std::atomic<bool> closed_ = false;
  ForkGuard fork_;
};

}  // namespace shmring::python
