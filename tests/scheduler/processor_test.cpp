// SPDX-License-Identifier: LGPL-2.1-or-later
// A spinning waiter leaves the publisher's processor. A kernel that takes a halted processor of a virtual machine for a busy one would leave
// both on one for ever. Where a thread runs is the scheduler's to decide, so these tests need an idle machine and are not in the default run.
#include "gst_fixture.hpp"
#include "latestframe/inbox.hpp"
#include "on_processor.hpp"
#include "os/clock.hpp"
#include "ring_fixture.hpp"

namespace {

constexpr int kSoon = 100;  // frames

using support::OnProcessor;

class SpinningReader : public shmring::RingFixture {};

TEST_F(SpinningReader, LeavesThePublishersProcessor) {
  if (OnProcessor::allowed() < 2) GTEST_SKIP() << "there is one processor";
  open_publisher();
  auto options = reader_options("worker");
  options.wake = SHMRING_WAKE_ADAPTIVE;
  const auto reader = attach(options);
  const auto take = [&] { return static_cast<bool>(reader->read(shmring::kPatience)); };
  EXPECT_LT(support::frames_until_apart([&] { publish(); }, take, [&] { reader->interrupt(true); }), kSoon);
}

class SpinningInbox : public support::GstFixture {};

TEST_F(SpinningInbox, LeavesThePublishersProcessor) {
  using namespace supplier::latestframe;
  if (OnProcessor::allowed() < 2) GTEST_SKIP() << "there is one processor";
  ItemPool pool;
  Inbox inbox;
  shmring::Pace pace;
  std::uint64_t sequence = 0;
  const auto publish = [&] {
    ItemRef item(pool.get());
    item->frame = supplier::Owned<GstMiniObject>(GST_MINI_OBJECT_CAST(gst_buffer_new()));
    item->sequence = ++sequence;
    item->at = shmring::now();
    inbox.put(std::move(item));
  };
  const auto take = [&] { return static_cast<bool>(inbox.take(&pace)); };
  EXPECT_LT(support::frames_until_apart(publish, take, [&] { inbox.close(); }), kSoon);
}

}  // namespace
