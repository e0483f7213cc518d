// SPDX-License-Identifier: LGPL-2.1-or-later
// Cost of one push into a fan-out for the pushing thread, at 1 to 64 branches and a camera's pace (so the caches are as cold as in life),
// net of the same push into a pad that only lets go of the buffer; and how old a frame is when it reaches the workers.
#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <memory>
#include <mutex>
#include <thread>

#include "gst_bench.hpp"
#include "transports.hpp"

using namespace bench;

namespace {

constexpr const char* kVideo = "video/x-raw,format=GRAY8,width=64,height=1,framerate=";

// A fan-out with n consumers, built once a measurement.
class Fan {
 public:
  Fan(const std::string& kind, unsigned branches, unsigned hz)
      : kind_(kind), video_(kVideo + std::to_string(hz) + "/1") {
    bin_ = gst_pipeline_new(nullptr);
    if (is_video()) {
      into_ = make("intervideosink");
      g_object_set(into_, "channel", "bench", "sync", FALSE, "async", FALSE, nullptr);
    } else if (kind.rfind("latestframe", 0) == 0) {
      into_ = make("latestframe");
      gst_util_set_object_arg(G_OBJECT(into_), "wake", kind == "latestframe adaptive" ? "adaptive" : "block");
    } else {
      into_ = make("tee");
    }
    gst_bin_add(GST_BIN(bin_), into_);
    for (unsigned i = 0; i < branches; ++i) add_branch();
    play(bin_);
    pusher_ = std::make_unique<Pusher>(into_, is_video() ? video_.c_str() : "application/x-bench");
    for (GstElement* sink : appsinks_) pullers_.emplace_back([this, sink] { pull(sink); });
  }
  ~Fan() {
    gst_element_set_state(bin_, GST_STATE_NULL);
    for (std::thread& puller : pullers_) puller.join();
    pusher_.reset();
    consumers_.clear();
    gst_object_unref(bin_);
  }
  Pusher& pusher() { return *pusher_; }
  const std::vector<std::unique_ptr<Consumer>>& consumers() const { return consumers_; }
  // The next frame: without a payload, but where the fan-out takes video only.
  GstBuffer* frame() const {
    if (!is_video()) return gst_buffer_new();
    GstBuffer* buffer = gst_buffer_new_allocate(nullptr, 64, nullptr);
    const Head head{1, now()};
    gst_buffer_fill(buffer, 0, &head, sizeof head);
    return buffer;
  }
  // Ages of what was pulled, once the pullers have ended.
  void end_pulling(Samples& ages) {
    if (pullers_.empty()) return;
    gst_element_set_state(bin_, GST_STATE_NULL);
    for (std::thread& puller : pullers_) puller.join();
    pullers_.clear();
    for (const std::uint64_t age : pulled_) ages.add(age);
  }

 private:
  bool is_video() const { return kind_ == "intervideosink"; }
  void pull(GstElement* sink) {
    std::vector<std::uint64_t> ages;
    for (GstSample* sample = nullptr; g_signal_emit_by_name(sink, "pull-sample", &sample), sample;) {
      ages.push_back(now() - GST_BUFFER_PTS(gst_sample_get_buffer(sample)));
      gst_sample_unref(sample);
    }
    const std::lock_guard lock(mutex_);
    pulled_.insert(pulled_.end(), ages.begin(), ages.end());
  }
  void add_branch() {
    if (is_video()) {
      // Each of these runs at its own pace, so the age is the payload's.
      GstElement* source = make("intervideosrc");
      GstElement* filter = make("capsfilter");
      g_object_set(source, "channel", "bench", nullptr);
      gst_util_set_object_arg(G_OBJECT(filter), "caps", video_.c_str());
      gst_bin_add_many(GST_BIN(bin_), source, filter, nullptr);
      if (!gst_element_link(source, filter)) die("intervideosrc cannot be linked");
      GstPad* from = source_pad(filter);
      consumers_.push_back(std::make_unique<Consumer>(from));
      consumers_.back()->age_of_payload();
      gst_object_unref(from);
      return;
    }
    GstPad* from = source_pad(into_);
    if (kind_ == "tee + leaky queue") {
      GstElement* queue = make("queue");
      g_object_set(queue, "max-size-buffers", 1u, "max-size-bytes", 0u, "max-size-time", guint64{0}, nullptr);
      gst_util_set_object_arg(G_OBJECT(queue), "leaky", "downstream");
      gst_bin_add(GST_BIN(bin_), queue);
      link(from, queue);
      from = source_pad(queue);
    } else if (kind_.rfind("tee + appsink", 0) == 0) {
      GstElement* sink = make("appsink");
      g_object_set(sink, "max-buffers", 1u, "drop", TRUE, "sync", FALSE, "async", FALSE, nullptr);
      gst_bin_add(GST_BIN(bin_), sink);
      link(from, sink);
      if (kind_ == "tee + appsink, pulled")
        appsinks_.push_back(sink);  // else there is no pull: the cheapest case for it
      return;
    }
    consumers_.push_back(std::make_unique<Consumer>(from));
    gst_object_unref(from);
  }
  static void link(GstPad* from, GstElement* to) {
    GstPad* sink = gst_element_get_static_pad(to, "sink");
    if (gst_pad_link(from, sink) != GST_PAD_LINK_OK) die("a branch cannot be linked");
    gst_object_unref(sink);
    gst_object_unref(from);
  }

