// SPDX-License-Identifier: LGPL-2.1-or-later
// Shared by fuzz targets: an input that is used up piece by piece, and a check that ends the run.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <type_traits>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

// A broken promise ends the run as a crash does.
#define FUZZ_CHECK(condition)                                                              \
  do {                                                                                     \
    if (!(condition)) {                                                                    \
      std::fprintf(stderr, "%s:%d: this must hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                        \
    }                                                                                      \
  } while (false)

namespace fuzz {

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : left_(std::as_bytes(std::span(data, size))) {}

  bool empty() const { return left_.empty(); }
  // Zeros where nothing is left.
  template <class Number>
  Number take() {
    Number number{};
    const auto bytes = take_bytes(sizeof number);
    if (!bytes.empty()) std::memcpy(&number, bytes.data(), bytes.size());
    return number;
  }
  // 0 to `most`.
  std::uint32_t up_to(std::uint8_t most) { return take<std::uint8_t>() % (most + 1u); }
  // As many as are left.
  std::span<const std::byte> take_bytes(std::size_t count) {
    const auto taken = left_.first(std::min(count, left_.size()));
    left_ = left_.subspan(taken.size());
    return taken;
  }

  // Any number, small ones and those next to a limit more often than others.
  std::uint64_t number() {
    switch (up_to(4)) {
      case 0:
        return take<std::uint8_t>();
      case 1:
        return take<std::uint16_t>();
      case 2:
        return take<std::uint64_t>();
      case 3:
        return (1ull << up_to(63)) - take<std::uint8_t>();
      default:
        return UINT64_MAX - take<std::uint8_t>();
    }
  }
  // Overwrites up to `most` places of an object, each 1 to 8 bytes wide.
  template <class Object>
  requires std::is_trivially_copyable_v<Object>
  void spoil(Object& object, std::uint8_t most = 4) { spoil(std::as_writable_bytes(std::span(&object, 1)), most); }
  void spoil(std::span<std::byte> bytes, std::uint8_t most) {
    for (std::uint32_t places = up_to(most); places > 0; --places) {
      const std::size_t width = std::size_t{1} << up_to(3), at = take<std::uint16_t>() % bytes.size() / width * width;
      const std::uint64_t value = number();
      std::memcpy(bytes.data() + at, &value, std::min(width, bytes.size() - at));
    }
  }

 private:
  std::span<const std::byte> left_;
};

// Reads the first and the last byte, as a user of the memory would.
inline void touch(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  static_cast<void>(*const_cast<const volatile std::byte*>(&bytes.front()));
  static_cast<void>(*const_cast<const volatile std::byte*>(&bytes.back()));
}

}  // namespace fuzz
