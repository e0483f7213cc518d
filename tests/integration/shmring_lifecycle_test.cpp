// SPDX-License-Identifier: LGPL-2.1-or-later
// shmringsink and shmringsrc come, go, stop, die and come back, in real processes; none waits for another.
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <sstream>
#include <string_view>
#include <thread>

#include <gst/base/gstbasesrc.h>

#include "child_process.hpp"
#include "shmring_fixture.hpp"

namespace {

using namespace shmring_test;
using support::ChildProcess;

class ShmRingProcesses : public ShmRing {
 protected:
  ChildProcess launch(const std::string& line) const {
    std::vector<std::string> argv = {"gst-launch-1.0", "-v"};
    std::istringstream words(line);
    for (std::string word; words >> word;) argv.push_back(word);
    return ChildProcess::spawn(std::move(argv));
  }
  ChildProcess reader(const std::string& properties) const {
    return launch("shmringsrc socket-path=" + path() + " " + properties + " ! fakesink silent=false sync=false");
  }
  ChildProcess publisher(const std::string& properties = "") const {
    return launch(
        "videotestsrc is-live=true ! video/x-raw,format=GRAY8,width=64,height=48,framerate=100/1 ! shmringsink "
        "socket-path=" +
        path() + " " + properties);
  }
  // The sequence numbers of the frames that a reader printed.
  static std::vector<std::uint64_t> taken(const ChildProcess& child) {
    std::vector<std::uint64_t> numbers;
    std::istringstream output(child.output());
    for (std::string line; std::getline(output, line);) {
      constexpr std::string_view field = "offset: ";
      const auto at = line.find(field, line.find("chain"));
      if (at != std::string::npos) numbers.push_back(std::stoull(line.substr(at + field.size())));
    }
    return numbers;
  }
  static bool took(const ChildProcess& child, std::uint64_t number) {
    return eventually([&] {
      const auto numbers = taken(child);
      return !numbers.empty() && numbers.back() == number;
    });
  }
};

TEST_F(ShmRingProcesses, a_reader_that_starts_first_waits_says_so_once_and_then_reads) {
  Harness out = source();
  EXPECT_NE(out.message(GST_MESSAGE_INFO).find("waiting for a publisher at " + path()), std::string::npos);
  EXPECT_EQ(out.message(GST_MESSAGE_INFO, 600ms), "") << "once";
  ChildProcess in = publisher();
  EXPECT_TRUE(out.pull());
  EXPECT_EQ(out.error(0ms), "");
}

TEST_F(ShmRingProcesses, a_reader_goes_on_when_its_publisher_is_killed_and_started_again) {
  Harness out = source();
  for (int round = 1; round <= 3; ++round) {
    ChildProcess in = publisher();
    std::uint64_t last = 0;
    for (int i = 0; i < 5; ++i) {
      const auto got = out.pull();
      ASSERT_TRUE(got) << in.output();
      EXPECT_GT(GST_BUFFER_OFFSET(got.get()), last);
      last = GST_BUFFER_OFFSET(got.get());
    }
    in.kill();
    while (out.pull(300ms)) continue;  // what it had published before
    EXPECT_EQ(number(stats_of(out.element()).get(), "attachments"), static_cast<guint64>(round));
  }
  EXPECT_EQ(out.error(0ms), "");
}

TEST_F(ShmRingProcesses, a_publisher_goes_on_when_its_reader_is_killed_and_started_again) {
  Harness in = sink();
  in.caps(kCaps);
  std::uint64_t sent = 0;
  for (guint64 round = 1; round <= 3; ++round) {
    ChildProcess out = reader("worker=phoenix");
    ASSERT_TRUE(in.has_readers(1)) << out.output();
    for (int i = 0; i < 5; ++i) {
      ASSERT_EQ(in.push(frame(++sent)), GST_FLOW_OK);
      ASSERT_TRUE(took(out, sent));
    }
    EXPECT_EQ(number(lane_of(in.element(), "phoenix").get(), "generation"), round);
    out.kill();
    EXPECT_TRUE(in.has_readers(0));
  }
  EXPECT_TRUE(eventually([&] { return text(lane_of(in.element(), "phoenix").get(), "reader-state") == "gone"; }));
  EXPECT_TRUE(eventually([&] { return text(lane_of(in.element(), "phoenix").get(), "state") == "dead"; }));
  const auto lane = lane_of(in.element(), "phoenix");
  EXPECT_EQ(number(lane.get(), "delivered"), 15u)
      << "counted on over the restarts; none is given a frame again that the one before it took";
  expect_balance(lane.get());
}

TEST_F(ShmRingProcesses, a_stopped_reader_costs_the_publisher_nothing_and_then_gets_the_newest_frame) {
  Harness in = sink("max-readers=2");
  in.caps(kCaps);
  ChildProcess newest = reader("worker=newest drop-policy=latest");
  ChildProcess queue = reader("worker=queue drop-policy=drop-newest");
  ASSERT_TRUE(in.has_readers(2));
  in.push(frame(1));
  ASSERT_TRUE(took(newest, 1));
  ASSERT_TRUE(took(queue, 1));
  newest.stop();
  queue.stop();
  for (std::uint64_t i = 2; i <= 500; ++i) ASSERT_EQ(in.push(frame(i)), GST_FLOW_OK);
  EXPECT_EQ(number(stats_of(in.element()).get(), "published"), 500u);
  EXPECT_EQ(number(lane_of(in.element(), "newest").get(), "dropped"), 498u);
  EXPECT_EQ(number(lane_of(in.element(), "newest").get(), "pending"), 1u);
  EXPECT_EQ(number(lane_of(in.element(), "queue").get(), "dropped"), 499u - 5);
  newest.resume();
  queue.resume();
  EXPECT_TRUE(took(newest, 500));
  EXPECT_TRUE(took(queue, 6)) << "first in, first out";
  EXPECT_EQ(taken(newest), (std::vector<std::uint64_t>{1, 500}));
  EXPECT_EQ(taken(queue), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6}));
  for (const char* worker : {"newest", "queue"}) expect_balance(lane_of(in.element(), worker).get());
}

