// SPDX-License-Identifier: LGPL-2.1-or-later
// The slot references counts owners and gives a slot back exactly when the last one lets go.
#include "lane/slot_refs.hpp"

#include <set>

#include <gtest/gtest.h>

namespace shmring {
namespace {

TEST(SlotRefs, LendsEverySlotOnce) {
  SlotRefs slot_refs(3);
  std::set<std::uint32_t> lent;
  while (slot_refs.any_free()) lent.insert(slot_refs.acquire());
  EXPECT_EQ(lent, (std::set<std::uint32_t>{0, 1, 2}));
  EXPECT_EQ(slot_refs.free_slots(), 0u);
}

TEST(SlotRefs, KeepsASlotUntilItsLastOwnerLetsGo) {
  SlotRefs slot_refs(2);
  const std::uint32_t slot = slot_refs.acquire();
  slot_refs.ref(slot);
  slot_refs.ref(slot);
  slot_refs.unref(slot);
  slot_refs.unref(slot);
  EXPECT_EQ(slot_refs.free_slots(), 1u);
  slot_refs.unref(slot);
  EXPECT_EQ(slot_refs.free_slots(), 2u);
}

TEST(SlotRefs, LendsTheSlotFreedLastFirst) {
  SlotRefs slot_refs(4);
  const std::uint32_t first = slot_refs.acquire(), second = slot_refs.acquire();
  slot_refs.unref(second);
  slot_refs.unref(first);
  EXPECT_EQ(slot_refs.acquire(), first);
  EXPECT_EQ(slot_refs.acquire(), second);
}

}  // namespace
}  // namespace shmring
