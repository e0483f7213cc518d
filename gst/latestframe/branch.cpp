// SPDX-License-Identifier: LGPL-2.1-or-later
// A branch's thread: decide under the lock, push without it, account for it under the lock.
#include "latestframe/branch.hpp"

#include <pthread.h>

#include <algorithm>
#include <system_error>
#include <thread>
#include <utility>

#include "latestframe/downstream.hpp"
#include "latestframe/fanout.hpp"
#include "latestframe/lost_frames_log.hpp"
#include "os/clock.hpp"

#define GST_CAT_DEFAULT gst_latest_frame_debug

namespace supplier::latestframe {
namespace {

// How long upstream may take to find caps that a branch does accept, before the branch counts as ended.
constexpr std::uint64_t kPatience = 500'000'000;
// Between two tries to end a flush downstream.
constexpr std::uint64_t kFirstPause = 250'000, kLastPause = 20'000'000;

thread_local const Branch* serving = nullptr;

// As tasks do it, so that applications can set the priority of these threads too.
void post_status(GstPad* pad, GstStreamStatusType type) {
  if (const auto element = adopt(gst_pad_get_parent_element(pad)))
    gst_element_post_message(element.get(), gst_message_new_stream_status(GST_OBJECT(pad), type, element.get()));
}

}  // namespace

struct Branch::Run {
  GstPad* pad;
  StreamStateRef sent;
  bool copies;               // send copies of them
  std::uint64_t generation;  // that the headers up to this serial were sent to
  std::uint64_t header;
  Owned<GstCaps> asked;  // the caps that downstream's wishes are for
  LostFramesLog lost;
};

Branch::Branch(std::shared_ptr<Fanout> home, GstPad* pad, guint first_property)
    : home_(std::move(home)), pad_(pad), name_(GST_OBJECT_NAME(pad)), properties_(first_property) {}

// Whether something takes frames there at all: else they are not even offered.
[[gnu::hot]] Branch::Peer Branch::peer_of(GstPad* pad) {
  const auto peer = adopt(gst_pad_get_peer(pad));
  if (!peer) return Peer::none;
  GST_OBJECT_LOCK(peer.get());
  const bool active = GST_PAD_IS_ACTIVE(peer.get()), flushing = GST_PAD_IS_FLUSHING(peer.get());
  GST_OBJECT_UNLOCK(peer.get());
  return !active ? Peer::inactive : flushing ? Peer::flushing : Peer::ready;
}

// And where the beginning of a flush is on its way it flushes.
Branch::Peer Branch::peer_at_start() const {
  const bool begins = oob_sender.flushing();  // before the other look: else it might be seen in neither
  const Peer peer = peer_of(pad_);
  return begins ? Peer::flushing : peer;
}

// Of a flush that came to the peer, and whose end did not: the thread of the branch brings it.
void Branch::end_former_flush(const Newest& newest) {
  if (!unflush_) unflush_ = adopt(gst_event_new_flush_stop(TRUE));
  late_ = true;
  epoch_ = newest.epoch - 1;
}

bool Branch::activate() {
  const Peer peer = peer_at_start();
  Newest& newest = home_->newest();
  std::lock_guard hold(newest.lock);
  if (retired_) return true;
  active_ = anew_ = true;
  GST_DEBUG_OBJECT(pad_, linked_ ? "is activated" : "is activated, rests until it is linked");
  ++activation_;
  resting_ = dead_ = complain_ = false;
  refused_caps_.reset();
  late_ = false;
  epoch_ = newest.epoch + (newest.epoch & 1);
  if (peer == Peer::flushing)
    end_former_flush(newest);
  else
    unflush_.reset();
  if (peer == Peer::ready && !unflush_) open(newest);
  newest.event_count.beat();
  // A thread that was inside a push when it was told to leave goes on.
  if (running_) return true;
  try {
    std::thread([self = shared_from_this(), pad = share(pad_)]() mutable {
      pthread_setname_np(pthread_self(), self->name_.substr(0, 15).c_str());
      serving = self.get();
      self->run(pad.get());
      pad.reset();
      Newest& shared = self->home_->newest();
      std::lock_guard gone(shared.lock);
      --self->threads_;
      self->changed_.notify_all();
    }).detach();
  } catch (const std::system_error& error) {
    GST_ERROR_OBJECT(pad_, "no thread to push from: %s", error.what());
    return active_ = false;
  }
  ++threads_;
  return running_ = true;
}

void Branch::deactivate() {
  oob_sender.forget();
  Newest& newest = home_->newest();
  Wishes forgotten;  // let go of without the lock: a pool may be among them
  std::unique_lock hold(newest.lock);
  active_ = false;
  cursor_.close(newest);
  std::swap(wishes, forgotten);
  newest.event_count.beat();
  if (serving != this) changed_.wait(hold, [this] { return threads_ == (busy_ ? 1u : 0u); });
}

void Branch::retire() {
  std::lock_guard hold(home_->newest().lock);
  retired_ = true;
}

void Branch::linked() {
  const Peer peer = peer_at_start();
  GST_DEBUG_OBJECT(pad_, "is linked, begins anew%s", peer == Peer::ready ? "" : "; its peer does not take frames yet");
  Newest& newest = home_->newest();
  std::lock_guard hold(newest.lock);
  linked_ = anew_ = true;
  ++activation_;  // what the thread still has is not for this peer
  resting_ = dead_ = complain_ = false;
  refused_caps_.reset();
  cursor_.close(newest);
  if (peer == Peer::flushing && active_) end_former_flush(newest);
  if (peer == Peer::ready && active_ && epoch_ == newest.epoch) open(newest);
  newest.event_count.beat();  // under the lock: see decide()
}

void Branch::reconfigured() {
  Newest& newest = home_->newest();
  {
    std::lock_guard hold(newest.lock);
    reconfigured_ = true;
    if (!resting_ && !refused_caps_) return;
    GST_DEBUG_OBJECT(pad_, "something changed downstream, resumes after %s",
                     refused_caps_ ? "caps that were refused" : "a rest");
    if (std::exchange(refused_caps_, nullptr)) dead_ = complain_ = false;
    resting_ = false;
    anew_ = true;
  }
  newest.event_count.beat();
}

void Branch::unlinked() {
  GST_DEBUG_OBJECT(pad_, "is unlinked, rests until it is linked again");
  Newest& newest = home_->newest();
  Wishes forgotten;
  {
    std::lock_guard hold(newest.lock);
    linked_ = false;
    copies_ = copies_ || busy_;
    cursor_.close(newest);
    std::swap(wishes, forgotten);
  }
  home_->reconsider(true);
}

void Branch::flush(const Newest& newest, GstEvent* event) {
  cursor_.flush(newest);
  if (!active_) return;
  // A flush that has not ended for this branch goes on: its end and a new beginning would say nothing.
  const bool owed = std::exchange(unflush_, nullptr) && !unflushing_;
  if (owed || oob_sender.flushing()) return;
  oob_sender.flush(share(event));
}

void Branch::unflush(const Newest& newest, GstEvent* event) {
  if (!active_ || epoch_ == newest.epoch) return;  // one that came during the flush has nothing to end
  GST_DEBUG_OBJECT(pad_, "is to end its flush");
  unflush_ = share(event);
  try_after_ = try_pause_ = 0;
}

bool Branch::flush_is_there() const {
  std::lock_guard hold(home_->newest().lock);
  return late_ || !active_ || !oob_sender.flushing();
}

bool Branch::try_to_unflush(GstPad* pad) {
  Newest& newest = home_->newest();
  std::unique_lock hold(newest.lock);
  if (late_ || !unflush_) return true;
  late_ = !active_ || !linked_ || serving == this;  // the branch's own thread would wait for itself
  if (late_) return true;
  if (busy_ || unflushing_ || oob_sender.flushing()) return false;
  unflushing_ = true;
  const std::uint32_t epoch = newest.epoch;
  const unsigned activation = activation_;
  const auto event = share(unflush_.get());
  hold.unlock();
  const bool told = tell(pad, event.get());
  hold.lock();
  unflushing_ = false;
  const bool over = told && active_ && activation == activation_;  // an inactive pad sends nothing on
  const bool awaited = over || late_;                              // by its own thread
  if (over) begin(epoch);
  hold.unlock();
  if (awaited) newest.event_count.beat();
  return over;
}

// False: something moves downstream, or a probe is in the way.
bool Branch::tell(GstPad* pad, GstEvent* unflush) {
  const StillDownstream still(pad);
  // The pad would send what is due first, and a probe that blocks would keep us there with all the locks.
  if (!still || (gst_pad_is_blocked(pad) && GST_PAD_HAS_PENDING_EVENTS(pad))) return false;
  gst_pad_push_event(pad, share(unflush).release());
  return true;
}

void Branch::be_late() {
  Newest& newest = home_->newest();
  {
    std::lock_guard hold(newest.lock);
    late_ = late_ || unflush_ || oob_sender.flushing();
    if (late_) GST_DEBUG_OBJECT(pad_, "is late in a flush: upstream does not wait, its own thread ends it");
  }
  newest.event_count.beat();
}

void Branch::flush_begun() {
  Newest& newest = home_->newest();
  {
    std::lock_guard hold(newest.lock);
    oob_sender.flush_has_begun();
  }
  newest.event_count.beat();
}

// Frames of this epoch may come.
void Branch::begin(std::uint32_t epoch) {
  if (epoch != home_->newest().epoch) return;  // the next flush has begun
  epoch_ = epoch;
  GST_DEBUG_OBJECT(pad_, "its flush is over, frames may come");
  unflush_.reset();
  resend_ = true;
  late_ = resting_ = dead_ = complain_ = false;
  refused_caps_.reset();
}

// Something moves downstream that the end of the flush must not meet: sooner at first, then less and less often.
void Branch::try_again(std::uint64_t now) {
  try_pause_ = std::clamp<std::uint64_t>(2 * try_pause_, kFirstPause, kLastPause);
  try_after_ = now + try_pause_;
  GST_LOG_OBJECT(pad_, "its flush cannot end yet, next try in %" GST_TIME_FORMAT, GST_TIME_ARGS(try_pause_));
}

[[gnu::hot]] void Branch::run(GstPad* pad) {
  Newest& newest = home_->newest();
  Run run{pad, nullptr, false, 0, 0, nullptr};
  post_status(pad, GST_STREAM_STATUS_TYPE_ENTER);
  GST_DEBUG_OBJECT(pad, "its thread begins");
  for (;;) {
    // In this order: whatever changes after it was looked at beats the pulse.
    const std::uint32_t seen = newest.event_count.look();
    Step step = decide(seen, peer_of(pad), shmring::now());
    if (step.refused != 0 || step.gap) run.lost.record(pad, step);
    if (step.kind == Step::Kind::leave) break;
    if (step.kind == Step::Kind::wait) {
      GST_TRACE_OBJECT(pad, "waits");
      newest.event_count.wait(seen, step.until);
      continue;
    }
    settle(step, deliver(run, step));
    if (!home_->guard().watching()) continue;
    step = {};
    home_->guard().give_back();
  }
  GST_DEBUG_OBJECT(pad, "its thread ends");
  post_status(pad, GST_STREAM_STATUS_TYPE_LEAVE);
}

[[gnu::hot]] Step Branch::decide(std::uint32_t seen, Peer peer, std::uint64_t now) {
  Newest& newest = home_->newest();
  std::lock_guard hold(newest.lock);
  const bool ready = peer == Peer::ready;
  Step step;
  if (!active_) {
    running_ = false;
    step.kind = Step::Kind::leave;
  } else if (epoch_ != newest.epoch) {
    decide_in_flush(step, peer, now);
  } else if (may_go_on(newest, now) && ready) {
    open(newest);
    step = cursor_.next(newest, now, properties_.limits().max_frame_age);
  } else if (ready || newest.event_count.look() == seen) {  // else it may have been linked since it was looked at
    if (cursor_.account().is_open()) {
      GST_DEBUG_OBJECT(pad_, "rests: %s",
                       dead_                    ? reason_.c_str()
                       : refused_caps_          ? "it does not accept the caps"
                       : resting_               ? "nothing is linked further down (not-linked)"
                       : !linked_               ? "it is not linked"
                       : peer == Peer::flushing ? "its peer is flushing"
                       : peer == Peer::inactive ? "its peer is not active"
                                                : "it has no peer");
      cursor_.close(newest);
    }
    if (std::exchange(complain_, false)) step.kind = Step::Kind::complain;
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

void Branch::decide_in_flush(Step& step, Peer peer, std::uint64_t now) {
  const Newest& newest = home_->newest();
  if (peer == Peer::inactive && cursor_.account().is_open()) cursor_.close(newest);
  if (!unflush_ || !late_ || unflushing_ || (newest.epoch & 1) || oob_sender.flushing()) return;
  if (now < try_after_) {
    step.until = try_after_;
    return;
  }
  unflushing_ = true;
  step.kind = Step::Kind::unflush;
  step.event = share(unflush_.get());
  step.epoch = newest.epoch;
}

// From here on frames are offered.
void Branch::open(const Newest& newest) {
  if (cursor_.account().is_open()) return;
  GST_DEBUG_OBJECT(pad_, "frames are offered from now on, begins with the %s one", anew_ ? "newest" : "next");
  cursor_.open(newest, std::exchange(anew_, false));
  ++generation_;
  resend_ = true;
}

// False while unlinked, ended, idle or after refused caps.
[[gnu::hot]] bool Branch::may_go_on(const Newest& newest, std::uint64_t now) {
  if (refused_caps_) {
    const GstEvent* caps = newest.item ? newest.item->stream_state->caps : refused_caps_.get();
    if (caps != refused_caps_.get()) {
      refused_caps_.reset();
      dead_ = complain_ = false;
    } else if (!dead_ && (newest.end.serial != 0 || now > refused_at_ + kPatience)) {
      end("it does not accept the caps of the stream (put a converter in front of it)");
    }
  }
  return linked_ && !refused_caps_ && !resting_ && !dead_;
}

[[gnu::hot]] void Branch::count_step(const Step& step, std::uint64_t now) {
  busy_ = step.kind != Step::Kind::wait && step.kind != Step::Kind::leave;
  if (busy_) {
    busy_since_ = now;
    reconfigured_ = false;
  }
  if (step.kind != Step::Kind::frame) return;
  held_ = step.item->number;
  last_age_ = now > step.item->at ? now - step.item->at : 0;
  ages_.record(last_age_);
  if (last_consumed_at_ != 0 && now > last_consumed_at_) waits_.record(now - last_consumed_at_);
}

[[gnu::hot]] GstFlowReturn Branch::deliver(Run& run, Step& step) {
  if (step.resend || step.copies) run.sent.reset();
  run.copies |= step.copies;
  if (step.stream_state && step.stream_state != run.sent) {
    // The pad knows which of them it has sent already, but for tags.
    const auto sent = std::exchange(run.sent, nullptr);
    for (const auto& event : step.stream_state->events) {
      if (sent && sent->has(event.get())) continue;
      if (!is_current(step)) return GST_FLOW_FLUSHING;
      GST_LOG_OBJECT(run.pad, "sends %" GST_PTR_FORMAT, event.get());
      auto out = run.copies ? adopt(gst_event_copy(event.get())) : share(event.get());
      // What the pad cannot send now it sends before the frame. What is not serialized (instant-rate-change) it would send
      // now, and again with the frame.
      if (is_serialized(event.get()))
        gst_pad_push_event(run.pad, out.release());
      else
        gst_pad_store_sticky_event(run.pad, out.get());
    }
    run.copies = false;
    run.sent = step.stream_state;
  }
  if (step.kind == Step::Kind::stream_state) return GST_FLOW_OK;
  if (step.stream_state && !step.stream_state->headers.empty())
    if (const GstFlowReturn flow = push_headers(run, step); flow != GST_FLOW_OK) return flow;
  switch (step.kind) {
    case Step::Kind::frame:
      negotiate(run, *step.stream_state);
      return push(run, step);
    case Step::Kind::event:
    case Step::Kind::end:
      GST_DEBUG_OBJECT(run.pad, "sends %" GST_PTR_FORMAT, step.event.get());
      gst_pad_push_event(run.pad, step.event.release());
      return GST_FLOW_OK;
    case Step::Kind::unflush:
      return tell(run.pad, step.event.get()) ? GST_FLOW_OK : GST_FLOW_FLUSHING;
    case Step::Kind::ask:
      negotiate(run, *step.stream_state);
      return GST_FLOW_OK;
    case Step::Kind::ask_key:
      GST_DEBUG_OBJECT(run.pad, "frames were lost, asks upstream for a key frame");
      home_->ask_key_now();
      return GST_FLOW_OK;
    default:
      complain();
      return GST_FLOW_OK;
  }
}

GstFlowReturn Branch::push_headers(Run& run, const Step& step) {
  if (std::exchange(run.generation, step.generation) != step.generation) run.header = 0;
  for (const Header& header : step.stream_state->headers) {
    if (header.serial <= run.header) continue;
    GST_DEBUG_OBJECT(run.pad, "pushes stream header %" G_GUINT64_FORMAT, guint64{header.serial});
    if (!is_current(step)) return GST_FLOW_FLUSHING;
    const GstFlowReturn flow = gst_pad_push(run.pad, share(header.buffer.get()).release());
    if (flow != GST_FLOW_OK) return flow;
    run.header = header.serial;
  }
  return GST_FLOW_OK;
}

// Stuck on its way, a branch may sleep through the end of its stream and the beginning of the next.
[[gnu::hot]] bool Branch::is_current(const Step& step) const {
  std::lock_guard hold(home_->newest().lock);
  return active_ && step.activation == activation_;
}

[[gnu::hot]] GstFlowReturn Branch::push(Run& run, const Step& step) {
  if (!is_current(step)) return GST_FLOW_FLUSHING;
  GstMiniObject* frame = step.item->frame.get();
  GST_LOG_OBJECT(run.pad, "pushes frame %" G_GUINT64_FORMAT, guint64{step.item->number});
  if (step.item->is_event()) {
    gst_pad_push_event(run.pad, share(GST_EVENT_CAST(frame)).release());
    return GST_FLOW_OK;
  }
  auto out = step.gap && !step.stream_state->raw_video ? with_discont(frame) : share(frame);
  return GST_IS_BUFFER_LIST(out.get()) ? gst_pad_push_list(run.pad, GST_BUFFER_LIST_CAST(out.release()))
                                       : gst_pad_push(run.pad, GST_BUFFER_CAST(out.release()));
}

// Finds out what downstream wishes, when that may have changed.
void Branch::negotiate(Run& run, const StreamState& stream_state) {
  const bool changed = gst_pad_check_reconfigure(run.pad);
  GstCaps* caps = stream_state.caps_of();
  if (!caps || (!changed && run.asked && (caps == run.asked.get() || gst_caps_is_equal(caps, run.asked.get())))) return;
  run.asked = share(caps);
  Wishes found{adopt(gst_pad_peer_query_caps(run.pad, nullptr)), nullptr, share(caps)};
  const auto query = adopt(gst_query_new_allocation(caps, TRUE));
  if (gst_pad_peer_query(run.pad, query.get())) found.allocation = answer_of(query.get());
  const auto takes = share(found.caps.get());
  GST_DEBUG_OBJECT(run.pad, "downstream takes %" GST_PTR_FORMAT "%s", takes.get(),
                   found.allocation && found.allocation->pool ? " and offers a pool" : "");
  {
    std::lock_guard hold(home_->newest().lock);
    if (active_ && linked_) std::swap(wishes, found);
  }
  // The first time there is nothing to compare with but the caps that come: they may have been chosen before downstream changed its mind.
  const auto& before = found.caps;
  const bool other =
      before ? !gst_caps_is_equal(before.get(), takes.get()) : !gst_caps_can_intersect(caps, takes.get());
  if (other)
    home_->reconfigure_upstream();
  else
    home_->reconsider();
}

[[gnu::hot]] void Branch::settle(const Step& step, GstFlowReturn flow) {
  const std::uint64_t now = shmring::now();
  bool first = false, over = false;
  {
    std::lock_guard hold(home_->newest().lock);
    busy_ = false;
    if (step.kind == Step::Kind::frame) {
      first = last_consumed_at_ == 0;
      held_ = 0;
      last_consumed_at_ = now;
      last_consumed_sequence_ = step.item->number;
      holds_.record(now - busy_since_);
    } else if (step.kind == Step::Kind::unflush) {
      unflushing_ = false;
      if (flow == GST_FLOW_OK && active_ && step.activation == activation_)
        begin(step.epoch);
      else
        try_again(now);
    }
    changed_.notify_all();
    if (flow >= GST_FLOW_OK || flow == GST_FLOW_FLUSHING || !active_ || step.activation != activation_) {
      // Nothing is wrong with the branch.
    } else if (flow == GST_FLOW_NOT_LINKED && reconfigured_) {  // linked since
      GST_DEBUG_OBJECT(pad_, "was linked further down during the push, begins anew");
      cursor_.close(home_->newest());
      anew_ = true;
    } else if (flow == GST_FLOW_NOT_LINKED) {
      resting_ = true;
    } else if (flow == GST_FLOW_NOT_NEGOTIATED && reconfigured_) {
      // It may take them now: the next frame shows it.
    } else if (flow == GST_FLOW_NOT_NEGOTIATED && step.stream_state->caps) {
      refused_caps_ = share(step.stream_state->caps);
      refused_at_ = now;
      GST_DEBUG_OBJECT(pad_, "downstream refused %" GST_PTR_FORMAT ", waits for other caps", step.stream_state->caps);
      over = true;
    } else {
      end(flow == GST_FLOW_EOS ? "downstream wants no more (EOS)"
                               : std::string("downstream failed (") + gst_flow_get_name(flow) + ")");
      over = true;
    }
  }
  if (first) home_->monitor().poke();
  if (over) home_->reconsider(true);
}

void Branch::end(std::string reason) {
  dead_ = complain_ = true;
  reason_ = std::move(reason);
  GST_INFO_OBJECT(pad_, "has ended: %s", reason_.c_str());
}

void Branch::complain() {
  std::string reason;
  {
    std::lock_guard hold(home_->newest().lock);
    reason = reason_;
  }
  home_->monitor().poke();
  if (const auto element = adopt(gst_pad_get_parent_element(pad_)))
    GST_ELEMENT_WARNING(element.get(), STREAM, FAILED,
                        ("Branch %s (worker %s) has ended: %s. The other branches go on. Link the pad again, or flush, "
                         "to start it again.",
                         name_.c_str(), properties_.worker(name_.c_str()).c_str(), reason.c_str()),
                        ("upstream is still answered with OK"));
}

std::uint64_t Branch::events_dropped() const {
  std::lock_guard hold(home_->newest().lock);
  return cursor_.events_dropped();
}

Watched Branch::watched() const {
  Watched watched;
  Observation& seen = watched.seen;
  watched.limits = properties_.limits();
  seen.worker = properties_.worker(name_.c_str());
  seen.pad = name_;
  seen.ages = ages_.summary();
  seen.holds = holds_.summary();
  seen.waits = waits_.summary();
  const Newest& newest = home_->newest();
  std::lock_guard hold(home_->newest().lock);
  const FrameCounts counts = cursor_.account().read(newest.number);
  seen.generation = std::max<std::uint64_t>(generation_, 1);
  seen.offered = counts.offered;
  seen.delivered = counts.delivered;
  seen.dropped = counts.dropped;
  seen.discarded = counts.discarded;
  seen.pending = counts.pending;
  seen.held = held_ ? 1 : 0;
  seen.stale = counts.stale;
  seen.consecutive_drops = counts.consecutive_drops;
  seen.last_offered_at = counts.offered ? newest.at : 0;
  seen.last_consumed_at = last_consumed_at_;
  seen.last_consumed_sequence = last_consumed_sequence_;
  if (held_ || (busy_ && counts.pending))
    seen.unfinished_since = busy_since_;
  else if (counts.pending)
    seen.unfinished_since = newest.at;
  seen.expecting =
      cursor_.account().is_open() && newest.number != 0 && newest.end.serial == 0 && epoch_ == newest.epoch;
  seen.age = last_age_;
  seen.gone = dead_;
  if (dead_) seen.reason = reason_;
  return watched;
}

}  // namespace supplier::latestframe
