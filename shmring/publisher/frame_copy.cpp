// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publisher/frame_copy.hpp"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace shmring {
namespace {

#if defined(__x86_64__)
constexpr std::size_t kLine = 64;

void copy_past_caches(std::byte* to, const std::byte* from, std::size_t size) {
  const std::size_t head = std::min(size, -reinterpret_cast<std::uintptr_t>(to) % kLine);
  std::memcpy(to, from, head);
  to += head, from += head, size -= head;
  for (; size >= kLine; to += kLine, from += kLine, size -= kLine) {
    auto* const t = reinterpret_cast<__m128i*>(to);
    const auto* const f = reinterpret_cast<const __m128i*>(from);
    const __m128i a = _mm_loadu_si128(f), b = _mm_loadu_si128(f + 1), c = _mm_loadu_si128(f + 2),
                  d = _mm_loadu_si128(f + 3);
    _mm_stream_si128(t, a);
    _mm_stream_si128(t + 1, b);
    _mm_stream_si128(t + 2, c);
    _mm_stream_si128(t + 3, d);
  }
  std::memcpy(to, from, size);
}
#endif

void copy_each(std::span<const std::span<const std::byte>> parts, std::byte* to, auto copy_part) {
  for (const auto& part : parts) {
    if (!part.empty()) copy_part(to, part.data(), part.size());
    to += part.size();
  }
}

}  // namespace

[[gnu::hot]] Copied copy(std::span<const std::span<const std::byte>> parts, [[maybe_unused]] std::uint64_t size,
                         std::byte* to) {
#if defined(__x86_64__)
  if (size >= kPastCaches) {
    copy_each(parts, to, copy_past_caches);
    _mm_sfence();  // such stores are not ordered by the release store that publishes them
    return Copied::past_caches;
  }
#endif
  copy_each(parts, to, std::memcpy);
  return Copied::through_caches;
}

}  // namespace shmring
