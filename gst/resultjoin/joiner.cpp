// SPDX-License-Identifier: LGPL-2.1-or-later
#include "resultjoin/joiner.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "base/clock.hpp"
#include "base/frame_codec.hpp"
#include "base/ring_query.hpp"

GST_DEBUG_CATEGORY_EXTERN(gst_result_join_debug);
#define GST_CAT_DEFAULT gst_result_join_debug

namespace supplier::resultjoin {
namespace {

// Events that may wait beside the frames.
constexpr std::size_t kMostEvents = 64;
// By which a frame's time and its result's may differ under another clock than CLOCK_MONOTONIC, with which both are compared as they arrive.
constexpr std::uint64_t kForeignClock = 10 * GST_MSECOND;

GstBuffer* first_buffer(GstMiniObject* frame) {
  if (GST_IS_BUFFER(frame)) return GST_BUFFER_CAST(frame);
  auto* list = GST_BUFFER_LIST_CAST(frame);
  return gst_buffer_list_length(list) != 0 ? gst_buffer_list_get(list, 0) : nullptr;
}

void attach(GstBuffer* buffer, const std::vector<Joined>& joined, std::uint64_t frame_time, PictureSize size) {
  for (const Joined& each : joined)
    static_cast<const Findings&>(*each.finding)
        .add_to(buffer, size, static_cast<std::int64_t>(frame_time) - static_cast<std::int64_t>(each.found_at));
}

// A folder has other names in a container.
std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::chrono::steady_clock::time_point time_point(std::uint64_t monotonic) {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(monotonic));
}

}  // namespace

Mode Joiner::mode() const {
  const std::lock_guard hold(lock_);
  return mode_;
}

void Joiner::set_mode(Mode mode) {
  const std::lock_guard hold(lock_);
  mode_ = mode;
}

JoinLimits Joiner::limits() const {
  const std::lock_guard hold(lock_);
  return table_.limits;
}

void Joiner::set_max_frames(unsigned frames) {
  const std::lock_guard hold(lock_);
  table_.limits.max_frames = frames;
  changed_.notify_all();
}

bool Joiner::set_max_wait(std::uint64_t time) {
  const std::lock_guard hold(lock_);
  const bool other = std::exchange(table_.limits.max_wait, time) != time;
  changed_.notify_all();
  return other && !stopping_ && running_ == Mode::exact;
}

void Joiner::set_expire(std::uint64_t time) {
  const std::lock_guard hold(lock_);
  table_.limits.expire = time;
}

FrameCounts Joiner::counts() const {
  const std::lock_guard hold(lock_);
  FrameCounts counts = counts_;
  counts.held = table_.held();
  return counts;
}

void Joiner::start() {
  const std::lock_guard hold(lock_);
  running_ = mode_;
  from_ring_ = false;
  ring_.clear();
  size_ = {};
  gst_segment_init(&segment_, GST_FORMAT_UNDEFINED);
}

void Joiner::use_clock(GstClock* clock) {
  const bool foreign = clock && !is_system_monotonic(clock);
  const std::lock_guard hold(lock_);
  table_.limits.tolerance = foreign ? kForeignClock : 0;
}

