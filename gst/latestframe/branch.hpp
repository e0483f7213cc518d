// SPDX-License-Identifier: LGPL-2.1-or-later
// A branch: one source pad, the thread that pushes into it, and what that thread has sent. Whatever happens downstream
// happens in this thread alone; no other thread waits for it while it is inside a push.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/health_monitor.hpp"
#include "base/health_properties.hpp"
#include "latestframe/branch_state.hpp"
#include "latestframe/cursor.hpp"
#include "latestframe/downstream.hpp"
#include "latestframe/frame_times.hpp"
#include "latestframe/negotiation.hpp"
#include "latestframe/pool_guard.hpp"

namespace supplier::latestframe {

class Delivery;

// The fan-out, as its branches know it.
class BranchHost {
 public:
  virtual ~BranchHost() = default;

  Newest& newest() { return newest_; }
  PoolGuard& guard() { return guard_; }

  // The time has come, see KeyRequests.
  virtual void ask_key_now() = 0;
  virtual void reconfigure_upstream() = 0;
  // A branch's wishes changed, or it `left`: upstream is told if that changes what it should do. What a branch could
  // not handle that has left is no reason: the next may be like it, and the source would be disturbed with each.
  virtual void reconsider(bool left) = 0;
  // A first frame was finished, or a branch has ended.
  virtual void look_at_health() = 0;

 protected:
  Newest newest_;
  PoolGuard guard_;
};

class Branch : public OutOfBandSender::Owner {
 public:
  // `pad` is borrowed; the branch leaves the fan-out before the pad dies.
  Branch(std::shared_ptr<BranchHost> host, GstPad* pad, guint first_property);
  Branch(const Branch&) = delete;
  Branch& operator=(const Branch&) = delete;

  GstPad* pad() const { return pad_; }
  HealthProperties& properties() { return properties_; }

  // The pad becomes active, or inactive. deactivate() returns when the thread is gone, or at once if it is inside a
  // push: then it ends when it comes back. False: there is no thread to be had.
  bool activate();
  void deactivate();
  // What a thread sends is past the pad's own check whether it flushes.
  void passed();
  // The pad is being released: it does not become active again, whatever state the element goes to meanwhile.
  void retire();
  // The pad was linked: the branch begins anew, also after it had ended.
  void linked();
  // Something further down was linked or changed.
  void reconfigured();
  void unlinked();

  // A flush, as upstream brings it. It goes downstream by the out-of-band sender. Its end is brought by upstream's
  // thread if that is possible at once, for it may have locks that downstream needs; if the branch is late, by the
  // thread of the branch.
  void flush(const Newest& newest, GstEvent* event);
  void unflush(const Newest& newest, GstEvent* event);
  // True once that is done, or if upstream is not to wait for it.
  bool flush_is_there() const;
  bool try_to_unflush(GstPad* pad);
  void be_late();
  void flush_begun(std::uint64_t thread) override;
  void send_out_of_band(Owned<GstEvent> event) { oob_sender_.send(std::move(event)); }

  Watched watched() const;
  std::uint64_t events_dropped() const;

  // The rest is called under the lock of Newest.
  void post(OneShot event) { cursor_.post(std::move(event)); }
  void ask(const StreamStateRef& stream_state, std::uint64_t position) { cursor_.ask(stream_state, position); }
  bool busy() const { return busy_; }
  const Wishes& wishes() const { return wishes_; }
  bool chooses_caps() const { return is_active(state_) && linked_ && reason_.empty(); }
  bool counts() const { return chooses_caps() && !refused_caps_; }

 private:
  enum class Peer { none, inactive, flushing, ready };

  static Peer peer_of(GstPad* pad);
  Peer peer_at_start() const;

  // State, under the lock of Newest.
  bool apply(BranchInput input);
  void forget_failure();
  bool end(std::string reason);
  void open(const Newest& newest);
  bool may_go_on(const Newest& newest, std::uint64_t now);
  void rest(const Newest& newest, Peer peer);

  // Flushes, likewise.
  void owe_end_of_flush(const Newest& newest);
  void leave_flush(std::uint32_t epoch);
  void resume();
  void try_again(std::uint64_t now);
  void decide_in_flush(Step& step, Peer peer, std::uint64_t now);
  bool bring_unflush(GstPad* pad, GstEvent* event);

  // The thread.
  bool start_thread();
  bool in_own_thread() const;
  void run(GstPad* pad);
  Step decide(std::uint32_t seen, Peer peer, std::uint64_t now);
  void count_step(const Step& step, std::uint64_t now);
  bool enter(const Step& step);
  void await_entry(std::unique_lock<std::mutex>& hold) const;
  GstFlowReturn deliver(Delivery& delivery, Step& step);
  void negotiate(Delivery& delivery, const StreamState& stream_state);
  void settle(const Step& step, GstFlowReturn flow);
  bool settle_state(const Step& step, GstFlowReturn flow, std::uint64_t now);
  void complain();

  const std::shared_ptr<BranchHost> host_;
  GstPad* const pad_;
  const std::string name_;
  HealthProperties properties_;
  OutOfBandSender oob_sender_;

  // Guarded by the lock of Newest.
  BranchState state_ = BranchState::inactive;
  bool linked_ = false;           // the pad has a peer; of interest in every state
  unsigned activation_ = 0;       // which, or which peer
  std::string reason_;            // for which it ended, until it begins anew
  Owned<GstEvent> refused_caps_;  // downstream does not take these
  std::uint64_t refused_at_ = 0;
  Wishes wishes_;

  Cursor cursor_;
  FrameTimes times_;
  std::uint64_t generation_ = 0;
  bool anew_ = true;     // what is sent next begins with the newest frame
  bool resend_ = false;  // the pad may have forgotten sticky events
  bool copies_ = false;  // and may take one for sent to the next peer that was on its way to the former one

  std::uint32_t epoch_ = 0;      // the flush that is over for this branch; in a flush other than that of Newest
  Owned<GstEvent> unflush_;      // how the flush ends, as soon as upstream says so
  bool unflushing_ = false;      // it is being brought
  bool late_ = false;            // upstream does not wait for it: the branch's own thread brings it
  std::uint64_t try_after_ = 0;  // when to try to end the flush again
  std::uint64_t try_pause_ = 0;  // how long that is after the last time

  std::condition_variable changed_;    // busy_ or threads_ changed
  unsigned threads_ = 0;               // 2 while one is on its way out
  bool running_ = false;               // one of them serves the branch
  bool busy_ = false;                  // the thread is out in GStreamer
  std::atomic<bool> entering_{false};  // and about to send something, but not past the pad
  bool reconfigured_ = false;          // since the thread went out

  std::string complaint_;  // of the branch's thread
};

}  // namespace supplier::latestframe
