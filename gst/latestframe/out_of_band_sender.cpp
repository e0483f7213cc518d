// SPDX-License-Identifier: LGPL-2.1-or-later
// The out-of-band sender's thread comes and goes.
#include "latestframe/out_of_band_sender.hpp"

#include <pthread.h>

#include <algorithm>
#include <system_error>
#include <thread>

#include "latestframe/fanout.hpp"

#define GST_CAT_DEFAULT gst_latest_frame_debug

namespace supplier::latestframe {

namespace {

bool begins_flush(const Owned<GstEvent>& event) { return GST_EVENT_TYPE(event.get()) == GST_EVENT_FLUSH_START; }

}  // namespace

void OutOfBandSender::flush(Owned<GstEvent> event) { post(std::move(event)); }

void OutOfBandSender::send(Owned<GstEvent> event) {
  {
    std::lock_guard hold(lock_);
    if (events_.size() >= kMostEvents) {
      GST_WARNING_OBJECT(branch_.pad(), "dropped %" GST_PTR_FORMAT ": downstream takes none of those before it",
                         event.get());
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
    std::thread([self = branch_.shared_from_this(), pad = share(branch_.pad())] {
      pthread_setname_np(pthread_self(), "latest-events");
      self->oob_sender.run(pad.get());
    }).detach();
  } catch (const std::system_error& error) {
    running_ = false;
    events_.clear();
    GST_ERROR_OBJECT(branch_.pad(), "an event is lost, no thread to bring it with: %s", error.what());
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
    if (flush) branch_.flush_begun();
  }
}

}  // namespace supplier::latestframe
