// SPDX-License-Identifier: LGPL-2.1-or-later
// Records of a frame's metadata: written, read, cut and changed.
#include "abi/metas.hpp"

#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace {

using shmring::put_meta;
using shmring::take_meta;

constexpr std::uint64_t kNtpOf1970 = 2'208'988'800'000'000'000;

shmring_meta meta(shmring_meta_kind kind, std::string_view name = {}, std::string_view data = {}) {
  shmring_meta made = SHMRING_META_INIT;
  made.kind = kind;
  made.name = name.data();
  made.name_size = name.size();
  made.data = data.data();
  made.data_size = data.size();
  return made;
}

shmring_meta timestamp(std::string_view clock, std::uint64_t time) {
  shmring_meta made = meta(SHMRING_META_TIMESTAMP, clock);
  made.timestamp = time;
  return made;
}

std::string name_of(const shmring_meta& meta) { return {meta.name, meta.name_size}; }
std::string data_of(const shmring_meta& meta) { return {static_cast<const char*>(meta.data), meta.data_size}; }

std::vector<std::byte> bytes_of(const std::vector<shmring_meta>& metas) {
  std::vector<std::byte> bytes;
  for (const shmring_meta& each : metas) {
    std::array<std::byte, SHMRING_METADATA_SIZE> room;
    bytes.insert(bytes.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(put_meta(room, each)));
  }
  return bytes;
}

std::vector<shmring_meta> metas_of(std::span<const std::byte> bytes) {
  std::vector<shmring_meta> metas;
  shmring_meta each;
  while (take_meta(bytes, each)) metas.push_back(each);
  return metas;
}

shmring_meta row(shmring_meta_kind kind, const std::vector<std::byte>& records) {
  shmring_meta made = SHMRING_META_INIT;
  made.kind = kind;
  made.data = records.data();
  made.data_size = records.size();
  return made;
}

std::vector<std::byte> relations(const std::vector<shmring_relation>& given) {
  shmring_meta made = SHMRING_META_INIT;
  made.kind = SHMRING_META_RELATIONS;
  made.data = given.data();
  made.data_size = given.size() * sizeof(shmring_relation);
  return bytes_of({made});
}

