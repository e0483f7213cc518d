// SPDX-License-Identifier: LGPL-2.1-or-later
// Brings a branch what must not wait for its thread: flushes and out-of-band events. A thread of its own does it, there
// only while there is something to bring, so that upstream never waits for a branch that is stuck.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

#include "common/owned.hpp"

namespace supplier::latestframe {

class Branch;

class Messenger {
 public:
  static constexpr std::size_t kMostEvents = 16;

  explicit Messenger(Branch& branch) : branch_(branch) {}

  void flush_start(Owned<GstEvent> event);
  void flush_stop(Owned<GstEvent> event, std::uint32_t epoch);
  void send(Owned<GstEvent> event);
  // What was not brought yet is not brought.
  void forget();

 private:
  struct Job {
    Owned<GstEvent> event;
    std::uint32_t epoch = 0;  // FLUSH_STOP only: what begins with it
  };

  void post(Job job);
  void run(GstPad* pad);

  Branch& branch_;
  std::mutex lock_;
  std::deque<Job> jobs_;
  bool running_ = false;
};

}  // namespace supplier::latestframe
