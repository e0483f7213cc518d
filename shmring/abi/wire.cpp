// SPDX-License-Identifier: LGPL-2.1-or-later
// The one place where bytes of a message from another process are checked.
#include "abi/wire.hpp"

#include <algorithm>
#include <cstdio>
#include <string>

namespace shmring::wire {
namespace {

template <class Message>
std::optional<Message> parse(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(Message) || type_of(bytes) != Message::kType) return std::nullopt;
  Message m;
  std::memcpy(&m, bytes.data(), sizeof m);
  return m;
}

// Bytes of a well-formed UTF-8 sequence starting at text[0], 0 if there is none (Unicode 15, table 3-7).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const unsigned a = byte(0), b = byte(1);
  if (a < 0x80) return 1;
  if (a >= 0xC2 && a <= 0xDF) return tail(1) ? 2 : 0;
  if (a >= 0xE0 && a <= 0xEF) {
    if (!tail(1) || !tail(2) || (a == 0xE0 && b < 0xA0) || (a == 0xED && b > 0x9F)) return 0;
    return 3;
  }
  if (a >= 0xF0 && a <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3) || (a == 0xF0 && b < 0x90) || (a == 0xF4 && b > 0x8F)) return 0;
    return 4;
  }
  return 0;
}

// Bytes of the character at text[0], 0 if it is none that may be shown.
std::size_t printable_length(std::string_view text) {
  const std::size_t n = utf8_length(text);
  return n == 1 && (static_cast<unsigned char>(text[0]) < 0x20 || text[0] == 0x7F) ? 0 : n;
}

bool printable(std::string_view text) {
  while (!text.empty()) {
    const std::size_t n = printable_length(text);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

template <std::size_t N>
bool closed_text(const char (&field)[N]) {
  const void* end = std::memchr(field, 0, N);
  return end != nullptr && printable({field, static_cast<std::size_t>(static_cast<const char*>(end) - field)});
}

// Text that is shown to people: closed, and without what a terminal would obey.
void clean(std::span<char> field) {
  const std::string text(field.data(), ::strnlen(field.data(), field.size() - 1));
  set_text(field, text);
}

std::string range(std::uint16_t min, std::uint16_t max) {
  return min == max ? std::to_string(min) : std::to_string(min) + " to " + std::to_string(max);
}

std::string hex(std::uint64_t bits) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(bits));
  return text;
}

// An enum of the C API may hold any number when it comes from elsewhere.
template <class Enum>
void keep_in_range(Enum& value, Enum highest, Enum otherwise) {
  if (static_cast<unsigned>(value) > static_cast<unsigned>(highest)) value = otherwise;
}

}  // namespace

void set_text(std::span<char> field, std::string_view text) {
  std::size_t at = 0;
  while (!text.empty()) {
    const std::size_t n = printable_length(text), taken = n ? n : 1;
    if (at + taken >= field.size()) break;
    std::memcpy(field.data() + at, n ? text.data() : "?", taken);
    at += taken;
    text.remove_prefix(taken);
  }
  std::memset(field.data() + at, 0, field.size() - at);
}

bool valid_name(std::string_view name) { return !name.empty() && name.size() < SHMRING_NAME_SIZE && printable(name); }

std::optional<Type> type_of(std::span<const std::byte> bytes) {
  Head head;
  if (bytes.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, bytes.data(), sizeof head);
  if (head.magic != kMagic || head.type < Type::hello || head.type > Type::key) return std::nullopt;
  return head.type;
}

std::optional<Hello> parse_hello(std::span<const std::byte> bytes) {
  auto m = parse<Hello>(bytes);
  if (!m || m->protocol_min > m->protocol_max || m->role > Role::observer) return std::nullopt;
  if (m->policy > SHMRING_LATEST && m->policy != SHMRING_POLICY_DEFAULT) return std::nullopt;
  if (m->wake > SHMRING_WAKE_ADAPTIVE || !closed_text(m->name)) return std::nullopt;
  return m;
}

std::optional<Welcome> parse_welcome(std::span<const std::byte> bytes) {
  auto m = parse<Welcome>(bytes);
  if (!m || m->policy > SHMRING_LATEST || m->wake > SHMRING_WAKE_ADAPTIVE || m->depth == 0 || m->max_held == 0)
    return std::nullopt;
  return m;
}