std::vector<std::byte> operator+(std::vector<std::byte> first, const std::vector<std::byte>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

bool are_analytics(const std::vector<std::byte>& records) {
  return shmring::are_metas(bytes_of({row(SHMRING_META_ANALYTICS, records)}));
}

TEST(Metas, AreReadAsTheyWereWritten) {
  shmring_meta region = meta(SHMRING_META_REGION, "person", "detection, confidence=(double)0.5;");
  region.x = 1, region.y = 2, region.width = 3, region.height = UINT32_MAX, region.id = -7, region.parent = 8;
  const auto bytes = bytes_of({timestamp("timestamp/x-unix", 5), region, meta(SHMRING_META_CUSTOM, "lens", "lens;"),
                               meta(SHMRING_META_BYTES, {}, "own")});
  const auto metas = metas_of(bytes);
  ASSERT_EQ(metas.size(), 4u);
  EXPECT_EQ(name_of(metas[0]), "timestamp/x-unix");
  EXPECT_EQ(metas[0].timestamp, 5u);
  EXPECT_EQ(metas[0].duration, SHMRING_TIME_NONE);
  EXPECT_EQ(name_of(metas[1]), "person");
  EXPECT_EQ(data_of(metas[1]), "detection, confidence=(double)0.5;");
  EXPECT_EQ(metas[1].x + metas[1].y + metas[1].width, 6u);
  EXPECT_EQ(metas[1].height, UINT32_MAX);
  EXPECT_EQ(metas[1].id, -7);
  EXPECT_EQ(metas[1].parent, 8);
  EXPECT_EQ(name_of(metas[2]) + data_of(metas[2]), "lenslens;");
  EXPECT_EQ(data_of(metas[3]), "own");
}

TEST(Metas, analytics_are_read_as_they_were_written) {
  shmring_meta object = meta(SHMRING_META_DETECTION, "person"), track = meta(SHMRING_META_TRACKING);
  object.x = static_cast<std::uint32_t>(-5), object.y = 2, object.width = 3, object.height = 4;
  object.confidence = 0.75f, object.rotation = -1.5f;
  track.track = UINT64_MAX, track.timestamp = 1, track.last_seen = 2, track.lost = 1;
  shmring_meta cat = meta(SHMRING_META_CLASS, "cat"), nothing = meta(SHMRING_META_CLASS);
  cat.confidence = 0.5f;
  const auto classes = bytes_of({cat, nothing});
  const auto items = bytes_of({object, track, row(SHMRING_META_CLASSIFICATION, classes)}) +
                     relations({{0, 1, SHMRING_RELATION_RELATE_TO}, {2, 0, 6}});
  const auto bytes = bytes_of({row(SHMRING_META_ANALYTICS, items), timestamp("timestamp/x-unix", 5)});
  ASSERT_TRUE(shmring::are_metas(bytes));
  const auto metas = metas_of(bytes);
  ASSERT_EQ(metas.size(), 2u);
  const auto read = metas_of(std::as_bytes(std::span(static_cast<const char*>(metas[0].data), metas[0].data_size)));
  ASSERT_EQ(read.size(), 4u);
  EXPECT_EQ(name_of(read[0]), "person");
  EXPECT_EQ(static_cast<std::int32_t>(read[0].x), -5);
  EXPECT_EQ(read[0].y + read[0].width + read[0].height, 9u);
  EXPECT_EQ(read[0].confidence, 0.75f);
  EXPECT_EQ(read[0].rotation, -1.5f);
  EXPECT_EQ(read[1].track, UINT64_MAX);
  EXPECT_EQ(read[1].timestamp, 1u);
  EXPECT_EQ(read[1].last_seen, 2u);
  EXPECT_EQ(read[1].lost, 1u);
  const auto found = metas_of(std::as_bytes(std::span(static_cast<const char*>(read[2].data), read[2].data_size)));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(name_of(found[0]), "cat");
  EXPECT_EQ(found[0].confidence, 0.5f);
  EXPECT_EQ(found[1].confidence, -1.0f);
  shmring_relation relation;
  ASSERT_EQ(read[3].data_size, 2 * sizeof relation);
  std::memcpy(&relation, static_cast<const std::byte*>(read[3].data) + sizeof relation, sizeof relation);
  EXPECT_EQ(relation.first, 2);
  EXPECT_EQ(relation.types, 6);
}

TEST(Metas, analytics_that_contradict_themselves_are_none) {
  const auto item = bytes_of({meta(SHMRING_META_DETECTION, "a")});
  EXPECT_TRUE(are_analytics({}));
  EXPECT_TRUE(are_analytics(item + relations({{0, 0, 4}})));
  EXPECT_TRUE(are_analytics(relations({{0, 1, 4}}) + item + item)) << "the relations may come first";
  EXPECT_FALSE(are_analytics(item + relations({{0, 1, 4}}))) << "there is no second item";
  EXPECT_FALSE(are_analytics(item + relations({{UINT16_MAX, 0, 4}})));
  EXPECT_FALSE(are_analytics(relations({{0, 0, 4}})));
  EXPECT_TRUE(are_analytics(bytes_of({meta(static_cast<shmring_meta_kind>(99))}) + relations({{0, 0, 4}})))
      << "one of an unknown kind is an item, too";
  EXPECT_FALSE(are_analytics(bytes_of({meta(SHMRING_META_RELATIONS, {}, "1234567")})));
  EXPECT_FALSE(are_analytics(bytes_of({meta(SHMRING_META_CLASSIFICATION, {}, "classes")})));
  EXPECT_FALSE(are_analytics(bytes_of({row(SHMRING_META_ANALYTICS, {})}))) << "analytics of analytics";
  EXPECT_FALSE(are_analytics({std::byte{1}}));
  shmring_meta track = meta(SHMRING_META_TRACKING);
  track.lost = 2;
  EXPECT_FALSE(are_analytics(bytes_of({track})));
}

// Each row in a row is eight bytes more, so a frame has room for hundreds.
TEST(Metas, rows_in_rows_without_end_are_refused) {
  for (const auto kind : {SHMRING_META_ANALYTICS, SHMRING_META_CLASSIFICATION}) {
    std::vector<std::byte> bytes;
    for (std::vector<std::byte> next = bytes_of({row(kind, {})}); next.size() <= SHMRING_METADATA_SIZE;
         next = bytes_of({row(kind, bytes)})) {
      bytes = next;
      if (bytes.size() + sizeof(shmring::MetaHeader) > SHMRING_METADATA_SIZE) break;
    }
    EXPECT_EQ(bytes.size(), std::size_t{SHMRING_METADATA_SIZE});
    EXPECT_FALSE(shmring::are_metas(bytes));
  }
}

// A publisher of another version may write kinds that this one does not know.
TEST(Metas, OfAKindThatIsNotKnownAreBytes) {
  const auto bytes = bytes_of({meta(static_cast<shmring_meta_kind>(99), {}, "new"), timestamp("timestamp/x-unix", 5)});
  ASSERT_EQ(metas_of(bytes).size(), 2u);
  EXPECT_EQ(metas_of(bytes)[0].kind, 99u);
  EXPECT_EQ(data_of(metas_of(bytes)[0]), "new");
  EXPECT_EQ(shmring::captured_at(bytes), 5u);
}

TEST(Metas, ThatDoNotFitAreNotWritten) {
  std::array<std::byte, 100> room{};
  for (const auto kind : {SHMRING_META_TIMESTAMP, SHMRING_META_CUSTOM, SHMRING_META_REGION, SHMRING_META_BYTES}) {
    const std::string text(100, 'x');
    std::size_t whole = 0;
    for (std::size_t size = 0; size <= text.size(); ++size) {
      const std::size_t written = put_meta(room, meta(kind, std::string_view(text).substr(0, size)));
      EXPECT_LE(written, room.size());
      if (written != 0) whole = written;
    }
    EXPECT_EQ(whole, kind == SHMRING_META_BYTES ? 8 : room.size()) << "the last that fits fills the room";
    EXPECT_EQ(put_meta({}, meta(kind)), 0u);
    EXPECT_EQ(put_meta(std::span(room).first(7), meta(kind)), 0u);
  }
}

// Borrowed names and data lie in the bytes, whatever those are.
TEST(Metas, StayInsideTheirBytesHoweverTheseAreCutOrChanged) {
  shmring_meta region = meta(SHMRING_META_REGION, "person", "parameters;");
  const auto classes = bytes_of({meta(SHMRING_META_CLASS, "cat")});
  const auto items =
      bytes_of({meta(SHMRING_META_DETECTION, "a"), row(SHMRING_META_CLASSIFICATION, classes)}) + relations({{0, 1, 4}});
  const auto whole = bytes_of({timestamp("timestamp/x-unix", 5), region, meta(SHMRING_META_CUSTOM, "lens", "lens;"),
                               row(SHMRING_META_ANALYTICS, items)});
  const auto inside = [](const std::vector<std::byte>& bytes) {
    const auto lies_in = [&](const void* data, std::size_t size) {
      const auto* at = static_cast<const std::byte*>(data);
      return size == 0 || (at >= bytes.data() && size <= bytes.size() && at + size <= bytes.data() + bytes.size());
    };
    for (const auto& each : metas_of(bytes))
      if (!lies_in(each.name, each.name_size) || !lies_in(each.data, each.data_size)) return false;
    return true;
  };
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_TRUE(inside({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)})) << size;
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (int value = 0; value < 256; ++value) {
      auto changed = whole;
      changed[at] = static_cast<std::byte>(value);
      EXPECT_TRUE(inside(changed)) << at << " is " << value;
    }
}

