// SPDX-License-Identifier: LGPL-2.1-or-later
// Frames: from the sink pad through the mailbox into the one slot, and the coming and going of branches.
#include "latestframe/fanout.hpp"

#include <pthread.h>
#include <sys/prctl.h>

#include <algorithm>
#include <bit>
#include <system_error>
#include <utility>

#include <gst/video/video.h>

#include "os/clock.hpp"

GST_DEBUG_CATEGORY(gst_latest_frame_debug);

#define GST_CAT_DEFAULT gst_latest_frame_debug

namespace supplier::latestframe {

Fanout::Fanout(GstElement* element, GstPad* sink)
    : sink_(share(sink)),
      negotiation_(sink),
      monitor_(element, [this](std::vector<Watched>& workers) { watch(workers); }) {}

// It empties Newest, whose item belongs to the pool.
Fanout::~Fanout() { stop(); }

bool Fanout::start() {
  {
    std::lock_guard hold(newest_.lock);
    newest_.epoch += newest_.epoch & 1;  // stopped in the middle of a flush
    epoch_.store(newest_.epoch, std::memory_order_release);
  }
  stream_state_changed_.store(true, std::memory_order_relaxed);
  liveness_checked_.store(false, std::memory_order_relaxed);
  mailbox_.open();
  try {
    distribution_ = std::thread([this] { distribute(); });
  } catch (const std::system_error& error) {
    GST_ERROR_OBJECT(sink_.get(), "no thread to distribute from: %s", error.what());
    return false;
  }
  return true;
}

// Branches that are still inside a push, and upstream's queries, go on meanwhile: what they read too is reset under its lock.
void Fanout::stop() {
  if (!distribution_.joinable()) return;
  GST_DEBUG_OBJECT(sink_.get(), "stops, %" G_GUINT64_FORMAT " frames were received",
                   guint64{received_.load(std::memory_order_relaxed)});
  mailbox_.close();
  distribution_.join();  // what was its own is ours from here on
  ItemRef in_mailbox = mailbox_.clear();
  ItemRef newest;
  End end;
  Owned<GstEvent> request;
  StreamStateRef announced;
  {
    std::lock_guard hold(newest_.lock);
    request = newest_.keys.forget();
    if (in_mailbox) ++discarded_;
    newest_.reached = received_.load(std::memory_order_relaxed);
    std::swap(newest, newest_.item);
    std::swap(end, newest_.end);
    std::swap(announced, newest_.announced.stream_state);
  }
  newest = {};
  guard_.forget();
  // Queries reach a pad in any state, also now: they and this take turns by its stream lock.
  GST_PAD_STREAM_LOCK(sink_.get());
  stream_state_.reset();
  GST_PAD_STREAM_UNLOCK(sink_.get());
  negotiation_.forget();
}

GstFlowReturn Fanout::publish(Owned<GstMiniObject> frame, bool delta) {
  // acquire: pairs with the release in flush_start() and flush_stop().
  const std::uint32_t epoch = epoch_.load(std::memory_order_acquire);
  if (epoch & 1) {
    GST_LOG_OBJECT(sink_.get(), "refuses a frame: flushing");
    return GST_FLOW_FLUSHING;
  }
  ItemRef item(pool_.get());
  item->frame = std::move(frame);
  item->stream_state = stream_state();
  item->sequence = received_.load(std::memory_order_relaxed) + 1;
  item->at = shmring::now();
  item->epoch = epoch;
  item->delta = delta;
  received_.store(item->sequence, std::memory_order_relaxed);
  if (mailbox_.put(std::move(item))) {
    const std::uint64_t drops = mailbox_drops_.fetch_add(1, std::memory_order_relaxed) + 1;
    GST_LOG_OBJECT(sink_.get(), "frame overwritten before it was distributed, %" G_GUINT64_FORMAT " so far",
                   guint64{drops});
    if (std::has_single_bit(drops))
      GST_WARNING_OBJECT(sink_.get(), "frames come faster than they are distributed, %" G_GUINT64_FORMAT " lost",
                         guint64{drops});
  }
  return GST_FLOW_OK;
}

const StreamStateRef& Fanout::stream_state() {
  if (stream_state_changed_.load(std::memory_order_relaxed) &&
      stream_state_changed_.exchange(false, std::memory_order_acquire))
    stream_state_ = stream_state_of(sink_.get(), stream_state_.get());
  return stream_state_;
}

bool Fanout::keep_header(GstBuffer* buffer) {
  const StreamStateRef before = stream_state();
  if (!before->lists(buffer)) return false;
  const auto with = stream_state_of(sink_.get(), before.get());
  with->add(buffer, ++headers_);
  stream_state_ = with;
  return true;
}

void Fanout::distribute() {
  pthread_setname_np(pthread_self(), "latest-frames");
  prctl(PR_SET_TIMERSLACK, 1ul);  // a sleep that should end before the next frame must not end after it
  shmring::SpinWaiter waiter;
  while (ItemRef item = mailbox_.take(wake() == Wake::adaptive ? &waiter : nullptr)) publish_newest(std::move(item));
}

void Fanout::publish_newest(ItemRef item) {
  auto admitted = guard_.admit(std::move(item->frame), *item->stream_state);
  item->frame = std::move(admitted.frame);
  if (admitted.tell) tell_shortage(item->frame != nullptr);
  if (!item->frame) GST_LOG_OBJECT(sink_.get(), "frame dropped: its pool runs short and its memory cannot be copied");
  {
    std::lock_guard hold(newest_.lock);
    newest_.reached = std::max(newest_.reached, item->sequence);
    if (item->frame && item->epoch == newest_.epoch) {
      item->number = ++newest_.number;
      GST_LOG_OBJECT(sink_.get(), "frame %" G_GUINT64_FORMAT " is the newest", guint64{item->number});
      newest_.at = item->at;
      std::swap(newest_.item, item);
    } else {
      ++discarded_;  // a flush came in between, or it could not be copied
    }
  }
  newest_.event_count.beat();
  if (!guard_.watching()) return;
  item = {};
  guard_.give_back();
}

// In a thread of its own, for an application's handler of messages may take its time.
void Fanout::tell_shortage(bool copied) {
  std::string holders;
  for (const auto& member : members())
    if (const auto seen = member.branch->watched().seen; seen.held != 0)
      holders +=
          (holders.empty() ? "" : ", ") + seen.pad + (seen.pad == seen.worker ? "" : " (worker " + seen.worker + ")");
  const auto element = adopt(gst_pad_get_parent_element(sink_.get()));
  if (!element) return;
  const std::string buffers = std::to_string(guard_.buffers());
  auto* text = new std::string(
      "The source has " + buffers + " buffers, and downstream keeps all that it can spare (now inside a branch: " +
      (holders.empty() ? "none" : holders) + "). " +
      (copied
           ? "Frames are copied until buffers come back, so that the source goes on; see \"copied\" in stats."
           : "Frames are dropped until buffers come back, because their memory cannot be copied; see \"discarded\" in "
             "stats.") +
      " Mend the branches that keep frames, or give the source more buffers.");
  gst_element_call_async(
      element.get(),
      [](GstElement* self, gpointer said) {
        GST_ELEMENT_WARNING(self, RESOURCE, NO_SPACE_LEFT, ("%s", static_cast<std::string*>(said)->c_str()), (nullptr));
      },
      text, [](gpointer said) { delete static_cast<std::string*>(said); });
}

void Fanout::add(const std::shared_ptr<Branch>& branch) {
  std::lock_guard hold(newest_.lock);
  branches_.push_back(branch);
}

void Fanout::remove(const Branch& branch) {
  std::shared_ptr<Branch> removed;
  {
    std::lock_guard hold(newest_.lock);
    const auto found = std::find_if(branches_.begin(), branches_.end(),
                                    [&](const auto& candidate) { return candidate.get() == &branch; });
    if (found == branches_.end()) return;
    removed = std::move(*found);
    branches_.erase(found);
  }
  reconsider(true);
}

std::vector<Fanout::Member> Fanout::members() {
  std::vector<Member> members;
  std::lock_guard hold(newest_.lock);
  for (const auto& branch : branches_) members.push_back({branch, share(branch->pad())});
  return members;
}

Candidates Fanout::candidates() {
  Candidates candidates;
  for (auto& member : members()) {
    const bool blocked = gst_pad_is_blocked(member.pad.get());
    std::lock_guard hold(newest_.lock);
    const Branch& branch = *member.branch;
    if (!branch.chooses_caps()) continue;
    const Wishes& wishes = branch.wishes();
    candidates.push_back({std::move(member.pad),
                          {share(wishes.caps.get()), wishes.allocation, share(wishes.asked_with.get())},
                          !blocked && !branch.busy(),
                          branch.counts()});
  }
  return candidates;
}

void Fanout::ask_key_now() {
  Owned<GstEvent> request;
  {
    std::lock_guard hold(newest_.lock);
    request = newest_.keys.take_kept();
  }
  GST_DEBUG_OBJECT(sink_.get(), request ? "passes a key frame request that was kept" : "asks for a key frame");
  if (!request) request = adopt(gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
  // It may be for several, and one that lost frames needs all headers.
  request = adopt(gst_event_make_writable(request.release()));
  gst_structure_set(gst_event_writable_structure(request.get()), "all-headers", G_TYPE_BOOLEAN, TRUE, nullptr);
  gst_pad_push_event(sink_.get(), request.release());
}

// A decoder or an application asks. What is for a certain time goes through once: of a file's next part, for example.
bool Fanout::pass_key_request(Owned<GstEvent> request) {
  GstClockTime running_time = GST_CLOCK_TIME_NONE;
  if (!gst_video_event_parse_upstream_force_key_unit(request.get(), &running_time, nullptr, nullptr))
    return gst_pad_push_event(sink_.get(), request.release());
  Owned<GstEvent> replaced;
  bool now = false;
  {
    std::lock_guard hold(newest_.lock);
    if (GST_CLOCK_TIME_IS_VALID(running_time)) {
      if (!newest_.keys.first_for(running_time)) return true;
      now = true;
    } else if (now = newest_.keys.ask(shmring::now()); !now) {
      replaced = newest_.keys.keep(std::move(request));
    }
  }
  if (now) return gst_pad_push_event(sink_.get(), request.release());
  newest_.event_count.beat();  // a branch that rests sends it in time
  return true;
}

void Fanout::reconfigure_upstream() {
  GST_DEBUG_OBJECT(sink_.get(), "asks upstream to negotiate again");
  gst_pad_push_event(sink_.get(), gst_event_new_reconfigure());
}

void Fanout::reconsider(bool left) {
  if (negotiation_.outdated(candidates(), left)) reconfigure_upstream();
}

Flow Fanout::flow() {
  std::lock_guard hold(newest_.lock);
  return {received_.load(std::memory_order_relaxed), newest_.number, mailbox_drops_.load(std::memory_order_relaxed),
          discarded_, guard_.copied()};
}

void Fanout::watch(std::vector<Watched>& workers) {
  for (const auto& member : members()) workers.push_back(member.branch->watched());
}

}  // namespace supplier::latestframe
