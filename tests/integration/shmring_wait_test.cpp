// SPDX-License-Identifier: LGPL-2.1-or-later
// A publisher of files that waits for its drop-newest readers: nothing is lost, and nothing but such a reader is waited for.
#include <atomic>
#include <future>
#include <memory>
#include <thread>

#include "reader/reader.hpp"
#include "shmring_fixture.hpp"

namespace {

using namespace shmring_test;

// Takes frames in a thread until the stream ends; notes whether each was whole and came right after the one before.
class Taker {
 public:
  explicit Taker(std::unique_ptr<shmring::Reader> reader) : reader_(std::move(reader)), thread_([this] { run(); }) {}
  ~Taker() {
    reader_->interrupt(true);
    thread_.join();
  }
  Taker(const Taker&) = delete;
  Taker& operator=(const Taker&) = delete;

  std::uint64_t taken() const { return taken_; }
  bool ended() const { return ended_; }
  bool got(std::uint64_t number) const {
    return eventually([&] { return taken() >= number; });
  }

 private:
  void run() {
    for (;;) {
      auto got = reader_->read(SHMRING_WAIT_FOREVER);
      if (!got) {
        ended_ = got.status() == SHMRING_END;
        return;
      }
      const auto& info = got->info();
      EXPECT_EQ(info.sequence, taken_ + 1);
      taken_ = info.sequence;
    }
  }

  const std::unique_ptr<shmring::Reader> reader_;
  std::atomic<std::uint64_t> taken_{0};
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

class ShmRingWait : public ShmRing {
 protected:
  // Longer than any test.
  static constexpr guint64 kForever = 3600 * GST_SECOND;

