// SPDX-License-Identifier: LGPL-2.1-or-later
// Waits for several readers in one thread. Each reader is of this thread as long as the call lasts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "reader/reader.hpp"

namespace shmring {

// What a reader's last read came to.
struct Asked {
  Status status = SHMRING_OK;
  Frame frame{};
  std::string text{};  // of an error
};

// Asks each reader once for its next frame; waits until one has something to tell. TIMEOUT: none had. `results`: one for each reader.
Status select(std::span<Reader* const> readers, std::uint64_t timeout, std::span<Asked> results);

// The newest frames of at most `size` readers: waits for the first one, then at most `wait` ns for others. `next`: the reader that is asked
// first. Streams whose former result is END or DISCONNECTED are asked, and not waited for. END: these are all.
Status batch(std::span<Reader* const> readers, std::size_t size, std::uint64_t wait, std::uint64_t timeout,
             std::size_t& next, std::span<Asked> results);

}  // namespace shmring
