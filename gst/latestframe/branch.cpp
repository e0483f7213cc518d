// SPDX-License-Identifier: LGPL-2.1-or-later
// A branch's state, and its thread: decide under the lock, push without it, account for it under the lock.
#include "latestframe/branch.hpp"

#include <pthread.h>

#include <algorithm>
#include <system_error>
#include <thread>
#include <utility>

#include "base/stopping.hpp"
#include "latestframe/delivery.hpp"
#include "os/clock.hpp"

GST_DEBUG_CATEGORY_EXTERN(gst_latest_frame_debug);
#define GST_CAT_DEFAULT gst_latest_frame_debug

namespace supplier::latestframe {
namespace {

// The time that upstream may take to find caps that a branch does accept, before the branch counts as ended.
constexpr std::uint64_t kPatience = 500'000'000;
// The longest that deactivate() waits for a thread to pass the pad. Only a blocking probe of the application can hold it there.
constexpr std::uint64_t kEntry = 1'000'000'000;

thread_local const Branch* serving = nullptr;

// As tasks do it, so that applications can set the priority of these threads too.
void post_status(GstPad* pad, GstStreamStatusType type) {
  if (const auto element = adopt(gst_pad_get_parent_element(pad)))
    gst_element_post_message(element.get(), gst_message_new_stream_status(GST_OBJECT(pad), type, element.get()));
}

}  // namespace

Branch::Branch(std::shared_ptr<BranchHost> host, GstPad* pad, guint first_property)
    : host_(std::move(host)),
      pad_(pad),
      name_(GST_OBJECT_NAME(pad)),
      properties_(first_property),
      oob_sender_(*this, pad) {}

bool Branch::in_own_thread() const { return serving == this; }

// True if something takes frames there at all: else they are not even offered.
Branch::Peer Branch::peer_of(GstPad* pad) {
  const auto peer = adopt(gst_pad_get_peer(pad));
  if (!peer) return Peer::none;
  const auto [active, flushing] = state_of(peer.get());
  return !active ? Peer::inactive : flushing ? Peer::flushing : Peer::ready;
}

// And where the beginning of a flush is on its way it flushes.
Branch::Peer Branch::peer_at_start() const {
  const bool begins = oob_sender_.flushing();  // before the other look: else it might be seen in neither
  const Peer peer = peer_of(pad_);
  return begins ? Peer::flushing : peer;
}

// False: the input means nothing in this state.
bool Branch::apply(BranchInput input) {
  const auto to = next(state_, input);
  if (!to) return false;
  GST_LOG_OBJECT(pad_, "is %s, was %s", name_of(*to), name_of(state_));
  state_ = *to;
  return true;
}

void Branch::forget_failure() {
  reason_.clear();
  refused_caps_.reset();
}

bool Branch::activate() {
  const Peer peer = peer_at_start();
  Newest& newest = host_->newest();
  std::lock_guard hold(newest.lock);
  if (state_ == BranchState::released) return true;
  apply(BranchInput::activate);
  if (linked_) apply(BranchInput::link);
  GST_DEBUG_OBJECT(pad_, linked_ ? "is activated" : "is activated, rests until it is linked");
  ++activation_;
  anew_ = true;
  forget_failure();
  late_ = false;
  epoch_ = newest.epoch + (newest.epoch & 1);
  if (epoch_ != newest.epoch) apply(BranchInput::flush);
  if (peer == Peer::flushing)
    owe_end_of_flush(newest);
  else
    unflush_.reset();
  if (peer == Peer::ready && !unflush_) open(newest);
  newest.event_count.beat();
  // A thread that was inside a push when it was told to leave goes on.
  if (running_ || start_thread()) return true;
  apply(BranchInput::deactivate);
  return false;
}

bool Branch::start_thread() {
  try {
    std::thread([this, self = shared_from_this(), pad = share(pad_)]() mutable {
      pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
      serving = this;
      run(pad.get());
      pad.reset();
      std::lock_guard gone(host_->newest().lock);
      --threads_;
      changed_.notify_all();
    }).detach();
  } catch (const std::system_error& error) {
    GST_ERROR_OBJECT(pad_, "no thread to push from: %s", error.what());
    return false;
  }
  ++threads_;
  return running_ = true;
}

void Branch::deactivate() {
  oob_sender_.forget();
  Newest& newest = host_->newest();
  Wishes forgotten;  // let go of without the lock: a pool may be among them
  std::unique_lock hold(newest.lock);
  apply(BranchInput::deactivate);
  cursor_.close(newest);
  std::swap(wishes_, forgotten);
  newest.event_count.beat();
  if (in_own_thread()) return;
  await_entry(hold);
  changed_.wait(hold, [this] { return threads_ == (busy_ ? 1u : 0u); });
}

// The pad flushes by now: what is on its way to it is refused, or downstream already. If it came later, when the pad is
// active again, it would be sent before the next stream begins.
void Branch::await_entry(std::unique_lock<std::mutex>& hold) const {
  for (const std::uint64_t end = shmring::now() + kEntry; entering_ && shmring::now() < end;) {
    hold.unlock();
    g_usleep(100);
    hold.lock();
  }
}

void Branch::passed() {
  if (in_own_thread()) entering_ = false;
}

void Branch::retire() {
  std::lock_guard hold(host_->newest().lock);
  apply(BranchInput::release);
}

void Branch::linked() {
  const Peer peer = peer_at_start();
  GST_DEBUG_OBJECT(pad_, "is linked, begins anew%s", peer == Peer::ready ? "" : "; its peer does not take frames yet");
  Newest& newest = host_->newest();
  std::lock_guard hold(newest.lock);
  linked_ = anew_ = true;
  ++activation_;  // what the thread still has is not for this peer
  forget_failure();
  apply(BranchInput::link);
  cursor_.close(newest);
  if (peer == Peer::flushing && is_active(state_)) owe_end_of_flush(newest);
  if (peer == Peer::ready && state_ == BranchState::waiting) open(newest);
  newest.event_count.beat();  // under the lock: see decide()
}

void Branch::reconfigured() {
  Newest& newest = host_->newest();
  {
    std::lock_guard hold(newest.lock);
    reconfigured_ = true;
    if (state_ != BranchState::resting && !refused_caps_) return;
    GST_DEBUG_OBJECT(pad_, "something changed downstream, resumes after %s",
                     refused_caps_ ? "caps that were refused" : "a rest");
    if (refused_caps_) forget_failure();
    apply(BranchInput::retry);
    anew_ = true;
  }
  newest.event_count.beat();
}

void Branch::unlinked() {
  GST_DEBUG_OBJECT(pad_, "is unlinked, rests until it is linked again");
  Newest& newest = host_->newest();
  Wishes forgotten;
  {
    std::lock_guard hold(newest.lock);
    linked_ = false;
    apply(BranchInput::unlink);
    copies_ = copies_ || busy_;
    cursor_.close(newest);
    std::swap(wishes_, forgotten);
  }
  host_->reconsider(true);
}

void Branch::run(GstPad* pad) {
  Newest& newest = host_->newest();
  Delivery delivery(pad, [this](const Step& step) { return enter(step); });
  post_status(pad, GST_STREAM_STATUS_TYPE_ENTER);
  GST_DEBUG_OBJECT(pad, "its thread begins");
  for (;;) {
    // In this order: whatever changes after it was looked at beats the pulse.
    const std::uint32_t seen = newest.event_count.look();
    Step step = decide(seen, peer_of(pad), shmring::now());
    if (step.refused != 0 || step.gap) delivery.log_lost(step);
    if (step.kind == Step::Kind::leave) break;
    if (step.kind == Step::Kind::wait) {
      GST_TRACE_OBJECT(pad, "waits");
      newest.event_count.wait(seen, step.until);
      continue;
    }
    const GstFlowReturn flow = deliver(delivery, step);
    // Downstream that is being stopped answers with what it meets first, also with an error or EOS: it has not failed.
    settle(step, flow < GST_FLOW_OK && is_stopping(pad) ? GST_FLOW_FLUSHING : flow);
    if (!host_->guard().watching()) continue;
    step = {};
    host_->guard().give_back();
  }
  GST_DEBUG_OBJECT(pad, "its thread ends");
  post_status(pad, GST_STREAM_STATUS_TYPE_LEAVE);
}

Step Branch::decide(std::uint32_t seen, Peer peer, std::uint64_t now) {
  Newest& newest = host_->newest();
  std::lock_guard hold(newest.lock);
  const bool ready = peer == Peer::ready;
  Step step;
  if (state_ == BranchState::flushing && epoch_ == newest.epoch) resume();  // the element was stopped in that flush
  if (!is_active(state_)) {
    running_ = false;
    step.kind = Step::Kind::leave;
  } else if (state_ == BranchState::flushing) {
    decide_in_flush(step, peer, now);
  } else if (may_go_on(newest, now) && ready) {
    open(newest);
    step = cursor_.next(newest, now, properties_.limits().max_frame_age);
  } else if (ready || newest.event_count.look() == seen) {  // else it may have been linked since it was looked at
    rest(newest, peer);
    if (state_ == BranchState::ending) {
      apply(BranchInput::warned);
      complaint_ = reason_;
      step.kind = Step::Kind::complain;
    }
  }
  count_step(step, now);
  if (busy_) {
    step.resend = std::exchange(resend_, false);
    step.copies = std::exchange(copies_, false);
  }
  step.activation = activation_;
  step.generation = generation_;
  return step;
}

// From here on frames are offered.
void Branch::open(const Newest& newest) {
  if (state_ == BranchState::waiting) apply(BranchInput::ready);
  if (cursor_.account().is_open()) return;
  GST_DEBUG_OBJECT(pad_, "frames are offered from now on, begins with the %s one", anew_ ? "newest" : "next");
  cursor_.open(newest, std::exchange(anew_, false));
  ++generation_;
  resend_ = true;
}

// And no more.
void Branch::rest(const Newest& newest, Peer peer) {
  apply(BranchInput::unready);
  if (!cursor_.account().is_open()) return;
  const char* why = state_ == BranchState::refused    ? "it does not accept the caps"
                    : state_ == BranchState::resting  ? "nothing is linked further down (not-linked)"
                    : state_ == BranchState::unlinked ? "it is not linked"
                    : state_ != BranchState::waiting  ? reason_.c_str()
                    : peer == Peer::flushing          ? "its peer is flushing"
                    : peer == Peer::inactive          ? "its peer is not active"
                                                      : "it has no peer";
  GST_DEBUG_OBJECT(pad_, "rests: %s", why);
  cursor_.close(newest);
}

// False while unlinked, ended, idle or after refused caps.
bool Branch::may_go_on(const Newest& newest, std::uint64_t now) {
  if (refused_caps_ && state_ != BranchState::unlinked) {
    const GstEvent* caps = newest.item ? newest.item->stream_state->caps : refused_caps_.get();
    if (caps != refused_caps_.get()) {
      forget_failure();
      apply(BranchInput::retry);
    } else if (state_ == BranchState::refused && (newest.end.serial != 0 || now > refused_at_ + kPatience)) {
      end("it does not accept the caps of the stream (put a converter in front "
          "of it)");
    }
  }
  return state_ == BranchState::offered || state_ == BranchState::waiting;
}

void Branch::count_step(const Step& step, std::uint64_t now) {
  busy_ = step.kind != Step::Kind::wait && step.kind != Step::Kind::leave;
  if (busy_) {
    times_.go_out(now);
    reconfigured_ = false;
  }
  if (step.kind == Step::Kind::frame) times_.take(*step.item.get(), now);
}

// False: the step is of an earlier activation. Else something of it is sent now.
bool Branch::enter(const Step& step) {
  std::lock_guard hold(host_->newest().lock);
  if (!is_active(state_) || step.activation != activation_) return false;
  entering_ = true;
  return true;
}

GstFlowReturn Branch::deliver(Delivery& delivery, Step& step) {
  if (const GstFlowReturn flow = delivery.prepare(step); flow != GST_FLOW_OK) return flow;
  entering_ = false;  // an event may have been stored only
  switch (step.kind) {
    case Step::Kind::frame:
      negotiate(delivery, *step.stream_state);
      return delivery.push(step);
    case Step::Kind::event:
    case Step::Kind::end:
      if (!enter(step)) return GST_FLOW_FLUSHING;
      GST_DEBUG_OBJECT(pad_, "sends %" GST_PTR_FORMAT, step.event.get());
      gst_pad_push_event(pad_, step.event.release());
      return GST_FLOW_OK;
    case Step::Kind::unflush:
      return bring_unflush(pad_, step.event.get()) ? GST_FLOW_OK : GST_FLOW_FLUSHING;
    case Step::Kind::ask:
      negotiate(delivery, *step.stream_state);
      return GST_FLOW_OK;
    case Step::Kind::ask_key:
      GST_DEBUG_OBJECT(pad_, "frames were lost, asks upstream for a key frame");
      host_->ask_key_now();
      return GST_FLOW_OK;
    case Step::Kind::complain:
      complain();
      return GST_FLOW_OK;
    default:
      return GST_FLOW_OK;
  }
}

// Finds out what downstream wishes, when that may have changed.
void Branch::negotiate(Delivery& delivery, const StreamState& stream_state) {
  auto found = delivery.ask(stream_state);
  if (!found) return;
  const auto takes = share(found->caps.get());
  {
    std::lock_guard hold(host_->newest().lock);
    if (is_active(state_) && linked_) std::swap(wishes_, *found);
  }
  // The first time there is nothing to compare with but the caps that come: they may have been chosen before downstream
  // changed its mind.
  const auto& before = found->caps;
  const bool other = before ? !gst_caps_is_equal(before.get(), takes.get())
                            : !gst_caps_can_intersect(stream_state.caps_of(), takes.get());
  if (other)
    host_->reconfigure_upstream();
  else
    host_->reconsider(false);
}

void Branch::settle(const Step& step, GstFlowReturn flow) {
  const std::uint64_t now = shmring::now();
  bool first = false, over = false;
  {
    std::lock_guard hold(host_->newest().lock);
    busy_ = entering_ = false;
    if (step.kind == Step::Kind::frame) {
      first = times_.finish(now);
    } else if (step.kind == Step::Kind::unflush) {
      unflushing_ = false;
      if (flow == GST_FLOW_OK && is_active(state_) && step.activation == activation_)
        leave_flush(step.epoch);
      else
        try_again(now);
    }
    changed_.notify_all();
    over = settle_state(step, flow, now);
  }
  if (first) host_->look_at_health();
  if (over) host_->reconsider(true);
}

// True if the branch is out, at least for these caps.
bool Branch::settle_state(const Step& step, GstFlowReturn flow, std::uint64_t now) {
  if (flow >= GST_FLOW_OK || flow == GST_FLOW_FLUSHING) return false;
  if (!is_active(state_) || step.activation != activation_) return false;
  if (flow == GST_FLOW_NOT_LINKED) {
    if (!reconfigured_) {
      apply(BranchInput::no_consumer);
    } else {  // linked since
      GST_DEBUG_OBJECT(pad_, "was linked further down during the push, begins anew");
      cursor_.close(host_->newest());
      anew_ = true;
    }
    return false;
  }
  if (flow == GST_FLOW_NOT_NEGOTIATED) {
    if (reconfigured_) return false;  // it may take them now: the next frame shows it
    if (GstEvent* caps = step.stream_state->caps) {
      if (!apply(BranchInput::refuse)) return false;
      refused_caps_ = share(caps);
      refused_at_ = now;
      GST_DEBUG_OBJECT(pad_, "downstream refused %" GST_PTR_FORMAT ", waits for other caps", caps);
      return true;
    }
  }
  if (flow == GST_FLOW_EOS) return end("downstream wants no more (EOS)");
  if (cursor_.end_told()) return end("a new stream began after EOS, which downstream takes only after a flush");
  return end(std::string("downstream failed (") + gst_flow_get_name(flow) + ")");
}

bool Branch::end(std::string reason) {
  if (!apply(BranchInput::end)) return false;
  reason_ = std::move(reason);
  GST_INFO_OBJECT(pad_, "has ended: %s", reason_.c_str());
  return true;
}

void Branch::complain() {
  host_->look_at_health();
  if (const auto element = adopt(gst_pad_get_parent_element(pad_)))
    GST_ELEMENT_WARNING(element.get(), STREAM, FAILED,
                        ("Branch %s (worker %s) has ended: %s. The other "
                         "branches go on. Link the pad again, or flush, "
                         "to start it again.",
                         name_.c_str(), properties_.worker(name_.c_str()).c_str(), complaint_.c_str()),
                        ("upstream is still answered with OK"));
}

std::uint64_t Branch::events_dropped() const {
  std::lock_guard hold(host_->newest().lock);
  return cursor_.events_dropped();
}

Watched Branch::watched() const {
  Watched watched;
  Observation& seen = watched.seen;
  watched.limits = properties_.limits();
  seen.worker = properties_.worker(name_.c_str());
  seen.pad = name_;
  times_.read_histograms(seen);
  const Newest& newest = host_->newest();
  std::lock_guard hold(host_->newest().lock);
  const FrameCounts counts = cursor_.account().read(newest.number);
  seen.generation = std::max<std::uint64_t>(generation_, 1);
  seen.offered = counts.offered;
  seen.delivered = counts.delivered;
  seen.dropped = counts.dropped;
  seen.discarded = counts.discarded;
  seen.pending = counts.pending;
  seen.stale = counts.stale;
  seen.consecutive_drops = counts.consecutive_drops;
  seen.last_offered_at = counts.offered ? newest.at : 0;
  times_.read(seen);
  if (seen.held || (busy_ && counts.pending))
    seen.unfinished_since = times_.out_since();
  else if (counts.pending)
    seen.unfinished_since = newest.at;
  seen.expecting =
      cursor_.account().is_open() && newest.number != 0 && newest.end.serial == 0 && state_ != BranchState::flushing;
  seen.gone = !reason_.empty();
  seen.reason = reason_;
  return watched;
}

}  // namespace supplier::latestframe
