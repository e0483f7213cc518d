// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ring/eos_forwarding.hpp"

#include <optional>
#include <utility>

GST_DEBUG_CATEGORY_EXTERN(gst_shm_ring_sink_debug);
#define GST_CAT_DEFAULT gst_shm_ring_sink_debug

namespace supplier {
namespace {

Owned<GstElement> pipeline_of(GstElement* element) {
  Owned<GstElement> top = share(element);
  while (GstObject* parent = gst_object_get_parent(GST_OBJECT(top.get()))) top = adopt(GST_ELEMENT(parent));
  return top;
}

// Nothing where the query is not answered.
template <class Ask>
std::optional<bool> live(Ask ask) {
  const auto query = adopt(gst_query_new_latency());
  if (!ask(query.get())) return std::nullopt;
  gboolean live = FALSE;
  gst_query_parse_latency(query.get(), &live, nullptr, nullptr);
  return live != FALSE;
}

// Tells whether every source of the pipeline says that it is not live. Then it is a clocksync or `identity sync=true` that says so for a file.
bool only_paced(GstElement* pipeline) {
  if (!GST_IS_BIN(pipeline)) return false;
  struct Sources {
    bool any = false;
    bool live = false;
  } sources;
  const auto look = +[](const GValue* item, GValue* kept, gpointer) -> gboolean {
    auto& found = *static_cast<Sources*>(g_value_get_pointer(kept));
    auto* source = GST_ELEMENT(g_value_get_object(item));
    found.any = true;
    found.live |= live([&](GstQuery* query) { return gst_element_query(source, query); }).value_or(true);
    return TRUE;
  };
  GValue kept = G_VALUE_INIT;
  g_value_init(&kept, G_TYPE_POINTER);
  g_value_set_pointer(&kept, &sources);
  GstIterator* all = gst_bin_iterate_sources(GST_BIN(pipeline));
  GstIteratorResult result;
  while ((result = gst_iterator_fold(all, look, &kept, nullptr)) == GST_ITERATOR_RESYNC) gst_iterator_resync(all);
  gst_iterator_free(all);
  return result == GST_ITERATOR_DONE && sources.any && !sources.live;
}

}  // namespace

void EosForwarding::start() {
  stop();
  errors_->seen = false;
  live_ = false;
  bus_ = adopt(gst_element_get_bus(pipeline_of(sink_).get()));
  if (!bus_) return;
  // A signal, and not the handler of the bus: that one is the application's.
  gst_bus_enable_sync_message_emission(bus_.get());
  using Kept = std::shared_ptr<Errors>;
  const auto note = +[](GstBus*, GstMessage*, gpointer kept) { (*static_cast<Kept*>(kept))->seen = true; };
  const auto forget = +[](gpointer kept, GClosure*) { delete static_cast<Kept*>(kept); };
  handler_ = g_signal_connect_data(bus_.get(), "sync-message::error", G_CALLBACK(note), new Kept(errors_), forget,
                                   GConnectFlags{});
}

void EosForwarding::stop() {
  if (!bus_) return;
  g_signal_handler_disconnect(bus_.get(), std::exchange(handler_, 0));
  gst_bus_disable_sync_message_emission(bus_.get());
  bus_.reset();
}

void EosForwarding::ask_upstream() {
  const auto said = live([this](GstQuery* query) { return gst_pad_peer_query(pad_, query); });
  GST_DEBUG_OBJECT(sink_, "upstream %s", !said ? "does not say whether it is live" : *said ? "is live" : "is not live");
  if (said) live_ = *said && !only_paced(pipeline_of(sink_).get());
}

bool EosForwarding::is_stream_end(ForwardEos rule) {
  const char* kept = nullptr;
  if (rule == ForwardEos::never)
    kept = "forward-eos=never";
  else if (errors_->seen)
    kept = "the pipeline posted an error before";
  else if (rule == ForwardEos::automatic) {
    ask_upstream();
    if (live_) kept = "upstream is live";
  }
  if (kept)
    GST_INFO_OBJECT(sink_, "EOS is not told to readers: %s", kept);
  else
    GST_INFO_OBJECT(sink_, "EOS is told to readers as the end of the stream");
  return !kept;
}

}  // namespace supplier
