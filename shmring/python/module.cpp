// SPDX-License-Identifier: LGPL-2.1-or-later
// The extension module shmring._shmring: the C API with Python's manners. What users import is shmring/__init__.py.
#include <pybind11/pybind11.h>

#include <shmring/version.h>

#include "arguments.hpp"
#include "errors.hpp"
#include "fork_guard.hpp"
#include "frame.hpp"
#include "loan.hpp"
#include "publisher.hpp"
#include "reader.hpp"
#include "stats.hpp"

namespace py = pybind11;

PYBIND11_MODULE(_shmring, module) {
  using namespace shmring::python;
  bind_errors();
  ForkGuard::bind();
  bind_frame(module);
  Reader::bind(module);
  Loan::bind(module);
  Publisher::bind(module);
  module.def("inspect", inspect);
  module.def("check_path",
             [](const py::object& path) { check(shmring_reader_check_path(string_of(path, "path").c_str())); });
  module.attr("__version__") = SHMRING_VERSION_STRING;
}
