// SPDX-License-Identifier: LGPL-2.1-or-later
// Copies frames into slots.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace shmring {

enum class Copied { through_caches, past_caches };

// Frames from this size on are larger than what the caches keep until a reader comes: they are written past them, which leaves the caches to
// others and does not fetch what is overwritten. Smaller ones are found there by their readers.
inline constexpr std::uint64_t kPastCaches = 12'000'000;

// Copies the parts, `size` bytes in all, one after the other. An empty part may have no address. Any thread.
Copied copy(std::span<const std::span<const std::byte>> parts, std::uint64_t size, std::byte* to);

}  // namespace shmring
