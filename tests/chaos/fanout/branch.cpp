// SPDX-License-Identifier: LGPL-2.1-or-later
// Judging what comes to a branch.
#include "branch.hpp"

#include <thread>
#include <utility>

namespace fanout_chaos {

using supplier::adopt;
using supplier::share;

namespace {

const std::string kStream = "stream-";

std::uint32_t number_of_caps(GstEvent* event) {
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  int number = 0;
  gst_structure_get_int(gst_caps_get_structure(caps, 0), "number", &number);
  return static_cast<std::uint32_t>(number);
}

std::uint32_t number_of_stream(GstEvent* event) {
  const char* name = nullptr;
  gst_event_parse_stream_start(event, &name);
  return static_cast<std::uint32_t>(std::stoul(std::string(name).substr(kStream.size())));
}

}  // namespace

void Fault::report(const std::string& what) {
  std::lock_guard hold(lock_);
  if (!seen_.exchange(true)) text_ = what;
}

std::string Fault::text() const {
  std::lock_guard hold(lock_);
  return text_;
}

void Mark::put_on(GstBuffer* buffer) const {
  GST_BUFFER_OFFSET(buffer) = number;
  GST_BUFFER_OFFSET_END(buffer) = std::uint64_t{caps} << 32 | generation;
  GST_BUFFER_PTS(buffer) = number * GST_MSECOND;
}

Mark Mark::of(GstBuffer* buffer) {
  const guint64 both = GST_BUFFER_OFFSET_END(buffer);
  return {GST_BUFFER_OFFSET(buffer), static_cast<std::uint32_t>(both >> 32), static_cast<std::uint32_t>(both)};
}

supplier::Owned<GstCaps> caps_number(std::uint32_t number) {
  return adopt(gst_caps_new_simple("test/frames", "number", G_TYPE_INT, static_cast<int>(number), nullptr));
}

std::string stream_name(std::uint32_t number) { return kStream + std::to_string(number); }

gboolean answer_with_any_caps(GstPad* pad, GstObject* parent, GstQuery* query) {
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_CAPS: {
      GstCaps* filter = nullptr;
      gst_query_parse_caps(query, &filter);
      gst_query_set_caps_result(query, adopt(filter ? gst_caps_ref(filter) : gst_caps_new_any()).get());
      return TRUE;
    }
    case GST_QUERY_ACCEPT_CAPS:
      gst_query_set_accept_caps_result(query, TRUE);
      return TRUE;
    case GST_QUERY_LATENCY:
      gst_query_set_latency(query, TRUE, 0, GST_CLOCK_TIME_NONE);
      return TRUE;
    default:
      return gst_pad_query_default(pad, parent, query);
  }
}

Branch& Branch::of(GstPad* pad) { return *static_cast<Branch*>(g_object_get_data(G_OBJECT(pad), "branch")); }

Branch::Branch(Fault& fault, std::string name) : fault_(fault), name_(std::move(name)) {
  pad_ = adopt(GST_PAD(gst_object_ref_sink(gst_pad_new("end", GST_PAD_SINK))));
  g_object_set_data(G_OBJECT(pad_.get()), "branch", this);
  gst_pad_set_chain_function(pad_.get(), [](GstPad* pad, GstObject*, GstBuffer* buffer) {
    const auto owned = adopt(buffer);
    of(pad).judge(buffer, true);
    return GST_FLOW_OK;
  });
  gst_pad_set_chain_list_function(pad_.get(), [](GstPad* pad, GstObject*, GstBufferList* list) {
    const auto owned = adopt(list);
    for (guint i = 0; i < gst_buffer_list_length(list); ++i) of(pad).judge(gst_buffer_list_get(list, i), i == 0);
    return GST_FLOW_OK;
  });
  gst_pad_set_event_function(pad_.get(), [](GstPad* pad, GstObject*, GstEvent* event) -> gboolean {
    const auto owned = adopt(event);
    of(pad).judge(event);
    return TRUE;
  });
  gst_pad_set_query_function(pad_.get(), answer_with_any_caps);
  gst_pad_set_active(pad_.get(), TRUE);
}

Branch::~Branch() {
  leave();
  gst_pad_set_active(pad_.get(), FALSE);
  // A thread on its way into us or back has a reference to the pad.
  while (GST_OBJECT_REFCOUNT_VALUE(pad_.get()) > 1) std::this_thread::sleep_for(std::chrono::microseconds(100));
  std::lock_guard hold(lock_);
}

bool Branch::join(GstElement* latestframe) {
  element_ = share(latestframe);
  source_ = adopt(gst_element_request_pad_simple(latestframe, "src_%u"));
  if (!source_) return false;
  link();
  return true;
}

void Branch::leave() {
  if (!source_) return;
  {
    std::lock_guard hold(lock_);
    leaving_ = true;
  }
  unblock();
  note("released");
  gst_element_release_request_pad(element_.get(), source_.get());
  source_.reset();
  element_.reset();
  linked_ = false;
}

void Branch::unlink() {
  if (!linked_) return;
  gst_pad_unlink(source_.get(), pad_.get());
  linked_ = false;
  note("unlinked");
}

void Branch::link() {
  if (linked_) return;
  {
    std::lock_guard hold(lock_);
    again_ = 2;
  }
  note("linked");
  linked_ = gst_pad_link(source_.get(), pad_.get()) == GST_PAD_LINK_OK;
  if (!linked_) wrong("cannot be linked");
}

