// SPDX-License-Identifier: LGPL-2.1-or-later
// Names of readers, their attachments and accounts: a ring, and no process or connection.
#include "publisher/reader_registry.hpp"

#include <unistd.h>

#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "child_process.hpp"
#include "os/socket.hpp"
#include "publisher/ring.hpp"

namespace shmring {
namespace {

class Registry : public testing::Test {
 protected:
  // One that was offered `offered` frames and gets what `depth` keeps of them.
  std::shared_ptr<Lane> lane(const std::string& name, std::uint32_t pid, int offered, Fd handle = {}) {
    Lane::Grant grant;
    grant.name = name;
    grant.policy = SHMRING_DROP_NEWEST;
    grant.wake = SHMRING_WAKE_BLOCK;
    grant.depth = 2;
    grant.max_held = 1;
    auto made = std::make_shared<Lane>(std::move(grant), next_index++, ProcessId{pid, 0}, std::move(handle), *ring);
    for (int i = 0; i < offered; ++i) made->writer.offer_nothing();
    return made;
  }
  std::vector<shmring_reader_account> accounts(std::vector<const Lane*> lanes = {}, bool ending = false) {
    return registry.accounts(lanes, 0, [&](const auto&, auto) { return ending; });
  }
  const std::shared_ptr<Ring> ring = *Ring::create(8, 2, 8, 2, 64);
  std::uint32_t next_index = 0;
  ReaderRegistry registry;
};

TEST_F(Registry, AnAccountGoesOnOverLanesAndTheReasonIsTheLastOnes) {
  EXPECT_EQ(registry.attached("a", false), 1u);
  registry.add(*lane("a", 7, 3));
  registry.ended("a", "it was killed", false, 5);
  EXPECT_EQ(accounts()[0].state, SHMRING_READER_GONE);
  EXPECT_STREQ(accounts()[0].reason, "it was killed");
  EXPECT_EQ(registry.attached("a", false), 2u);
  const auto second = lane("a", 8, 4);
  second->wanted = Lane::Stage::active;
  const auto now = accounts({second.get()});
  ASSERT_EQ(now.size(), 1u);
  EXPECT_EQ(now[0].generation, 2u);
  EXPECT_EQ(now[0].offered, 7u);
  EXPECT_EQ(now[0].dropped, 7u);
  EXPECT_EQ(now[0].pid, 8u);
  EXPECT_EQ(now[0].state, SHMRING_READER_ACTIVE);
  EXPECT_STREQ(now[0].reason, "");
}

TEST_F(Registry, TheProcessThatWasSentOnGoesOnAndAnotherOneDoesNot) {
  const auto self = static_cast<std::uint32_t>(::getpid());
  registry.attached("a", false);
  registry.sent_on(*lane("a", self, 0, open_pidfd(self)), 5);
  EXPECT_TRUE(registry.was_sent_on("a", self));
  EXPECT_FALSE(registry.was_sent_on("a", self + 1));
  EXPECT_FALSE(registry.was_sent_on("b", self));
  EXPECT_EQ(registry.attached("a", true), 1u);
  EXPECT_FALSE(registry.was_sent_on("a", self)) << "it has come";
}

TEST_F(Registry, ANumberOfAProcessThatIsGoneSaysNothing) {
  auto child = support::ChildProcess::fork([] {
    ::pause();
    return 0;
  });
  const auto pid = static_cast<std::uint32_t>(child.pid());
  registry.sent_on(*lane("a", pid, 0, open_pidfd(pid)), 5);
  EXPECT_TRUE(registry.was_sent_on("a", pid));
  child.kill();
  EXPECT_FALSE(registry.was_sent_on("a", pid));
}

TEST_F(Registry, AReasonThatIsFoundLateIsOfItsOwnAttachmentOnly) {
  registry.attached("a", false);
  const auto first = registry.generation("a");
  registry.ended("a", "", false, 5);
  EXPECT_EQ(accounts({}, true)[0].state, SHMRING_READER_ACTIVE) << "until it is known";
  registry.explain("a", first, "killed");
  EXPECT_STREQ(accounts()[0].reason, "killed");
  registry.attached("a", false);
  registry.ended("a", "", false, 6);
  registry.explain("a", first, "killed");
  EXPECT_STREQ(accounts()[0].reason, "");
  registry.explain("unknown", 1, "killed");
  EXPECT_EQ(accounts().size(), 1u);
}

TEST_F(Registry, OfVeryManyNamesTheOneThatIsGoneLongestIsForgotten) {
  for (int i = 0; i < 64; ++i) {
    registry.attached("r" + std::to_string(i), false);
    if (i % 2 == 0) registry.ended("r" + std::to_string(i), "", false, static_cast<std::uint64_t>(100 - i));
  }
  registry.attached("one more", false);
  EXPECT_EQ(registry.generation("r62"), 0u) << "gone since 38";
  EXPECT_EQ(registry.generation("r0"), 1u);
  EXPECT_EQ(registry.generation("r1"), 1u) << "attached";
  EXPECT_EQ(accounts().size(), 64u);
}

}  // namespace
}  // namespace shmring
