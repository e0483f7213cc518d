// SPDX-License-Identifier: LGPL-2.1-or-later
// Messages: what is whole is taken, all else is refused; and how an older and a newer build agree.
#include "abi/wire.hpp"

#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace shmring::wire {
namespace {

template <class Message>
std::vector<std::byte> bytes_of(const Message& message, std::size_t more = 0) {
  std::vector<std::byte> bytes(sizeof message + more);
  std::memcpy(bytes.data(), &message, sizeof message);
  return bytes;
}

Hello hello(const char* name = "worker") {
  auto m = make<Hello>();
  m.protocol_min = m.protocol_max = kProtocol;
  set_text(m.name, name);
  return m;
}

Welcome welcome() {
  auto m = make<Welcome>();
  m.depth = 5;
  m.max_held = 4;
  return m;
}

TEST(Wire, TakesAWholeHello) {
  const auto m = parse_hello(bytes_of(hello()));
  ASSERT_TRUE(m);
  EXPECT_STREQ(m->name, "worker");
}

TEST(Wire, TakesThePartItKnowsOfALongerMessage) {
  EXPECT_TRUE(parse_hello(bytes_of(hello(), 100)));
  EXPECT_TRUE(parse_welcome(bytes_of(welcome(), 8)));
}

TEST(Wire, RefusesAShorterMessageAtEveryLength) {
  const auto bytes = bytes_of(hello());
  for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(parse_hello(std::span(bytes).first(n))) << n;
}

TEST(Wire, RefusesAMessageOfAnotherTypeOrMagic) {
  auto m = hello();
  m.head.type = Type::bye;
  EXPECT_FALSE(parse_hello(bytes_of(m)));
  m = hello();
  m.head.magic ^= 0x100;
  EXPECT_FALSE(parse_hello(bytes_of(m)));
  m.head = {kMagic, static_cast<Type>(0), 0};
  EXPECT_FALSE(type_of(bytes_of(m)));
  m.head.type = static_cast<Type>(10);
  EXPECT_FALSE(type_of(bytes_of(m)));
}

TEST(Wire, RefusesAHelloOutOfRange) {
  const auto refused = [](auto&& change) {
    Hello m = hello();
    change(m);
    return !parse_hello(bytes_of(m));
  };
  EXPECT_TRUE(refused([](Hello& m) { m.protocol_min = 3, m.protocol_max = 2; }));
  EXPECT_TRUE(refused([](Hello& m) { m.role = static_cast<Role>(2); }));
  EXPECT_TRUE(refused([](Hello& m) { m.policy = 3; }));
  EXPECT_TRUE(refused([](Hello& m) { m.policy = 254; }));
  EXPECT_TRUE(refused([](Hello& m) { m.wake = 2; }));
  EXPECT_TRUE(refused([](Hello& m) { std::memset(m.name, 'x', sizeof m.name); }));
  EXPECT_TRUE(refused([](Hello& m) { m.name[2] = '\n'; }));
  EXPECT_FALSE(refused([](Hello& m) { m.policy = SHMRING_POLICY_DEFAULT; }));
}

TEST(Wire, RefusesAWelcomeOutOfRange) {
  const auto refused = [](auto&& change) {
    Welcome m = welcome();
    change(m);
    return !parse_welcome(bytes_of(m));
  };
  EXPECT_TRUE(refused([](Welcome& m) { m.policy = 3; }));
  EXPECT_TRUE(refused([](Welcome& m) { m.policy = SHMRING_POLICY_DEFAULT; }));
  EXPECT_TRUE(refused([](Welcome& m) { m.wake = 2; }));
  EXPECT_TRUE(refused([](Welcome& m) { m.depth = 0; }));
  EXPECT_TRUE(refused([](Welcome& m) { m.max_held = 0; }));
}

TEST(Wire, RefusesRefusalsAndGoodbyesOutOfRange) {
  auto refusal = make<Refused>();
  refusal.status = SHMRING_IN_USE;
  set_text(refusal.text, "no");
  EXPECT_TRUE(parse_refused(bytes_of(refusal)));
  for (const std::uint32_t others : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u, 14u, 15u, UINT32_MAX}) {
    refusal.status = others;
    EXPECT_FALSE(parse_refused(bytes_of(refusal))) << others;
  }
  refusal.status = SHMRING_IN_USE;
  std::memset(refusal.text, 'x', sizeof refusal.text);
  EXPECT_FALSE(parse_refused(bytes_of(refusal)));

  auto bye = make<Bye>();
  bye.reason = Goodbye::again;
  EXPECT_TRUE(parse_bye(bytes_of(bye)));
  bye.reason = static_cast<Goodbye>(3);
  EXPECT_FALSE(parse_bye(bytes_of(bye)));
}