TEST_F(ShmRingProcesses, the_publisher_stops_at_once_although_all_its_readers_stand_still) {
  Harness in = sink("max-readers=3 forward-eos=always");
  in.caps(kCaps);
  std::vector<ChildProcess> readers;
  for (int i = 0; i < 3; ++i) readers.push_back(reader("worker=reader" + std::to_string(i)));
  ASSERT_TRUE(in.has_readers(3));
  for (auto& child : readers) child.stop();
  for (std::uint64_t i = 1; i <= 300; ++i) in.push(frame(i));
  in.push_event(gst_event_new_eos());
  EXPECT_EQ(in.set_state(GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  EXPECT_TRUE(folder_.names().empty());
  for (auto& child : readers) {
    child.resume();
    const auto ending = child.wait();
    EXPECT_TRUE(ending && ending->success()) << "at the end of the stream: " << child.output();
  }
}

TEST_F(ShmRingProcesses, nothing_but_the_socket_is_left_behind_and_the_next_publisher_replaces_that) {
  const auto shared_memory = support::shared_memory_names();
  ChildProcess killed = publisher();
  Harness out = source();
  ASSERT_TRUE(out.pull());
  killed.kill();
  EXPECT_EQ(folder_.names(), std::set<std::string>{"cam.sock"});
  Harness in = sink();
  in.caps(kCaps);
  while (out.pull(300ms)) continue;
  in.push(frame(7));
  Owned<GstBuffer> got;
  while ((got = out.pull()) && number_of(got.get()) != 7) continue;
  EXPECT_TRUE(got);
  in.close();
  EXPECT_TRUE(folder_.names().empty());
  EXPECT_EQ(support::shared_memory_names(), shared_memory);
}

TEST_F(ShmRingProcesses, a_second_publisher_is_refused_with_the_number_of_the_first) {
  ChildProcess first = publisher();
  Harness out = source();
  ASSERT_TRUE(out.pull());
  Alone second("shmringsink socket-path=" + path());
  EXPECT_EQ(second.set_state(GST_STATE_READY), GST_STATE_CHANGE_FAILURE);
  const std::string error = second.error();
  EXPECT_NE(error.find("process " + std::to_string(first.pid())), std::string::npos) << error;
  EXPECT_NE(error.find(path()), std::string::npos) << error;
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(out.pull()) << "the first goes on";
}

TEST_F(ShmRingProcesses, a_second_reader_of_an_exclusive_ring_is_refused_with_the_name_and_number_of_the_first) {
  Harness in = sink();
  in.caps(kCaps);
  ChildProcess first = reader("worker=first");
  ASSERT_TRUE(in.has_readers(1));
  Harness second = source("worker=second");
  const std::string error = second.error();
  EXPECT_NE(error.find("'first' (process " + std::to_string(first.pid()) + ")"), std::string::npos) << error;
  EXPECT_NE(error.find("max-readers"), std::string::npos) << error;
  EXPECT_EQ(error.find(path()), error.rfind(path())) << "the path once: " << error;
  const std::string waits = second.message(GST_MESSAGE_INFO, 0ms);  // it was retried for a moment before
  EXPECT_TRUE(waits.empty() || waits.find("has not let this reader in yet") != std::string::npos) << waits;
  in.push(frame(1));
  EXPECT_TRUE(took(first, 1)) << "the first goes on";
}

TEST_F(ShmRingProcesses, two_readers_of_one_name_are_refused_with_the_number_of_the_first) {
  Harness in = sink("max-readers=2");
  in.caps(kCaps);
  ChildProcess first = reader("worker=twin");
  ASSERT_TRUE(in.has_readers(1));
  Harness second = source("worker=twin");
  const std::string error = second.error();
  EXPECT_NE(error.find("'twin' belongs to process " + std::to_string(first.pid())), std::string::npos) << error;
}

TEST_F(ShmRing, a_worker_is_named_like_its_element_unless_it_has_a_name) {
  Harness in = sink("max-readers=2");
  Harness unnamed = source("name=detector");
  Harness named = source("name=other worker=pose");
  ASSERT_TRUE(in.has_readers(2));
  EXPECT_TRUE(lane_of(in.element(), "detector"));
  EXPECT_TRUE(lane_of(in.element(), "pose"));
}

TEST_F(ShmRing, a_path_that_cannot_be_is_an_error_that_says_why) {
  const auto error_of = [](const std::string& path) {
    Alone in("shmringsink socket-path=" + path);
    EXPECT_EQ(in.set_state(GST_STATE_READY), GST_STATE_CHANGE_FAILURE) << path;
    return in.error();
  };
  EXPECT_NE(error_of(folder_.file(std::string(120, 'x'))).find("107"), std::string::npos);
  EXPECT_NE(error_of(folder_.file("missing/cam.sock")).find("missing: No such file or directory"), std::string::npos);
  EXPECT_NE(error_of("/proc/cam.sock").find("/proc"), std::string::npos);
  std::ofstream(folder_.file("file")) << "not a socket";
  EXPECT_NE(error_of(folder_.file("file")).find("is no socket"), std::string::npos);
  EXPECT_TRUE(std::ifstream(folder_.file("file"))) << "it is not touched";
  Alone without("shmringsink");
  EXPECT_EQ(without.set_state(GST_STATE_READY), GST_STATE_CHANGE_FAILURE);
  EXPECT_NE(without.error().find("socket-path"), std::string::npos);
}

TEST_F(ShmRing, settings_that_cannot_be_are_an_error_with_the_figures) {
  Alone in("shmringsink slots=3 socket-path=" + path());
  EXPECT_EQ(in.set_state(GST_STATE_READY), GST_STATE_CHANGE_FAILURE);
  EXPECT_NE(in.error().find("3 slots are too few"), std::string::npos);
  Alone out("shmringsrc");
  EXPECT_EQ(out.set_state(GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  EXPECT_NE(out.error().find("socket-path"), std::string::npos);
  Alone long_name("shmringsrc socket-path=" + path() + " worker=" + std::string(64, 'x'));
  EXPECT_EQ(long_name.set_state(GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  EXPECT_NE(long_name.error().find("63 bytes"), std::string::npos);
}

TEST_F(ShmRing, on_disconnect_decides_what_becomes_of_a_reader_whose_publisher_leaves) {
  Harness in = sink("max-readers=3");
  in.caps(kCaps);
  Harness ends = source("worker=a on-disconnect=eos");
  Harness fails = source("worker=b on-disconnect=error");
  Harness waits = source("worker=c on-disconnect=wait");
  ASSERT_TRUE(in.has_readers(3));
  in.push(frame(1));
  for (Harness* out : {&ends, &fails, &waits}) EXPECT_TRUE(out->pull());
  in.close();
  EXPECT_TRUE(ends.end_of_stream());
  EXPECT_EQ(ends.error(0ms), "");
  EXPECT_NE(fails.error().find("gone"), std::string::npos);
  Harness again = sink("max-readers=3");
  again.caps(kCaps);
  again.push(frame(2));
  const auto got = waits.pull();
  ASSERT_TRUE(got);
  EXPECT_EQ(number_of(got.get()), 2u);
}

TEST_F(ShmRing, every_state_is_reached_again_and_again) {
  Alone in("shmringsink socket-path=" + path());
  Alone out("shmringsrc socket-path=" + path());
  for (int round = 0; round < 10; ++round)
    for (const GstState state : {GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_PAUSED,
                                 GST_STATE_PLAYING, GST_STATE_READY, GST_STATE_PLAYING, GST_STATE_NULL}) {
      EXPECT_NE(in.set_state(state), GST_STATE_CHANGE_FAILURE);
      EXPECT_NE(out.set_state(state), GST_STATE_CHANGE_FAILURE);
    }
  EXPECT_EQ(in.error(0ms), "");
  EXPECT_EQ(out.error(0ms), "");
  EXPECT_TRUE(folder_.names().empty());
}

// GStreamer 1.26 ends the unlock of a pause on the streaming thread, which may come after the unlock of a stop.
TEST_F(ShmRing, an_unlock_that_ends_late_holds_up_no_stop_and_no_flush) {
  Alone out("shmringsrc socket-path=" + path());
  GstBaseSrc* source = GST_BASE_SRC(out.element());
  std::atomic<bool> done{false};
  std::thread streaming([&] {
    while (!done) GST_BASE_SRC_GET_CLASS(source)->unlock_stop(source);
  });
  for (int round = 0; round < 20; ++round) {
    for (const GstState state : {GST_STATE_PLAYING, GST_STATE_PAUSED, GST_STATE_PLAYING})
      EXPECT_NE(out.set_state(state), GST_STATE_CHANGE_FAILURE);
    gst_element_send_event(out.element(), gst_event_new_flush_start());  // no, says its pad, which has no peer
    gst_element_send_event(out.element(), gst_event_new_flush_stop(TRUE));
    EXPECT_EQ(out.set_state(GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
  }
  done = true;
  streaming.join();
}

TEST_F(ShmRing, a_reader_that_waits_for_a_publisher_stops_at_once) {
  for (int round = 0; round < 5; ++round) {
    Harness out = source();
    EXPECT_EQ(out.set_state(GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  }
}

TEST_F(ShmRing, a_sink_that_is_started_again_is_found_again) {
  Harness out = source();
  Harness in = sink();
  for (std::uint64_t round = 1; round <= 5; ++round) {
    in.caps(kCaps);
    EXPECT_EQ(in.push(frame(round)), GST_FLOW_OK);
    EXPECT_EQ(number_of(out.pull().get()), round);
    EXPECT_EQ(number(stats_of(out.element()).get(), "attachments"), round);
    in.set_state(GST_STATE_NULL);
    gst_harness_play(in.get());
    gst_pad_push_event(in.get()->srcpad, gst_event_new_stream_start("again"));
  }
}

TEST_F(ShmRing, a_reader_that_played_again_gets_nothing_from_before) {
  Harness in = sink("drop-policy=drop-newest");
  in.caps(kCaps);
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  in.push(frame(1));
  ASSERT_TRUE(out.pull());
  ASSERT_NE(out.set_state(GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  for (std::uint64_t i = 2; i <= 4; ++i) in.push(frame(i));
  EXPECT_FALSE(out.pull(100ms)) << "nothing flows in PAUSED";
  ASSERT_NE(out.set_state(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  Owned<GstBuffer> got;
  for (std::uint64_t i = 5; !got; ++i) {
    in.push(frame(i));
    got = out.pull(20ms);
  }
  EXPECT_GT(number_of(got.get()), 4u);
  EXPECT_GE(number(stats_of(out.element()).get(), "stale"), 2u);
}

TEST_F(ShmRing, a_reader_that_plays_again_at_once_goes_on) {
  Harness in = sink("drop-policy=latest");
  in.caps(kCaps);
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  for (std::uint64_t i = 1; i <= 100; ++i) {
    for (int again = 0; again < 5; ++again) {
      ASSERT_NE(out.set_state(GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
      ASSERT_NE(out.set_state(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
    }
    for (std::uint64_t got = 0; got != i;) {  // what is published before it reads again is from before
      in.push(frame(i));
      if (const auto buffer = out.pull(5ms)) got = number_of(buffer.get());
    }
  }
}

TEST_F(ShmRing, a_flush_in_paused_does_not_start_a_reader) {
  Harness in = sink();
  in.caps(kCaps);
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  in.push(frame(1));
  ASSERT_TRUE(out.pull());
  ASSERT_NE(out.set_state(GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  gst_element_send_event(out.element(), gst_event_new_flush_start());
  gst_element_send_event(out.element(), gst_event_new_flush_stop(TRUE));
  in.push(frame(2));
  EXPECT_FALSE(out.pull(100ms)) << "nothing flows in PAUSED";
  ASSERT_NE(out.set_state(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  Owned<GstBuffer> got;
  while (!got) {
    in.push(frame(3));
    got = out.pull(20ms);
  }
  EXPECT_EQ(number_of(got.get()), 3u);
}

TEST_F(ShmRing, a_flush_at_the_reader_is_survived) {
  Harness in = sink();
  in.caps(kCaps);
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  for (std::uint64_t i = 1; i <= 5; ++i) {
    in.push(frame(i));
    EXPECT_EQ(number_of(out.pull().get()), i);
    gst_element_send_event(out.element(), gst_event_new_flush_start());
    gst_element_send_event(out.element(), gst_event_new_flush_stop(TRUE));
  }
}

// As when the flush-start was over with a stop and a start in between.
TEST_F(ShmRing, an_end_of_a_flush_that_never_began_is_survived) {
  Harness in = sink();
  in.caps(kCaps);
  Harness out = source();
  ASSERT_TRUE(in.has_readers(1));
  in.push(frame(1));
  EXPECT_EQ(number_of(out.pull().get()), 1u);
  gst_element_send_event(out.element(), gst_event_new_flush_stop(TRUE));
  in.push(frame(2));
  EXPECT_EQ(number_of(out.pull().get()), 2u);
  ASSERT_NE(out.set_state(GST_STATE_READY), GST_STATE_CHANGE_FAILURE);
}

TEST_F(ShmRing, a_flush_at_the_sink_is_survived_and_ends_the_end) {
  Harness in = sink();
  in.caps(kCaps);
  in.push(frame(1));
  in.push_event(gst_event_new_eos());
  EXPECT_EQ(in.push(frame(2)), GST_FLOW_EOS);
  in.push_event(gst_event_new_flush_start());
  in.push_event(gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  in.push_event(gst_event_new_segment(&segment));
  EXPECT_EQ(in.push(frame(3)), GST_FLOW_OK);
  Harness out = source();
  EXPECT_EQ(number_of(out.pull().get()), 3u);
}

TEST_F(ShmRing, num_buffers_ends_a_reader_without_the_publisher_noticing) {
  support::Pipeline in("videotestsrc is-live=true ! video/x-raw,framerate=100/1 ! shmringsink name=sink socket-path=" +
                       path());
  ASSERT_TRUE(in.play());
  for (int round = 0; round < 3; ++round) {
    support::Pipeline out("shmringsrc num-buffers=10 worker=short socket-path=" + path() + " ! fakesink sync=true");
    ASSERT_TRUE(out.play());
    EXPECT_EQ(out.finish(), "");
  }
  EXPECT_FALSE(in.message(GST_MESSAGE_ERROR, 0ms));
  const auto lane = lane_of(in.find("sink").get(), "short");
  EXPECT_EQ(number(lane.get(), "generation"), 3u);
}

TEST_F(ShmRing, the_readers_latency_is_the_publishers_and_changes_are_told) {
  support::Pipeline in("appsrc name=src is-live=true format=time min-latency=40000000 do-timestamp=true caps=" + kCaps +
                       " ! shmringsink name=sink socket-path=" + path());
  Harness out = source();
  const auto latency_of = [&out] {
    const auto query = adopt(gst_query_new_latency());
    EXPECT_TRUE(gst_pad_peer_query(out.get()->sinkpad, query.get()));
    gboolean live = FALSE;
    GstClockTime least = 0;
    GstClockTime most = 0;
    gst_query_parse_latency(query.get(), &live, &least, &most);
    EXPECT_TRUE(live);
    EXPECT_EQ(most, GST_CLOCK_TIME_NONE);
    return least;
  };
  EXPECT_EQ(latency_of(), 0u);
  ASSERT_TRUE(in.play());
  const auto src = in.find("src");
  GstFlowReturn flow = GST_FLOW_ERROR;
  GstBuffer* first = frame(1).release();
  g_signal_emit_by_name(src.get(), "push-buffer", first, &flow);
  gst_buffer_unref(first);
  ASSERT_TRUE(out.pull());
  gst_bin_recalculate_latency(GST_BIN(in.get()));
  EXPECT_TRUE(eventually([&] { return latency_of() == 40 * GST_MSECOND; }));
  EXPECT_TRUE(adopt(gst_bus_timed_pop_filtered(out.bus(), 10 * GST_SECOND, GST_MESSAGE_LATENCY)));
}

TEST_F(ShmRing, num_clients_is_notified) {
  Harness in = sink();
  in.caps(kCaps);
  std::atomic<int> notified{0};
  g_signal_connect(in.element(), "notify::num-clients",
                   G_CALLBACK(+[](GObject*, GParamSpec*, gpointer count) { ++*static_cast<std::atomic<int>*>(count); }),
                   &notified);
  {
    Harness out = source();
    ASSERT_TRUE(in.has_readers(1));
    in.push(frame(1));
    EXPECT_TRUE(eventually([&] { return notified == 1; }));
  }
  ASSERT_TRUE(in.has_readers(0));
  in.push(frame(2));
  EXPECT_TRUE(eventually([&] { return notified == 2; }));
}

// The next frame-health message of a worker with this state.
bool becomes(Harness& sink, const std::string& worker, const std::string& state) {
  return eventually([&] {
    while (const auto message = adopt(gst_bus_pop_filtered(sink.bus(), GST_MESSAGE_ELEMENT))) {
      const GstStructure* structure = gst_message_get_structure(message.get());
      if (gst_structure_has_name(structure, "frame-health") && text(structure, "worker") == worker &&
          text(structure, "state") == state)
        return true;
    }
    return false;
  });
}

TEST_F(ShmRingProcesses, the_health_of_each_reader_is_told_on_the_sinks_bus) {
  Harness in = sink("max-readers=2 stall-timeout=400000000");
  in.caps(kCaps);
  ChildProcess victim = reader("worker=victim");
  ChildProcess well = reader("worker=well");
  ASSERT_TRUE(in.has_readers(2));
  std::uint64_t sent = 0;
  const auto push_until = [&](const std::string& worker, const std::string& state) {
    return eventually([&] {
      in.push(frame(++sent));
      return text(lane_of(in.element(), worker).get(), "state") == state && becomes(in, worker, state);
    });
  };
  EXPECT_TRUE(push_until("victim", "ok"));
  victim.stop();
  EXPECT_TRUE(push_until("victim", "stuck"));
  EXPECT_EQ(text(lane_of(in.element(), "well").get(), "state"), "ok");
  victim.resume();
  EXPECT_TRUE(push_until("victim", "ok"));
  victim.kill();
  EXPECT_TRUE(becomes(in, "victim", "dead"));
  EXPECT_TRUE(becomes(in, "well", "starved")) << "no frame came: the source's fault";
  ChildProcess next = reader("worker=victim");
  EXPECT_TRUE(push_until("victim", "ok"));
}

// Both readers keep each frame for 50 ms and get one every millisecond or so.
TEST_F(ShmRingProcesses, a_reader_is_slow_by_its_own_limits_where_it_has_any) {
  Harness in = sink("max-readers=2 stall-timeout=1000000000 drop-policy=latest");
  // As a launch line does. A copy: GStreamer 1.22 writes into the text.
  const auto set_limits = [&](std::string text) {
    gst_util_set_object_arg(G_OBJECT(in.element()), "worker-limits", text.data());
  };
  set_limits("<(structure)\"limits,worker=(string)strict,max-drop-rate=(double)0.1\">");
  in.caps(kCaps);
  const auto slow_reader = [&](const std::string& name) {
    return launch("shmringsrc socket-path=" + path() + " worker=" + name +
                  " ! identity sleep-time=50000 ! fakesink sync=false");
  };
  ChildProcess strict = slow_reader("strict");
  ChildProcess easy = slow_reader("easy");
  ASSERT_TRUE(in.has_readers(2));
  std::uint64_t sent = 0;
  EXPECT_TRUE(eventually([&] {
    in.push(frame(++sent));
    return text(lane_of(in.element(), "strict").get(), "state") == "slow";
  }));
  EXPECT_EQ(text(lane_of(in.element(), "easy").get(), "state"), "ok");
  set_limits("<>");
  EXPECT_TRUE(eventually([&] {
    in.push(frame(++sent));
    return text(lane_of(in.element(), "strict").get(), "state") == "ok";
  })) << "it counts at once";
}

}  // namespace
