// SPDX-License-Identifier: LGPL-2.1-or-later
// Ctrl-C and SIGTERM as a question, while one of these lives.
#pragma once

#include <signal.h>

namespace shmring::tools {

class Interrupt {
 public:
  Interrupt() {
    asked_ = 0;
    struct sigaction ask = {};
    ask.sa_handler = [](int) { asked_ = 1; };  // without SA_RESTART: what waits returns
    sigaction(SIGINT, &ask, &interrupt_);
    sigaction(SIGTERM, &ask, &terminate_);
  }
  ~Interrupt() {
    sigaction(SIGINT, &interrupt_, nullptr);
    sigaction(SIGTERM, &terminate_, nullptr);
  }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool asked() const { return asked_ != 0; }

 private:
  static inline volatile sig_atomic_t asked_ = 0;
  struct sigaction interrupt_ = {}, terminate_ = {};
};

}  // namespace shmring::tools
