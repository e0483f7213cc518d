// SPDX-License-Identifier: LGPL-2.1-or-later
// Both ends of a lane, step by step in one thread: policies, quota, accounts, and what a lying reader gets.
// Concurrent steps are in interleavings_test.cpp.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "abi/geometry.hpp"
#include "lane/lane_reader.hpp"
#include "lane/lane_writer.hpp"

namespace shmring {
namespace {

using Offer = LaneWriter<>::Offer;
constexpr std::uint32_t kEmpty = LaneReader<>::kEmpty;

class LaneFixture : public testing::Test {
 protected:
  static constexpr std::uint32_t kSlots = 16;

  void open(std::uint32_t depth, std::uint32_t max_held, bool evicts) {
    writer = std::make_unique<LaneWriter<>>(block(), page(), depth, max_held, evicts);
    reader = std::make_unique<LaneReader<>>(block(), page(), depth);
  }
  LaneBlock& block() { return *reinterpret_cast<LaneBlock*>(block_); }
  LanePage& page() { return *reinterpret_cast<LanePage*>(page_); }

  // Publishes the next frame in a slot of its own: what the publisher does, without its loan.
  Offer offer() {
    const std::uint32_t slot = slot_refs.acquire();
    const Offer result = writer->offer(slot, ++sequence, slot_refs);
    sequence_in[slot] = sequence;
    slot_refs.unref(slot);
    return result;
  }
  // The sequence taken, 0 for none.
  std::uint64_t take() {
    const std::uint32_t slot = reader->take();
    return slot == kEmpty ? 0 : sequence_in[slot];
  }
  void release(std::uint64_t taken) {
    for (std::uint32_t slot = 0; slot < kSlots; ++slot)
      if (sequence_in[slot] == taken) reader->release(slot, taken);
  }
  void expect_balance() {
    const auto a = writer->account();
    EXPECT_EQ(a.offered, a.delivered + a.dropped + a.pending);
  }

  SlotRefs slot_refs{kSlots};
  std::unique_ptr<LaneWriter<>> writer;
  std::unique_ptr<LaneReader<>> reader;
  std::uint64_t sequence = 0;
  std::uint64_t sequence_in[kSlots] = {};

