// SPDX-License-Identifier: LGPL-2.1-or-later
// Requests for key frames: from downstream of shmringsrc, or of its own, to what is upstream of shmringsink.
#include <array>
#include <atomic>
#include <sstream>

#include <gst/video/video.h>

#include "child_process.hpp"
#include "os/clock.hpp"
#include "publisher/key_requests.hpp"
#include "publisher/publisher.hpp"
#include "reader/reader.hpp"
#include "shmring_fixture.hpp"

namespace shmring_test {
namespace {

constexpr std::uint64_t kInterval = shmring::KeyRequests::kInterval;
constexpr const char* kEncoded = "video/x-vp8,width=64,height=48,framerate=30/1";

// Requests that pass a pad upwards.
class Requests {
 public:
  explicit Requests(Owned<GstPad> pad) : pad_(std::move(pad)) {
    probe_ = gst_pad_add_probe(
        pad_.get(), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
        [](GstPad*, GstPadProbeInfo* info, gpointer self) {
          GstClockTime running_time = 0;
          gboolean all_headers = FALSE;
          GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
          if (!gst_video_event_is_force_key_unit(event)) return GST_PAD_PROBE_OK;
          EXPECT_TRUE(gst_video_event_parse_upstream_force_key_unit(event, &running_time, &all_headers, nullptr));
          EXPECT_FALSE(GST_CLOCK_TIME_IS_VALID(running_time)) << "now";
          EXPECT_TRUE(all_headers) << "a reader may have come since they were last sent";
          ++static_cast<Requests*>(self)->count;
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
  }
  ~Requests() { gst_pad_remove_probe(pad_.get(), probe_); }

  std::atomic<int> count{0};

 private:
  Owned<GstPad> pad_;
  gulong probe_;
};

// Counts the frames that pass a pad.
class Frames {
 public:
  explicit Frames(Owned<GstPad> pad) : pad_(std::move(pad)) {
    probe_ = gst_pad_add_probe(
        pad_.get(), GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad*, GstPadProbeInfo* info, gpointer self) {
          auto& frames = *static_cast<Frames*>(self);
          GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
          if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_HEADER)) return GST_PAD_PROBE_OK;
          ++frames.all;
          frames.keys += !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
          if (frames.slow) g_usleep(100'000);
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
  }
  ~Frames() { gst_pad_remove_probe(pad_.get(), probe_); }

  std::atomic<int> all{0}, keys{0};
  std::atomic<bool> slow{false};

 private:
  Owned<GstPad> pad_;
  gulong probe_;
};

Owned<GstPad> pad_of(const Owned<GstElement>& element, const char* name) {
  return adopt(gst_element_get_static_pad(element.get(), name));
}

bool has(const std::string& line) {
  return adopt(GST_ELEMENT(gst_element_factory_make(line.substr(0, line.find(' ')).c_str(), nullptr))) != nullptr;
}

GstEvent* request(GstClockTime running_time = GST_CLOCK_TIME_NONE) {
  return gst_video_event_new_upstream_force_key_unit(running_time, FALSE, 0);
}

class ShmRingKeys : public support::GstFixture {
 protected:
  // A publisher of encoded frames, by the library.
  std::unique_ptr<shmring::Publisher> publisher() const {
    shmring::PublisherOptions options;
    options.socket_path = path;
    options.slot_size = 100;
    options.max_readers = 2;
    auto opened = *shmring::Publisher::open(options);
    shmring_format format = SHMRING_FORMAT_INIT;
    format.caps = kEncoded;
    EXPECT_TRUE(opened->set_format(format));
    return opened;
  }
  static void publish(shmring::Publisher& to, bool delta) {
    const std::array<std::byte, 100> bytes{};
    const std::span<const std::byte> part = bytes;
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.pts = shmring::now();
    info.flags = delta ? SHMRING_FRAME_DELTA_UNIT : 0;
    EXPECT_TRUE(to.write({&part, 1}, info));
  }
  std::unique_ptr<shmring::Reader> reader() const {
    return *shmring::Reader::open({.socket_path = path, .worker = "asking"});
  }

  const support::TempDir dir;
  const std::string path = dir.file("ring");
  const std::string source = "shmringsrc worker=tested socket-path=" + path;
  const std::string sink = "shmringsink max-readers=3 socket-path=" + path;
};

TEST_F(ShmRingKeys, TheSinkPassesARequestUpstreamWithItsNextFrame) {
  Harness to(sink);
  Requests requests(adopt(gst_element_get_static_pad(to.element(), "sink")));
  to.caps(kEncoded);
  const auto from = reader();
  to.push(frame(1));
  ASSERT_TRUE(from->read(20'000'000'000));
  const std::uint64_t begin = shmring::now();
  std::uint64_t number = 1;
  while (requests.count < 3) {
    EXPECT_TRUE(from->request_key_frame());
    ASSERT_EQ(to.push(frame(++number)), GST_FLOW_OK);
    (void)from->read(0);
  }
  EXPECT_GE(shmring::now() - begin, 2 * kInterval);
  EXPECT_EQ(shmring_test::number(stats_of(to.element()).get(), "key-requests"), 3u);
}

TEST_F(ShmRingKeys, TheSourcePassesARequestOfDownstreamOn) {
  Harness from(source);
  from.set_state(GST_STATE_PLAYING);
  EXPECT_FALSE(gst_harness_push_upstream_event(from.get(), request())) << "there is no publisher yet";
  const auto to = publisher();
  ASSERT_TRUE(eventually([&] {
    publish(*to, false);
    return from.pull(10ms) != nullptr;
  }));
  EXPECT_FALSE(to->key_frame_requested());
  EXPECT_TRUE(gst_harness_push_upstream_event(from.get(), request()));
  EXPECT_TRUE(eventually([&] { return to->key_frame_requested(); }));
  EXPECT_EQ(number(stats_of(from.element()).get(), "key-requests"), 1u);
}

// As of a recorder, for its next file.
TEST_F(ShmRingKeys, ARequestForACertainTimeIsPassedOnWhenItsTimeComes) {
  const auto to = publisher();
  Harness from(source);
  from.set_state(GST_STATE_PLAYING);
  Owned<GstBuffer> last;
  std::uint64_t newest = 0;  // of the frames that were published; the harness's time is that of the ring
  const auto play = [&] {
    publish(*to, false);
    newest = shmring::now();
    if (auto buffer = from.pull(10ms)) last = std::move(buffer);
    return last != nullptr;
  };
  ASSERT_TRUE(eventually(play));
  const GstClockTime wanted = GST_BUFFER_PTS(last.get()) + GST_SECOND;
  EXPECT_TRUE(gst_harness_push_upstream_event(from.get(), request(wanted)));
  EXPECT_TRUE(gst_harness_push_upstream_event(from.get(), request(wanted)));
  EXPECT_TRUE(gst_harness_push_upstream_event(from.get(), request(wanted + 3600 * GST_SECOND)));
  while (!HasFailure() && !to->key_frame_requested()) ASSERT_TRUE(eventually(play));
  EXPECT_GE(newest, wanted) << "no frame of that time was there yet";
  EXPECT_EQ(number(stats_of(from.element()).get(), "key-requests"), 1u);
}

TEST_F(ShmRingKeys, TheSourceAsksWhereItJoinsBetweenKeyFramesAndAfterALoss) {
  const auto to = publisher();
  publish(*to, false);
  publish(*to, true);  // the newest, which it may begin with
  Harness from(source + " drop-policy=latest");
  from.set_state(GST_STATE_PLAYING);
  const auto told = [&](bool delta) {
    return eventually([&] {
      publish(*to, delta);
      (void)from.pull(10ms);
      return to->key_frame_requested();
    });
  };
  EXPECT_TRUE(told(true)) << "it joined in the middle";
  EXPECT_TRUE(told(true)) << "none came: it asks again";
  publish(*to, false);
  ASSERT_TRUE(eventually([&] {
    const auto buffer = from.pull(10ms);
    return buffer && !GST_BUFFER_FLAG_IS_SET(buffer.get(), GST_BUFFER_FLAG_DELTA_UNIT);
  }));
  (void)to->key_frame_requested();
  const auto asked = number(stats_of(from.element()).get(), "key-requests");
  for (const std::uint64_t end = shmring::now() + 2 * kInterval; shmring::now() < end;) {
    publish(*to, true);
    ASSERT_NE(from.pull(), nullptr);  // in step: nothing is lost
  }
  EXPECT_EQ(number(stats_of(from.element()).get(), "key-requests"), asked) << "it has all since the key frame";
  // Nothing is read meanwhile, so only the last one is left.
  from.set_state(GST_STATE_PAUSED);
  for (int i = 0; i < 3; ++i) publish(*to, true);
  from.set_state(GST_STATE_PLAYING);
  EXPECT_TRUE(told(true)) << "frames are missing";
}

TEST_F(ShmRingKeys, RawVideoNeedsNone) {
  const auto to = publisher();
  Harness from(source + " drop-policy=latest");
  from.set_state(GST_STATE_PLAYING);
  ASSERT_TRUE(eventually([&] {
    for (int i = 0; i < 3; ++i) publish(*to, false);
    return from.pull(10ms) != nullptr && number(stats_of(from.element()).get(), "missed") > 5;
  }));
  EXPECT_EQ(number(stats_of(from.element()).get(), "key-requests"), 0u);
}

class ShmRingEncoded : public ShmRingKeys, public testing::WithParamInterface<const char*> {
 protected:
  static std::string camera(const std::string& encoder) {
    return "videotestsrc is-live=true ! video/x-raw,width=64,height=64,framerate=60/1 ! " + encoder + " ! ";
  }
};

// An encoder in another process that would make no second key frame by itself.
TEST_P(ShmRingEncoded, AnEncoderInAnotherProcessMakesAKeyFrame) {
  if (!has(GetParam())) GTEST_SKIP() << "no " << GetParam();
  std::vector<std::string> line = {"gst-launch-1.0"};
  std::istringstream words(camera(GetParam()) + sink);
  for (std::string word; words >> word;) line.push_back(word);
  auto other = support::ChildProcess::spawn(line);
  {
    support::Pipeline first(source + " ! fakesink async=false sync=false name=to");
    Frames frames(pad_of(first.find("to"), "sink"));
    ASSERT_TRUE(first.play());
    ASSERT_TRUE(eventually([&] { return frames.all > 5; })) << other.output();
  }
  support::Pipeline second("shmringsrc name=from ! fakesink async=false sync=false name=to");
  g_object_set(second.find("from").get(), "socket-path", path.c_str(), "worker", "late", nullptr);
  Frames frames(pad_of(second.find("to"), "sink"));
  ASSERT_TRUE(second.play());
  EXPECT_TRUE(eventually([&] { return frames.keys >= 1; })) << other.output();
  const int before = frames.keys;
  EXPECT_TRUE(eventually([&] {
    EXPECT_TRUE(gst_pad_send_event(pad_of(second.find("from"), "src").get(), request()));
    g_usleep(10'000);
    return frames.keys >= before + 3;
  }));
}

// The requests of a slow branch and those of a ring's readers meet at latestframe: upstream has both together at most twice a second, and another
// branch has few more key frames than alone.
TEST_P(ShmRingEncoded, RequestsOfBranchesAndReadersTogetherAreAtMostTwoASecond) {
  if (!has(GetParam())) GTEST_SKIP() << "no " << GetParam();
  const std::string branches = "latestframe name=l  l. ! identity name=quick ! fakesink async=false sync=false ";
  int frames = 0, keys = 0, asked = 0;
  {
    support::Pipeline pipeline(camera(GetParam()) + branches +
                               " l. ! identity name=slow ! fakesink async=false sync=false  l. ! " + sink);
    Requests requests(pad_of(pipeline.find("l"), "sink"));
    Frames quick(pad_of(pipeline.find("quick"), "src")), slow(pad_of(pipeline.find("slow"), "src"));
    slow.slow = true;
    const std::uint64_t begin = shmring::now();
    ASSERT_TRUE(pipeline.play());
    const auto from = reader();
    ASSERT_TRUE(eventually([&] {
      if (const auto frame = from->read(50'000'000)) {
        EXPECT_TRUE(from->request_key_frame());
      }
      return requests.count >= 5;
    }));
    keys = quick.keys;
    frames = quick.all;
    asked = requests.count;
    EXPECT_GE(shmring::now() - begin, (asked - 1) * kInterval);
    pipeline.set_state(GST_STATE_NULL);
  }
  support::Pipeline alone(camera(GetParam()) + branches);
  Frames quick(pad_of(alone.find("quick"), "src"));
  ASSERT_TRUE(alone.play());
  ASSERT_TRUE(eventually([&] { return quick.all >= frames; }));
  EXPECT_LE(keys, quick.keys + asked);
}

INSTANTIATE_TEST_SUITE_P(By, ShmRingEncoded,
                         testing::Values("openh264enc gop-size=100000", "x264enc tune=zerolatency key-int-max=100000",
                                         "vp8enc deadline=1 keyframe-max-dist=100000"),
                         [](const auto& with) {
                           const std::string line = with.param;
                           return line.substr(0, line.find(' '));
                         });

}  // namespace
}  // namespace shmring_test
