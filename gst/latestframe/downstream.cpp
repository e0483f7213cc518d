// SPDX-License-Identifier: LGPL-2.1-or-later
// The walk from pad to pad; the out-of-band sender's thread comes and goes.
#include "latestframe/downstream.hpp"

#include <pthread.h>

#include <algorithm>
#include <system_error>
#include <thread>
#include <utility>

GST_DEBUG_CATEGORY_EXTERN(gst_latest_frame_debug);
#define GST_CAT_DEFAULT gst_latest_frame_debug

namespace supplier::latestframe {
namespace {

template <class T>
bool contains(const std::vector<Owned<T>>& held, const T* wanted) {
  return std::any_of(held.begin(), held.end(), [wanted](const auto& one) { return one.get() == wanted; });
}

bool has_several_inputs(GstElement* element) {
  GST_OBJECT_LOCK(element);
  const bool several = element->numsinkpads > 1;
  GST_OBJECT_UNLOCK(element);
  return several;
}

// `gap`: a pad before this one does not flush.
void look_behind(GstPad* source, std::vector<Owned<GstPad>>& seen, FlushBehind& found, bool gap) {
  auto sink = adopt(gst_pad_get_peer(source));
  if (!sink || contains(seen, sink.get())) return;
  GstPad* pad = sink.get();
  seen.push_back(std::move(sink));
  const auto [active, flushing] = state_of(pad);
  if (active && flushing) found.some = true;
  if (active && (flushing ? gap : seen.size() == 1)) found.restarted = true;
  const auto element = adopt(gst_pad_get_parent_element(pad));
  if (element && has_several_inputs(element.get())) return;
  GstIterator* links = gst_pad_iterate_internal_links(pad);
  if (!links) return;
  for (GValue link = G_VALUE_INIT; gst_iterator_next(links, &link) == GST_ITERATOR_OK; g_value_unset(&link))
    look_behind(GST_PAD(g_value_get_object(&link)), seen, found, gap || (active && !flushing));
  gst_iterator_free(links);
}

bool begins_flush(const Owned<GstEvent>& event) { return GST_EVENT_TYPE(event.get()) == GST_EVENT_FLUSH_START; }

}  // namespace

PadState state_of(GstPad* pad) {
  GST_OBJECT_LOCK(pad);
  const PadState state{static_cast<bool>(GST_PAD_IS_ACTIVE(pad)), static_cast<bool>(GST_PAD_IS_FLUSHING(pad))};
  GST_OBJECT_UNLOCK(pad);
  return state;
}

StillDownstream::StillDownstream(GstPad* source) {
  still_ = hold_behind(source, false);
  if (!still_) let_go();
}

// `cut`: what is sent from the source does not come so far now, since a pad on the way is not active. What flushes beyond
// it would flush for ever.
bool StillDownstream::hold_behind(GstPad* source, bool cut) {
  auto sink = adopt(gst_pad_get_peer(source));
  if (!sink || contains(pads_, sink.get())) return true;
  if (!GST_PAD_STREAM_TRYLOCK(sink.get())) return false;
  GstPad* pad = sink.get();
  pads_.push_back(std::move(sink));
  const auto element = adopt(gst_pad_get_parent_element(pad));  // none inside of a ghost pad
  if (element && !hold(element.get())) return false;
  const auto [active, flushing] = state_of(pad);
  if (cut && active && flushing) return false;
  if (element && has_several_inputs(element.get())) return true;
  GstIterator* links = gst_pad_iterate_internal_links(pad);
  if (!links) return true;
  const bool held = hold_behind_all(links, cut || !active);
  gst_iterator_free(links);
  return held;
}

bool StillDownstream::hold_behind_all(GstIterator* links, bool cut) {
  bool held = true;
  for (GValue link = G_VALUE_INIT; held;) {
    const GstIteratorResult result = gst_iterator_next(links, &link);
    if (result != GST_ITERATOR_OK) return result == GST_ITERATOR_DONE;
    held = hold_behind(GST_PAD(g_value_get_object(&link)), cut);
    g_value_unset(&link);
  }
  return held;
}

// And the bins around it: the end of a flush makes a sink tell its pipeline, which then sends the latency anew.
bool StillDownstream::hold(GstElement* element) {
  for (auto at = share(element); at && !contains(elements_, at.get());) {
    if (!GST_STATE_TRYLOCK(at.get())) return false;
    elements_.push_back(share(at.get()));
    const auto parent = adopt(gst_object_get_parent(GST_OBJECT(at.get())));
    at = share(parent && GST_IS_ELEMENT(parent.get()) ? GST_ELEMENT(parent.get()) : nullptr);
  }
  return true;
}

void StillDownstream::let_go() {
  for (; !pads_.empty(); pads_.pop_back()) GST_PAD_STREAM_UNLOCK(pads_.back().get());
  for (; !elements_.empty(); elements_.pop_back()) GST_STATE_UNLOCK(elements_.back().get());
}

FlushBehind flush_behind(GstPad* source) {
  FlushBehind found;
  std::vector<Owned<GstPad>> seen;
  look_behind(source, seen, found, false);
  return found;
}

void OutOfBandSender::flush(Owned<GstEvent> event) { post(std::move(event)); }

void OutOfBandSender::send(Owned<GstEvent> event) {
  {
    std::lock_guard hold(lock_);
    if (events_.size() >= kMostEvents) {
      GST_WARNING_OBJECT(pad_, "dropped %" GST_PTR_FORMAT ": downstream takes none of those before it", event.get());
      return;
    }
  }
  post(std::move(event));
}

bool OutOfBandSender::flushing() const {
  std::lock_guard hold(lock_);
  return in_flush_ || std::any_of(events_.begin(), events_.end(), begins_flush);
}

bool OutOfBandSender::flush_is_underway() const {
  std::lock_guard hold(lock_);
  return in_flush_;
}

bool OutOfBandSender::flush_has_begun(std::uint64_t thread) {
  std::lock_guard hold(lock_);
  if (thread != thread_) return false;
  in_flush_ = false;
  return true;
}

void OutOfBandSender::abandon_flush() {
  std::lock_guard hold(lock_);
  if (!std::exchange(in_flush_, false)) return;
  thread_ = 0;
  if (!events_.empty()) start();
}

void OutOfBandSender::forget() {
  std::deque<Owned<GstEvent>> forgotten;
  std::lock_guard hold(lock_);
  std::swap(events_, forgotten);
}

void OutOfBandSender::post(Owned<GstEvent> event) {
  std::lock_guard hold(lock_);
  events_.push_back(std::move(event));
  if (thread_ == 0) start();
}

void OutOfBandSender::start() {
  thread_ = ++threads_;
  try {
    std::thread([this, self = owner_.shared_from_this(), pad = share(pad_), thread = thread_] {
      pthread_setname_np(pthread_self(), "latest-events");
      run(pad.get(), thread);
    }).detach();
  } catch (const std::system_error& error) {
    thread_ = 0;
    events_.clear();
    GST_ERROR_OBJECT(pad_, "an event is lost, no thread to bring it with: %s", error.what());
  }
}

void OutOfBandSender::run(GstPad* pad, std::uint64_t thread) {
  for (;;) {
    Owned<GstEvent> event;
    bool flush = false;
    {
      std::lock_guard hold(lock_);
      if (thread != thread_) return;
      if (events_.empty()) {
        thread_ = 0;
        return;
      }
      event = std::move(events_.front());
      events_.pop_front();
      in_flush_ = flush = begins_flush(event);
    }
    GST_LOG_OBJECT(pad, "sends %" GST_PTR_FORMAT " out of band", event.get());
    gst_pad_push_event(pad, event.release());
    if (flush) owner_.flush_begun(thread);
  }
}

}  // namespace supplier::latestframe
