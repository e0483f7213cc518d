// SPDX-License-Identifier: LGPL-2.1-or-later
// Mailbox, items and the sleep of those who wait.
#include <thread>
#include <vector>

#include "gst_fixture.hpp"
#include "latestframe/mailbox.hpp"
#include "os/clock.hpp"

namespace supplier::latestframe {
namespace {

class LatestFrameMailbox : public support::GstFixture {};

Owned<GstMiniObject> frame() { return Owned<GstMiniObject>(GST_MINI_OBJECT_CAST(gst_buffer_new())); }

ItemRef item(ItemPool& pool, std::uint64_t sequence) {
  ItemRef made(pool.get());
  made->frame = frame();
  made->sequence = sequence;
  made->at = shmring::now();
  return made;
}

TEST_F(LatestFrameMailbox, GivesBackTheItemThatIsOverwritten) {
  ItemPool pool;
  Mailbox sut;
  EXPECT_FALSE(sut.put(item(pool, 1)));
  const ItemRef out = sut.put(item(pool, 2));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->sequence, 1u);
  EXPECT_EQ(sut.take(nullptr)->sequence, 2u);
}

TEST_F(LatestFrameMailbox, EndsAWaitingReaderWhenItIsClosed) {
  Mailbox sut;
  std::thread reader([&] { EXPECT_FALSE(sut.take(nullptr)); });
  sut.close();
  reader.join();
}

TEST_F(LatestFrameMailbox, LosesNoItemBetweenTwoThreadsAndReportsEveryOneItOverwrites) {
  for (const bool adaptive : {false, true}) {
    ItemPool pool;
    Mailbox sut;
    constexpr std::uint64_t kItems = 50'000;
    std::uint64_t taken = 0, overwritten = 0, last = 0;
    std::thread reader([&] {
      shmring::SpinWaiter waiter;
      while (last != kItems) {
        const ItemRef got = sut.take(adaptive ? &waiter : nullptr);
        ASSERT_TRUE(got);
        ASSERT_GT(got->sequence, last);
        last = got->sequence;
        ++taken;
      }
    });
    for (std::uint64_t i = 1; i <= kItems; ++i)
      if (sut.put(item(pool, i))) ++overwritten;
    reader.join();
    EXPECT_EQ(taken + overwritten, kItems);
    EXPECT_LE(pool.size(), 4u);
  }
}

TEST_F(LatestFrameMailbox, WakesItsReaderAlsoWhenItemsComeSlowly) {
  ItemPool pool;
  Mailbox sut;
  std::atomic<std::uint64_t> last{0};
  std::thread reader([&] {
    shmring::SpinWaiter waiter;
    while (const ItemRef got = sut.take(&waiter)) last = got->sequence;
  });
  for (std::uint64_t i = 1; i <= 60; ++i) {
    sut.put(item(pool, i));
    ASSERT_TRUE(support::eventually([&] { return last == i; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(i % 7 ? 5 : 13));
  }
  sut.close();
  reader.join();
}

TEST_F(LatestFrameMailbox, UsesItemsAgainWhicheverThreadGivesThemBack) {
  ItemPool sut;
  constexpr int kRounds = 20'000;
  std::vector<std::thread> holders;
  std::atomic<Item*> hand[3]{};
  std::atomic<bool> over{false};
  for (auto& slot : hand)
    holders.emplace_back([&slot, &over] {
      while (!over)
        if (Item* got = slot.exchange(nullptr)) ItemPool::unref(got);
    });
  for (int i = 0; i < kRounds; ++i) {
    Item* fresh = sut.get();
    ASSERT_EQ(fresh->frame.get(), nullptr);
    fresh->frame = frame();
    Item* expected = nullptr;
    if (!hand[i % 3].compare_exchange_strong(expected, fresh)) ItemPool::unref(fresh);
  }
  over = true;
  for (auto& holder : holders) holder.join();
  for (auto& slot : hand)
    if (Item* left = slot.exchange(nullptr)) ItemPool::unref(left);
  EXPECT_LE(sut.size(), 8u);
}

TEST_F(LatestFrameMailbox, KeepsAFrameAsLongAsAnybodyHasItsItem) {
  ItemPool pool;
  GstBuffer* buffer = gst_buffer_new();
  const auto ours = share(buffer);
  ItemRef first(pool.get());
  first->frame = Owned<GstMiniObject>(GST_MINI_OBJECT_CAST(buffer));
  ItemRef second = first;
  first = {};
  EXPECT_EQ(GST_MINI_OBJECT_REFCOUNT_VALUE(buffer), 2);
  second = {};
  EXPECT_EQ(GST_MINI_OBJECT_REFCOUNT_VALUE(buffer), 1);
}

TEST(LatestFrameEventCount, WakesEverySleeperAndNoneMissesABeat) {
  EventCount sut;
  std::atomic<std::uint32_t> value{0};
  constexpr std::uint32_t kBeats = 2'000;
  std::vector<std::thread> sleepers;
  for (int i = 0; i < 8; ++i)
    sleepers.emplace_back([&] {
      for (;;) {
        const std::uint32_t seen = sut.look();
        if (value == kBeats) return;
        sut.wait(seen);
      }
    });
  for (std::uint32_t i = 1; i <= kBeats; ++i) {
    value = i;
    sut.beat();
  }
  for (auto& sleeper : sleepers) sleeper.join();
}

TEST(LatestFrameWakeFlag, SleepsUntilItsDeadlineAndNoLonger) {
  Bell sut;
  const std::uint64_t deadline = shmring::now() + 50'000'000;
  int returns = 0;  // a wait may end for no reason, but not again and again
  for (; shmring::now() < deadline; ++returns) sut.wait([] { return false; }, deadline);
  EXPECT_LE(returns, 10);
}

}  // namespace
}  // namespace supplier::latestframe