  std::unique_ptr<shmring::Reader> reader(const std::string& worker,
                                          shmring_policy policy = SHMRING_DROP_NEWEST) const {
    auto opened = shmring::Reader::open({.socket_path = path(), .worker = worker, .drop_policy = policy});
    EXPECT_TRUE(opened) << opened.error().text;
    // It attaches with its first look.
    EXPECT_TRUE(eventually([&] {
      (void)(*opened)->read(0);
      return (*opened)->connected();
    }));
    return *std::move(opened);
  }
  static Harness ready(Harness in) {
    gst_harness_play(in.get());
    in.caps(kCaps);
    return in;
  }
  // Pushes in a thread of its own.
  static std::future<GstFlowReturn> pushing(Harness& in, std::uint64_t number) {
    return std::async(std::launch::async, [&in, number] { return in.push(frame(number)); });
  }
  static bool waits(const std::future<GstFlowReturn>& pushed) {
    return pushed.wait_for(50ms) == std::future_status::timeout;
  }
  // The only reader has no room with frame 1; frame 2, which `pushed` pushes, is kept back for it.
  static void keep_back(Harness& in, std::future<GstFlowReturn>& pushed) {
    ASSERT_TRUE(in.has_readers(1));
    ASSERT_EQ(in.push(frame(1)), GST_FLOW_OK);
    pushed = pushing(in, 2);
    EXPECT_TRUE(waits(pushed));
  }
  static guint64 offered(const Harness& in) { return number(stats_of(in.element()).get(), "offered"); }
};

// The frames of this file take 10 s each: it is read far faster than it would be shown.
TEST_F(ShmRingWait, a_file_reaches_two_readers_complete_and_faster_than_real_time) {
  support::Pipeline in(
      "videotestsrc num-buffers=500 ! video/x-raw,format=GRAY8,width=64,height=48,framerate=1/10 ! shmringsink "
      "name=ring "
      "max-readers=2 depth=3 max-wait=" +
      std::to_string(kForever) + " socket-path=" + path());
  in.set_state(GST_STATE_READY);
  Taker a(reader("a")), b(reader("b"));
  const auto ring = in.find("ring");
  ASSERT_TRUE(eventually([&] {
    guint readers = 0;
    g_object_get(ring.get(), "num-clients", &readers, nullptr);
    return readers == 2;
  }));
  ASSERT_TRUE(in.play());
  EXPECT_EQ(in.finish(), "");
  EXPECT_TRUE(eventually([&] { return a.ended() && b.ended(); }));
  for (const char* worker : {"a", "b"}) {
    const auto account = lane_of(ring.get(), worker);
    expect_balance(account.get());
    EXPECT_EQ(number(account.get(), "delivered"), 500u) << worker;
    EXPECT_EQ(number(account.get(), "dropped"), 0u) << worker;
  }
}

TEST_F(ShmRingWait, few_slots_lose_nothing_either) {
  Harness in = ready(sink("slots=6 depth=16 max-wait=" + std::to_string(kForever)));
  Taker a(reader("a"));
  ASSERT_TRUE(in.has_readers(1));
  for (std::uint64_t i = 1; i <= 200; ++i) ASSERT_EQ(in.push(frame(i)), GST_FLOW_OK);
  EXPECT_TRUE(a.got(200));
  EXPECT_EQ(number(stats_of(in.element()).get(), "dropped-no-slot"), 0u);
}

// 300 frames that each wait as long would take a quarter of an hour.
TEST_F(ShmRingWait, a_reader_that_is_stopped_costs_max_wait_once_and_is_then_counted) {
  Harness in = ready(sink("max-readers=2 depth=4 max-wait=" + std::to_string(3 * GST_SECOND)));
  const auto stopped = reader("stopped");
  Taker good(reader("good"));
  ASSERT_TRUE(in.has_readers(2));
  const gint64 begin = g_get_monotonic_time();
  for (std::uint64_t i = 1; i <= 300; ++i) {
    ASSERT_EQ(in.push(frame(i)), GST_FLOW_OK);
    ASSERT_TRUE(good.got(i));
  }
  EXPECT_GE(g_get_monotonic_time() - begin, 3'000'000);
  const auto account = lane_of(in.element(), "stopped");
  expect_balance(account.get());
  EXPECT_EQ(number(account.get(), "pending"), 4u);
  EXPECT_EQ(number(account.get(), "dropped"), 296u);

  in.set("max-wait", kForever);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(stopped->read(0));
  for (std::uint64_t i = 301; i <= 304; ++i) ASSERT_EQ(in.push(frame(i)), GST_FLOW_OK);
  auto pushed = pushing(in, 305);
  EXPECT_TRUE(waits(pushed)) << "it takes frames again, so it is waited for again";
  EXPECT_TRUE(stopped->read(0));
  EXPECT_EQ(pushed.get(), GST_FLOW_OK);
  EXPECT_EQ(number(lane_of(in.element(), "stopped").get(), "dropped"), 296u);
}

TEST_F(ShmRingWait, readers_that_want_the_newest_frames_are_not_waited_for) {
  Harness in = ready(sink("max-readers=2 depth=2 max-wait=" + std::to_string(kForever)));
  const auto newest = reader("newest", SHMRING_LATEST), queue = reader("queue", SHMRING_DROP_OLDEST);
  ASSERT_TRUE(in.has_readers(2));
  for (std::uint64_t i = 1; i <= 50; ++i) ASSERT_EQ(in.push(frame(i)), GST_FLOW_OK);
  EXPECT_EQ(number(lane_of(in.element(), "newest").get(), "dropped"), 49u);
  EXPECT_EQ(number(lane_of(in.element(), "queue").get(), "dropped"), 48u);
}

TEST_F(ShmRingWait, without_max_wait_no_reader_is_waited_for) {
  Harness in = ready(sink("depth=2"));
  const auto stopped = reader("stopped");
  ASSERT_TRUE(in.has_readers(1));
  for (std::uint64_t i = 1; i <= 50; ++i) ASSERT_EQ(in.push(frame(i)), GST_FLOW_OK);
  EXPECT_EQ(number(lane_of(in.element(), "stopped").get(), "dropped"), 48u);
}

TEST_F(ShmRingWait, a_reader_that_leaves_is_not_waited_for) {
  Harness in = ready(sink("depth=1 max-wait=" + std::to_string(kForever)));
  auto stopped = reader("stopped");
  std::future<GstFlowReturn> pushed;
  ASSERT_NO_FATAL_FAILURE(keep_back(in, pushed));
  stopped.reset();
  EXPECT_EQ(pushed.get(), GST_FLOW_OK);
}

TEST_F(ShmRingWait, a_flush_ends_the_wait) {
  Harness in = ready(sink("depth=1 max-wait=" + std::to_string(kForever)));
  const auto stopped = reader("stopped");
  std::future<GstFlowReturn> pushed;
  ASSERT_NO_FATAL_FAILURE(keep_back(in, pushed));
  EXPECT_TRUE(in.push_event(gst_event_new_flush_start()));
  EXPECT_EQ(pushed.get(), GST_FLOW_FLUSHING);
  EXPECT_TRUE(in.push_event(gst_event_new_flush_stop(TRUE)));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  EXPECT_TRUE(in.push_event(gst_event_new_segment(&segment)));
  EXPECT_TRUE(stopped->read(0));
  EXPECT_EQ(in.push(frame(3)), GST_FLOW_OK);
  EXPECT_EQ(offered(in), 2u) << "the frame that was flushed was never offered";
}

TEST_F(ShmRingWait, a_pause_holds_the_frame_and_stopping_ends_the_wait) {
  Harness in = ready(sink("depth=1 max-wait=" + std::to_string(kForever)));
  const auto stopped = reader("stopped");
  std::future<GstFlowReturn> pushed;
  ASSERT_NO_FATAL_FAILURE(keep_back(in, pushed));
  ASSERT_NE(in.set_state(GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  EXPECT_TRUE(stopped->read(0));
  EXPECT_TRUE(waits(pushed));
  EXPECT_EQ(offered(in), 1u);
  ASSERT_NE(in.set_state(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  EXPECT_EQ(pushed.get(), GST_FLOW_OK);
  pushed = pushing(in, 3);
  EXPECT_TRUE(waits(pushed));
  ASSERT_NE(in.set_state(GST_STATE_NULL), GST_STATE_CHANGE_FAILURE);
  EXPECT_EQ(pushed.get(), GST_FLOW_FLUSHING);
}

}  // namespace
