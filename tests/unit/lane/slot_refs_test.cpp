// SPDX-License-Identifier: LGPL-2.1-or-later
// The ledger counts owners and gives a slot back exactly when the last one lets go.
#include "lane/slot_refs.hpp"

#include <set>

#include <gtest/gtest.h>

namespace shmring {
namespace {

TEST(Ledger, LendsEverySlotOnce) {
  Ledger ledger(3);
  std::set<std::uint32_t> lent;
  while (ledger.any_free()) lent.insert(ledger.acquire());
  EXPECT_EQ(lent, (std::set<std::uint32_t>{0, 1, 2}));
  EXPECT_EQ(ledger.free_slots(), 0u);
}

TEST(Ledger, KeepsASlotUntilItsLastOwnerLetsGo) {
  Ledger ledger(2);
  const std::uint32_t slot = ledger.acquire();
  ledger.add_owner(slot);
  ledger.add_owner(slot);
  ledger.drop_owner(slot);
  ledger.drop_owner(slot);
  EXPECT_EQ(ledger.free_slots(), 1u);
  ledger.drop_owner(slot);
  EXPECT_EQ(ledger.free_slots(), 2u);
}

TEST(Ledger, LendsTheSlotFreedLastFirst) {
  Ledger ledger(4);
  const std::uint32_t first = ledger.acquire(), second = ledger.acquire();
  ledger.drop_owner(second);
  ledger.drop_owner(first);
  EXPECT_EQ(ledger.acquire(), first);
  EXPECT_EQ(ledger.acquire(), second);
}

}  // namespace
}  // namespace shmring