FrameId Joiner::id_of(GstBuffer* buffer) const {
  FrameId id;
  if (!buffer || segment_.format != GST_FORMAT_TIME) return id;
  id.time = gst_segment_to_running_time(&segment_, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  if (from_ring_) id.sequence = GST_BUFFER_OFFSET(buffer);
  return id;
}

GstFlowReturn Joiner::chain(Owned<GstMiniObject> frame) {
  GstBuffer* first = first_buffer(frame.get());
  const FrameId id = id_of(first);
  // A picture that is repeated during an outage is none that a worker has seen.
  const bool awaited = first && !GST_BUFFER_FLAG_IS_SET(first, GST_BUFFER_FLAG_GAP);
  std::vector<Joined> joined;
  PictureSize size;
  {
    std::unique_lock lock(lock_);
    ++counts_.received;
    if (running_ == Mode::exact) return hold(std::move(frame), id, awaited, lock);
    joined = table_.pass(id);
    ++counts_.pushed;
    if (!joined.empty()) ++counts_.joined;
    size = size_;
  }
  return push(std::move(frame), joined, id.time, size);
}

// Waits for room while downstream is slow, never for a result: one frame too many makes the oldest one go on.
GstFlowReturn Joiner::hold(Owned<GstMiniObject> frame, const FrameId& id, bool awaited,
                           std::unique_lock<std::mutex>& lock) {
  changed_.wait(lock, [this] { return refuses() || flow_ != GST_FLOW_OK || !table_.full(); });
  if (refuses() || flow_ != GST_FLOW_OK) {
    ++counts_.discarded;
    return refuses() ? GST_FLOW_FLUSHING : std::exchange(flow_, GST_FLOW_OK);
  }
  table_.hold(id, awaited, monotonic_now());
  items_.push_back({std::move(frame), nullptr, id.time, true});
  changed_.notify_all();
  return GST_FLOW_OK;
}

GstFlowReturn Joiner::push(Owned<GstMiniObject> frame, const std::vector<Joined>& joined, std::uint64_t time,
                           PictureSize size) {
  if (!joined.empty())
    GST_LOG_OBJECT(element_, "%zu results for the frame of %" GST_TIME_FORMAT, joined.size(), GST_TIME_ARGS(time));
  if (GST_IS_BUFFER(frame.get())) {
    auto buffer = adopt(GST_BUFFER_CAST(frame.release()));
    if (!joined.empty()) {
      buffer = with_own_metas(std::move(buffer));
      attach(buffer.get(), joined, time, size);
    }
    return gst_pad_push(source_, buffer.release());
  }
  auto* list = GST_BUFFER_LIST_CAST(frame.release());
  if (!joined.empty()) {
    list = gst_buffer_list_make_writable(list);
    auto first = with_own_metas(share(gst_buffer_list_get(list, 0)));
    attach(first.get(), joined, time, size);
    gst_buffer_list_remove(list, 0, 1);
    gst_buffer_list_insert(list, 0, first.release());
  }
  return gst_pad_push_list(source_, list);
}

void Joiner::adopt_caps(GstEvent* event) {
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  size_ = PictureSize::from_caps(caps);
}

// Of the thread that pushes, in the order of the frames.
bool Joiner::push_event(Owned<GstEvent> event) {
  if (GST_EVENT_TYPE(event.get()) == GST_EVENT_CAPS) {
    const std::lock_guard hold(lock_);
    adopt_caps(event.get());
  }
  return gst_pad_push_event(source_, event.release());
}

// Of the sink pad's thread, as an event arrives.
void Joiner::observe(GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT) gst_event_copy_segment(event, &segment_);
  if (GST_EVENT_TYPE(event) == GST_EVENT_STREAM_START) {
    const auto ring = ring_before(sink_);
    from_ring_ = ring.has_value();
    GST_DEBUG_OBJECT(element_, "frames are joined by time%s", from_ring_ ? " and sequence" : "");
    const std::lock_guard hold(lock_);
    if (std::exchange(ring_, ring.value_or("")) != ring_) table_.discard_results();
  }
}

bool Joiner::sink_event(Owned<GstEvent> event) {
  switch (GST_EVENT_TYPE(event.get())) {
    case GST_EVENT_FLUSH_START: {
      const bool done = gst_pad_push_event(source_, event.release());
      flush(true);
      return done;
    }
    case GST_EVENT_FLUSH_STOP:
      gst_segment_init(&segment_, GST_FORMAT_UNDEFINED);
      flush(false);
      return gst_pad_push_event(source_, event.release());
    default:
      if (!is_serialized(event.get())) return gst_pad_push_event(source_, event.release());
      observe(event.get());
      {
        const std::lock_guard hold(lock_);
        if (running_ == Mode::latest) break;
      }
      return enqueue(std::move(event));
  }
  return push_event(std::move(event));
}

bool Joiner::enqueue(Owned<GstEvent> event) {
  GstFlowReturn failed = GST_FLOW_OK;
  {
    std::unique_lock lock(lock_);
    changed_.wait(lock, [this] { return refuses() || items_.size() < table_.limits.max_frames + kMostEvents; });
    if (refuses()) return false;
    if (GST_EVENT_TYPE(event.get()) == GST_EVENT_STREAM_START && std::exchange(ended_, false)) flow_ = GST_FLOW_OK;
    if (GST_EVENT_TYPE(event.get()) == GST_EVENT_EOS) {
      ended_ = true;
      failed = flow_;
    }
    items_.push_back({Owned<GstMiniObject>(GST_MINI_OBJECT_CAST(event.release())), nullptr, kUnknown, false});
    changed_.notify_all();
  }
  report(failed);
  return true;
}