TEST(Wire, CutsATextThatIsTooLongAndClosesIt) {
  char field[8];
  set_text(field, "abcdefghijk");
  EXPECT_STREQ(field, "abcdefg");
  set_text(field, "a");
  EXPECT_STREQ(field, "a");
  EXPECT_EQ(field[7], '\0');
}

// A sentence that is cut must still be one that the other side takes.
TEST(Wire, CutsATextBetweenCharacters) {
  auto refusal = make<Refused>();
  refusal.status = SHMRING_IN_USE;
  std::string text(254, 'x');
  text += "\u00e4\u00e4";  // the cut would be inside of the first
  set_text(refusal.text, text);
  EXPECT_TRUE(parse_refused(bytes_of(refusal)));
}

// A path may hold any byte; a sentence with one in it must still reach the other side.
TEST(Wire, SendsASentenceWithForeignBytesAsReadableText) {
  auto refusal = make<Refused>();
  refusal.status = SHMRING_SYSTEM;
  set_text(refusal.text, "no such folder: /tmp/\xff\x01 a");
  const auto parsed = parse_refused(bytes_of(refusal));
  ASSERT_TRUE(parsed);
  EXPECT_NE(std::string(parsed->text).find("/tmp/?? a"), std::string::npos) << parsed->text;
}

