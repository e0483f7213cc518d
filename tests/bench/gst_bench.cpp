// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst_bench.hpp"

#include <algorithm>

#include "transports.hpp"

namespace bench {

Pusher::Pusher(GstElement* into, const char* caps_text) : pad_(gst_pad_new("src", GST_PAD_SRC)) {
  gst_object_ref_sink(pad_);
  GstPad* sink = gst_element_get_static_pad(into, "sink");
  gst_pad_set_active(pad_, TRUE);
  if (gst_pad_link(pad_, sink) != GST_PAD_LINK_OK) die("a pad cannot be linked");
  gst_object_unref(sink);
  gst_pad_push_event(pad_, gst_event_new_stream_start("bench"));
  GstCaps* caps = gst_caps_from_string(caps_text);
  gst_pad_push_event(pad_, gst_event_new_caps(caps));
  gst_caps_unref(caps);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(pad_, gst_event_new_segment(&segment));
}

Pusher::~Pusher() {
  gst_pad_set_active(pad_, FALSE);
  if (GstPad* peer = gst_pad_get_peer(pad_)) {
    gst_pad_unlink(pad_, peer);
    gst_object_unref(peer);
  }
  gst_object_unref(pad_);
}

std::uint64_t Pusher::push(GstBuffer* buffer) {
  const std::uint64_t start = now();
  GST_BUFFER_PTS(buffer) = start;
  const GstFlowReturn flow = gst_pad_push(pad_, buffer);
  const std::uint64_t cost = now() - start;
  if (flow != GST_FLOW_OK) die(std::string("push: ") + gst_flow_get_name(flow));
  return cost;
}

Consumer::Consumer(GstPad* from, std::size_t most) : pad_(gst_pad_new("sink", GST_PAD_SINK)), ages_(most) {
  gst_object_ref_sink(pad_);
  gst_pad_set_element_private(pad_, this);
  gst_pad_set_chain_function(pad_, &Consumer::chain);
  gst_pad_set_active(pad_, TRUE);
  if (gst_pad_link(from, pad_) != GST_PAD_LINK_OK) die("a consumer cannot be linked");
}

Consumer::~Consumer() {
  gst_pad_set_active(pad_, FALSE);
  gst_object_unref(pad_);
}

GstFlowReturn Consumer::chain(GstPad* pad, GstObject*, GstBuffer* buffer) {
  auto* self = static_cast<Consumer*>(gst_pad_get_element_private(pad));
  const std::uint64_t t = now(), n = self->count_.load(std::memory_order_relaxed);
  std::uint64_t born = GST_BUFFER_PTS(buffer);
  if (self->age_of_payload_) {
    // A frame that comes again is no news, one without a head not ours.
    Head head;
    const bool ours = gst_buffer_extract(buffer, 0, &head, sizeof head) == sizeof head && head.number == 1;
    if (!ours || head.complete_at == self->last_) {
      gst_buffer_unref(buffer);
      return GST_FLOW_OK;
    }
    born = self->last_ = head.complete_at;
  }
  self->ages_[n % self->ages_.size()] = t - born;
  gst_buffer_unref(buffer);
  self->count_.store(n + 1, std::memory_order_release);
  return GST_FLOW_OK;
}

void Consumer::add_to(Samples& samples, std::uint64_t from) const {
  for (std::uint64_t i = from; i < std::min<std::uint64_t>(count(), ages_.size()); ++i) samples.add(ages_[i]);
}

GstElement* make(const char* factory) {
  GstElement* element = gst_element_factory_make(factory, nullptr);
  if (!element) die(std::string("no element ") + factory);
  return element;
}

GstPad* source_pad(GstElement* element) {
  if (GstPad* pad = gst_element_get_static_pad(element, "src")) return pad;
  GstPad* pad = gst_element_request_pad_simple(element, "src_%u");
  if (!pad) die("an element without a source pad");
  return pad;
}

GstElement* launch(const std::string& line) {
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  if (!pipeline || error) die(line + ": " + (error ? error->message : "?"));
  return pipeline;
}

void play(GstElement* pipeline) {
  if (gst_element_set_state(pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) die("a pipeline does not play");
}

void stop(GstElement* pipeline) {
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}

GstElement* child(GstElement* pipeline, const char* name) {
  GstElement* element = gst_bin_get_by_name(GST_BIN(pipeline), name);
  if (!element) die(std::string("no element called ") + name);
  gst_object_unref(element);
  return element;
}

}  // namespace bench
