// SPDX-License-Identifier: LGPL-2.1-or-later
// on-disconnect=repeat: what a reader gives while its publisher is away, so that recorders of several streams go on.
#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "os/clock.hpp"
#include "publisher/publisher.hpp"
#include "shmring_fixture.hpp"

namespace {

using namespace shmring_test;
using support::Pipeline;

const std::string kSound = "audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved";

bool is_gap(GstBuffer* buffer) { return GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP); }

class Outage : public ShmRing {
 protected:
  void publish_with(const std::string& caps, std::uint32_t max_held = 0) {
    shmring::PublisherOptions options{.socket_path = path(), .slot_size = kFrameSize, .max_readers = 2, .depth = 20};
    if (max_held) options.max_held = max_held;
    publisher_ = *shmring::Publisher::open(options);
    shmring_format format = SHMRING_FORMAT_INIT;
    format.caps = caps.c_str();
    ASSERT_TRUE(publisher_->set_format(format));
  }
  [[nodiscard]] bool has_reader() const {
    return eventually([&] { return publisher_->readers() == 1; });
  }
  void publish(std::uint64_t number, std::uint64_t pts = shmring::now()) {
    const auto bytes = bytes_of(frame(number).get());
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.pts = pts;
    const std::span<const std::byte> part(bytes);
    ASSERT_TRUE(publisher_->write({&part, 1}, info));
  }
  void die() { publisher_.reset(); }
  // Publishes a frame again and again until one is through. One may be of a time that is filled already.
  [[nodiscard]] Owned<GstBuffer> passes(Harness& out, std::uint64_t number) {
    Owned<GstBuffer> got;
    eventually([&] {
      publish(number);
      while ((got = out.pull(20ms)) && is_gap(got.get())) check_time(got.get());
      return got != nullptr;
    });
    if (got) check_time(got.get());
    return got;
  }
  // Frames may come before it that were published while an earlier one passed.
  [[nodiscard]] static Owned<GstBuffer> next_repeated(Harness& out) {
    Owned<GstBuffer> got = out.pull();
    while (got && !is_gap(got.get())) got = out.pull();
    return got;
  }
  void check_time(GstBuffer* buffer) {
    EXPECT_GT(GST_BUFFER_PTS(buffer) + 1, time_);
    time_ = GST_BUFFER_PTS(buffer) + 1;
  }
  static guint64 figure(const Harness& out, const char* name) { return number(stats_of(out.element()).get(), name); }

  std::unique_ptr<shmring::Publisher> publisher_;
  GstClockTime time_ = 0;  // after that of the last buffer
};

TEST_F(Outage, repeats_the_last_picture_at_its_rate_and_marks_it) {
  publish_with(kCaps);
  Harness out = source("on-disconnect=repeat");
  ASSERT_TRUE(has_reader());
  publish(7);
  auto last = out.pull();
  ASSERT_TRUE(last);
  EXPECT_FALSE(is_gap(last.get()));
  die();
  GstClockTime before = GST_BUFFER_PTS(last.get());
  last = nullptr;
  for (int picture = 0; picture < 5; ++picture) {
    const auto got = out.pull();
    ASSERT_TRUE(got);
    EXPECT_TRUE(is_gap(got.get()));
    EXPECT_EQ(number_of(got.get()), 7u);
    EXPECT_FALSE(GST_BUFFER_OFFSET_IS_VALID(got.get())) << "it is no frame of the ring";
    EXPECT_GT(GST_BUFFER_PTS(got.get()), before);
    EXPECT_EQ(GST_BUFFER_DURATION(got.get()), GST_SECOND / 30);
    before = GST_BUFFER_PTS(got.get());
  }
  EXPECT_GE(figure(out, "repeated"), 5u);
  EXPECT_EQ(figure(out, "taken"), 1u);
  EXPECT_EQ(figure(out, "copied"), 0u);
  EXPECT_EQ(figure(out, "held"), 0u) << "the slot is free";
}

TEST_F(Outage, ends_with_the_next_publishers_frame_and_no_time_comes_twice) {
  publish_with(kCaps);
  Harness out = source("on-disconnect=repeat");
  for (std::uint64_t round = 1; round <= 3; ++round) {
    ASSERT_TRUE(has_reader());
    const auto first = passes(out, round);
    ASSERT_TRUE(first);
    EXPECT_EQ(number_of(first.get()), round);
    die();
    const auto repeated = next_repeated(out);
    ASSERT_TRUE(repeated);
    EXPECT_EQ(number_of(repeated.get()), round);
    check_time(repeated.get());
    publish_with(kCaps);
    ASSERT_TRUE(has_reader());
    publish(99, gst_element_get_base_time(out.element()) + GST_BUFFER_PTS(repeated.get()));  // has its picture already
  }
  ASSERT_TRUE(passes(out, 4)) << "99 would have come before it";
  EXPECT_GE(figure(out, "early"), 3u);
}

