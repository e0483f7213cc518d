// SPDX-License-Identifier: LGPL-2.1-or-later
// A latestframe between pads of the test: `Rig` is upstream, a `Worker` is what hangs on a branch and can get stuck at
// will, also for ever.
#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gst/check/gstharness.h>

#include "gst_fixture.hpp"

namespace latestframe_test {

using supplier::adopt;
using supplier::Owned;
using supplier::share;
using support::eventually;

inline constexpr const char* kCaps = "test/frames,kind=first";
inline constexpr const char* kOtherCaps = "test/frames,kind=second";

// Buffers and events that came to a worker, in order.
struct Seen {
  enum class Kind { buffer, list, event } kind;
  GstEventType type = GST_EVENT_UNKNOWN;  // of an event
  std::string text;                       // a caps or custom event's, or a stream id
  std::uint64_t frame = 0;                // the number of a buffer, or of a list's first
  bool discont = false;
  bool writable = false;
  const GstMemory* memory = nullptr;
  GstEvent* event = nullptr;  // its address only
};

inline Seen describe(GstBuffer* buffer, Seen::Kind kind) {
  Seen seen{kind};
  seen.frame = GST_BUFFER_OFFSET(buffer);
  seen.discont = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  seen.writable = gst_buffer_is_writable(buffer);
  seen.memory = gst_buffer_n_memory(buffer) ? gst_buffer_peek_memory(buffer, 0) : nullptr;
  return seen;
}

inline Seen describe(GstEvent* event) {
  Seen seen{Seen::Kind::event, GST_EVENT_TYPE(event)};
  seen.event = event;
  if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) {
    GstCaps* caps = nullptr;
    gst_event_parse_caps(event, &caps);
    const auto text = adopt(gst_caps_to_string(caps));
    seen.text = text.get();
  } else if (const GstStructure* structure = gst_event_get_structure(event)) {
    seen.text = gst_structure_get_name(structure);
  }
  return seen;
}

using Story = std::vector<std::string>;

class Worker {
 public:
  // The kind of thing a worker gets stuck at.
  enum class Stuck { nowhere, frame, event, caps, allocation };