  const std::string kind_, video_;
  GstElement* bin_;
  GstElement* into_;
  std::unique_ptr<Pusher> pusher_;
  std::vector<std::unique_ptr<Consumer>> consumers_;
  std::vector<GstElement*> appsinks_;  // with a thread each that pulls
  std::vector<std::thread> pullers_;
  std::mutex mutex_;
  std::vector<std::uint64_t> pulled_;  // ages
};

// The floor: a pad that takes the buffer and lets go of it.
struct BarePad {
  GstPad* src = gst_pad_new("src", GST_PAD_SRC);
  GstPad* sink = gst_pad_new("sink", GST_PAD_SINK);
  BarePad() {
    gst_pad_set_chain_function(sink, [](GstPad*, GstObject*, GstBuffer* buffer) {
      gst_buffer_unref(buffer);
      return GST_FLOW_OK;
    });
    gst_pad_set_active(sink, TRUE);
    gst_pad_set_active(src, TRUE);
    gst_pad_link(src, sink);
    gst_pad_push_event(src, gst_event_new_stream_start("bench"));
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_pad_push_event(src, gst_event_new_segment(&segment));
  }
};

void run(const Options& options, const std::string& kind, unsigned branches, unsigned hz) {
  const std::uint64_t warm = options.scaled(20, 2), frames = warm + options.scaled(hz * 3 / 2, 5);
  Fan fan(kind, branches, hz);
  BarePad bare;
  ::usleep(100'000);
  Samples cost(frames), floors(frames), age;
  const std::uint64_t period = 1'000'000'000 / hz;
  std::uint64_t due = now();
  for (std::uint64_t i = 0; i < frames; ++i) {
    sleep_until(due += period);
    GstBuffer* buffer = fan.frame();
    const std::uint64_t t = fan.pusher().push(buffer);
    // The floor in the middle between two pushes: as cold as they are.
    sleep_until(due + period / 2);
    GstBuffer* other = gst_buffer_new();
    const std::uint64_t start = now();
    GST_BUFFER_PTS(other) = start;
    gst_pad_push(bare.src, other);
    const std::uint64_t floor = now() - start;
    if (i < warm) continue;
    cost.add(t);
    floors.add(floor);
  }
  ::usleep(50'000);
  for (const auto& consumer : fan.consumers()) consumer->add_to(age, warm);
  fan.end_pulling(age);
  const double floor = floors.at(0.5);
  emit("push_fanout", kind, {{"branches", branches}, {"hz", hz}},
       Values{{"push_p50", cost.at(0.5)},
              {"push_p99", cost.at(0.99)},
              {"floor_p50", floor},
              {"net_p50", cost.at(0.5) - floor}} +
           (age.count() ? figures("age", age) : Values{}));
}

// The floor of a fan-out that wakes a thread: one thread asleep, one futex, nothing else.
void bare_wake(const Options& options, unsigned hz) {
  const std::uint64_t warm = options.scaled(20, 2), frames = warm + options.scaled(hz * 3 / 2, 5);
  std::atomic<std::uint32_t> word{0};
  std::atomic<std::uint64_t> woken_at{0}, pushed_at{0};
  Samples cost, age;
  std::thread sleeper([&] {
    for (std::uint32_t seen = 0; seen != frames;) {
      while (word.load(std::memory_order_acquire) == seen)
        ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
      woken_at.store(now() - pushed_at.load(std::memory_order_relaxed));
      seen = word.load(std::memory_order_acquire);
    }
  });
  std::uint64_t due = now();
  for (std::uint64_t i = 0; i < frames; ++i) {
    sleep_until(due += 1'000'000'000 / hz);
    const std::uint64_t start = now();
    pushed_at.store(start, std::memory_order_relaxed);
    word.fetch_add(1, std::memory_order_release);
    ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
    const std::uint64_t t = now() - start;
    ::usleep(2000);
    if (i < warm) continue;
    cost.add(t);
    age.add(woken_at.load());
  }
  sleeper.join();
  emit(
      "push_fanout", "bare wake-up", {{"branches", 1}, {"hz", hz}},
      Values{{"push_p50", cost.at(0.5)}, {"push_p99", cost.at(0.99)}, {"net_p50", cost.at(0.5)}} + figures("age", age));
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv, 1800);
  gst_init(nullptr, nullptr);
  ::prctl(PR_SET_TIMERSLACK, 1);
  std::vector<Case> cases;
  const std::vector<unsigned> many = options.quick ? std::vector<unsigned>{1, 64} : std::vector<unsigned>{1, 8, 16, 64};
  for (unsigned hz : {30u, 60u}) cases.push_back({"bare wake-up", [&options, hz] { bare_wake(options, hz); }});
  for (unsigned hz : {30u, 60u})
    for (unsigned branches : many)
      for (const char* kind : {"latestframe block", "latestframe adaptive", "tee + leaky queue", "tee + appsink drop",
                               "tee + appsink, pulled", "intervideosink"})
        cases.push_back({kind, [&options, kind, branches, hz] { run(options, kind, branches, hz); }});
  run_rounds(options, cases);
}
