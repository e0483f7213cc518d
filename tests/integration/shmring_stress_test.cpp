// SPDX-License-Identifier: LGPL-2.1-or-later
// shmringsink and shmringsrc while everything about them changes at once, from several threads.
#include <atomic>
#include <thread>

#include "shmring_fixture.hpp"

namespace {

using namespace shmring_test;

// Does something again and again until the end of its scope.
class Meanwhile {
 public:
  template <class Work>
  explicit Meanwhile(Work work)
      : thread_([this, work] {
          while (!stop_) {
            work();
            std::this_thread::sleep_for(1ms);
          }
        }) {}
  ~Meanwhile() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

TEST_F(ShmRing, figures_are_read_while_frames_flow_readers_come_and_go_and_rings_are_replaced) {
  Harness in("shmringsink max-readers=4 socket-path=" + path());
  in.caps(kCaps);
  in.push(frame(1));
  {
    const Meanwhile looks([&] {
      stats_of(in.element());
      in.readers();
      in.set("stall-timeout", 1'000'000'000);
    });
    const Meanwhile comes_and_goes([&] {
      Harness out = source("worker=guest");
      out.pull(20ms);
      stats_of(out.element());
    });
    Harness stays = source("worker=resident drop-policy=latest");
    std::uint64_t last = 0;
    for (std::uint64_t i = 2; i < 400; ++i) {
      if (i % 50 == 0) in.caps("video/x-raw,format=GRAY8,width=64,framerate=30/1,height=" + std::to_string(48 + i));
      ASSERT_EQ(in.push(frame(i)), GST_FLOW_OK);
      if (const auto got = stays.pull(2ms)) {
        const std::uint64_t taken = number_of(got.get());
        EXPECT_GT(taken, last) << "whole, in order, once";
        last = taken;
      }
    }
  }
  for (const char* worker : {"guest", "resident"}) {
    const auto lane = lane_of(in.element(), worker);
    if (lane) expect_balance(lane.get());
  }
  EXPECT_EQ(in.error(0ms), "");
}

TEST_F(ShmRing, a_reader_changes_state_and_is_flushed_while_frames_flow) {
  Harness in = sink("drop-policy=latest");
  in.caps(kCaps);
  std::atomic<std::uint64_t> sent{0};
  const Meanwhile flow([&] { in.push(frame(++sent)); });
  Harness out = source();
  for (int round = 0; round < 30; ++round) {
    gst_element_send_event(out.element(), gst_event_new_flush_start());
    gst_element_send_event(out.element(), gst_event_new_flush_stop(TRUE));
    EXPECT_NE(out.set_state(GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    EXPECT_NE(out.set_state(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
    const auto got = out.pull();
    ASSERT_TRUE(got);
    EXPECT_NE(number_of(got.get()), 0u);
    if (round % 10 == 9) {
      out.set_state(GST_STATE_NULL);
      gst_harness_play(out.get());
    }
  }
  EXPECT_EQ(out.error(0ms), "");
}

}  // namespace
