// SPDX-License-Identifier: LGPL-2.1-or-later
// A branch in a flush: FLUSH_START goes out by the out-of-band sender, FLUSH_STOP by upstream's thread or the branch's
// own.
#include <algorithm>
#include <utility>

#include "latestframe/branch.hpp"

GST_DEBUG_CATEGORY_EXTERN(gst_latest_frame_debug);
#define GST_CAT_DEFAULT gst_latest_frame_debug

namespace supplier::latestframe {
namespace {

// Between two tries to end a flush downstream.
constexpr std::uint64_t kFirstPause = 250'000, kLastPause = 20'000'000;

}  // namespace

// The peer flushes, and no end of that is to come from upstream: the thread of the branch brings one.
void Branch::owe_end_of_flush(const Newest& newest) {
  if (!unflush_) unflush_ = adopt(gst_event_new_flush_stop(TRUE));
  late_ = true;
  epoch_ = newest.epoch - 1;
  apply(BranchInput::flush);
}

void Branch::flush(const Newest& newest, GstEvent* event) {
  cursor_.flush(newest);
  if (!is_active(state_)) return;
  apply(BranchInput::flush);
  // A flush that has not ended for this branch goes on: its end and a new beginning would say nothing.
  const bool owed = std::exchange(unflush_, nullptr) && !unflushing_;
  if (owed || oob_sender_.flushing()) return;
  oob_sender_.flush(share(event));
}

void Branch::unflush(const Newest& newest, GstEvent* event) {
  if (state_ != BranchState::flushing) return;
  if (epoch_ == newest.epoch) return resume();  // it came during the flush and has nothing to end
  GST_DEBUG_OBJECT(pad_, "is to end its flush");
  unflush_ = share(event);
  try_after_ = try_pause_ = 0;
}

bool Branch::flush_is_there() const {
  std::lock_guard hold(host_->newest().lock);
  return late_ || !is_active(state_) || !oob_sender_.flushing();
}

bool Branch::try_to_unflush(GstPad* pad) {
  Newest& newest = host_->newest();
  std::unique_lock hold(newest.lock);
  if (late_ || !unflush_) return true;
  late_ = !is_active(state_) || !linked_ || in_own_thread();  // that thread would wait for itself
  if (late_) return true;
  if (busy_ || unflushing_ || oob_sender_.flushing()) return false;
  unflushing_ = true;
  const std::uint32_t epoch = newest.epoch;
  const unsigned activation = activation_;
  const auto event = share(unflush_.get());
  hold.unlock();
  const bool brought = bring_unflush(pad, event.get());
  hold.lock();
  unflushing_ = false;
  const bool over = brought && is_active(state_) && activation == activation_;  // an inactive pad sends nothing on
  const bool awaited = over || late_;                                           // by its own thread
  if (over) leave_flush(epoch);
  hold.unlock();
  if (awaited) newest.event_count.beat();
  return over;
}

// False: something moves downstream, or a probe is in the way.
bool Branch::bring_unflush(GstPad* pad, GstEvent* event) {
  // A queue that was stopped and started again while FLUSH_START was inside of it keeps that for as long as its new thread
  // runs. The flush is over for such an element.
  if (oob_sender_.flush_is_underway()) {
    if (!flush_behind(pad).restarted) return false;
    GST_DEBUG_OBJECT(pad, "something was started again during the flush, FLUSH_START is not waited for");
    oob_sender_.abandon_flush();
  }
  const StillDownstream still(pad);
  // The pad would send what is due first, and a probe that blocks would keep us there with all the locks.
  if (!still || (gst_pad_is_blocked(pad) && GST_PAD_HAS_PENDING_EVENTS(pad))) return false;
  gst_pad_push_event(pad, share(event).release());
  return true;
}

void Branch::be_late() {
  Newest& newest = host_->newest();
  {
    std::lock_guard hold(newest.lock);
    late_ = late_ || unflush_ || oob_sender_.flushing();
    if (late_) GST_DEBUG_OBJECT(pad_, "is late in a flush: upstream does not wait, its own thread ends it");
  }
  newest.event_count.beat();
}

void Branch::flush_begun(std::uint64_t thread) {
  Newest& newest = host_->newest();
  bool overtaken = false;
  std::uint32_t epoch = 0;
  {
    std::lock_guard hold(newest.lock);
    overtaken = !oob_sender_.flush_has_begun(thread) && is_active(state_) && state_ != BranchState::flushing;
    epoch = epoch_;
  }
  // By its own end, as it was not waited for any longer: what flushes now would flush for ever.
  if (overtaken && flush_behind(pad_).some) {
    std::lock_guard hold(newest.lock);
    if (is_active(state_) && state_ != BranchState::flushing && epoch == epoch_) owe_end_of_flush(newest);
  }
  newest.event_count.beat();
}

// Frames of this epoch may come.
void Branch::leave_flush(std::uint32_t epoch) {
  if (epoch != host_->newest().epoch) return;  // the next flush has begun
  epoch_ = epoch;
  GST_DEBUG_OBJECT(pad_, "its flush is over, frames may come");
  unflush_.reset();
  resend_ = true;
  late_ = false;
  forget_failure();
  resume();
}

void Branch::resume() {
  apply(BranchInput::unflush);
  if (linked_) apply(BranchInput::link);
}

// Something moves downstream that the end of the flush must not meet: sooner at first, then less and less often.
void Branch::try_again(std::uint64_t now) {
  try_pause_ = std::clamp<std::uint64_t>(2 * try_pause_, kFirstPause, kLastPause);
  try_after_ = now + try_pause_;
  GST_LOG_OBJECT(pad_, "its flush cannot end yet, next try in %" GST_TIME_FORMAT, GST_TIME_ARGS(try_pause_));
}

void Branch::decide_in_flush(Step& step, Peer peer, std::uint64_t now) {
  const Newest& newest = host_->newest();
  if (peer == Peer::inactive && cursor_.account().is_open()) cursor_.close(newest);
  if (!unflush_ || !late_ || unflushing_ || (newest.epoch & 1)) return;
  if (oob_sender_.flushing() && !oob_sender_.flush_is_underway()) return;
  if (now < try_after_) {
    step.until = try_after_;
    return;
  }
  unflushing_ = true;
  step.kind = Step::Kind::unflush;
  step.event = share(unflush_.get());
  step.epoch = newest.epoch;
}

}  // namespace supplier::latestframe
