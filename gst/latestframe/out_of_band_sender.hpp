// SPDX-License-Identifier: LGPL-2.1-or-later
// Brings a branch what must not wait for its thread: the beginning of a flush, and out-of-band events. A thread of its own
// does it, there only while there is something to bring, so that a branch that is stuck keeps nobody. The end of a flush
// is brought by the branch's own thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

#include "base/owned.hpp"

namespace supplier::latestframe {

class Branch;

class OutOfBandSender {
 public:
  static constexpr std::size_t kMostEvents = 16;

  explicit OutOfBandSender(Branch& branch) : branch_(branch) {}

  void flush(Owned<GstEvent> event);
  void send(Owned<GstEvent> event);
  // The beginning of a flush is on its way.
  bool flushing() const;
  void flush_has_begun();  // for the branch
  // Discards what was not sent yet.
  void forget();

 private:
  void post(Owned<GstEvent> event);
  void run(GstPad* pad);

  Branch& branch_;
  mutable std::mutex lock_;  // after that of Newest; guards what follows
  std::deque<Owned<GstEvent>> events_;
  bool running_ = false;
  bool in_flush_ = false;  // the event being brought begins a flush
};

}  // namespace supplier::latestframe
