// SPDX-License-Identifier: LGPL-2.1-or-later
// Times that recorders can use, whatever the publisher gives: none twice, none from before the start, none that runs away from the clock.
#include <string>
#include <vector>

#include "os/clock.hpp"
#include "publisher/publisher.hpp"
#include "reader/reader.hpp"
#include "shmring_fixture.hpp"

namespace {

using namespace shmring_test;
using support::Pipeline;

constexpr std::uint64_t kSecond = 1'000'000'000;

class Times : public ShmRing {
 protected:
  void publish_with(const std::string& caps) {
    publisher_ = *shmring::Publisher::open({.socket_path = path(), .slot_size = 64, .max_readers = 2, .depth = 20});
    shmring_format format = SHMRING_FORMAT_INIT;
    format.caps = caps.c_str();
    ASSERT_TRUE(publisher_->set_format(format));
  }
  void publish(std::uint64_t pts, std::uint64_t dts = SHMRING_TIME_NONE, std::uint32_t flags = 0) {
    static const std::byte bytes[64] = {};
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.pts = pts;
    info.dts = dts;
    info.flags = flags;
    const std::span<const std::byte> part(bytes);
    ASSERT_TRUE(publisher_->write({&part, 1}, info));
  }
  [[nodiscard]] bool has_reader() const {
    return eventually([&] { return publisher_->readers() == 1; });
  }
  std::unique_ptr<shmring::Publisher> publisher_;
};

const std::string kPicture = "video/x-raw,format=GRAY8,width=8,height=8,framerate=";

TEST_F(Times, frames_from_before_the_start_are_dropped_and_counted_and_no_time_comes_twice) {
  publish_with(kPicture + "30/1");
  Harness out = source();
  ASSERT_TRUE(has_reader());
  const auto start = shmring::now();
  gst_element_set_base_time(out.element(), start);
  for (int late = 3; late > 0; --late) publish(start - late);
  for (int frame = 1; frame <= 3; ++frame) publish(start + frame);
  GstClockTime last = 0;
  for (std::uint64_t frame = 4; frame <= 6; ++frame) {
    const auto got = out.pull();
    ASSERT_TRUE(got);
    EXPECT_EQ(GST_BUFFER_OFFSET(got.get()), frame);
    EXPECT_GT(GST_BUFFER_PTS(got.get()), last);
    last = GST_BUFFER_PTS(got.get());
  }
  EXPECT_EQ(number(stats_of(out.element()).get(), "early"), 3u);
}

TEST_F(Times, a_stream_with_key_frames_begins_with_one_whose_times_are_both_in_the_pipeline) {
  publish_with("video/x-h264,stream-format=byte-stream,alignment=au");
  Harness out = source();
  ASSERT_TRUE(has_reader());
  const auto start = shmring::now();
  gst_element_set_base_time(out.element(), start);
  constexpr auto kDelta = static_cast<std::uint32_t>(SHMRING_FRAME_DELTA_UNIT);
  publish(start + 1, start - 1);          // a key frame, to be decoded before the start
  publish(start + 3, start + 1, kDelta);  // needs it
  publish(start + 5, start + 2);          // the next key frame
  publish(start + 4, start + 3, kDelta);  // shown before it
  for (const std::uint64_t frame : {3u, 4u}) {
    const auto got = out.pull();
    ASSERT_TRUE(got);
    EXPECT_EQ(GST_BUFFER_OFFSET(got.get()), frame);
    EXPECT_TRUE(GST_BUFFER_DTS_IS_VALID(got.get()));
  }
}

TEST_F(Times, frames_that_are_lost_though_later_ones_need_them_are_told_once) {
  publish_with("video/mpegts,systemstream=true,packetsize=188");
  Pipeline out("shmringsrc name=in drop-policy=latest socket-path=" + path() +
               " ! fakesink name=out signal-handoffs=true");
  struct Gate {
    std::mutex closed;
    std::atomic<int> frames{0};
  } gate;
  g_signal_connect(out.find("out").get(), "handoff", G_CALLBACK(+[](GstElement*, GstBuffer*, GstPad*, gpointer data) {
                     auto& at = *static_cast<Gate*>(data);
                     ++at.frames;
                     const std::scoped_lock wait(at.closed);
                   }),
                   &gate);
  out.set_state(GST_STATE_PLAYING);
  ASSERT_TRUE(has_reader());
  const auto lose = [&](std::uint32_t flags) {
    const int before = gate.frames;
    {
      const std::scoped_lock close(gate.closed);
      publish(shmring::now(), SHMRING_TIME_NONE, flags);
      EXPECT_TRUE(eventually([&] { return gate.frames == before + 1; }));
      for (int i = 0; i < 20; ++i) publish(shmring::now(), SHMRING_TIME_NONE, flags);
    }
    EXPECT_TRUE(eventually([&] { return gate.frames >= before + 2; }));
  };
  lose(0);
  EXPECT_FALSE(out.message(GST_MESSAGE_WARNING, 100ms)) << "frames that stand alone may be lost";
  lose(SHMRING_FRAME_DELTA_UNIT);
  const auto told = out.message(GST_MESSAGE_WARNING);
  ASSERT_TRUE(told);
  EXPECT_NE(Pipeline::error_text(told.get()).find("frames from " + path() + " are lost"), std::string::npos);
  lose(SHMRING_FRAME_DELTA_UNIT);
  EXPECT_FALSE(out.message(GST_MESSAGE_WARNING, 100ms)) << "told once";
}

TEST_F(Times, that_lie_before_the_start_for_ever_are_told_once) {
  publish_with(kPicture + "30/1");
  Pipeline out("shmringsrc name=in socket-path=" + path() + " ! fakesink");
  out.set_state(GST_STATE_PLAYING);
  ASSERT_TRUE(has_reader());
  const auto told = [&](std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    for (std::uint64_t frame = 1; std::chrono::steady_clock::now() < end; ++frame) {
      publish(frame);  // as a file's times
      if (const auto message = out.message(GST_MESSAGE_WARNING, 20ms)) return Pipeline::error_text(message.get());
    }
    return std::string();
  };
  EXPECT_NE(told(30s).find("time.monotonic_ns()"), std::string::npos);
  EXPECT_EQ(told(300ms), "");
}

TEST_F(Times, of_two_frames_tell_the_rate_that_the_publisher_does_not_give) {
  publish_with(kPicture + "0/1");
  Harness out = source();
  ASSERT_TRUE(has_reader());
  const auto start = shmring::now();
  for (std::uint64_t frame = 1; frame <= 3; ++frame) publish(start + frame * kSecond / 10);
  for (std::uint64_t frame = 1; frame <= 3; ++frame) EXPECT_EQ(GST_BUFFER_OFFSET(out.pull().get()), frame);
  EXPECT_NE(out.caps_now().find("framerate=(fraction)10/1"), std::string::npos) << out.caps_now();
}

TEST_F(Times, with_a_rate_are_those_of_fewer_frames_and_caps_say_so) {
  publish_with(kPicture + "1000/1");
  Harness out = source(" drop-policy=latest max-rate=12.5");
  ASSERT_TRUE(has_reader());
  const auto start = shmring::now();
  Owned<GstBuffer> last;
  for (int frames = 0; frames < 4;) {
    publish(shmring::now());
    if (auto got = out.pull(1ms)) {
      last = std::move(got);
      ++frames;
    }
  }
  EXPECT_GE(shmring::now() - start, 3 * kSecond / 12.5);
  EXPECT_GT(GST_BUFFER_OFFSET(last.get()), 4u);
  EXPECT_NE(out.caps_now().find("framerate=(fraction)25/2"), std::string::npos) << out.caps_now();
  publisher_.reset();
  publish_with(kPicture + "5/1");
  ASSERT_TRUE(eventually([&] {
    publish(shmring::now());
    (void)out.pull(1ms);
    return out.caps_now().find("framerate=(fraction)5/1") != std::string::npos;
  })) << out.caps_now();
}

TEST_F(Times, pass_as_gaps_while_there_is_no_publisher) {
  publish_with(kPicture + "30/1");
  Harness out = source();
  ASSERT_TRUE(has_reader());
  const auto start = shmring::now();
  publish(start);
  const auto frame = out.pull();
  ASSERT_TRUE(frame);
  publisher_.reset();
  GstClockTime end = GST_BUFFER_PTS(frame.get());
  for (int gap = 0; gap < 3; ++gap) {
    const auto event = out.event(GST_EVENT_GAP);
    ASSERT_TRUE(event);
    GstClockTime from = 0;
    GstClockTime duration = 0;
    gst_event_parse_gap(event.get(), &from, &duration);
    EXPECT_EQ(from, end);
    end += duration;
  }
  publish_with(kPicture + "30/1");
  ASSERT_TRUE(has_reader());
  publish(shmring::now());
  EXPECT_TRUE(out.pull());
}

TEST_F(Times, of_an_application_that_run_away_from_the_clock_are_told_once_and_replaced) {
  auto reader = *shmring::Reader::open({.socket_path = path(), .worker = "worker"});
  Pipeline in("appsrc name=in format=time caps=\"" + kCaps + "\" ! shmringsink socket-path=" + path());
  in.set_state(GST_STATE_PLAYING);
  const auto from = in.find("in");
  for (std::uint64_t number = 1; number <= 5; ++number) {
    auto buffer = frame(number);
    GST_BUFFER_PTS(buffer.get()) = number * 10 * GST_SECOND;  // so many a second come, and more
    GstFlowReturn flow = GST_FLOW_OK;
    g_signal_emit_by_name(from.get(), "push-buffer", buffer.get(), &flow);
    ASSERT_EQ(flow, GST_FLOW_OK);
    auto got = reader->read(30 * kSecond);
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_LE(got->info().pts, shmring::now());
  }
  EXPECT_NE(in.message(GST_MESSAGE_WARNING, 5s), nullptr);
  EXPECT_EQ(in.message(GST_MESSAGE_WARNING, 0ms), nullptr) << "once";
}

}  // namespace
