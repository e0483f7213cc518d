// SPDX-License-Identifier: LGPL-2.1-or-later
// Cost of a frame's way through resultjoin, without results and with 20 objects, beside identity: of the push, and until downstream has it.
#include <atomic>
#include <string>

#include "gst_bench.hpp"
#include "results/result.hpp"

using namespace bench;

namespace {

std::atomic<std::uint64_t> arrived_at{0};

GstPad* lone_pad(GstPad* to, const char* caps) {
  GstPad* pad = gst_pad_new("src", GST_PAD_SRC);
  gst_pad_set_active(pad, TRUE);
  if (gst_pad_link(pad, to) != GST_PAD_LINK_OK) die("a pad cannot be linked");
  gst_pad_push_event(pad, gst_event_new_stream_start("bench"));
  GstCaps* media = gst_caps_from_string(caps);
  gst_pad_push_event(pad, gst_event_new_caps(media));
  gst_caps_unref(media);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(pad, gst_event_new_segment(&segment));
  return pad;
}

std::string json_of(unsigned objects) {
  shmring::FrameResult result;
  result.width = 1920;
  result.height = 1080;
  result.worker = "person";
  result.model = "some-model-v1";
  result.sequence = 1;
  for (unsigned i = 0; i < objects; ++i)
    result.objects.push_back({"person", 0.9, {10. * i, 10. * i, 100, 200}, i, {}, {}, {}, {}});
  std::string why;
  return shmring::to_json(result, why).value();
}

void run(const Options& options, const std::string& mode, int objects) {
  GstElement* element = make(mode == "identity" ? "identity" : "resultjoin");
  gst_object_ref_sink(element);
  if (mode != "identity") gst_util_set_object_arg(G_OBJECT(element), "mode", mode.c_str());
  GstPad* sink = gst_pad_new("sink", GST_PAD_SINK);
  gst_pad_set_chain_function(sink, [](GstPad*, GstObject*, GstBuffer* buffer) {
    arrived_at.store(now(), std::memory_order_release);
    gst_buffer_unref(buffer);
    return GST_FLOW_OK;
  });
  gst_pad_set_active(sink, TRUE);
  GstPad* from = gst_element_get_static_pad(element, "src");
  gst_pad_link(from, sink);
  gst_element_set_state(element, GST_STATE_PLAYING);
  GstPad* to = gst_element_get_static_pad(element, "sink");
  GstPad* frames = lone_pad(to, "video/x-raw,format=I420,width=1920,height=1080,framerate=30/1");
  GstPad* asked = nullptr;
  GstPad* results = nullptr;
  if (objects >= 0) {
    asked = gst_element_request_pad_simple(element, "results_%u");
    results = lone_pad(asked, shmring::kResultCaps);
  }
  const std::string json = json_of(objects > 0 ? static_cast<unsigned>(objects) : 0);

  const std::uint64_t count = options.scaled(3000, 20);
  Samples push(count), through(count);
  for (std::uint64_t i = 1; i <= count; ++i) {
    sleep_until(now() + 1'000'000);
    if (results) {
      GstBuffer* result = gst_buffer_new_memdup(json.data(), json.size());
      GST_BUFFER_PTS(result) = i * GST_MSECOND;
      gst_pad_push(results, result);
    }
    GstBuffer* frame = gst_buffer_new();
    GST_BUFFER_PTS(frame) = i * GST_MSECOND;
    arrived_at.store(0);
    const std::uint64_t start = now();
    gst_pad_push(frames, frame);
    push.add(now() - start);
    std::uint64_t end = 0;
    while ((end = arrived_at.load(std::memory_order_acquire)) == 0) relax();
    through.add(end - start);
  }

  gst_element_set_state(element, GST_STATE_NULL);
  if (asked) gst_element_release_request_pad(element, asked);
  for (GstPad* pad : {sink, from, to, frames, asked, results})
    if (pad) gst_object_unref(pad);
  gst_object_unref(element);
  emit("join", mode, {{"objects", objects}},
       Values{{"push_p50", push.at(0.5)}, {"push_p99", push.at(0.99)}, {"through_p50", through.at(0.5)}});
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv, 600);
  gst_init(nullptr, nullptr);
  std::vector<Case> cases;
  cases.push_back({"identity", [&options] { run(options, "identity", -1); }});
  for (const char* mode : {"latest", "exact"})
    for (const int objects : {-1, 0, 20})
      cases.push_back({mode, [&options, mode, objects] { run(options, mode, objects); }});
  run_rounds(options, cases);
}
