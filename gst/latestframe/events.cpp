// SPDX-License-Identifier: LGPL-2.1-or-later
// Events and queries of the pads: what is kept for the branches, what is answered here, what goes upstream.
#include <chrono>
#include <thread>
#include <utility>

#include <gst/video/video.h>

#include "latestframe/fanout.hpp"

GST_DEBUG_CATEGORY_EXTERN(gst_latest_frame_debug);
#define GST_CAT_DEFAULT gst_latest_frame_debug

namespace supplier::latestframe {
namespace {

// The time for which upstream waits for the branches in a flush.
constexpr std::chrono::milliseconds kFlushTime{100};
constexpr std::chrono::microseconds kLook{200};  // between two looks meanwhile

}  // namespace

bool Fanout::sink_event(Owned<GstEvent> event) {
  GST_LOG_OBJECT(sink_.get(), "received %" GST_PTR_FORMAT, event.get());
  switch (GST_EVENT_TYPE(event.get())) {
    case GST_EVENT_FLUSH_START:
      flush_start(std::move(event));
      return true;
    case GST_EVENT_FLUSH_STOP:
      flush_stop(std::move(event));
      return true;
    case GST_EVENT_EOS:
      end(std::move(event));
      return true;
    case GST_EVENT_GAP:
      publish(Owned<GstMiniObject>(GST_MINI_OBJECT_CAST(event.release())), false);
      return true;
    default:
      break;
  }
  if (is_sticky(event.get())) {
    if (GST_EVENT_TYPE(event.get()) == GST_EVENT_STREAM_START) {
      End over;
      std::lock_guard hold(newest_.lock);
      std::swap(over, newest_.end);
    }
    // The pad would store it when we return.
    if (gst_pad_store_sticky_event(sink_.get(), event.get()) != GST_FLOW_OK) return true;
    stream_state_changed_.store(true, std::memory_order_release);
    // An event that is not serialized (instant-rate-change) may come from another thread; the next frame brings it along.
    if (is_serialized(event.get())) announce();
    return true;
  }
  if (!is_serialized(event.get())) {
    for (const auto& member : members()) member.branch->send_out_of_band(share(event.get()));
    return true;
  }
  const StreamStateRef before = stream_state();
  {
    std::lock_guard hold(newest_.lock);
    for (const auto& branch : branches_)
      branch->post({share(event.get()), before, received_.load(std::memory_order_relaxed)});
  }
  newest_.event_count.beat();
  return true;
}

// Each branch sends them from its own thread, in their place between the frames: a worker that loads its model when it
// hears of caps need not wait for a frame.
void Fanout::announce() {
  StreamStateRef last = stream_state();
  {
    std::lock_guard hold(newest_.lock);
    if (newest_.epoch & 1) return;
    std::swap(newest_.announced.stream_state, last);  // the ones before go without the lock
    newest_.announced.position = received_.load(std::memory_order_relaxed);
    ++newest_.announced.serial;
  }
  newest_.event_count.beat();
}

void Fanout::end(Owned<GstEvent> event) {
  GST_DEBUG_OBJECT(sink_.get(), "the stream ends, each branch gets EOS after its last frame");
  const StreamStateRef before = stream_state();
  {
    std::lock_guard hold(newest_.lock);
    newest_.end = {std::move(event), before, received_.load(std::memory_order_relaxed), ++newest_.ends};
  }
  newest_.event_count.beat();
}

// Odd epochs are flushes. A frame that upstream's thread was still handing in keeps its old epoch and is thrown away.
void Fanout::flush_start(Owned<GstEvent> event) {
  GST_DEBUG_OBJECT(sink_.get(), "flush begins");
  ItemRef newest;
  End end;
  StreamStateRef announced;
  {
    std::lock_guard hold(newest_.lock);
    newest_.epoch |= 1;
    epoch_.store(newest_.epoch, std::memory_order_release);
    for (const auto& branch : branches_)
      branch->flush(newest_, event.get());  // one that comes later has nothing to flush
    std::swap(newest, newest_.item);
    std::swap(end, newest_.end);
    std::swap(announced, newest_.announced.stream_state);
  }
  if (const ItemRef in_mailbox = mailbox_.clear()) {
    std::lock_guard hold(newest_.lock);
    ++discarded_;
    newest_.reached = std::max(newest_.reached, in_mailbox->sequence);
  }
  await([](const Member& member) { return member.branch->flush_is_there(); });
}

void Fanout::flush_stop(Owned<GstEvent> event) {
  GST_DEBUG_OBJECT(sink_.get(), "flush ends");
  {
    std::lock_guard hold(newest_.lock);
    newest_.epoch += newest_.epoch & 1;
    epoch_.store(newest_.epoch, std::memory_order_release);
    for (const auto& branch : branches_) branch->unflush(newest_, event.get());
  }
  stream_state_changed_.store(true, std::memory_order_release);  // the pad has forgotten the segment
  newest_.event_count.beat();
  await([](const Member& member) { return member.branch->try_to_unflush(member.pad.get()); });
}

// As everywhere in GStreamer downstream has been flushed when the call returns: an application that seeks and then changes
// the state of a branch does the one after the other. A branch that does not come along in this time is late, and is not
// waited for again before it has caught up.
void Fanout::await(const std::function<bool(const Member&)>& done) {
  const auto deadline = std::chrono::steady_clock::now() + kFlushTime;
  std::vector<Member> waiting = members();
  while (std::erase_if(waiting, done), !waiting.empty() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(kLook);
  for (const Member& member : waiting) {
    GST_DEBUG_OBJECT(member.pad.get(), "did not flush in time, upstream goes on");
    member.branch->be_late();
  }
}

bool Fanout::source_event(Branch& branch, Owned<GstEvent> event) {
  switch (GST_EVENT_TYPE(event.get())) {
    case GST_EVENT_QOS:
      // One late branch would make upstream drop frames for all.
      GST_LOG_OBJECT(branch.pad(), "keeps %" GST_PTR_FORMAT " from upstream", event.get());
      return true;
    case GST_EVENT_RECONFIGURE:
      branch.reconfigured();
      return true;
    case GST_EVENT_SEEK:
      if (!seeks_.first(gst_event_get_seqnum(event.get()))) return true;
      GST_DEBUG_OBJECT(branch.pad(), "passes a seek upstream");
      break;
    case GST_EVENT_CUSTOM_UPSTREAM:
      if (gst_video_event_is_force_key_unit(event.get())) return pass_key_request(std::move(event));
      break;
    default:
      break;
  }
  return gst_pad_push_event(sink_.get(), event.release());
}

bool Fanout::sink_query(GstQuery* query) {
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_CAPS:
      negotiation_.caps(candidates(), query);
      return true;
    case GST_QUERY_ACCEPT_CAPS:
      negotiation_.accept_caps(candidates(), query);
      return true;
    case GST_QUERY_ALLOCATION:
      guard_.reconsider();
      negotiation_.allocation(candidates(), query);
      ask_branches();
      return true;
    case GST_QUERY_DRAIN:
      guard_.give_back();
      return true;
    default:
      // A serialized query would wait for the frames before it, that is for the branches.
      return !is_serialized(query) && any_branch_answers(query);
  }
}

// They answer sooner than with their first frame, and upstream hears of it before its second.
void Fanout::ask_branches() {
  const StreamStateRef now = stream_state();
  {
    std::lock_guard hold(newest_.lock);
    for (const auto& branch : branches_) branch->ask(now, received_.load(std::memory_order_relaxed));
  }
  newest_.event_count.beat();
}

bool Fanout::any_branch_answers(GstQuery* query) {
  for (const auto& member : members()) {
    if (gst_pad_is_blocked(member.pad.get())) continue;
    {
      std::lock_guard hold(newest_.lock);
      if (!member.branch->counts() || member.branch->busy()) continue;
    }
    if (gst_pad_peer_query(member.pad.get(), query)) return true;
  }
  return false;
}

bool Fanout::source_query(GstQuery* query, bool& result) {
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_SCHEDULING:
      gst_query_set_scheduling(query, static_cast<GstSchedulingFlags>(0), 1, -1, 0);
      gst_query_add_scheduling_mode(query, GST_PAD_MODE_PUSH);
      result = true;
      return true;
    case GST_QUERY_LATENCY:
      result = gst_pad_peer_query(sink_.get(), query);
      if (result) warn_if_not_live(query);
      return true;
    default:
      return false;
  }
}

void Fanout::warn_if_not_live(GstQuery* latency) {
  gboolean live = FALSE;
  gst_query_parse_latency(latency, &live, nullptr, nullptr);
  if (live || liveness_checked_.exchange(true, std::memory_order_relaxed)) return;
  if (const auto element = adopt(gst_pad_get_parent_element(sink_.get())))
    GST_ELEMENT_WARNING(element.get(), STREAM, FAILED,
                        ("The source is not live: frames come as fast as they can be read, and branches that show or "
                         "record them in real time will miss most of them. Put clocksync in front of %s.",
                         GST_OBJECT_NAME(element.get())),
                        ("a LATENCY query upstream was answered with live=false"));
}

}  // namespace supplier::latestframe
