// SPDX-License-Identifier: LGPL-2.1-or-later
// Where a branch is in the stream, and what it does next: in the stream's order, the newest frame first of all. No
// thread, no pad: only the decision. Guarded by the lock of Newest.
#pragma once

#include <cstdint>
#include <deque>

#include "latestframe/newest.hpp"

namespace supplier::latestframe {

// Always: offered = delivered + dropped + pending.
struct FrameCounts {
  std::uint64_t offered = 0;
  std::uint64_t delivered = 0;  // taken by the branch
  std::uint64_t dropped = 0;    // it will never see them
  std::uint64_t discarded = 0;  // of the dropped: by a flush, a stop or the loss of its peer
  std::uint64_t stale = 0;      // of the delivered: refused as too old
  std::uint64_t pending = 0;    // 1 while the newest frame was not taken
  std::uint64_t consecutive_drops = 0;
};

// Counts the outcome of every frame offered to a branch. Nothing is written per frame that the branch does not take:
// what it missed is the difference of two numbers. `newest` is always the number of the newest frame published.
class Account {
 public:
  bool is_open() const { return open_; }
  std::uint64_t seen() const { return seen_; }

  // Frames with a larger number than `after` are offered from now on.
  void open(std::uint64_t after) {
    open_ = true;
    seen_ = after;
  }
  // No more is offered.
  void close(std::uint64_t newest) {
    discard(newest);
    open_ = false;
  }
  void take(std::uint64_t number) {
    dropped_ += number - seen_ - 1;
    ++delivered_;
    in_a_row_ = 0;
    seen_ = number;
  }
  void refuse_stale() { ++stale_; }
  // Frames up to this one are not wanted.
  void drop(std::uint64_t number) {
    dropped_ += number - seen_;
    in_a_row_ += number - seen_;
    seen_ = number;
  }
  // The pending frame is taken away.
  void discard(std::uint64_t newest) {
    if (!open_ || newest <= seen_) return;
    if (newest - 1 > seen_) drop(newest - 1);
    ++discarded_;
    seen_ = newest;
  }

  FrameCounts read(std::uint64_t newest) const {
    const std::uint64_t unseen = open_ && newest > seen_ ? newest - seen_ : 0;
    FrameCounts counts;
    counts.delivered = delivered_;
    counts.pending = unseen ? 1 : 0;
    const std::uint64_t missed = unseen ? unseen - 1 : 0;
    counts.dropped = dropped_ + discarded_ + missed;
    counts.discarded = discarded_;
    counts.stale = stale_;
    counts.consecutive_drops = in_a_row_ + missed;
    counts.offered = counts.delivered + counts.dropped + counts.pending;
    return counts;
  }

 private:
  bool open_ = false;
  std::uint64_t seen_ = 0;  // the last number that is accounted for
  std::uint64_t delivered_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t discarded_ = 0;
  std::uint64_t stale_ = 0;
  std::uint64_t in_a_row_ = 0;
};

// A serialized event that is no frame and does not stick.
struct OneShot {
  Owned<GstEvent> event;
  StreamStateRef stream_state;
  std::uint64_t position = 0;  // the sequence of the last frame before it
  std::uint64_t serial = 0;    // its place among them; the cursor counts
};

struct Step {
  enum class Kind {
    wait,          // nothing to do
    frame,         // push `item`
    event,         // push `event`
    stream_state,  // push `stream_state`: they need not wait for a frame
    ask,           // find out what downstream wishes
    end,           // push `event`, the end of the stream
    unflush,       // push `event`, the end of the flush before `epoch`
    ask_key,       // ask upstream for a key frame
    complain,      // say why the branch has ended
    leave,         // end the thread
  };
  Kind kind = Kind::wait;
  ItemRef item;
  Owned<GstEvent> event;
  StreamStateRef stream_state;   // what must have been sent before
  bool gap = false;              // frames before this one are missing
  bool resend = false;           // send all sticky events again
  bool copies = false;           // as new ones
  std::uint64_t until = 0;       // of wait: look again at this time; 0: when something has changed
  unsigned activation = 0;       // of the pad: what belongs to an earlier one is over
  std::uint64_t generation = 0;  // of the branch: each gets the stream's headers
  std::uint32_t epoch = 0;       // what begins with `unflush`
  std::uint64_t refused = 0;     // the number of a frame that was too old; 0: none was
};

class Cursor {
 public:
  static constexpr std::size_t kMostEvents = 16;

  const Account& account() const { return account_; }
  // Since the last flush, or since it began anew.
  bool end_told() const { return end_told_ != 0; }
  std::uint64_t events_dropped() const { return events_dropped_; }

  // Begins with the newest frame; with the one after it if the branch has had that already and is not `anew`.
  void open(const Newest& newest, bool anew);
  // The branch rests; what was pending is discarded.
  void close(const Newest& newest);
  // Everything before this moment is discarded.
  void flush(const Newest& newest);
  void post(OneShot event);
  // Asks downstream what it wishes once the frames up to `position` are through, and not only with the frame after them.
  void ask(StreamStateRef stream_state, std::uint64_t position);

  // Takes what it says. A frame handed in longer than `max_age` ago is refused (0: none is).
  Step next(Newest& newest, std::uint64_t now, std::uint64_t max_age);

 private:
  // Waits, or asks for a key frame for this branch or for requests that were kept.
  void rest(Newest& newest, std::uint64_t now, Step& step);
  // True if the newest frame is to be pushed; it is accounted for in any case.
  bool take(Newest& newest, std::uint64_t now, std::uint64_t max_age, Step& step);

  Account account_;
  std::uint64_t sequence_ = 0;  // of the last frame seen
  bool broken_ = false;         // frames are missing since the last one pushed
  bool needs_key_ = false;      // frames were dropped for want of a key frame since one was last asked for
  std::deque<OneShot> events_;
  OneShot question_;  // without stickies: none
  std::uint64_t serial_ = 0;
  std::uint64_t events_dropped_ = 0;
  std::uint64_t end_told_ = 0;   // the serial of the last end pushed
  std::uint64_t announced_ = 0;  // and of the last sticky events
};

}  // namespace supplier::latestframe
