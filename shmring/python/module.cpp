// SPDX-License-Identifier: LGPL-2.1-or-later
// The extension module shmring._shmring: the C API with Python's manners. What users import is shmring/__init__.py.
#include <string>
#include <string_view>
#include <utility>

#include <pybind11/pybind11.h>

#include <shmring/results.h>
#include <shmring/version.h>

#include "arguments.hpp"
#include "errors.hpp"
#include "fork_guard.hpp"
#include "frame.hpp"
#include "loan.hpp"
#include "publisher.hpp"
#include "reader.hpp"
#include "stats.hpp"
#include "views.hpp"

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
  // Raises Invalid where the bytes are no result.
  module.def("check_result", [](const py::bytes& json) {
    const auto text = json.cast<std::string_view>();
    check(shmring_result_check(text.data(), text.size()));
  });
  module.attr("RESULT_CAPS") = SHMRING_RESULT_CAPS;
  module.attr("RESULT_SIZE") = SHMRING_RESULT_SIZE;
  // Bits of a sample that mean something, and the zero bits below them.
  module.def("sample_bits", [](const std::string& format) {
    const shmring_pixel_layout* layout = shmring_pixel_layout_of(shmring_pixel_format_of(format.c_str()));
    return layout ? std::pair(layout->bits, layout->shift) : std::pair(8U, 0U);
  });
  module.attr("__version__") = SHMRING_VERSION_STRING;
}
