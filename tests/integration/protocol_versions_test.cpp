// SPDX-License-Identifier: LGPL-2.1-or-later
// Builds of different age talk to each other: the same actor, linked with other versions of the protocol (meson.build says which).
#include <array>
#include <string>

#include <gtest/gtest.h>

#include "../chaos/hostile_peer.hpp"
#include "abi/wire.hpp"
#include "child_process.hpp"
#include "reader/observer.hpp"
#include "reader/reader.hpp"
#include "temp_dir.hpp"
#include "watchdog.hpp"

namespace {

using shmring::HostilePeer;
using support::ChildProcess;

class ProtocolVersions : public testing::Test {
 protected:
  ChildProcess publisher(const char* actor) {
    auto started = ChildProcess::spawn({actor, "publish", path});
    EXPECT_TRUE(started.says("publishing")) << started.output();
    return started;
  }
  ChildProcess reader(const char* actor) { return ChildProcess::spawn({actor, "read", path, "frames=20"}); }
  void expect_frames(const char* publishing, const char* reading) {
    auto from = publisher(publishing);
    auto to = reader(reading);
    EXPECT_TRUE(to.says("taken 20")) << to.output();
  }
  void expect_refusal(const char* publishing, const char* reading, const std::string& sentence) {
    auto from = publisher(publishing);
    auto to = reader(reading);
    const auto ending = to.wait();
    ASSERT_TRUE(ending) << "the reader goes on: " << to.output();
    EXPECT_EQ(ending->code, 1);
    EXPECT_NE(to.output().find(path + ": " + sentence), std::string::npos) << to.output();
    // No other peer is hurt by it.
    auto own = reader(publishing);
    EXPECT_TRUE(own.says("taken 20")) << own.output();
  }
  // Answer of a publisher to a reader of the given version.
  shmring::wire::Welcome welcome(const shmring::wire::Version& version) {
    HostilePeer peer = HostilePeer::connect(path);
    auto hello = shmring::wire::make_hello(version, shmring::wire::Role::reader);
    shmring::wire::set_text(hello.name, "asking");
    EXPECT_TRUE(shmring::send_message(peer.socket.get(), hello));
    EXPECT_TRUE(peer.await_welcome());
    return peer.welcome;
  }

  const support::TempDir dir;
  const std::string path = dir.file("ring");
};

TEST_F(ProtocolVersions, AnOlderReaderReadsFromANewerPublisher) { expect_frames(NEWER, THIS); }
TEST_F(ProtocolVersions, ANewerReaderReadsFromAnOlderPublisher) { expect_frames(THIS, NEWER); }
TEST_F(ProtocolVersions, AReaderWithoutAFeatureReadsFromAPublisherThatHasIt) { expect_frames(THIS, OLDER); }
TEST_F(ProtocolVersions, AReaderWithAFeatureReadsFromAPublisherWithoutIt) { expect_frames(OLDER, THIS); }
TEST_F(ProtocolVersions, TwoNewerOnesSpeakTheNewerProtocol) { expect_frames(NEXT, NEWER); }

TEST_F(ProtocolVersions, TheHighestCommonProtocolAndTheCommonFeaturesAreGranted) {
  const auto from = publisher(NEWER);  // 1 to 2, features 0b11
  const auto old = welcome({1, 1, 0, 0});
  EXPECT_EQ(old.protocol, 1);
  EXPECT_EQ(old.features, 0u);
  const auto future = welcome({2, 9, 0b110, 0});
  EXPECT_EQ(future.protocol, 2);
  EXPECT_EQ(future.features, 0b010u) << "an unknown optional feature is dropped silently, a known one is used";
}

// A message that it does not know would be a violation.
TEST_F(ProtocolVersions, APublisherThatKnowsNoKeyFrameRequestsIsSentNone) {
  for (const auto& [actor, status] : {std::pair{OLDER, SHMRING_REFUSED}, {THIS, SHMRING_OK}, {NEWER, SHMRING_OK}}) {
    const auto from = publisher(actor);
    auto reader = shmring::Reader::open({.socket_path = path, .worker = "asking"});
    ASSERT_TRUE(reader);
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE((*reader)->read(20'000'000'000));
      EXPECT_EQ((*reader)->request_key_frame().status(), status) << actor;
    }
    EXPECT_EQ((*reader)->attachments(), 1u);
  }
}

TEST_F(ProtocolVersions, WithoutACommonProtocolTheReaderIsToldBothRanges) {
  expect_refusal(THIS, NEXT, "the reader speaks protocol 2, the publisher 1: update the older one");
}
TEST_F(ProtocolVersions, WithoutACommonProtocolTheReaderIsToldBothRangesTheOtherWayRound) {
  expect_refusal(NEXT, THIS, "the reader speaks protocol 1, the publisher 2: update the older one");
}
TEST_F(ProtocolVersions, AReaderThatRequiresAnUnknownFeatureIsToldToUpdateThePublisher) {
  expect_refusal(THIS, NEEDY,
                 "the reader needs a feature that this publisher does not have (bits 0x4): update the publisher");
}
TEST_F(ProtocolVersions, APublisherThatRequiresAnUnknownFeatureTellsTheReader) {
  expect_refusal(NEEDY, THIS,
                 "the publisher needs a feature that this reader does not have (bits 0x4): update the reader");
}
TEST_F(ProtocolVersions, ARequiredFeatureThatBothKnowIsUsed) { expect_frames(NEEDY, NEEDY); }

TEST_F(ProtocolVersions, ALivePublisherOfAnotherProtocolKeepsItsPath) {
  const auto from = publisher(THIS);
  auto second = ChildProcess::spawn({NEXT, "publish", path});
  const auto ending = second.wait();
  ASSERT_TRUE(ending);
  EXPECT_EQ(ending->code, 1);
  EXPECT_NE(second.output().find("has a publisher already (process " + std::to_string(from.pid()) + ")"),
            std::string::npos)
      << second.output();
}

TEST_F(ProtocolVersions, AnObserverOfAnotherProtocolIsToldBothRanges) {
  const auto from = publisher(NEXT);
  const auto observer = shmring::Observer::open(path, 20'000'000'000);
  EXPECT_EQ(observer.status(), SHMRING_PROTOCOL);
  EXPECT_NE(observer.error().text.find("speaks protocol 1, the publisher 2"), std::string::npos)
      << observer.error().text;
}

}  // namespace