  Worker() {
    pad_ = adopt(GST_PAD(gst_object_ref_sink(gst_pad_new("worker", GST_PAD_SINK))));
    g_object_set_data(G_OBJECT(pad_.get()), "worker", this);
    gst_pad_set_chain_function(pad_.get(), [](GstPad* pad, GstObject*, GstBuffer* buffer) {
      const auto owned = adopt(buffer);
      return of(pad).take(describe(buffer, Seen::Kind::buffer), Stuck::frame);
    });
    gst_pad_set_chain_list_function(pad_.get(), [](GstPad* pad, GstObject*, GstBufferList* list) {
      const auto owned = adopt(list);
      return of(pad).take(describe(gst_buffer_list_get(list, 0), Seen::Kind::list), Stuck::frame);
    });
    gst_pad_set_event_function(pad_.get(), [](GstPad* pad, GstObject*, GstEvent* event) -> gboolean {
      const auto owned = adopt(event);
      of(pad).take(describe(event), Stuck::event);
      return TRUE;
    });
    gst_pad_set_query_function(pad_.get(), [](GstPad* pad, GstObject* parent, GstQuery* query) -> gboolean {
      return of(pad).answer(parent, query);
    });
    gst_pad_set_active(pad_.get(), TRUE);
  }
  ~Worker() {
    free();
    leave();
    gst_pad_set_active(pad_.get(), FALSE);
    // A thread on its way into us or back has a reference to the pad.
    while (GST_OBJECT_REFCOUNT_VALUE(pad_.get()) > 1) g_usleep(100);
    std::lock_guard hold(lock_);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Requests a pad and links itself to it.
  void join(GstElement* latestframe, const char* name = "src_%u") {
    branch_ = adopt(gst_element_request_pad_simple(latestframe, name));
    ASSERT_TRUE(branch_);
    link();
  }
  void link() { ASSERT_EQ(gst_pad_link(branch_.get(), pad_.get()), GST_PAD_LINK_OK); }
  void unlink() { gst_pad_unlink(branch_.get(), pad_.get()); }
  void leave() {
    if (!branch_) return;
    if (const auto element = adopt(gst_pad_get_parent_element(branch_.get())))
      gst_element_release_request_pad(element.get(), branch_.get());
    branch_.reset();
  }

  void stick_at(Stuck where) {
    std::lock_guard hold(lock_);
    stuck_at_ = where;
  }
  void free() {
    {
      std::lock_guard hold(lock_);
      stuck_at_ = Stuck::nowhere;
    }
    changed_.notify_all();
  }
  // Stuck now, in the middle of what it was to get stuck at.
  bool await_stuck() {
    return eventually([this] {
      std::lock_guard hold(lock_);
      return stuck_;
    });
  }
  void fail_with(GstFlowReturn flow, bool once = false) {
    once_ = once;
    flow_ = flow;
  }
  void accept(const char* caps) {
    std::lock_guard hold(lock_);
    caps_ = adopt(gst_caps_from_string(caps));
  }
  // Called with every ALLOCATION query.
  void propose(std::function<void(GstQuery*)> proposal) {
    std::lock_guard hold(lock_);
    propose_ = std::move(proposal);
  }

  GstPad* pad() const { return pad_.get(); }
  GstPad* branch() const { return branch_.get(); }
  int allocations() const { return allocations_; }
  // Questions for its caps, of either kind.
  int caps_asked() const { return caps_asked_; }

  std::vector<Seen> seen() const {
    std::lock_guard hold(lock_);
    return seen_;
  }
  std::vector<std::uint64_t> frames() const {
    std::vector<std::uint64_t> frames;
    for (const Seen& seen : this->seen())
      if (seen.kind != Seen::Kind::event) frames.push_back(seen.frame);
    return frames;
  }
  // Number of times that an event of this type came.
  int count(GstEventType type) const {
    int count = 0;
    for (const Seen& seen : this->seen()) count += seen.kind == Seen::Kind::event && seen.type == type;
    return count;
  }
  bool got(std::uint64_t frame) const {
    return eventually([&] {
      const auto all = frames();
      return !all.empty() && all.back() >= frame;
    });
  }
  bool got(GstEventType type, int times = 1) const {
    return eventually([&] { return count(type) >= times; });
  }
  // A short form: event names, caps kinds and frame numbers.
  Story story() const {
    Story story;
    for (const Seen& seen : this->seen()) {
      if (seen.kind != Seen::Kind::event)
        story.push_back(std::to_string(seen.frame));
      else if (seen.type == GST_EVENT_CUSTOM_DOWNSTREAM || seen.type == GST_EVENT_CUSTOM_DOWNSTREAM_OOB)
        story.push_back(seen.text);
      else
        story.push_back(gst_event_type_get_name(seen.type));
    }
    return story;
  }

  std::uint64_t figure(const char* field) const {
    GstStructure* stats = nullptr;
    g_object_get(branch_.get(), "stats", &stats, nullptr);
    const auto owned = adopt(stats);
    guint64 value = 0;
    EXPECT_TRUE(gst_structure_get_uint64(stats, field, &value)) << field;
    return value;
  }
  void expect_balance() const {
    GstStructure* stats = nullptr;
    g_object_get(branch_.get(), "stats", &stats, nullptr);
    const auto owned = adopt(stats);
    guint64 offered = 0, delivered = 0, dropped = 0, pending = 0;
    ASSERT_TRUE(gst_structure_get(stats, "offered", G_TYPE_UINT64, &offered, "delivered", G_TYPE_UINT64, &delivered,
                                  "dropped", G_TYPE_UINT64, &dropped, "pending", G_TYPE_UINT64, &pending, nullptr));
    EXPECT_EQ(offered, delivered + dropped + pending);
  }

 private:
  static Worker& of(GstPad* pad) { return *static_cast<Worker*>(g_object_get_data(G_OBJECT(pad), "worker")); }

  GstFlowReturn take(Seen seen, Stuck where) {
    std::unique_lock hold(lock_);
    seen_.push_back(std::move(seen));
    stick(hold, where);
    return once_ && where == Stuck::frame ? flow_.exchange(GST_FLOW_OK) : flow_.load();
  }
  // Not even a flush helps.
  void stick(std::unique_lock<std::mutex>& hold, Stuck where) {
    if (stuck_at_ != where) return;
    stuck_ = true;
    changed_.wait(hold, [&] { return stuck_at_ != where; });
    stuck_ = false;
  }
  gboolean answer(GstObject* parent, GstQuery* query) {
    std::unique_lock hold(lock_);
    switch (GST_QUERY_TYPE(query)) {
      case GST_QUERY_CAPS: {
        ++caps_asked_;
        stick(hold, Stuck::caps);
        GstCaps* filter = nullptr;
        gst_query_parse_caps(query, &filter);
        const auto caps = adopt(caps_ ? gst_caps_ref(caps_.get()) : gst_caps_new_any());
        const auto result = adopt(filter ? gst_caps_intersect(filter, caps.get()) : gst_caps_ref(caps.get()));
        gst_query_set_caps_result(query, result.get());
        return TRUE;
      }
      case GST_QUERY_ACCEPT_CAPS: {
        GstCaps* caps = nullptr;
        ++caps_asked_;
        gst_query_parse_accept_caps(query, &caps);
        gst_query_set_accept_caps_result(query, !caps_ || gst_caps_can_intersect(caps, caps_.get()));
        return TRUE;
      }
      case GST_QUERY_ALLOCATION: {
        ++allocations_;
        stick(hold, Stuck::allocation);
        const auto propose = propose_;
        if (!propose) return FALSE;
        propose(query);
        return TRUE;
      }
      default:
        hold.unlock();
        return gst_pad_query_default(pad_.get(), parent, query);
    }
  }

  Owned<GstPad> pad_;
  Owned<GstPad> branch_;
  mutable std::mutex lock_;
  std::condition_variable changed_;
  Stuck stuck_at_ = Stuck::nowhere;
  bool stuck_ = false;
  std::vector<Seen> seen_;
  Owned<GstCaps> caps_;
  std::function<void(GstQuery*)> propose_;
  std::atomic<GstFlowReturn> flow_{GST_FLOW_OK};
  std::atomic<bool> once_{false};
  std::atomic<int> allocations_{0};
  std::atomic<int> caps_asked_{0};
};

// Upstream of a latestframe that is PLAYING, and its bus.
class Rig {
 public:
  explicit Rig(GstState state = GST_STATE_PLAYING) {
    element_ = adopt(GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("latestframe", "fan"))));
    bus_ = adopt(gst_bus_new());
    gst_element_set_bus(element_.get(), bus_.get());
    // Of links it would be told by messages with references to the workers' pads: see ~Worker.
    gst_bus_set_sync_handler(
        bus_.get(),
        [](GstBus*, GstMessage* message, gpointer) {
          if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_STRUCTURE_CHANGE) return GST_BUS_PASS;
          gst_message_unref(message);
          return GST_BUS_DROP;
        },
        nullptr, nullptr);
    source_ = adopt(GST_PAD(gst_object_ref_sink(gst_pad_new("source", GST_PAD_SRC))));
    g_object_set_data(G_OBJECT(source_.get()), "rig", this);
    gst_pad_set_event_function(source_.get(), [](GstPad* pad, GstObject*, GstEvent* event) -> gboolean {
      const auto owned = adopt(event);
      auto& rig = of(pad);
      std::lock_guard hold(rig.lock_);
      rig.upstream_.push_back(GST_EVENT_TYPE(event));
      return TRUE;
    });
    gst_pad_set_query_function(source_.get(), [](GstPad* pad, GstObject* parent, GstQuery* query) -> gboolean {
      {
        auto& rig = of(pad);
        std::lock_guard hold(rig.lock_);
        rig.questions_.push_back(GST_QUERY_TYPE(query));
      }
      if (GST_QUERY_TYPE(query) == GST_QUERY_LATENCY) {
        gst_query_set_latency(query, of(pad).live, 20 * GST_MSECOND, 70 * GST_MSECOND);
        return TRUE;
      }
      if (GST_QUERY_TYPE(query) == GST_QUERY_CAPS) {  // a source that can do anything
        GstCaps* filter = nullptr;
        gst_query_parse_caps(query, &filter);
        gst_query_set_caps_result(query, adopt(filter ? gst_caps_ref(filter) : gst_caps_new_any()).get());
        return TRUE;
      }
      return gst_pad_query_default(pad, parent, query);
    });
    sink_ = adopt(gst_element_get_static_pad(element_.get(), "sink"));
    gst_pad_link(source_.get(), sink_.get());
    gst_pad_set_active(source_.get(), TRUE);
    gst_element_set_state(element_.get(), state);
  }
  ~Rig() {
    stop();
    gst_element_set_bus(element_.get(), nullptr);  // what comes to it at the last moment, too, holds the element
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  void stop() { gst_element_set_state(element_.get(), GST_STATE_NULL); }

  void start(const char* caps = kCaps, const char* stream = "stream") {
    event(gst_event_new_stream_start(stream));
    set_caps(caps);
    segment();
  }
  void set_caps(const char* caps) {
    const auto parsed = adopt(gst_caps_from_string(caps));
    event(gst_event_new_caps(parsed.get()));
  }
  void segment(GstClockTime start = 0) {
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.start = segment.time = start;
    event(gst_event_new_segment(&segment));
  }
  bool event(GstEvent* event) { return gst_pad_push_event(source_.get(), event); }
  bool custom(const char* name, GstEventType type = GST_EVENT_CUSTOM_DOWNSTREAM) {
    return event(gst_event_new_custom(type, gst_structure_new_empty(name)));
  }
  bool query(GstQuery* query) { return gst_pad_peer_query(source_.get(), query); }

  static Owned<GstBuffer> frame(std::uint64_t number) {
    auto buffer = adopt(gst_buffer_new_allocate(nullptr, 64, nullptr));
    GST_BUFFER_OFFSET(buffer.get()) = number;
    GST_BUFFER_PTS(buffer.get()) = number * GST_MSECOND;
    return buffer;
  }
  GstFlowReturn push(Owned<GstBuffer> buffer) { return gst_pad_push(source_.get(), buffer.release()); }
  // The next frame; its number.
  std::uint64_t push(bool delta = false) {
    auto buffer = frame(++number_);
    if (delta) GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_DELTA_UNIT);
    EXPECT_EQ(push(std::move(buffer)), GST_FLOW_OK);
    return number_;
  }
  // The next frames as one list; the number of its first.
  std::uint64_t push_list(bool delta = false) {
    auto list = adopt(gst_buffer_list_new());
    for (int i = 0; i < 3; ++i) {
      auto buffer = frame(++number_);
      if (delta) GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_DELTA_UNIT);
      gst_buffer_list_add(list.get(), buffer.release());
    }
    EXPECT_EQ(gst_pad_push_list(source_.get(), list.release()), GST_FLOW_OK);
    return number_ - 2;
  }
  // Buffers in the caps with headers: two buffers, with these numbers.
  static constexpr const char* kCapsWithHeaders = "video/x-encoded,streamheader=(buffer)<6831,6832>";
  static constexpr std::uint64_t kFirstHeader = 1001;
  void push_headers() {
    for (std::uint64_t i = 0; i < 2; ++i) {
      auto buffer = frame(kFirstHeader + i);
      gst_buffer_set_size(buffer.get(), 2);
      gst_buffer_fill(buffer.get(), 0, i == 0 ? "h1" : "h2", 2);
      GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_HEADER);
      EXPECT_EQ(push(std::move(buffer)), GST_FLOW_OK);
    }
  }
  // Each frame after the worker had the one before.
  void push_in_step(const Worker& worker, int frames) {
    for (int i = 0; i < frames; ++i) ASSERT_TRUE(worker.got(push()));
  }
  std::uint64_t number() const { return number_; }

  // Upstream events that came out at the top.
  int upstream(GstEventType type) const {
    std::lock_guard hold(lock_);
    return static_cast<int>(std::count(upstream_.begin(), upstream_.end(), type));
  }
  // And queries.
  int asked(GstQueryType type) const {
    std::lock_guard hold(lock_);
    return static_cast<int>(std::count(questions_.begin(), questions_.end(), type));
  }
  std::uint64_t figure(const char* field) const {
    GstStructure* stats = nullptr;
    g_object_get(element_.get(), "stats", &stats, nullptr);
    const auto owned = adopt(stats);
    guint64 value = 0;
    EXPECT_TRUE(gst_structure_get_uint64(stats, field, &value)) << field;
    return value;
  }
  // The text of the next warning; "" after a while without one.
  std::string warning(std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    const auto found = adopt(gst_bus_timed_pop_filtered(
        bus_.get(), static_cast<GstClockTime>(std::chrono::nanoseconds(limit).count()), GST_MESSAGE_WARNING));
    return found ? support::Pipeline::error_text(found.get()) : "";
  }

  GstElement* element() const { return element_.get(); }
  GstPad* sink() const { return sink_.get(); }
  GstPad* source() const { return source_.get(); }
  GstBus* bus() const { return bus_.get(); }

  std::atomic<bool> live{true};

 private:
  static Rig& of(GstPad* pad) { return *static_cast<Rig*>(g_object_get_data(G_OBJECT(pad), "rig")); }

  Owned<GstElement> element_;
  Owned<GstBus> bus_;
  Owned<GstPad> source_;
  Owned<GstPad> sink_;
  std::uint64_t number_ = 0;
  mutable std::mutex lock_;
  std::vector<GstEventType> upstream_;
  std::vector<GstQueryType> questions_;
};

// Threads of this process whose name begins so.
inline int threads_named(const std::string& prefix) {
  int count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    count += name.rfind(prefix, 0) == 0;
  }
  return count;
}

class LatestFrame : public support::GstFixture {
 protected:
  // Nothing that the tests started is left: every thread has ended once it was free.
  static void TearDownTestSuite() {
    EXPECT_TRUE(eventually([] { return threads_named("src_") + threads_named("latest-") == 0; }))
        << threads_named("src_") << " branches, " << threads_named("latest-") << " others";
  }
};

}  // namespace latestframe_test
