// SPDX-License-Identifier: LGPL-2.1-or-later
// Checks of a reader's options.
#include <unistd.h>

#include <cerrno>
#include <cmath>

#include "abi/layout.hpp"
#include "abi/wire.hpp"
#include "os/socket.hpp"
#include "reader/reader.hpp"

namespace shmring {
namespace {

std::string default_name() {
  std::string name = std::string(program_invocation_short_name).substr(0, 48) + "-" + std::to_string(::getpid());
  return wire::valid_name(name) ? name : "reader-" + std::to_string(::getpid());
}

}  // namespace

Result<ReaderOptions> complete(ReaderOptions options) {
  if (auto ok = options.reconnect ? check_path(options.socket_path) : check_place(options.socket_path); !ok)
    return ok.error();
  if (options.worker.empty()) options.worker = default_name();
  if (!wire::valid_name(options.worker))
    return {SHMRING_INVALID, "a reader's name has 1 to 63 bytes of UTF-8 without control characters"};
  // Unsigned: to the compiler an enum without negative values may still hold some.
  const auto policy = static_cast<unsigned>(options.drop_policy), wake = static_cast<unsigned>(options.wake);
  if (policy > SHMRING_LATEST && policy != SHMRING_POLICY_DEFAULT)
    return {SHMRING_INVALID,
            "policy " + std::to_string(policy) +
                " is unknown: use SHMRING_DROP_NEWEST, SHMRING_DROP_OLDEST, SHMRING_LATEST or SHMRING_POLICY_DEFAULT"};
  if (wake > SHMRING_WAKE_ADAPTIVE)
    return {SHMRING_INVALID,
            "wake " + std::to_string(wake) + " is unknown: use SHMRING_WAKE_BLOCK or SHMRING_WAKE_ADAPTIVE"};
  if (options.depth > kMaxDepth || options.max_held > kMaxHeld)
    return {SHMRING_INVALID, "depth " + std::to_string(options.depth) + " and max-held " +
                                 std::to_string(options.max_held) + ": each is between 0 (as granted) and 256"};
  if (!(options.max_rate >= 0) || std::isinf(options.max_rate))
    return {SHMRING_INVALID, "max_rate is a number of frames a second, 0 or more (0: no limit), not " +
                                 std::to_string(options.max_rate)};
  return options;
}

}  // namespace shmring
