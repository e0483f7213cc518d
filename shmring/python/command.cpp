// SPDX-License-Identifier: LGPL-2.1-or-later
// The extension module shmring._command: the command `shmring`, for `python3 -m shmring`.
#include <cstdio>
#include <string>
#include <vector>

#include <command.hpp>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace py = pybind11;

namespace {

int run(const std::vector<std::string>& words) {
  std::vector<const char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const std::string& word : words) arguments.push_back(word.c_str());
  arguments.push_back(nullptr);
  const py::gil_scoped_release unlocked;
  const int status = shmring::tools::run(static_cast<int>(words.size()), arguments.data());
  std::fflush(stdout);
  return status;
}

}  // namespace

PYBIND11_MODULE(_command, module) { module.def("run", run); }
