// SPDX-License-Identifier: LGPL-2.1-or-later
// Tells an object that it has become the copy in a forked child, where locks are as some other thread of the parent
// left them.
#pragma once

#include <pybind11/pybind11.h>

namespace shmring::python {

class ForkGuard {
 public:
  bool in_child() const { return born_ != forks_; }

  static void bind() {
    using namespace pybind11::literals;
    pybind11::module_::import("os").attr("register_at_fork")("after_in_child"_a =
                                                                 pybind11::cpp_function([] { ++forks_; }));
  }

 private:
  static inline unsigned forks_ = 0;  // guarded by the GIL
  unsigned born_ = forks_;
};

}  // namespace shmring::python
