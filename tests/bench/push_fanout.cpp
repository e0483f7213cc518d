// SPDX-License-Identifier: LGPL-2.1-or-later
// What one push into a fan-out costs the pushing thread, at 1 to 64 branches and a camera's pace (so the caches are as cold as in life),
// net of the same push into a pad that only lets go of the buffer; and how old a frame is when it reaches the workers.
#include <sys/prctl.h>
#include <unistd.h>

#include <memory>

#include "gst_bench.hpp"

using namespace bench;

namespace {

// A fan-out with n consumers, built once a measurement.
class Fan {
 public:
  Fan(const std::string& kind, unsigned branches) : kind_(kind) {
    bin_ = gst_pipeline_new(nullptr);
    if (kind.rfind("latestframe", 0) == 0) {
      into_ = make("latestframe");
      gst_util_set_object_arg(G_OBJECT(into_), "wake", kind == "latestframe adaptive" ? "adaptive" : "block");
    } else {
      into_ = make("tee");
    }
    gst_bin_add(GST_BIN(bin_), into_);
    for (unsigned i = 0; i < branches; ++i) add_branch();
    play(bin_);
    pusher_ = std::make_unique<Pusher>(into_);
  }
  ~Fan() {
    gst_element_set_state(bin_, GST_STATE_NULL);
    pusher_.reset();
    consumers_.clear();
    gst_object_unref(bin_);
  }
  Pusher& pusher() { return *pusher_; }
  const std::vector<std::unique_ptr<Consumer>>& consumers() const { return consumers_; }

 private:
  void add_branch() {
    GstPad* from = source_pad(into_);
    if (kind_ == "tee + leaky queue") {
      GstElement* queue = make("queue");
      g_object_set(queue, "max-size-buffers", 1u, "max-size-bytes", 0u, "max-size-time", guint64{0}, nullptr);
      gst_util_set_object_arg(G_OBJECT(queue), "leaky", "downstream");
      gst_bin_add(GST_BIN(bin_), queue);
      link(from, queue);
      from = source_pad(queue);
    } else if (kind_ == "tee + appsink drop") {
      GstElement* sink = make("appsink");
      g_object_set(sink, "max-buffers", 1u, "drop", TRUE, "sync", FALSE, "async", FALSE, nullptr);
      gst_bin_add(GST_BIN(bin_), sink);
      link(from, sink);
      return;  // nobody pulls: the cheapest case for it
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

  const std::string kind_;
  GstElement* bin_;
  GstElement* into_;
  std::unique_ptr<Pusher> pusher_;
  std::vector<std::unique_ptr<Consumer>> consumers_;
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
  Fan fan(kind, branches);
  BarePad bare;
  ::usleep(100'000);
  Samples cost(frames), floors(frames), age;
  const std::uint64_t period = 1'000'000'000 / hz;
  std::uint64_t due = now();
  for (std::uint64_t i = 0; i < frames; ++i) {
    sleep_until(due += period);
    GstBuffer* buffer = gst_buffer_new();
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
  const double floor = floors.at(0.5);
  emit("push_fanout", kind, {{"branches", branches}, {"hz", hz}},
       Values{{"push_p50", cost.at(0.5)},
              {"push_p99", cost.at(0.99)},
              {"floor_p50", floor},
              {"net_p50", cost.at(0.5) - floor}} +
           (age.count() ? figures("age", age) : Values{}));
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv, 1800);
  gst_init(nullptr, nullptr);
  ::prctl(PR_SET_TIMERSLACK, 1);
  std::vector<Case> cases;
  const std::vector<unsigned> many = options.quick ? std::vector<unsigned>{1, 64} : std::vector<unsigned>{1, 8, 16, 64};
  for (unsigned hz : {30u, 60u})
    for (unsigned branches : many)
      for (const char* kind : {"latestframe block", "latestframe adaptive", "tee + leaky queue", "tee + appsink drop"})
        cases.push_back({kind, [&options, kind, branches, hz] { run(options, kind, branches, hz); }});
  run_rounds(options, cases);
}
