// SPDX-License-Identifier: LGPL-2.1-or-later
// No result gets onto another frame: a publisher and two workers, which take random times, send twice, out of order, for frames of other lives
// of the ring, are killed and stopped all the time, while a resultjoin joins what they say. Each frame has a random name in its bytes, which
// the worker gives as the label.
//
//   exact_join [--frames N] [--seed N]
//   exact_join publish PATH | work FRAMES RESULTS SEED      its children
//
// Ends with 1 if a frame got another's label; goes on until some have one.
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <map>
#include <random>
#include <string>

#include <gst/video/video.h>

#include "child_process.hpp"
#include "gst_fixture.hpp"
#include "os/clock.hpp"
#include "publisher/publisher.hpp"
#include "reader/reader.hpp"
#include "results/result.hpp"
#include "temp_dir.hpp"
#include "watchdog.hpp"

namespace {

using support::ChildProcess;

constexpr std::uint64_t kMs = 1'000'000;

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::_Exit(1);
}

std::unique_ptr<shmring::Publisher> open_ring(const std::string& path, std::uint64_t slot_size, const char* caps) {
  shmring::PublisherOptions options;
  options.socket_path = path;
  options.slot_size = slot_size;
  options.max_readers = 4;
  options.depth = options.max_held = 32;
  auto publisher = shmring::Publisher::open(options);
  if (!publisher) fail(publisher.error().text);
  shmring_format format = SHMRING_FORMAT_INIT;
  format.caps = caps;
  if (const auto set = (*publisher)->set_format(format); !set) fail(set.error().text);
  return *std::move(publisher);
}

void write(shmring::Publisher& publisher, const void* data, std::size_t size, std::uint64_t pts) {
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.pts = pts;
  const std::span<const std::byte> part(static_cast<const std::byte*>(data), size);
  (void)publisher.write({&part, 1}, info);  // FULL is a lost frame
}

// 200 frames a second; now and then two of one time.
int publish(const std::string& path) {
  auto publisher = open_ring(path, 64, "test/frame");
  std::mt19937_64 random(std::random_device{}());
  for (std::uint64_t pts = 0;; ::usleep(5000)) {
    if (random() % 50 != 0) pts = shmring::now();
    const std::uint64_t name = random();
    write(*publisher, &name, sizeof name, pts);
  }
}

int work(const std::string& frames, const std::string& path, std::uint64_t seed) {
  shmring::ReaderOptions options;
  options.socket_path = frames;
  options.worker = "worker" + std::to_string(seed % 1000);
  options.reconnect = true;
  auto opened = shmring::Reader::open(options);
  if (!opened) fail(opened.error().text);
  auto results = open_ring(path, shmring::kResultSize, shmring::kResultCaps);
  std::mt19937_64 random(seed);
  std::multimap<std::uint64_t, shmring::FrameResult> due;
  for (;;) {
    if (auto frame = (*opened)->read(2 * kMs)) {
      std::uint64_t name = 0;
      std::memcpy(&name, frame.value().bytes().data(), sizeof name);
      shmring::FrameResult result;
      result.sequence = frame.value().info().sequence;
      result.pts = frame.value().info().pts;
      result.objects.push_back({std::to_string(name), 1, {0, 0, 1, 1}, {}, {}, {}, {}, {}});
      const auto later = [&random] { return shmring::now() + random() % (40 * kMs); };
      if (random() % 10 != 0) due.emplace(later(), result);
      if (random() % 20 == 0) due.emplace(later(), result);
      if (random() % 20 == 0) {  // of a frame that never was: this number in another life of the ring
        result.pts -= 1 + random() % (1000 * kMs);
        result.objects[0].label = "never";
        due.emplace(later(), result);
      }
    }
    while (!due.empty() && due.begin()->first <= shmring::now()) {
      std::string why;
      const auto json = shmring::to_json(due.begin()->second, why);
      if (!json) fail(why);
      write(*results, json->data(), json->size(), due.begin()->second.pts);
      due.erase(due.begin());
    }
  }
}

struct Seen {
  std::atomic<std::uint64_t> frames{0}, joined{0}, wrong{0};
};

