// SPDX-License-Identifier: LGPL-2.1-or-later
// The parts of a flush downstream: the thread that brings its beginning, and the locks that its end is sent under.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "base/owned.hpp"

namespace supplier::latestframe {

struct PadState {
  bool active, flushing;
};
PadState state_of(GstPad* pad);

// A FLUSH_STOP lets queues take frames again and starts their threads. In the middle of a queue's change of state it would
// do so behind its back, and the queue would wait for ever for a thread that does not end. So it is sent only while this
// holds the stream lock of each pad that it comes to, and the state lock of each element and of the bins around: then it
// waits for no thread, and none for longer than it takes. Beyond an element with several sink pads other threads are at
// work: it ends there.
class StillDownstream {
 public:
  // Takes the locks of all; of none where one cannot be had at once, or where a pad that flushes cannot be reached.
  explicit StillDownstream(GstPad* source);
  ~StillDownstream() { let_go(); }
  StillDownstream(const StillDownstream&) = delete;
  StillDownstream& operator=(const StillDownstream&) = delete;

  explicit operator bool() const { return still_; }

 private:
  bool hold_behind(GstPad* source, bool cut);
  bool hold_behind_all(GstIterator* links, bool cut);
  bool hold(GstElement* element);
  void let_go();

  std::vector<Owned<GstPad>> pads_;
  std::vector<Owned<GstElement>> elements_;
  bool still_ = false;
};

// The beginning of a flush, by the flags of the active pads behind `source`, up to elements with several sink pads.
struct FlushBehind {
  bool some = false;       // pads flush
  bool restarted = false;  // the first pad does not, or one before another that does: it was started again since
};
FlushBehind flush_behind(GstPad* source);

// Brings a branch what must not wait for its thread: the beginning of a flush, and out-of-band events. A thread of its
// own does it, there only while there is something to bring, so that a branch that is stuck keeps no other one. The end of a
// flush is brought by the branch's own thread.
class OutOfBandSender {
 public:
  static constexpr std::size_t kMostEvents = 16;

  // Has the sender as a member, and lives as long as the sender's thread.
  class Owner : public std::enable_shared_from_this<Owner> {
   public:
    virtual ~Owner() = default;
    // The beginning of a flush was brought, by this thread of the sender; the owner calls flush_has_begun().
    virtual void flush_begun(std::uint64_t thread) = 0;
  };

  // `pad` is borrowed.
  OutOfBandSender(Owner& owner, GstPad* pad) : owner_(owner), pad_(pad) {}

  void flush(Owned<GstEvent> event);
  void send(Owned<GstEvent> event);
  // The beginning of a flush is on its way.
  bool flushing() const;
  // And is inside of downstream already.
  bool flush_is_underway() const;
  // False: the thread was abandoned.
  bool flush_has_begun(std::uint64_t thread);
  // Does not wait any longer for a flush that is under way; its thread ends when it comes back, what follows gets another.
  void abandon_flush();
  // Discards what was not sent yet.
  void forget();

 private:
  void post(Owned<GstEvent> event);
  void start();
  void run(GstPad* pad, std::uint64_t thread);

  Owner& owner_;
  GstPad* const pad_;
  mutable std::mutex lock_;  // after that of Newest; guards what follows
  std::deque<Owned<GstEvent>> events_;
  std::uint64_t thread_ = 0;  // which thread brings them; 0: none does
  std::uint64_t threads_ = 0;
  bool in_flush_ = false;  // the event being brought begins a flush
};

}  // namespace supplier::latestframe