 private:
  alignas(kLine) unsigned char block_[2 * kLine] = {};
  alignas(kPage) unsigned char page_[kPage] = {};
};

TEST_F(LaneFixture, DropNewestKeepsTheFirstFramesInOrder) {
  open(3, 2, false);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(offer(), Offer::queued);
  EXPECT_EQ(offer(), Offer::dropped);
  EXPECT_EQ(take(), 1u);
  EXPECT_EQ(offer(), Offer::queued);
  EXPECT_EQ(take(), 2u);
  EXPECT_EQ(writer->account().dropped, 1u);
  expect_balance();
}

TEST_F(LaneFixture, DropOldestKeepsTheLastFramesInOrder) {
  open(3, 2, true);
  for (int i = 0; i < 7; ++i) EXPECT_EQ(offer(), Offer::queued);
  EXPECT_EQ(take(), 5u);
  EXPECT_EQ(take(), 6u);
  EXPECT_EQ(writer->account().dropped, 4u);
  expect_balance();
}

TEST_F(LaneFixture, LatestAlwaysHasTheNewestFrame) {
  open(1, 2, true);
  for (int i = 0; i < 5; ++i) offer();
  EXPECT_EQ(take(), 5u);
  EXPECT_EQ(take(), 0u);
  offer();
  EXPECT_EQ(take(), 6u);
  expect_balance();
}

// Another process may take any step right before an eviction.
struct BeforeTheEviction : HardwareOps {
  static inline std::function<void()> happens;
  template <class T>
  static bool compare_exchange(std::atomic<T>& word, T& expected, T desired, std::memory_order success) {
    if (const auto now = std::exchange(happens, nullptr)) now();
    return HardwareOps::compare_exchange(word, expected, desired, success);
  }
};

TEST_F(LaneFixture, TheNewestFrameIsNotDroppedWhenTheReaderReleasesOneAndTakesTheNextMeanwhile) {
  open(1, 1, true);
  LaneWriter<BeforeTheEviction> racing(block(), page(), 1, 1, true);
  const auto offer_racing = [&] {
    const std::uint32_t slot = slot_refs.acquire();
    const auto result = racing.offer(slot, ++sequence, slot_refs);
    sequence_in[slot] = sequence;
    slot_refs.unref(slot);
    return result == LaneWriter<BeforeTheEviction>::Offer::queued;
  };
  EXPECT_TRUE(offer_racing());
  EXPECT_EQ(take(), 1u);
  EXPECT_TRUE(offer_racing());
  BeforeTheEviction::happens = [&] {
    release(1);
    EXPECT_EQ(take(), 2u);
  };
  EXPECT_TRUE(offer_racing()) << "one is held, so there is room for one";
  EXPECT_EQ(take(), 3u);
}

TEST_F(LaneFixture, GivesSlotsBackInAnyOrderOfRelease) {
  open(4, 3, false);
  for (int i = 0; i < 3; ++i) offer();
  const std::uint64_t a = take(), b = take(), c = take();
  release(c);
  release(a);
  writer->absorb_taken();
  writer->collect(slot_refs);
  EXPECT_EQ(slot_refs.free_slots(), kSlots - 1);
  release(b);
  release(b);  // once more does nothing
  writer->collect(slot_refs);
  EXPECT_EQ(slot_refs.free_slots(), kSlots);
  EXPECT_TRUE(writer->owns_nothing());
}

TEST_F(LaneFixture, NeverOwnsMoreThanDepthAndHeldWhateverTheReaderTakes) {
  for (const bool evicts : {false, true}) {
    open(3, 2, evicts);
    for (int i = 0; i < 50; ++i) {
      offer();
      take();  // and never releases
      EXPECT_GE(slot_refs.free_slots(), kSlots - 5);
    }
    writer->free_all(slot_refs);
    EXPECT_EQ(slot_refs.free_slots(), kSlots);
    expect_balance();
  }
}

TEST_F(LaneFixture, ServesAReaderAgainOnceItReleases) {
  open(1, 2, true);
  std::vector<std::uint64_t> held;
  for (int i = 0; i < 3; ++i) {
    offer();
    held.push_back(take());
  }
  EXPECT_EQ(offer(), Offer::dropped);
  EXPECT_EQ(writer->consecutive_drops(), 1u);
  release(held[0]);
  EXPECT_EQ(offer(), Offer::queued);
  EXPECT_EQ(take(), 5u);
  writer->absorb_taken();
  EXPECT_EQ(writer->consecutive_drops(), 0u);
}

TEST_F(LaneFixture, CountsAFrameWithoutASlotAsDropped) {
  open(2, 1, false);
  offer();
  writer->offer_nothing();
  const auto a = writer->account();
  EXPECT_EQ(a.offered, 2u);
  EXPECT_EQ(a.dropped, 1u);
  EXPECT_EQ(a.pending, 1u);
}

TEST_F(LaneFixture, RingsOnceForEachTimeTheReaderWentToSleep) {
  open(3, 2, false);
  EXPECT_TRUE(reader->arm());
  offer();
  EXPECT_TRUE(writer->claim_wakeup());
  EXPECT_FALSE(writer->claim_wakeup());
  offer();
  EXPECT_FALSE(writer->claim_wakeup());
}

TEST_F(LaneFixture, DoesNotLetAReaderSleepOverAFrame) {
  open(3, 2, false);
  offer();
  EXPECT_FALSE(reader->arm());
  reader->disarm();
  EXPECT_FALSE(writer->claim_wakeup());
}

TEST_F(LaneFixture, DetectsATailBeyondHead) {
  open(3, 2, false);
  offer();
  page().tail = 2;
  EXPECT_EQ(offer(), Offer::violation);
  EXPECT_FALSE(writer->absorb_taken());
}

TEST_F(LaneFixture, DetectsATailThatGoesBack) {
  open(3, 2, false);
  offer();
  take();
  EXPECT_EQ(offer(), Offer::queued);  // has seen tail at 1
  page().tail = 0;
  EXPECT_EQ(offer(), Offer::violation);
}

// As if another thread of the reader moved tail just before the exchange and put it back just after.
struct FlickeringOps : HardwareOps {
  static inline bool flicker = false;
  static bool compare_exchange(Word64& word, std::uint64_t& expected, std::uint64_t desired, std::memory_order order) {
    return !flicker && HardwareOps::compare_exchange(word, expected, desired, order);
  }
};

TEST_F(LaneFixture, DetectsATailThatFlickersAndLosesNoSlotByIt) {
  LaneWriter<FlickeringOps> lane(block(), page(), 1, 1, true);
  const auto offer_next = [&] {
    const std::uint32_t slot = slot_refs.acquire();
    const auto result = lane.offer(slot, ++sequence, slot_refs);
    slot_refs.unref(slot);
    return result;
  };
  offer_next();
  FlickeringOps::flicker = true;
  EXPECT_EQ(offer_next(), LaneWriter<FlickeringOps>::Offer::violation);
  FlickeringOps::flicker = false;
  lane.free_all(slot_refs);
  EXPECT_EQ(slot_refs.free_slots(), kSlots);
}

TEST_F(LaneFixture, RetiringAFlickeringLaneEnds) {
  LaneWriter<FlickeringOps> lane(block(), page(), 3, 1, true);
  for (int i = 0; i < 3; ++i) {
    const std::uint32_t slot = slot_refs.acquire();
    lane.offer(slot, ++sequence, slot_refs);
    slot_refs.unref(slot);
  }
  FlickeringOps::flicker = true;
  lane.retire(slot_refs);
  EXPECT_EQ(slot_refs.free_slots(), kSlots - 3);  // it may be reading any of them
  FlickeringOps::flicker = false;
  lane.free_all(slot_refs);
  EXPECT_EQ(slot_refs.free_slots(), kSlots);
}

TEST_F(LaneFixture, IgnoresAnAcknowledgementOfWhatWasNotTaken) {
  open(3, 2, false);
  offer();
  for (std::uint32_t slot = 0; slot < kSlots; ++slot) reader->release(slot, 1);
  writer->collect(slot_refs);
  EXPECT_EQ(slot_refs.free_slots(), kSlots - 1);
  EXPECT_EQ(take(), 1u);
}

TEST_F(LaneFixture, IgnoresAnAcknowledgementOfAnotherFrame) {
  open(3, 2, false);
  offer();
  const std::uint32_t slot = reader->take();
  reader->release(slot, 99);
  writer->absorb_taken();
  writer->collect(slot_refs);
  EXPECT_EQ(writer->held(), 1u);
}

TEST_F(LaneFixture, RetiringTakesBackWhatWaitsAndLeavesWhatIsHeld) {
  open(4, 2, false);
  for (int i = 0; i < 4; ++i) offer();
  const std::uint64_t taken = take();
  writer->retire(slot_refs);
  EXPECT_EQ(take(), 0u);
  EXPECT_EQ(slot_refs.free_slots(), kSlots - 1);
  release(taken);
  writer->collect(slot_refs);
  EXPECT_TRUE(writer->owns_nothing());
  EXPECT_EQ(slot_refs.free_slots(), kSlots);
  const auto a = writer->account();
  EXPECT_EQ(a.delivered, 1u);
  EXPECT_EQ(a.dropped, 3u);
  expect_balance();
}

TEST_F(LaneFixture, RetiringAViolatorKeepsWhatItMayBeReadingUntilItIsGone) {
  open(4, 2, false);
  for (int i = 0; i < 4; ++i) offer();
  page().tail = 77;
  writer->retire(slot_refs);
  EXPECT_EQ(slot_refs.free_slots(), kSlots - 4);
  writer->free_all(slot_refs);
  EXPECT_EQ(slot_refs.free_slots(), kSlots);
  EXPECT_EQ(writer->account().pending, 0u);
  expect_balance();
}

TEST_F(LaneFixture, KeepsAnAccountThatBalancesWhateverTheTailSays) {
  open(3, 2, true);
  for (int i = 0; i < 5; ++i) offer();
  for (const std::uint64_t lie : {0ull, 1ull, 4ull, 100ull, ~0ull, 1ull << 63}) {
    page().tail = lie;
    expect_balance();
    EXPECT_LE(writer->account().delivered, 3u) << lie;
  }
}

// A reader that comes late finds what its policy kept, in the memory that it mapped, whatever went through the other one.
TEST_F(LaneFixture, WhatWaitsInOtherMemoryIsFoundInOrderWhereTheReaderIs) {
  alignas(kLine) std::byte other_block[sizeof(LaneBlock) + 4 * kMaxDepth] = {};
  alignas(kLine) std::byte other_page[sizeof(LanePage) + 8 * kSlots] = {};
  for (const bool evicts : {false, true})
    for (std::uint64_t offered = 0; offered <= 8; ++offered) {
      const std::uint64_t before = sequence;
      open(3, 2, evicts);
      writer = std::make_unique<LaneWriter<>>(*reinterpret_cast<LaneBlock*>(other_block),
                                              *reinterpret_cast<LanePage*>(other_page), 3, 2, evicts);
      for (std::uint64_t i = 0; i < offered; ++i) offer();
      EXPECT_EQ(take(), 0u) << "nothing is there yet";
      writer->move_to(block(), page());
      const std::uint64_t kept = std::min<std::uint64_t>(offered, 3),
                          first = before + (evicts ? offered - kept + 1 : 1);
      EXPECT_EQ(writer->account().pending, kept);
      EXPECT_EQ(writer->account().dropped, offered - kept);
      for (std::uint64_t i = 0; i < kept; ++i) EXPECT_EQ(take(), first + i);
      EXPECT_EQ(take(), 0u);
      for (std::uint64_t i = 0; i < kept; ++i) release(first + i);
      EXPECT_EQ(offer(), Offer::queued);
      EXPECT_EQ(take(), before + offered + 1);
      release(before + offered + 1);
      EXPECT_TRUE(writer->absorb_taken());
      writer->collect(slot_refs);
      expect_balance();
      EXPECT_EQ(slot_refs.free_slots(), kSlots);
    }
}

}  // namespace
}  // namespace shmring