// After its end upstream sends no further frame, with which it would learn of it.
void Joiner::report(GstFlowReturn failed) {
  if (failed == GST_FLOW_NOT_NEGOTIATED || failed == GST_FLOW_NOT_LINKED) GST_ELEMENT_FLOW_ERROR(element_, failed);
}

// Upstream waits until the frames before its query are gone: no longer than max-wait, unless downstream takes longer.
bool Joiner::answer_in_turn(GstQuery* query) {
  Question question{query};
  std::unique_lock lock(lock_);
  if (refuses()) return false;
  items_.push_back({nullptr, &question, kUnknown, false});
  changed_.notify_all();
  changed_.wait(lock, [&question] { return question.done; });
  return question.answer;
}

bool Joiner::forward_query(GstQuery* query) {
  if (!gst_pad_peer_query(source_, query)) return false;
  if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION) return true;
  GstCaps* caps = nullptr;
  gst_query_parse_allocation(query, &caps, nullptr);
  const guint held = frames_held_of(caps);
  for (guint i = 0; i < gst_query_get_n_allocation_pools(query); ++i) {
    GstBufferPool* pool = nullptr;
    guint size = 0;
    guint least = 0;
    guint most = 0;
    gst_query_parse_nth_allocation_pool(query, i, &pool, &size, &least, &most);
    gst_query_set_nth_allocation_pool(query, i, pool, size, least + held, most == 0 ? 0 : most + held);
    if (pool) gst_object_unref(pool);
  }
  return true;
}

// Frames that are held at a time: as many as come within max-wait.
guint Joiner::frames_held_of(const GstCaps* caps) const {
  const JoinLimits limits = this->limits();
  gint numerator = 0;
  gint denominator = 1;
  if (const GstStructure* structure = caps && !gst_caps_is_empty(caps) ? gst_caps_get_structure(caps, 0) : nullptr)
    gst_structure_get_fraction(structure, "framerate", &numerator, &denominator);
  if (numerator <= 0) return limits.max_frames;
  const auto frames = gst_util_uint64_scale_ceil(limits.max_wait, numerator, denominator * GST_SECOND);
  return static_cast<guint>(std::min<guint64>(frames, limits.max_frames));
}

bool Joiner::sink_query(GstQuery* query) {
  if (is_serialized(query)) {
    bool in_turn = false;
    {
      const std::lock_guard hold(lock_);
      in_turn = running_ == Mode::exact;
    }
    return in_turn ? answer_in_turn(query) : gst_pad_peer_query(source_, query);
  }
  return gst_pad_query_default(sink_, GST_OBJECT_CAST(element_), query);
}

bool Joiner::source_query(GstQuery* query) {
  if (!gst_pad_query_default(source_, GST_OBJECT_CAST(element_), query)) return false;
  if (GST_QUERY_TYPE(query) == GST_QUERY_LATENCY) {
    const std::uint64_t wait = latency();
    gboolean live = FALSE;
    GstClockTime least = 0;
    GstClockTime most = 0;
    gst_query_parse_latency(query, &live, &least, &most);
    gst_query_set_latency(query, live, least + wait, GST_CLOCK_TIME_IS_VALID(most) ? most + wait : most);
  }
  return true;
}

std::uint64_t Joiner::latency() const {
  const std::lock_guard hold(lock_);
  return running_ == Mode::exact ? table_.limits.max_wait : 0;
}

bool Joiner::activate_sink(bool on) {
  const std::lock_guard hold(lock_);
  flushing_ = !on;
  drop_all();
  return true;
}

bool Joiner::activate_source(bool on) {
  {
    const std::lock_guard hold(lock_);
    stopping_ = !on;
    drop_all();
    if (on && running_ == Mode::latest) return true;
  }
  if (!on) return gst_pad_stop_task(source_);
  return gst_pad_start_task(
      source_, [](gpointer self) { static_cast<Joiner*>(self)->loop(); }, this, nullptr);
}

// Nothing of before a flush or a stop comes after it: times may come again, for which old results would be wrong.
void Joiner::drop_all() {
  counts_.discarded += table_.clear(monotonic_now());
  for (const Item& item : items_)
    if (item.question) item.question->done = true;
  items_.clear();
  flow_ = GST_FLOW_OK;
  ended_ = false;
  changed_.notify_all();
}

