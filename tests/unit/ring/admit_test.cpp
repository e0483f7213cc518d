// SPDX-License-Identifier: LGPL-2.1-or-later
// Admission as values: no ring, no process. What a reader sees of it is in admission_test.cpp.
#include <vector>

#include <gtest/gtest.h>

#include "publisher/admission.hpp"

namespace shmring {
namespace {

constexpr std::uint8_t kDefaultPolicy = SHMRING_POLICY_DEFAULT;

class Admit : public testing::Test {
 protected:
  Admit() {
    options.max_readers = 3;
    options.depth = 5;
    options.max_held = 4;
    options.drop_policy = SHMRING_DROP_OLDEST;
  }
  Result<Admitted> admitted(const std::string& name, Lane::Ask asked = {kDefaultPolicy, SHMRING_WAKE_BLOCK, 0, 0}) {
    return admit(name, asked, options, ring, residents);
  }
  PublisherOptions options;
  RingShape ring{1 + 2 + 3 * 9, 2, 6};
  std::vector<Resident> residents;
};

TEST_F(Admit, TheFirstGetsTheFirstPlaceAndWhatThePublisherOffers) {
  auto one = admitted("one");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->index, 0u);
  EXPECT_EQ(one->grant.name, "one");
  EXPECT_EQ(one->grant.policy, SHMRING_DROP_OLDEST);
  EXPECT_EQ(one->grant.depth, 5u);
  EXPECT_EQ(one->grant.max_held, 4u);
}

TEST_F(Admit, AReaderGetsWhatItAsksForUpToTheOptions) {
  auto modest = admitted("a", {SHMRING_DROP_NEWEST, SHMRING_WAKE_ADAPTIVE, 2, 1});
  ASSERT_TRUE(modest);
  EXPECT_EQ(modest->grant.policy, SHMRING_DROP_NEWEST);
  EXPECT_EQ(modest->grant.wake, SHMRING_WAKE_ADAPTIVE);
  EXPECT_EQ(modest->grant.depth, 2u);
  EXPECT_EQ(modest->grant.max_held, 1u);
  auto greedy = admitted("a", {kDefaultPolicy, SHMRING_WAKE_BLOCK, 200, 200});
  ASSERT_TRUE(greedy);
  EXPECT_EQ(greedy->grant.depth, 5u);
  EXPECT_EQ(greedy->grant.max_held, 4u);
  EXPECT_EQ(admitted("a", {SHMRING_LATEST, SHMRING_WAKE_BLOCK, 5, 0})->grant.depth, 1u) << "a mailbox";
}

TEST_F(Admit, OneReaderSpinsTheNextBlocks) {
  residents.push_back({"spins", 7, 0, true, 9, true});
  EXPECT_EQ(admitted("b", {kDefaultPolicy, SHMRING_WAKE_ADAPTIVE, 0, 0})->grant.wake, SHMRING_WAKE_BLOCK);
  residents[0].reads = false;  // gone, and keeps frames
  EXPECT_EQ(admitted("b", {kDefaultPolicy, SHMRING_WAKE_ADAPTIVE, 0, 0})->grant.wake, SHMRING_WAKE_ADAPTIVE);
}

TEST_F(Admit, ANameIsItsReadersAsLongAsThatReads) {
  residents.push_back({"a", 7, 0, true, 9, false});
  const auto second = admitted("a");
  EXPECT_EQ(second.status(), SHMRING_IN_USE);
  EXPECT_NE(second.error().text.find("'a' belongs to process 7"), std::string::npos) << second.error().text;
  residents[0].reads = false;
  auto next = admitted("a");
  ASSERT_TRUE(next) << next.error().text;
  EXPECT_EQ(next->index, 1u) << "the first place still has frames";
}

TEST_F(Admit, NoMoreReadersThanTheOptionsSayAndTheOthersAreNamed) {
  residents = {{"a", 7, 0, true, 9, false}, {"b", 8, 1, true, 9, false}};
  options.max_readers = 2;
  const auto third = admitted("c");
  EXPECT_EQ(third.status(), SHMRING_IN_USE);
  EXPECT_NE(third.error().text.find("takes 2 readers, and 'a' (process 7), 'b' (process 8) have them"),
            std::string::npos)
      << third.error().text;
  options.max_readers = 1;
  residents.pop_back();
  EXPECT_NE(admitted("c").error().text.find("takes 1 reader, and 'a' (process 7) has it"), std::string::npos);
}

TEST_F(Admit, SharesAddUpToTheSlotsWhateverComesAndGoes) {
  for (std::uint32_t slots = 5; slots <= 31; ++slots) {
    ring.slots = slots;
    residents.clear();
    std::uint32_t used = 1 + ring.loans;
    for (int i = 0; i < 3; ++i) {
      auto one = admitted("r" + std::to_string(i));
      if (!one) {
        EXPECT_EQ(one.status(), SHMRING_REFUSED);
        EXPECT_LT(slots - used, 2u);
        EXPECT_NE(one.error().text.find("of " + std::to_string(slots) + " slots " + std::to_string(slots - used)),
                  std::string::npos);
        break;
      }
      EXPECT_GE(one->grant.depth, 1u);
      EXPECT_GE(one->grant.max_held, 1u);
      EXPECT_EQ(one->index, static_cast<std::uint32_t>(i));
      const std::uint32_t share = one->grant.depth + one->grant.max_held;
      used += share;
      EXPECT_LE(used, slots);
      residents.push_back({one->grant.name, 7, one->index, true, share, false});
    }
  }
}

TEST_F(Admit, WithoutAFreePlaceItIsRefusedThoughSlotsAreLeft) {
  ring.places = 2;
  residents = {{"a", 7, 0, false, 1, false}, {"b", 8, 1, false, 1, false}};
  EXPECT_EQ(admitted("c").status(), SHMRING_REFUSED);
}

}  // namespace
}  // namespace shmring
