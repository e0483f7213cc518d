// SPDX-License-Identifier: LGPL-2.1-or-later
// The thread that watches an element's workers while it is PLAYING and posts their health on the bus.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/health.hpp"
#include "base/owned.hpp"

namespace supplier {

struct Watched {
  Observation seen;
  Limits limits;
};

// Use: a member of the element's C++ object, start() after PAUSED→PLAYING, stop() before PLAYING→PAUSED, describe() for
// `stats`.
class HealthMonitor {
 public:
  // Appends every worker as it is now. Called by the monitor's thread without any lock of the monitor, never after
  // stop().
  using Look = std::function<void(std::vector<Watched>&)>;

  // `element` is borrowed: the monitor is part of it.
  HealthMonitor(GstElement* element, Look look);
  ~HealthMonitor();
  HealthMonitor(const HealthMonitor&) = delete;
  HealthMonitor& operator=(const HealthMonitor&) = delete;

  // False: there is no thread to be had. start() and stop() are for one thread at a time (the state change); stop() may
  // also come from a bus handler inside one of our own messages, and never waits for such a handler.
  bool start();
  void stop();
  // Look now: a first frame was finished, something died, a limit was changed. Any thread; nothing when not running.
  void poke();
  // Every worker begins anew.
  void forget();
  // The same fields as the message, at any moment. Any thread.
  Owned<GstStructure> describe(const char* name, const Observation& seen) const;
  WorkerState state(const Observation& seen) const;

  // Period between two looks, short enough for the tightest limit.
  static std::uint64_t tick(const std::vector<Watched>& workers);

 private:
  struct Run;
  void loop(const std::shared_ptr<Run>& run);

  GstElement* const element_;
  const Look look_;
  mutable std::mutex lock_;  // a leaf: neither Look nor the bus is called under it
  std::map<std::string, WorkerHealth> workers_;
  std::shared_ptr<Run> run_;
  std::thread thread_;
};

}  // namespace supplier