TEST(Wire, TakesNamesInUtf8Only) {
  for (const char* good :
       {"a", "person-detector", "Zähler", "検出器", "😀", "a b", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(valid_name(good)) << good;
  const std::vector<std::string> bad = {"",
                                        std::string(64, 'x'),
                                        "a\n",
                                        std::string("a\0b", 3),
                                        "\x7f",
                                        "\xff",
                                        "\xc3",              // cut
                                        "\xc0\xaf",          // overlong
                                        "\xe0\x80\xaf",      // overlong
                                        "\xed\xa0\x80",      // a surrogate
                                        "\xf4\x90\x80\x80",  // beyond Unicode
                                        "\xf0\x80\x80\xaf",
                                        "\x80"};
  for (const auto& name : bad) EXPECT_FALSE(valid_name(name)) << name.size() << " " << name;
  EXPECT_TRUE(valid_name(std::string(63, 'x')));
}

TEST(Wire, ReadsFiguresOfAnOlderAndANewerBuild) {
  for (const int more : {-16, 0, 16}) {
    auto head = make<Stats>();
    head.ring_size = static_cast<std::uint32_t>(static_cast<int>(sizeof(shmring_ring_stats)) + more);
    head.lane_size = static_cast<std::uint32_t>(static_cast<int>(sizeof(shmring_reader_account)) + more);
    head.lane_count = 2;
    shmring_ring_stats ring{};
    ring.slots = 12;
    shmring_reader_account lane{};
    set_text(lane.worker, "worker");
    std::vector<std::byte> bytes(sizeof head + head.ring_size + 2 * head.lane_size, std::byte{0xEE});
    std::memcpy(bytes.data(), &head, sizeof head);
    std::memcpy(bytes.data() + sizeof head, &ring, std::min<std::size_t>(sizeof ring, head.ring_size));
    for (int i = 0; i < 2; ++i)
      std::memcpy(bytes.data() + sizeof head + head.ring_size + i * head.lane_size, &lane,
                  std::min<std::size_t>(sizeof lane, head.lane_size));
    shmring_ring_stats got{};
    std::vector<shmring_reader_account> lanes(2);
    EXPECT_EQ(parse_stats(bytes, got, lanes), 2u) << more;
    EXPECT_EQ(got.slots, 12u);
    EXPECT_STREQ(lanes[1].worker, "worker");
    for (std::size_t n = sizeof head; n < bytes.size(); n += 97)
      EXPECT_FALSE(parse_stats(std::span(bytes).first(n), got, lanes));
  }
}

TEST(Wire, ReadsFiguresFullOfGarbageIntoValuesThatExist) {
  auto head = make<Stats>();
  head.ring_size = sizeof(shmring_ring_stats);
  head.lane_size = sizeof(shmring_reader_account);
  head.lane_count = 1;
  std::vector<std::byte> bytes(sizeof head + head.ring_size + head.lane_size, std::byte{0xFF});
  std::memcpy(bytes.data(), &head, sizeof head);
  shmring_ring_stats ring;
  std::vector<shmring_reader_account> lanes(1);
  ASSERT_EQ(parse_stats(bytes, ring, lanes), 1u);
  EXPECT_EQ(lanes[0].state, SHMRING_READER_GONE);
  EXPECT_EQ(lanes[0].drop_policy, SHMRING_POLICY_DEFAULT);
  EXPECT_EQ(lanes[0].wake, SHMRING_WAKE_BLOCK);
  EXPECT_LT(std::strlen(lanes[0].worker), sizeof lanes[0].worker);
}

TEST(Wire, ShowsNoByteOfFiguresThatATerminalWouldObey) {
  auto head = make<Stats>();
  shmring_ring_stats said{};
  shmring_reader_account lane{};
  head.ring_size = sizeof said;
  head.lane_size = sizeof lane;
  head.lane_count = 1;
  std::strcpy(said.caps, "video/\x1b[2Jx-raw");
  std::strcpy(lane.worker, "worker\n\xff");
  auto bytes = bytes_of(head, sizeof said + sizeof lane);
  std::memcpy(bytes.data() + sizeof head, &said, sizeof said);
  std::memcpy(bytes.data() + sizeof head + sizeof said, &lane, sizeof lane);
  shmring_ring_stats ring;
  std::vector<shmring_reader_account> lanes(1);
  ASSERT_TRUE(parse_stats(bytes, ring, lanes));
  EXPECT_STREQ(ring.caps, "video/?[2Jx-raw");
  EXPECT_STREQ(lanes[0].worker, "worker??");
}

TEST(Wire, RefusesFiguresThatClaimMoreThanCame) {
  auto head = make<Stats>();
  head.ring_size = head.lane_size = UINT32_MAX;
  head.lane_count = UINT32_MAX;
  shmring_ring_stats ring;
  EXPECT_FALSE(parse_stats(bytes_of(head, 1000), ring, {}));
}

Hello from(const Version& version) {
  Hello m = make_hello(version, Role::reader);
  set_text(m.name, "worker");
  return m;
}

TEST(Negotiation, SpeaksTheHighestProtocolThatBothKnow) {
  const Hello theirs = from({1, 3, 0, 0});
  EXPECT_EQ(negotiate({1, 2, 0, 0}, theirs)->protocol, 2);  // a newer reader at an older publisher
  EXPECT_EQ(negotiate({2, 5, 0, 0}, theirs)->protocol, 3);  // an older reader at a newer publisher
  EXPECT_EQ(negotiate({3, 3, 0, 0}, theirs)->protocol, 3);
}

TEST(Negotiation, NamesBothRangesWhenTheyDoNotMeet) {
  const auto none = negotiate({1, 2, 0, 0}, from({4, 5, 0, 0}));
  EXPECT_EQ(none.status(), SHMRING_PROTOCOL);
  EXPECT_EQ(none.error().text, "the reader speaks protocol 4 to 5, the publisher 1 to 2: update the older one");
  EXPECT_EQ(negotiate({2, 2, 0, 0}, from({1, 1, 0, 0})).error().text,
            "the reader speaks protocol 1, the publisher 2: update the older one");
}

TEST(Negotiation, GoesOnWithoutOptionalFeaturesAndFailsWithoutRequiredOnes) {
  constexpr std::uint64_t known = 1, unknown = 1ull << 40;
  const Version ours = {1, 1, known, 0};
  EXPECT_EQ(negotiate(ours, from({1, 1, known | unknown, 0}))->features, known);
  EXPECT_EQ(negotiate(ours, from({1, 1, known, known}))->features, known);
  EXPECT_EQ(negotiate(ours, from({1, 1, 0, 0}))->features, 0u);
  const auto lacking = negotiate(ours, from({1, 1, known | unknown, unknown}));
  EXPECT_EQ(lacking.status(), SHMRING_PROTOCOL);
  EXPECT_NE(lacking.error().text.find("(bits 0x10000000000): update the publisher"), std::string::npos)
      << lacking.error().text;
}

TEST(Negotiation, APublisherMayRequireAFeatureToo) {
  const Version ours = {1, 1, 0b11, 0b10};
  EXPECT_TRUE(negotiate(ours, from({1, 1, 0b10, 0})));
  const auto lacking = negotiate(ours, from({1, 1, 0b01, 0}));
  EXPECT_EQ(lacking.status(), SHMRING_PROTOCOL);
  EXPECT_NE(lacking.error().text.find("(bits 0x2): update the reader"), std::string::npos) << lacking.error().text;
}

TEST(Negotiation, AReaderTakesNothingThatItDidNotOffer) {
  const Version ours = {1, 2, 0b01, 0};
  Welcome m = welcome();
  m.protocol = 2;
  m.features = 0b01;
  EXPECT_TRUE(check_agreement(ours, m));
  m.features = 0b11;
  EXPECT_EQ(check_agreement(ours, m).status(), SHMRING_PROTOCOL);
  m.features = 0;
  for (const std::uint16_t strange : {std::uint16_t{0}, std::uint16_t{3}}) {
    m.protocol = strange;
    EXPECT_EQ(check_agreement(ours, m).status(), SHMRING_PROTOCOL) << strange;
  }
}

}  // namespace
}  // namespace shmring::wire