std::optional<Refused> parse_refused(std::span<const std::byte> bytes) {
  auto m = parse<Refused>(bytes);
  // The others are the reader's own to say: an end, a timeout.
  if (!m || m->status < SHMRING_IN_USE || m->status > SHMRING_SYSTEM || !closed_text(m->text)) return std::nullopt;
  return m;
}

std::optional<Bye> parse_bye(std::span<const std::byte> bytes) {
  auto m = parse<Bye>(bytes);
  if (!m || m->reason > Goodbye::retired || !closed_text(m->text)) return std::nullopt;
  return m;
}

std::optional<End> parse_end(std::span<const std::byte> bytes) { return parse<End>(bytes); }

std::optional<std::size_t> parse_stats(std::span<const std::byte> bytes, shmring_ring_stats& ring,
                                       std::span<shmring_reader_account> lanes) {
  const auto m = parse<Stats>(bytes);
  if (!m || m->ring_size > 1u << 16 || m->lane_size > 1u << 16 || m->lane_count > 1u << 10) return std::nullopt;
  if (bytes.size() < sizeof(Stats) + m->ring_size + std::size_t{m->lane_size} * m->lane_count) return std::nullopt;
  const std::byte* at = bytes.data() + sizeof(Stats);
  ring = {};
  std::memcpy(&ring, at, std::min<std::size_t>(m->ring_size, sizeof ring));
  ring.struct_size = sizeof ring;
  clean(ring.caps);
  at += m->ring_size;
  for (std::size_t i = 0; i < m->lane_count && i < lanes.size(); ++i, at += m->lane_size) {
    lanes[i] = {};
    std::memcpy(&lanes[i], at, std::min<std::size_t>(m->lane_size, sizeof lanes[i]));
    keep_in_range(lanes[i].state, SHMRING_READER_GONE, SHMRING_READER_GONE);
    keep_in_range(lanes[i].drop_policy, SHMRING_LATEST, SHMRING_POLICY_DEFAULT);
    keep_in_range(lanes[i].wake, SHMRING_WAKE_ADAPTIVE, SHMRING_WAKE_BLOCK);
    clean(lanes[i].worker);
    clean(lanes[i].reason);
  }
  return m->lane_count;
}

Hello make_hello(const Version& ours, Role role) {
  auto hello = make<Hello>();
  hello.protocol_min = ours.protocol_min;
  hello.protocol_max = ours.protocol_max;
  hello.role = role;
  hello.required_features = ours.required;
  hello.optional_features = ours.features & ~ours.required;
  return hello;
}

Result<Agreement> negotiate(const Version& ours, const Hello& hello) {
  const std::uint16_t highest = std::min(ours.protocol_max, hello.protocol_max);
  if (highest < std::max(ours.protocol_min, hello.protocol_min))
    return {SHMRING_PROTOCOL, "the reader speaks protocol " + range(hello.protocol_min, hello.protocol_max) +
                                  ", the publisher " + range(ours.protocol_min, ours.protocol_max) +
                                  ": update the older one"};
  if (const auto lacking = hello.required_features & ~ours.features)
    return {SHMRING_PROTOCOL, "the reader needs a feature that this publisher does not have (bits " + hex(lacking) +
                                  "): update the publisher"};
  const std::uint64_t known = hello.required_features | hello.optional_features;
  if (const auto lacking = ours.required & ~known)
    return {SHMRING_PROTOCOL, "the publisher needs a feature that this reader does not have (bits " + hex(lacking) +
                                  "): update the reader"};
  return Agreement{highest, known & ours.features};
}

Result<void> check_agreement(const Version& ours, const Welcome& welcome) {
  if (welcome.protocol < ours.protocol_min || welcome.protocol > ours.protocol_max)
    return {SHMRING_PROTOCOL, "the publisher answered in protocol " + std::to_string(welcome.protocol) +
                                  ", which was not offered: this reader speaks " +
                                  range(ours.protocol_min, ours.protocol_max)};
  if (welcome.features & ~ours.features)
    return {SHMRING_PROTOCOL,
            "the publisher uses features that were not offered (bits " + hex(welcome.features & ~ours.features) + ")"};
  return {};
}

}  // namespace shmring::wire
