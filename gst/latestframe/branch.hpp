// SPDX-License-Identifier: LGPL-2.1-or-later
// A branch: one source pad, the thread that pushes into it, and what that thread has sent. Whatever happens downstream
// happens in this thread alone; nobody waits for it while it is inside a push.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <string>

#include "abi/histogram.hpp"
#include "base/health_monitor.hpp"
#include "base/health_properties.hpp"
#include "latestframe/cursor.hpp"
#include "latestframe/downstream.hpp"
#include "latestframe/negotiation.hpp"

namespace supplier::latestframe {

class Fanout;

class Branch : public std::enable_shared_from_this<Branch> {
 public:
  // `pad` is borrowed; the branch leaves the fan-out before the pad dies.
  Branch(std::shared_ptr<Fanout> home, GstPad* pad, guint first_property);
  Branch(const Branch&) = delete;
  Branch& operator=(const Branch&) = delete;

  GstPad* pad() const { return pad_; }
  Fanout& home() const { return *home_; }
  HealthProperties& properties() { return properties_; }

  // The pad becomes active, or inactive. deactivate() returns when the thread is gone, or at once if it is inside a
  // push: then it ends when it comes back. False: there is no thread to be had.
  bool activate();
  void deactivate();
  // The pad is being released: it does not become active again, whatever state the element goes to meanwhile.
  void retire();
  // The pad was linked: the branch begins anew, also after it had ended.
  void linked();
  // Something further down was linked or changed.
  void reconfigured();
  void unlinked();

  // A flush, as upstream brings it. It goes downstream by the out-of-band sender. Its end is brought by upstream's thread if that is
  // possible at once, for it may have locks that downstream needs; if the branch is late, by the thread of the branch.
  void flush(const Newest& newest, GstEvent* event);
  void unflush(const Newest& newest, GstEvent* event);
  // Whether that is done, or upstream is not to wait for it.
  bool flush_is_there() const;
  bool try_to_unflush(GstPad* pad);
  void be_late();
  void flush_begun();  // for the out-of-band sender

  Watched watched() const;
  std::uint64_t events_dropped() const;

  // The rest is called under the lock of Newest.
  void post(OneShot event) { cursor_.post(std::move(event)); }
  void ask(const StreamStateRef& stream_state, std::uint64_t position) { cursor_.ask(stream_state, position); }
  bool busy() const { return busy_; }
  bool chooses_caps() const { return active_ && linked_ && !dead_; }
  bool counts() const { return chooses_caps() && !refused_caps_; }

  // What its own thread found out downstream, for upstream's questions.
  struct Wishes {
    Owned<GstCaps> caps;  // what downstream can take; NULL: not asked yet
    AnswerRef allocation;
    Owned<GstCaps> asked_with;  // the caps of that question; NULL: not asked yet
  };
  Wishes wishes;

  OutOfBandSender oob_sender{*this};

 private:
  struct Run;  // what only the thread has
  enum class Peer { none, inactive, flushing, ready };

  static Peer peer_of(GstPad* pad);
  Peer peer_at_start() const;
  void end_former_flush(const Newest& newest);
  void run(GstPad* pad);
  Step decide(std::uint32_t seen, Peer peer, std::uint64_t now);
  void decide_in_flush(Step& step, Peer peer, std::uint64_t now);
  void begin(std::uint32_t epoch);
  void try_again(std::uint64_t now);
  static bool tell(GstPad* pad, GstEvent* unflush);
  void open(const Newest& newest);
  bool may_go_on(const Newest& newest, std::uint64_t now);
  void count_step(const Step& step, std::uint64_t now);
  GstFlowReturn deliver(Run& run, Step& step);
  bool is_current(const Step& step) const;
  GstFlowReturn push_headers(Run& run, const Step& step);
  GstFlowReturn push(Run& run, const Step& step);
  void negotiate(Run& run, const StreamState& stream_state);
  void settle(const Step& step, GstFlowReturn flow);
  void end(std::string reason);
  void complain();

  const std::shared_ptr<Fanout> home_;
  GstPad* const pad_;
  const std::string name_;
  HealthProperties properties_;
  shmring::Histogram ages_, holds_, waits_;

  // Guarded by the lock of Newest.
  Cursor cursor_;
  std::condition_variable changed_;  // busy_ or threads_ changed
  unsigned threads_ = 0;             // 2 while one is on its way out
  bool running_ = false;             // one of them serves the branch
  bool active_ = false;
  unsigned activation_ = 0;  // which, or which peer
  bool linked_ = false;
  bool retired_ = false;
  bool busy_ = false;          // the thread is out in GStreamer
  bool anew_ = true;           // what is sent next begins with the newest frame
  bool resend_ = false;        // the pad may have forgotten sticky events
  bool copies_ = false;        // and may take one for sent to the next peer that was on its way to the former one
  bool resting_ = false;       // nothing is linked further down
  bool reconfigured_ = false;  // since the thread went out
  bool dead_ = false;
  bool complain_ = false;
  std::string reason_;
  Owned<GstEvent> refused_caps_;  // downstream does not take these
  std::uint64_t refused_at_ = 0;
  std::uint32_t epoch_ = 0;  // other than that of Newest: downstream is to be flushed, or is to hear of the end of it
  Owned<GstEvent> unflush_;  // how that ends, as soon as upstream says so
  bool unflushing_ = false;  // it is being told
  bool late_ = false;        // nobody waits for its flush
  std::uint64_t try_after_ = 0;  // when to try to end the flush again
  std::uint64_t try_pause_ = 0;  // how long that is after the last time
  std::uint64_t generation_ = 0;
  std::uint64_t busy_since_ = 0;
  std::uint64_t held_ = 0;  // the number of the frame inside the push
  std::uint64_t last_consumed_at_ = 0;
  std::uint64_t last_consumed_sequence_ = 0;
  std::uint64_t last_age_ = 0;
};

}  // namespace supplier::latestframe
