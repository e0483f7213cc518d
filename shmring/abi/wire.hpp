// SPDX-License-Identifier: LGPL-2.1-or-later
// Messages between publisher and reader over the socket (SOCK_SEQPACKET, so a message arrives whole).
//
//   reader                                publisher
//     HELLO  ───────────────────────────►  checks peer credentials, role and free places
//            ◄──────────────── WELCOME     what is granted, with descriptors: ring, lane, doorbell, the publisher's pidfd if there is one
//     MAPPED ───────────────────────────►  seals the lane, activates it: the newest frame is its first
//            ◄──────────────── END         the stream ended after this sequence
//     KEY    ───────────────────────────►  please make a key frame; at any time after MAPPED, where the feature is in use
//     BYE    ───────────────────────────►  or a hang-up: the lane ends; again: it leaves for the new ring
//            ◄──────────────── BYE         closing, again (a new ring: come back), or retired (with the reason)
//            ◄──────────────── REFUSED     instead of WELCOME: a status and an error message
//   observer
//     HELLO  ───────────────────────────►
//     ASK    ───────────────────────────►
//            ◄──────────────── STATS       the ring's stats, then each lane's
//
// Each message begins with its Head; a receiver takes the part it knows of a longer one, and refuses a shorter one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include <shmring/types.h>

#include "abi/result.hpp"

namespace shmring::wire {

constexpr std::uint32_t kMagic = 0x524D4853;  // "SHMR"
constexpr std::uint16_t kProtocol = 1;
constexpr std::size_t kMaxMessage = 1024;
constexpr std::size_t kMaxStats = 128 * 1024;

// Feature bits.
constexpr std::uint64_t kKeyRequests = 1 << 0;  // readers may say KEY

// Protocol versions and features of a build.
struct Version {
  std::uint16_t protocol_min;
  std::uint16_t protocol_max;
  std::uint64_t features;  // bits that it knows
  std::uint64_t required;  // of those, what the other side must know as well
};
extern const Version kVersion;  // of this build: version.cpp, in whose place tests link other ones

enum class Type : std::uint16_t { hello = 1, welcome, refused, mapped, bye, end, ask, stats, key };
enum class Role : std::uint8_t { reader = 0, observer = 1 };
enum class Goodbye : std::uint32_t { closing = 0, again = 1, retired = 2 };

struct Head {
  std::uint32_t magic;
  Type type;
  std::uint16_t reserved;
};

struct Hello {
  static constexpr Type kType = Type::hello;
  Head head;
  std::uint16_t protocol_min;
  std::uint16_t protocol_max;
  Role role;
  std::uint8_t policy;  // shmring_policy
  std::uint8_t wake;    // shmring_wake
  std::uint8_t reserved;
  std::uint64_t required_features;  // what the publisher must know
  std::uint64_t optional_features;  // what it may use if it knows it; the reader knows both kinds
  std::uint32_t depth;              // 0: the most that is granted
  std::uint32_t max_held;           // 0: the most that is granted
  char name[SHMRING_NAME_SIZE];     // UTF-8, closed by a zero
};
static_assert(sizeof(Hello) == 104);

struct Welcome {
  static constexpr Type kType = Type::welcome;
  Head head;
  std::uint16_t protocol;
  std::uint8_t policy;
  std::uint8_t wake;
  std::uint32_t publisher_pid;
  std::uint64_t features;  // in use
  std::uint64_t ring_id;
  std::uint64_t ring_size;
  std::uint64_t lane_size;
  std::uint32_t lane;  // its number in the ring
  std::uint32_t depth;
  std::uint32_t max_held;
  std::uint32_t reserved;
};
static_assert(sizeof(Welcome) == 64);

struct Refused {
  static constexpr Type kType = Type::refused;
  Head head;
  std::uint32_t status;  // shmring_status
  char text[256];        // UTF-8, closed by a zero
};
static_assert(sizeof(Refused) == 268);

struct Mapped {
  static constexpr Type kType = Type::mapped;
  Head head;
};

struct Bye {
  static constexpr Type kType = Type::bye;
  Head head;
  Goodbye reason;
  char text[256];
};
static_assert(sizeof(Bye) == 268);

struct End {
  static constexpr Type kType = Type::end;
  Head head;
  std::uint64_t after_sequence;
};

struct Ask {
  static constexpr Type kType = Type::ask;
  Head head;
};

struct Key {
  static constexpr Type kType = Type::key;
  Head head;
};

// Followed by shmring_ring_stats and `lane_count` × shmring_reader_account, of the sizes given.
struct Stats {
  static constexpr Type kType = Type::stats;
  Head head;
  std::uint32_t ring_size;
  std::uint32_t lane_size;
  std::uint32_t lane_count;
  std::uint32_t reserved;
};
static_assert(sizeof(Head) == 8 && sizeof(Stats) == 24);

template <class Message>
Message make() {
  Message m{};
  m.head = {kMagic, Message::kType, 0};
  return m;
}

// Copies the part of a text that fits, closed by zeros: cut between characters, '?' for bytes that are none.
void set_text(std::span<char> field, std::string_view text);

// The type that the bytes claim to be; nothing if they are no message of ours.
std::optional<Type> type_of(std::span<const std::byte> bytes);

// These check everything that can be checked without knowing the connection: size, magic, type, ranges of enums, closed valid text.
std::optional<Hello> parse_hello(std::span<const std::byte> bytes);
std::optional<Welcome> parse_welcome(std::span<const std::byte> bytes);
std::optional<Refused> parse_refused(std::span<const std::byte> bytes);
std::optional<Bye> parse_bye(std::span<const std::byte> bytes);
std::optional<End> parse_end(std::span<const std::byte> bytes);
// Fills `ring` and up to lanes.size() lanes; returns how many lanes there are.
std::optional<std::size_t> parse_stats(std::span<const std::byte> bytes, shmring_ring_stats& ring,
                                       std::span<shmring_reader_account> lanes);

// UTF-8 without control characters, 1 to 63 bytes.
bool valid_name(std::string_view name);

// A HELLO that says what `ours` speaks.
Hello make_hello(const Version& ours, Role role);

// Protocol version and features that both sides share.
struct Agreement {
  std::uint16_t protocol;  // the highest that both know
  std::uint64_t features;  // that both know
};
// The publisher's answer to a HELLO: the protocol to speak, or an error that says why there is none.
Result<Agreement> negotiate(const Version& ours, const Hello& hello);
// Checks that WELCOME chose from what this side offered.
Result<void> check_agreement(const Version& ours, const Welcome& welcome);

}  // namespace shmring::wire