void Branch::restart() {
  unlink();  // else GStreamer would not send the sticky events again
  gst_pad_set_active(pad_.get(), FALSE);
  {
    std::lock_guard hold(lock_);
    segment_ = ended_ = false;
    stream_.reset();
    caps_.reset();
    again_ = 2;
  }
  note("restarted");
  gst_pad_set_active(pad_.get(), TRUE);
  link();
}

void Branch::block() {
  if (probe_ || !source_) return;
  note("blocked");
  probe_ = gst_pad_add_probe(
      source_.get(), GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM,
      [](GstPad*, GstPadProbeInfo*, gpointer) { return GST_PAD_PROBE_OK; }, nullptr, nullptr);
}

void Branch::unblock() {
  if (probe_) gst_pad_remove_probe(source_.get(), std::exchange(probe_, 0));
}

void Branch::ask_upstream(std::uint64_t random) {
  switch (random % 5) {
    case 0:
      gst_pad_push_event(pad_.get(), gst_event_new_reconfigure());
      break;
    case 1:
      gst_pad_push_event(pad_.get(), gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 0.5, 0, 0));
      break;
    case 2: {
      const auto latency = adopt(gst_query_new_latency());
      gst_pad_peer_query(pad_.get(), latency.get());
      break;
    }
    case 3:
      adopt(gst_pad_peer_query_caps(pad_.get(), nullptr));
      break;
    default:
      balance();
  }
}

std::string Branch::balance() const {
  if (!source_) return "";
  GstStructure* stats = nullptr;
  g_object_get(source_.get(), "stats", &stats, nullptr);
  const auto owned = adopt(stats);
  guint64 offered = 0, delivered = 0, dropped = 0, pending = 0;
  gst_structure_get(stats, "offered", G_TYPE_UINT64, &offered, "delivered", G_TYPE_UINT64, &delivered, "dropped",
                    G_TYPE_UINT64, &dropped, "pending", G_TYPE_UINT64, &pending, nullptr);
  if (offered == delivered + dropped + pending) return "";
  return name_ + ": offered " + std::to_string(offered) + ", delivered " + std::to_string(delivered) + ", dropped " +
         std::to_string(dropped) + ", pending " + std::to_string(pending);
}

void Branch::judge(GstBuffer* buffer, bool first) {
  const Mark mark = Mark::of(buffer);
  if (const unsigned pause = pause_) std::this_thread::sleep_for(std::chrono::microseconds(pause));
  note(std::to_string(mark.number));
  std::unique_lock hold(lock_);
  std::string why;
  if (first) bare_ = leaving_ || again_ == 2;
  if (!bare_ && !stream_) why = "before a stream-start";
  if (!bare_ && !caps_) why = "before caps";
  if (!bare_ && !segment_) why = "before a segment";
  if (ended_) why = "after the end";
  if (caps_ && *caps_ != mark.caps)
    why = "sent with caps " + std::to_string(mark.caps) + " came with " + std::to_string(*caps_);
  if (mark.generation < generation_)
    why = "of before flush " + std::to_string(generation_) + " came after it, it is of " +
          std::to_string(mark.generation);
  if (mark.number <= last_ && !(again_ && mark.number + kFramesOfAList > last_))
    why = "after frame " + std::to_string(last_);
  last_ = mark.number;
  if (first && again_) --again_;
  if (mark.number <= fault_.pardoned()) why.clear();
  hold.unlock();
  if (!why.empty()) wrong("frame " + std::to_string(mark.number) + " " + why);
}

void Branch::judge(GstEvent* event) {
  note(GST_EVENT_TYPE_NAME(event));
  std::unique_lock hold(lock_);
  std::string why;
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START: {
      const std::uint32_t number = number_of_stream(event);
      if (number < stream_.value_or(0)) why = "stream " + std::to_string(number) + " after " + std::to_string(*stream_);
      stream_ = number;
      ended_ = false;
      break;
    }
    case GST_EVENT_CAPS: {
      const std::uint32_t number = number_of_caps(event);
      if (number < caps_.value_or(0)) why = "caps " + std::to_string(number) + " after " + std::to_string(*caps_);
      caps_ = number;
      break;
    }
    case GST_EVENT_SEGMENT:
      segment_ = true;
      break;
    case GST_EVENT_FLUSH_STOP:
      segment_ = ended_ = false;
      again_ = 2;
      if (const guint32 number = gst_event_get_seqnum(event); number > kFlushSeqnums)
        generation_ = std::max(generation_, number - kFlushSeqnums);
      break;
    case GST_EVENT_EOS:
      ++ends_;
      ended_ = true;
      break;
    default:
      break;
  }
  if (again_) why.clear();  // with the frame that comes again
  hold.unlock();
  if (!why.empty()) wrong(why);
}

void Branch::note(std::string what) {
  std::lock_guard hold(lock_);
  if (story_.size() == 40) story_.pop_front();
  story_.push_back(std::move(what));
}

std::string Branch::story() const {
  std::lock_guard hold(lock_);
  std::string all;
  for (const std::string& what : story_) all += " " + what;
  return all;
}

void Branch::wrong(const std::string& what) { fault_.report(name_ + ": " + what + "; what came to it:" + story()); }

}  // namespace fanout_chaos
