// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/copier.hpp"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "transport/clock.hpp"

namespace shmring {
namespace {

#if defined(__x86_64__)
constexpr bool kCanStream = true;
constexpr std::size_t kLine = 64;

// Stores that do not fetch the lines that they overwrite, and leave the caches to others.
void stream(std::byte* to, const std::byte* from, std::size_t size) {
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
// Such stores are not ordered by a release store.
void streamed() { _mm_sfence(); }
#else
constexpr bool kCanStream = false;
void stream(std::byte*, const std::byte*, std::size_t) {}
void streamed() {}
#endif

// An empty part may have no address.
void copy_each(Copier::Parts parts, std::byte* to, auto way) {
  for (const auto& part : parts) {
    if (!part.empty()) way(to, part.data(), part.size());
    to += part.size();
  }
}

[[gnu::hot]] void copy_plain(Copier::Parts parts, std::byte* to) { copy_each(parts, to, std::memcpy); }

void copy_streaming(Copier::Parts parts, std::byte* to) {
  copy_each(parts, to, stream);
  streamed();
}

}  // namespace

[[gnu::hot]] bool Copier::copy(Parts parts, std::uint64_t size, std::byte* to) {
  if (!kCanStream || size < kLarge) {
    copy_plain(parts, to);
    return false;
  }
  if (size != size_) {
    size_ = size;
    tried_ = 0;
    best_.fill(UINT64_MAX);
  }
  // By turns, so that what disturbs one disturbs the other.
  const bool trying = tried_ < 2 * kTrial;
  const bool past_caches = trying ? tried_ % 2 != 0 : worth_it(best_[0], best_[1]);
  const std::uint64_t start = trying ? now() : 0;
  if (past_caches)
    copy_streaming(parts, to);
  else
    copy_plain(parts, to);
  if (trying) {
    best_[past_caches] = std::min(best_[past_caches], now() - start);
    ++tried_;
  }
  return past_caches;
}

}  // namespace shmring
