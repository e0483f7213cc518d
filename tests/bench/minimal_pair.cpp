// SPDX-License-Identifier: LGPL-2.1-or-later
#include "minimal_pair.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include <gst/base/gstbasesink.h>
#include <gst/base/gstpushsrc.h>

#include "bench.hpp"

namespace bench {
namespace {

MinimalLink the_link{};

GstFlowReturn render(GstBaseSink*, GstBuffer*) {
  const std::uint64_t one = 1;
  return ::write(the_link.event, &one, sizeof one) == sizeof one ? GST_FLOW_OK : GST_FLOW_ERROR;
}

GstFlowReturn create(GstPushSrc*, GstBuffer** buffer) {
  std::uint64_t count;
  if (::read(the_link.event, &count, sizeof count) != sizeof count) return GST_FLOW_EOS;
  *buffer = gst_buffer_new_wrapped_full(GST_MEMORY_FLAG_READONLY, the_link.frame, the_link.size, 0, the_link.size,
                                        nullptr, nullptr);
  return GST_FLOW_OK;
}

void add_pad(gpointer klass, GstPadDirection direction, const char* name) {
  GstCaps* any = gst_caps_new_any();
  gst_element_class_add_pad_template(GST_ELEMENT_CLASS(klass),
                                     gst_pad_template_new(name, direction, GST_PAD_ALWAYS, any));
  gst_caps_unref(any);
}

void sink_class(gpointer klass, gpointer) {
  gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "Smallest sink", "Sink", "Rings a bell",
                                        "gst-frame-supplier");
  add_pad(klass, GST_PAD_SINK, "sink");
  GST_BASE_SINK_CLASS(klass)->render = render;
}
void sink_init(GTypeInstance* instance, gpointer) {
  gst_base_sink_set_sync(GST_BASE_SINK(instance), FALSE);
  gst_base_sink_set_async_enabled(GST_BASE_SINK(instance), FALSE);
  gst_base_sink_set_last_sample_enabled(GST_BASE_SINK(instance), FALSE);
}
void source_class(gpointer klass, gpointer) {
  gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "Smallest source", "Source", "Waits for a bell",
                                        "gst-frame-supplier");
  add_pad(klass, GST_PAD_SRC, "src");
  GST_PUSH_SRC_CLASS(klass)->create = create;
}
void source_init(GTypeInstance* instance, gpointer) {
  gst_base_src_set_live(GST_BASE_SRC(instance), TRUE);
  gst_base_src_set_format(GST_BASE_SRC(instance), GST_FORMAT_TIME);
}

}  // namespace

MinimalLink& minimal_link(std::size_t size) {
  if (!the_link.frame) the_link = {static_cast<std::byte*>(share(size)), size, ::eventfd(0, 0)};
  return the_link;
}

void register_minimal_pair() {
  const GType sink = g_type_register_static_simple(GST_TYPE_BASE_SINK, "BenchSink", sizeof(GstBaseSinkClass),
                                                   sink_class, sizeof(GstBaseSink), sink_init, G_TYPE_FLAG_NONE);
  const GType source = g_type_register_static_simple(GST_TYPE_PUSH_SRC, "BenchSrc", sizeof(GstPushSrcClass),
                                                     source_class, sizeof(GstPushSrc), source_init, G_TYPE_FLAG_NONE);
  gst_element_register(nullptr, "benchsink", GST_RANK_NONE, sink);
  gst_element_register(nullptr, "benchsrc", GST_RANK_NONE, source);
}

}  // namespace bench
