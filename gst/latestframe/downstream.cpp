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

struct State {
  bool active, flushing;
};

State state_of(GstPad* pad) {
  GST_OBJECT_LOCK(pad);
  const State state{static_cast<bool>(GST_PAD_IS_ACTIVE(pad)), static_cast<bool>(GST_PAD_IS_FLUSHING(pad))};
  GST_OBJECT_UNLOCK(pad);
  return state;
}

bool begins_flush(const Owned<GstEvent>& event) { return GST_EVENT_TYPE(event.get()) == GST_EVENT_FLUSH_START; }

}  // namespace

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

void OutOfBandSender::flush_has_begun() {
  std::lock_guard hold(lock_);
  in_flush_ = false;
}

void OutOfBandSender::forget() {
  std::deque<Owned<GstEvent>> forgotten;
  std::lock_guard hold(lock_);
  std::swap(events_, forgotten);
}

void OutOfBandSender::post(Owned<GstEvent> event) {
  std::lock_guard hold(lock_);
  events_.push_back(std::move(event));
  if (std::exchange(running_, true)) return;
  try {
    std::thread([this, self = owner_.shared_from_this(), pad = share(pad_)] {
      pthread_setname_np(pthread_self(), "latest-events");
      run(pad.get());
    }).detach();
  } catch (const std::system_error& error) {
    running_ = false;
    events_.clear();
    GST_ERROR_OBJECT(pad_, "an event is lost, no thread to bring it with: %s", error.what());
  }
}

void OutOfBandSender::run(GstPad* pad) {
  for (;;) {
    Owned<GstEvent> event;
    bool flush = false;
    {
      std::lock_guard hold(lock_);
      if (events_.empty()) {
        running_ = false;
        return;
      }
      event = std::move(events_.front());
      events_.pop_front();
      in_flush_ = flush = begins_flush(event);
    }
    GST_LOG_OBJECT(pad, "sends %" GST_PTR_FORMAT " out of band", event.get());
    gst_pad_push_event(pad, event.release());
    if (flush) owner_.flush_begun();
  }
}

}  // namespace supplier::latestframe
