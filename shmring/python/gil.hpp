// SPDX-License-Identifier: LGPL-2.1-or-later
// Giving the GIL away and taking it back, also while the interpreter ends.
//
// Before 3.14 Python ends a daemon thread that asks for the GIL of an ending interpreter with pthread_exit(). Its unwinding would run
// C++ destructors, which must not throw and must not touch Python's objects without the GIL: the program would abort. Such a thread
// waits here for the end of the process instead, as Python 3.14 has it.
#pragma once

#include <chrono>
#include <thread>
#include <utility>

#include <pybind11/pybind11.h>

namespace shmring::python {

// Runs a call of Python's C API that may take the GIL anew, as everything does that may run Python code. It must call nothing else.
template <class Call>
auto outlive_interpreter(Call&& call) -> decltype(call()) {
  try {
    return std::forward<Call>(call)();
  } catch (...) {  // the unwinding of pthread_exit(): C has no exceptions
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
}

// Other threads run Python code while it lives.
class WithoutGil {
 public:
  WithoutGil() = default;
  ~WithoutGil() {
    outlive_interpreter([this] { PyEval_RestoreThread(state_); });
  }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* state_ = PyEval_SaveThread();
};

}  // namespace shmring::python