void Joiner::flush(bool on) {
  std::unique_lock lock(lock_);
  if (!on && task_ != std::this_thread::get_id()) changed_.wait(lock, [this] { return !busy_; });
  flushing_ = on;
  // Caps and the like hold after a flush, too.
  std::vector<Owned<GstEvent>> sticky;
  for (Item& item : items_) {
    if (item.frame || item.question) continue;
    GstEvent* event = GST_EVENT_CAST(item.object.get());
    const GstEventType type = GST_EVENT_TYPE(event);
    if (!(gst_event_type_get_flags(type) & GST_EVENT_TYPE_STICKY) || type == GST_EVENT_SEGMENT || type == GST_EVENT_EOS)
      continue;
    if (type == GST_EVENT_CAPS) adopt_caps(event);
    sticky.push_back(share(event));
  }
  drop_all();
  lock.unlock();
  for (const auto& event : sticky) gst_pad_store_sticky_event(source_, event.get());
}

// False: the task is to end.
bool Joiner::wait_for_item(std::unique_lock<std::mutex>& lock) {
  while (!stopping_) {
    if (!items_.empty() && !items_.front().frame) return true;
    const std::uint64_t now = monotonic_now();
    const std::uint64_t at = items_.empty() ? kUnknown : table_.ready_at(now);
    if (at <= now) return true;
    if (at == kUnknown)
      changed_.wait(lock);
    else
      changed_.wait_until(lock, time_point(at));
  }
  return false;
}

void Joiner::loop() {
  std::unique_lock lock(lock_);
  task_ = std::this_thread::get_id();
  if (!wait_for_item(lock)) {
    lock.unlock();
    gst_pad_pause_task(source_);
    return;
  }
  Item item = std::move(items_.front());
  items_.pop_front();
  std::vector<Joined> joined;
  if (item.frame) {
    joined = table_.release(monotonic_now());
    ++counts_.pushed;
    if (!joined.empty()) ++counts_.joined;
  }
  const PictureSize size = size_;
  busy_ = true;
  changed_.notify_all();
  lock.unlock();

  GstFlowReturn flow = GST_FLOW_OK;
  bool answer = false;
  if (item.frame)
    flow = push(std::move(item.object), joined, item.time, size);
  else if (item.question)
    answer = forward_query(item.question->query);
  else
    push_event(adopt(GST_EVENT_CAST(item.object.release())));

  lock.lock();
  busy_ = false;
  const bool first = flow != GST_FLOW_OK && std::exchange(flow_, flow) == GST_FLOW_OK;
  if (item.question) {
    item.question->answer = answer;
    item.question->done = true;
  }
  changed_.notify_all();
  const bool ended = ended_;
  lock.unlock();
  if (first && ended) report(flow);
}

JoinTable::SourceRef Joiner::add_source() {
  const std::lock_guard hold(lock_);
  return table_.add_source();
}

void Joiner::remove_source(const JoinTable::SourceRef& source) {
  const std::lock_guard hold(lock_);
  table_.remove_source(source, monotonic_now());
  changed_.notify_all();
}

void Joiner::set_present(ResultSource& source, bool on) {
  const std::lock_guard hold(lock_);
  table_.set_present(source, on, monotonic_now());
  changed_.notify_all();
}

JoinTable::Outcome Joiner::add_result(ResultSource& source, const FrameId& frame, FindingRef finding) {
  const std::lock_guard hold(lock_);
  if (running_ == Mode::latest) return table_.add_latest(source, frame, std::move(finding));
  const auto outcome = table_.add_exact(source, frame, std::move(finding), monotonic_now());
  changed_.notify_all();
  return outcome;
}

void Joiner::refuse_result(ResultSource& source) {
  const std::lock_guard hold(lock_);
  source.refuse();
}

bool Joiner::is_of_this_ring(ResultSource& source, const std::string& ring) {
  const std::lock_guard hold(lock_);
  if (ring.empty() || ring_.empty() || file_name(ring) == file_name(ring_)) return true;
  source.pass_over();
  return false;
}

void Joiner::discard_results(ResultSource& source) {
  const std::lock_guard hold(lock_);
  source.discard();
}

SourceState Joiner::state_of(const ResultSource& source) const {
  const std::lock_guard hold(lock_);
  return {source.counts(), source.present(), source.silent()};
}

}  // namespace supplier::resultjoin
