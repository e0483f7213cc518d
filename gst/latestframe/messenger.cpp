// SPDX-License-Identifier: LGPL-2.1-or-later
// The messenger's thread comes and goes.
#include "latestframe/messenger.hpp"

#include <algorithm>
#include <system_error>
#include <thread>

#include <pthread.h>

#include "latestframe/fanout.hpp"

namespace supplier::latestframe {

void Messenger::flush_start(Owned<GstEvent> event) {
  std::unique_lock hold(lock_);
  // A flush that has not ended for this branch goes on: a pair of stop and start would say nothing.
  const auto is_stop = [](const Job& job) { return GST_EVENT_TYPE(job.event.get()) == GST_EVENT_FLUSH_STOP; };
  if (std::erase_if(jobs_, is_stop)) return;
  hold.unlock();
  post({std::move(event)});
}

void Messenger::flush_stop(Owned<GstEvent> event, std::uint32_t epoch) { post({std::move(event), epoch}); }

void Messenger::send(Owned<GstEvent> event) {
  {
    std::lock_guard hold(lock_);
    if (jobs_.size() >= kMostEvents) return;
  }
  post({std::move(event)});
}

void Messenger::forget() {
  std::lock_guard hold(lock_);
  jobs_.clear();
}

void Messenger::post(Job job) {
  std::lock_guard hold(lock_);
  jobs_.push_back(std::move(job));
  if (std::exchange(running_, true)) return;
  try {
    std::thread([self = branch_.shared_from_this(), pad = share(branch_.pad())] {
      pthread_setname_np(pthread_self(), "latest-events");
      self->messenger.run(pad.get());
    }).detach();
  } catch (const std::system_error& error) {
    // Nothing is lost: the next message tries again.
    running_ = false;
    GST_ERROR_OBJECT(branch_.pad(), "no thread to bring events with: %s", error.what());
  }
}

void Messenger::run(GstPad* pad) {
  for (;;) {
    Job job;
    {
      std::lock_guard hold(lock_);
      if (jobs_.empty()) {
        running_ = false;
        return;
      }
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    const bool stop = GST_EVENT_TYPE(job.event.get()) == GST_EVENT_FLUSH_STOP;
    if (stop) branch_.await_return();
    gst_pad_push_event(pad, job.event.release());
    if (stop) branch_.begin(job.epoch);
  }
}

}  // namespace supplier::latestframe