TEST(Metas, OfWhichOneIsBrokenAreNone) {
  auto bytes = bytes_of({timestamp("timestamp/x-unix", 5)});
  EXPECT_TRUE(shmring::are_metas(bytes));
  EXPECT_EQ(shmring::captured_at(bytes), 5u);
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(shmring::are_metas(bytes));
  EXPECT_EQ(shmring::captured_at(bytes), SHMRING_TIME_NONE);
  EXPECT_FALSE(shmring::are_metas(bytes_of({timestamp("timestamp/x-unix", SHMRING_TIME_NONE)})));
}

TEST(Metas, HaveTheUtcOfClocksThatHaveADate) {
  const auto utc = [](std::string_view clock, std::uint64_t time) {
    return shmring::captured_at(bytes_of({timestamp(clock, time)}));
  };
  EXPECT_EQ(utc("timestamp/x-unix", 7), 7u);
  EXPECT_EQ(utc("timestamp/x-unix, host=(string)cam", 7), 7u);
  EXPECT_EQ(utc("timestamp/x-unix-ish", 7), SHMRING_TIME_NONE);
  EXPECT_EQ(utc("timestamp/x-ntp", kNtpOf1970), 0u);
  EXPECT_EQ(utc("timestamp/x-ntp", kNtpOf1970 + 7), 7u);
  EXPECT_EQ(utc("timestamp/x-ntp", kNtpOf1970 - 1), SHMRING_TIME_NONE);
  EXPECT_EQ(utc("timestamp/x-frame-counter", 7), SHMRING_TIME_NONE);
  EXPECT_EQ(
      shmring::captured_at(bytes_of({timestamp("timestamp/x-media", 1), timestamp("timestamp/x-ntp", kNtpOf1970 + 2),
                                     timestamp("timestamp/x-unix", 3)})),
      2u);
  EXPECT_EQ(shmring::captured_at({}), SHMRING_TIME_NONE);
}

}  // namespace
