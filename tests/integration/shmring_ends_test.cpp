// SPDX-License-Identifier: LGPL-2.1-or-later
// Which EOS of a pipeline is the end of the stream for its readers, and which is only that of a pipeline that stops or failed.
#include <algorithm>
#include <string>

#include "reader/reader.hpp"
#include "shmring_fixture.hpp"

namespace {

using namespace shmring_test;
using support::Pipeline;

constexpr std::uint64_t kPatience = 30'000'000'000;

struct Ending {
  const char* name;
  const char* source;      // with its EOS, or its error
  const char* properties;  // of the sink
  bool error;
  bool ends_readers;
};

class Endings : public ShmRing, public testing::WithParamInterface<Ending> {};

TEST_P(Endings, are_told_to_readers_or_not) {
  const Ending& ending = GetParam();
  auto reader = *shmring::Reader::open(
      {.socket_path = path(), .worker = "worker", .drop_policy = SHMRING_LATEST, .reconnect = false});
  Pipeline publisher(std::string(ending.source) + " ! shmringsink name=ring socket-path=" + path() + " " +
                     ending.properties);
  ASSERT_TRUE(publisher.play());
  EXPECT_EQ(publisher.finish() != "", ending.error);
  // The sink gets its EOS behind the error: what is told must have been told before the publisher leaves.
  auto sink = publisher.find("ring");
  const auto pad = adopt(gst_element_get_static_pad(sink.get(), "sink"));
  ASSERT_TRUE(eventually([&] { return GST_PAD_IS_EOS(pad.get()); }));
  auto last = reader->read(10'000'000);
  EXPECT_TRUE(eventually([&] {
    if (last.status() != SHMRING_END && !reader->connected()) last = reader->read(10'000'000);
    return last.status() == SHMRING_END || reader->connected();
  })) << "attached";
  publisher.set_state(GST_STATE_NULL);
  while (last || last.status() == SHMRING_TIMEOUT) last = reader->read(kPatience);
  EXPECT_EQ(last.status(), ending.ends_readers ? SHMRING_END : SHMRING_DISCONNECTED) << last.error().text;
}

constexpr const char* kFile = "videotestsrc num-buffers=5 ! video/x-raw,width=64,height=48";
constexpr const char* kPacedFile =
    "videotestsrc num-buffers=5 ! video/x-raw,width=64,height=48 ! identity sync=true ! queue";
constexpr const char* kPacedFileInABin =
    "( videotestsrc num-buffers=5 ! video/x-raw,width=64,height=48 ! clocksync ) ! queue";
constexpr const char* kCamera = "videotestsrc is-live=true num-buffers=5 ! video/x-raw,width=64,height=48 ! queue";
constexpr const char* kBrokenFile = "videotestsrc ! video/x-raw,width=64,height=48 ! identity error-after=5";
constexpr const char* kBrokenCamera =
    "videotestsrc is-live=true ! video/x-raw,width=64,height=48 ! identity error-after=5";

INSTANTIATE_TEST_SUITE_P(
    , Endings,
    testing::Values(Ending{"of_a_file", kFile, "", false, true}, Ending{"of_a_paced_file", kPacedFile, "", false, true},
                    Ending{"of_a_paced_file_in_a_bin", kPacedFileInABin, "", false, true},
                    Ending{"of_a_file_without_readers", kFile, "forward-eos=never", false, false},
                    Ending{"of_a_camera", kCamera, "", false, false},
                    Ending{"of_a_camera_that_shall_end", kCamera, "forward-eos=always", false, true},
                    Ending{"of_a_file_that_failed", kBrokenFile, "", true, false},
                    Ending{"of_a_camera_that_failed", kBrokenCamera, "", true, false},
                    Ending{"of_a_camera_that_failed_and_shall_end", kBrokenCamera, "forward-eos=always", true, false}),
    [](const auto& which) { return std::string(which.param.name); });

TEST_F(ShmRing, an_error_of_the_run_before_does_not_keep_the_next_end_from_readers) {
  Pipeline publisher(
      "videotestsrc name=camera ! video/x-raw,width=64,height=48 ! identity name=fault error-after=3 ! shmringsink "
      "socket-path=" +
      path());
  ASSERT_TRUE(publisher.play());
  EXPECT_NE(publisher.finish(), "");
  publisher.set_state(GST_STATE_NULL);
  g_object_set(publisher.find("fault").get(), "error-after", -1, nullptr);
  g_object_set(publisher.find("camera").get(), "num-buffers", 3, nullptr);
  Harness out = source("on-disconnect=wait");
  ASSERT_TRUE(publisher.play());
  EXPECT_EQ(publisher.finish(), "");
  EXPECT_TRUE(out.end_of_stream());
}

TEST_F(ShmRing, readers_wait_while_a_live_pipeline_is_stopped_by_eos_and_started_again) {
  Harness out = source("on-disconnect=wait");
  for (int round = 0; round < 3; ++round) {
    Pipeline publisher("videotestsrc is-live=true ! " + kCaps + " ! shmringsink socket-path=" + path());
    ASSERT_TRUE(publisher.play());
    ASSERT_TRUE(out.pull());
    gst_element_send_event(publisher.get(), gst_event_new_eos());
    EXPECT_EQ(publisher.finish(), "");
    publisher.set_state(GST_STATE_NULL);
    while (out.pull(200ms)) continue;
  }
  EXPECT_EQ(number(stats_of(out.element()).get(), "attachments"), 3u);
}

}  // namespace
