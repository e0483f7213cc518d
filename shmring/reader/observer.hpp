// SPDX-License-Identifier: LGPL-2.1-or-later
// Requests the stats of a live ring from its publisher. Maps nothing and takes no lane.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "abi/result.hpp"
#include "abi/stats.hpp"
#include "os/untrusted_fd.hpp"

namespace shmring {

class Observer {
 public:
  static Result<std::unique_ptr<Observer>> open(const std::string& path, std::uint64_t timeout);
  Result<RingStats> stats(std::uint64_t timeout);

 private:
  explicit Observer(UntrustedFd socket) : socket_(std::move(socket)) {}
  UntrustedFd socket_;
};

}  // namespace shmring
