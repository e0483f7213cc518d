// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publisher/copier.hpp"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "abi/atomic.hpp"
#include "os/clock.hpp"

namespace shmring {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kAhead = 2048;  // half a page: 1 to 4 KiB were within 3 %

// The processor's own fetching ahead stops at each page's end, and `rep movsb` with it.
void fetch_ahead(std::byte* to, const std::byte* from, std::size_t size) {
  for (; size >= kLine; to += kLine, from += kLine, size -= kLine) {
    prefetch_to_write(to + kAhead);
    std::memcpy(to, from, kLine);
  }
  std::memcpy(to, from, size);
}

#if defined(__x86_64__)
constexpr bool kCanStream = true;

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

}  // namespace

Copier::Way Copier::fastest(const std::array<std::uint64_t, kWays>& best) {
  const auto found = std::min_element(best.begin(), best.end());
  return *found < best[0] - best[0] / 8 ? static_cast<Way>(found - best.begin()) : Way::plain;
}

[[gnu::hot]] Copier::Way Copier::copy(Parts parts, std::uint64_t size, std::byte* to) {
  if (size < kMedium) {
    copy_each(parts, to, std::memcpy);
    return Way::plain;
  }
  if (size != size_ || frames_ == kStay) {
    size_ = size;
    frames_ = 0;
    best_.fill(UINT64_MAX);
  }
  // By turns, so that what disturbs one disturbs the others.
  const unsigned ways = kCanStream && size >= kLarge ? kWays : kWays - 1;
  const bool trying = frames_ < ways * kTrial;
  const auto way = trying ? static_cast<Way>(frames_ % ways) : fastest(best_);
  const std::uint64_t start = trying ? now() : 0;
  switch (way) {
    case Way::plain:
      copy_each(parts, to, std::memcpy);
      break;
    case Way::fetching:
      copy_each(parts, to, fetch_ahead);
      break;
    case Way::past_caches:
      copy_each(parts, to, stream);
      streamed();
      break;
  }
  if (trying) {
    std::uint64_t& best = best_[static_cast<std::size_t>(way)];
    best = std::min(best, now() - start);
  }
  ++frames_;
  return way;
}

}  // namespace shmring