TEST_F(Outage, continues_sound_as_silence) {
  publish_with(kSound);
  Harness out = source("on-disconnect=repeat");
  ASSERT_TRUE(has_reader());
  publish(1);
  const auto last = out.pull();
  ASSERT_TRUE(last);
  die();
  const GstClockTime each = gst_util_uint64_scale(kFrameSize / 4, GST_SECOND, 48000);
  for (int buffer = 0; buffer < 5; ++buffer) {
    const auto got = out.pull();
    ASSERT_TRUE(got);
    EXPECT_TRUE(is_gap(got.get()));
    EXPECT_EQ(GST_BUFFER_DURATION(got.get()), each);
    const auto bytes = bytes_of(got.get());
    EXPECT_EQ(bytes.size(), kFrameSize);
    EXPECT_TRUE(std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; }));
  }
}

TEST_F(Outage, of_an_encoded_stream_is_told_as_a_gap) {
  publish_with("image/jpeg");
  Harness out = source("on-disconnect=repeat");
  ASSERT_TRUE(has_reader());
  publish(1);
  ASSERT_TRUE(out.pull());
  die();
  EXPECT_TRUE(out.event(GST_EVENT_GAP));
  EXPECT_EQ(figure(out, "repeated"), 0u);
}

TEST_F(Outage, repeats_nothing_unless_asked) {
  publish_with(kCaps);
  Harness out = source();
  ASSERT_TRUE(has_reader());
  publish(1);
  ASSERT_TRUE(out.pull());
  die();
  for (int gap = 0; gap < 2; ++gap) EXPECT_TRUE(out.event(GST_EVENT_GAP));
  publish_with(kCaps);
  ASSERT_TRUE(has_reader());
  publish(2);
  EXPECT_EQ(number_of(out.pull().get()), 2u) << "the next buffer is the next frame";
}

TEST_F(Outage, of_a_ring_of_which_one_frame_may_be_held_is_filled_too) {
  publish_with(kCaps, 1);
  Harness out = source("on-disconnect=repeat max-held=1");
  for (std::uint64_t round = 1; round <= 3; ++round) {
    ASSERT_TRUE(has_reader());
    for (int frames = 0; frames < 3; ++frames) {
      const auto got = passes(out, round);
      ASSERT_TRUE(got);
      EXPECT_EQ(number_of(got.get()), round);
    }
    die();
    const auto repeated = next_repeated(out);
    ASSERT_TRUE(repeated);
    publish_with(kCaps, 1);
  }
}

// As a camera and a microphone with a recorder: without pictures the muxer would wait, and the sound of the outage would be lost.
TEST_F(Outage, lets_a_recorder_of_two_streams_go_on_behind_an_encoder) {
  std::atomic<GstClockTime> written{0};
  publish_with(kCaps);
  Pipeline out("shmringsrc on-disconnect=repeat socket-path=" + path() +
               " ! queue ! videoconvert ! jpegenc ! mux. audiotestsrc is-live=true ! queue ! "
               "audioconvert ! mux. matroskamux name=mux streamable=true ! fakesink name=end sync=false async=false "
               "signal-handoffs=true");
  out.set_state(GST_STATE_PLAYING);
  ASSERT_TRUE(has_reader());
  const auto end = out.find("end");
  const auto note = +[](GstElement*, GstBuffer* buffer, GstPad*, gpointer to) {
    if (GST_BUFFER_PTS_IS_VALID(buffer)) *static_cast<std::atomic<GstClockTime>*>(to) = GST_BUFFER_PTS(buffer);
  };
  g_signal_connect(end.get(), "handoff", G_CALLBACK(note), &written);
  std::uint64_t sent = 0;
  ASSERT_TRUE(eventually([&] {
    publish(++sent);
    return written > 0;
  }));
  die();
  const GstClockTime then = written;
  // More than all queues hold.
  EXPECT_TRUE(eventually([&] { return written > then + 4 * GST_SECOND; }, 50s));
  out.set_state(GST_STATE_NULL);
}

}  // namespace
