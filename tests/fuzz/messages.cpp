// SPDX-License-Identifier: LGPL-2.1-or-later
// Any bytes as a message, in both directions: what is accepted is in range, its texts are closed and can be shown.
#include <array>
#include <memory>
#include <string>

#include "abi/wire.hpp"
#include "fuzz.hpp"

using namespace shmring;

namespace {

template <std::size_t N>
void check_text(const char (&field)[N]) {
  const auto length = ::strnlen(field, N);
  FUZZ_CHECK(length < N);
  if (length != 0 && length < SHMRING_NAME_SIZE) FUZZ_CHECK(wire::valid_name(field));
}

void check_hello(std::span<const std::byte> bytes) {
  const auto hello = wire::parse_hello(bytes);
  if (!hello) return;
  check_text(hello->name);
  FUZZ_CHECK(hello->role == wire::Role::reader || hello->role == wire::Role::observer);
  const wire::Version ours{2, 5, 0b11, 0b01};
  if (auto spoken = wire::negotiate(ours, *hello)) {
    FUZZ_CHECK(spoken->protocol >= 2 && spoken->protocol <= 5);
    FUZZ_CHECK(spoken->protocol >= hello->protocol_min && spoken->protocol <= hello->protocol_max);
    FUZZ_CHECK((hello->required_features & ~spoken->features) == 0 && (spoken->features & ~ours.features) == 0);
  } else {
    FUZZ_CHECK(spoken.status() == SHMRING_PROTOCOL && !spoken.error().text.empty());
  }
}

void check_stats(std::span<const std::byte> bytes) {
  auto ring = std::make_unique<shmring_ring_stats>();
  std::array<shmring_reader_account, 3> lanes;
  const auto count = wire::parse_stats(bytes, *ring, lanes);
  if (!count) return;
  check_text(ring->caps);
  for (std::size_t i = 0; i < std::min(*count, lanes.size()); ++i) {
    FUZZ_CHECK(lanes[i].state <= SHMRING_READER_GONE && lanes[i].wake <= SHMRING_WAKE_ADAPTIVE);
    check_text(lanes[i].worker);
    check_text(lanes[i].reason);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  check_hello(bytes);
  if (const auto welcome = wire::parse_welcome(bytes)) FUZZ_CHECK(welcome->depth != 0 && welcome->max_held != 0);
  if (const auto refused = wire::parse_refused(bytes)) {
    FUZZ_CHECK(refused->status != SHMRING_OK);
    check_text(refused->text);
  }
  if (const auto bye = wire::parse_bye(bytes)) check_text(bye->text);
  wire::parse_end(bytes);
  check_stats(bytes);
  // Each message that is sent can be parsed.
  auto said = wire::make<wire::Bye>();
  wire::set_text(said.text, {reinterpret_cast<const char*>(data), size});
  FUZZ_CHECK(wire::parse_bye(std::as_bytes(std::span(&said, 1))));
  return 0;
}