void look_at(GstElement*, GstBuffer* buffer, GstPad*, Seen* seen) {
  std::uint64_t name = 0;
  gst_buffer_extract(buffer, 0, &name, sizeof name);
  const std::string expected = std::to_string(name);
  bool joined = false;
  gpointer state = nullptr;
  while (const GstMeta* meta =
             gst_buffer_iterate_meta_filtered(buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)) {
    auto* region = reinterpret_cast<GstVideoRegionOfInterestMeta*>(const_cast<GstMeta*>(meta));
    const GstStructure* found = gst_video_region_of_interest_meta_get_param(region, "detection");
    joined = true;
    if (gst_structure_get_string(found, "label") != expected) ++seen->wrong;
  }
  seen->joined += joined;
  ++seen->frames;
}

std::string stats_of(GstElement* element) {
  GstStructure* stats = nullptr;
  g_object_get(element, "stats", &stats, nullptr);
  const auto owned = supplier::adopt(stats);
  return supplier::adopt(gst_structure_to_string(stats)).get();
}

int run(const std::string& self, std::uint64_t frames, std::uint64_t seed) {
  support::init_gstreamer();
  const support::TempDir folder;
  const std::string camera = folder.file("camera");
  const std::string results[] = {folder.file("one"), folder.file("two")};
  std::mt19937_64 random(seed);
  const auto start_worker = [&](int which) {
    return ChildProcess::spawn({self, "work", camera, results[which], std::to_string(random() / 1000 * 1000 + which)});
  };
  ChildProcess publisher = ChildProcess::spawn({self, "publish", camera});
  ChildProcess workers[] = {start_worker(0), start_worker(1)};

  Seen seen;
  std::string stats;
  std::uint64_t kills = 0, restarts = 0, stops = 0;
  {
    support::Pipeline pipeline(
        "shmringsrc worker=join socket-path=" + camera +
        " ! resultjoin name=join mode=exact max-wait=" + std::to_string(30 * kMs * support::kSlowdown) +
        " ! fakesink name=end sync=false "
        "signal-handoffs=true shmringsrc worker=join socket-path=" +
        results[0] + " ! join.results_0 shmringsrc worker=join socket-path=" + results[1] + " ! join.results_1");
    const auto end = pipeline.find("end");
    const gulong handler = g_signal_connect(end.get(), "handoff", G_CALLBACK(look_at), &seen);
    pipeline.set_state(GST_STATE_PLAYING);
    while ((seen.frames < frames || seen.joined == 0) && seen.wrong == 0) {
      ::usleep(static_cast<useconds_t>(50'000 + random() % 300'000));
      const auto which = random() % 2;
      switch (random() % 6) {
        case 0:
          publisher.kill();
          publisher = ChildProcess::spawn({self, "publish", camera});
          ++restarts;
          break;
        case 1:
        case 2:
          workers[which].kill();
          workers[which] = start_worker(static_cast<int>(which));
          ++kills;
          break;
        case 3:
          workers[which].stop();
          ::usleep(static_cast<useconds_t>(random() % 200'000));
          workers[which].resume();
          ++stops;
          break;
        default:
          break;
      }
    }
    stats = stats_of(pipeline.find("join").get());
    pipeline.set_state(GST_STATE_NULL);
    g_signal_handler_disconnect(end.get(), handler);
  }
  std::printf(
      "%s\nseed %llu: %llu frames, %llu with a result, %llu joined to a wrong frame; publisher restarted %llu times, "
      "workers killed %llu "
      "times and stopped %llu times\n",
      stats.c_str(), static_cast<unsigned long long>(seed), static_cast<unsigned long long>(seen.frames.load()),
      static_cast<unsigned long long>(seen.joined.load()), static_cast<unsigned long long>(seen.wrong.load()),
      static_cast<unsigned long long>(restarts), static_cast<unsigned long long>(kills),
      static_cast<unsigned long long>(stops));
  return seen.wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string role = argc > 1 ? argv[1] : "";
  if (role == "publish" && argc == 3) return publish(argv[2]);
  if (role == "work" && argc == 5) return work(argv[2], argv[3], std::stoull(argv[4]));
  std::uint64_t frames = 1000;
  std::uint64_t seed = std::random_device{}();
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string(argv[i]) == "--frames") frames = std::stoull(argv[i + 1]);
    if (std::string(argv[i]) == "--seed") seed = std::stoull(argv[i + 1]);
  }
  return run(argv[0], frames, seed);
}
