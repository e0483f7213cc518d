// SPDX-License-Identifier: LGPL-2.1-or-later
// The thread that looks, judges, posts and sleeps.
#include "base/health_monitor.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <set>
#include <system_error>
#include <utility>

#include "base/clock.hpp"
#include "base/debug.hpp"
#include "base/health_message.hpp"

#define GST_CAT_DEFAULT supplier::health_category()

namespace supplier {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kShortestTick = 10 * kMillisecond;
constexpr std::uint64_t kLongestTick = 1000 * kMillisecond;

// A worker is known by its pad, or by its name where it has no pad.
const std::string& key(const Observation& seen) { return seen.pad.empty() ? seen.worker : seen.pad; }

}  // namespace

// One start() to stop(). The thread shares it, so that a thread which is still inside a bus handler when the monitor
// ends finds out without touching the monitor.
struct HealthMonitor::Run {
  std::mutex lock;
  std::condition_variable wake;
  bool stop = false;
  bool poked = false;
  bool posting = false;

  // Sleeps for a tick; false when it is over.
  bool sleep(std::uint64_t ns) {
    std::unique_lock hold(lock);
    // However often something dies, looks are this far apart.
    wake.wait_for(hold, std::chrono::nanoseconds(kShortestTick), [&] { return stop; });
    wake.wait_for(hold, std::chrono::nanoseconds(ns - kShortestTick), [&] { return stop || poked; });
    poked = false;
    return !stop;
  }
  // Between the two, stop() does not wait for the thread.
  bool begin_posting() {
    std::lock_guard hold(lock);
    return posting = !stop;
  }
  bool end_posting() {
    std::lock_guard hold(lock);
    posting = false;
    return !stop;
  }
};

HealthMonitor::HealthMonitor(GstElement* element, Look look) : element_(element), look_(std::move(look)) {}

HealthMonitor::~HealthMonitor() { stop(); }

bool HealthMonitor::start() {
  stop();
  auto run = std::make_shared<Run>();
  try {
    std::lock_guard hold(lock_);
    for (auto& [name, worker] : workers_) worker.resume();
    thread_ = std::thread([this, run] { loop(run); });
    run_ = std::move(run);
  } catch (const std::system_error& error) {
    GST_WARNING_OBJECT(element_, "no thread to watch over workers: %s", error.what());
    return false;
  }
  return true;
}

void HealthMonitor::stop() {
  std::shared_ptr<Run> run;
  std::thread thread;
  {
    std::lock_guard hold(lock_);
    run = std::move(run_);
    thread = std::move(thread_);
  }
  if (!run) return;
  bool posting = false;
  {
    std::lock_guard hold(run->lock);
    run->stop = true;
    posting = run->posting;
  }
  run->wake.notify_one();
  // A thread inside a bus handler may be us, or wait for a lock that our caller holds; all it still does is return.
  if (posting)
    thread.detach();
  else
    thread.join();
}

void HealthMonitor::poke() {
  std::shared_ptr<Run> run;
  {
    std::lock_guard hold(lock_);
    run = run_;
  }
  if (!run) return;
  {
    std::lock_guard hold(run->lock);
    run->poked = true;
  }
  run->wake.notify_one();
}

void HealthMonitor::forget() {
  std::lock_guard hold(lock_);
  workers_.clear();
}

Owned<GstStructure> HealthMonitor::describe(const char* name, const Observation& seen) const {
  Verdict verdict;
  {
    std::lock_guard hold(lock_);
    const auto found = workers_.find(key(seen));
    if (found != workers_.end()) verdict = found->second.verdict();
  }
  return health_structure(name, seen, verdict);
}

WorkerState HealthMonitor::state(const Observation& seen) const {
  std::lock_guard hold(lock_);
  const auto found = workers_.find(key(seen));
  return found == workers_.end() ? WorkerState::waiting : found->second.verdict().state;
}

std::uint64_t HealthMonitor::tick(const std::vector<Watched>& workers) {
  std::uint64_t tick = kLongestTick;
  for (const Watched& worker : workers) {
    if (worker.limits.stall_timeout) tick = std::min(tick, worker.limits.stall_timeout / 10);
    if (worker.limits.interval) tick = std::min(tick, worker.limits.interval);
  }
  return std::max(tick, kShortestTick);
}

void HealthMonitor::loop(const std::shared_ptr<Run>& run) {
  std::vector<Watched> seen;
  std::vector<Owned<GstMessage>> messages;
  const auto element = share(element_);  // posting may outlive the last other reference
  std::uint64_t tick = kShortestTick;
  do {
    seen.clear();
    look_(seen);
    tick = HealthMonitor::tick(seen);
    const std::uint64_t now = monotonic_now();
    {
      std::lock_guard hold(lock_);
      std::set<std::string> present;
      for (const Watched& worker : seen) {
        present.insert(key(worker.seen));
        if (const auto told = workers_[key(worker.seen)].evaluate(worker.seen, worker.limits, now)) {
          if (told->state != told->previous)
            GST_INFO_OBJECT(element.get(), "worker %s: %s, before %s: %s", key(worker.seen).c_str(),
                            state_name(told->state), state_name(told->previous), told->reason.c_str());
          messages.push_back(adopt(gst_message_new_element(
              GST_OBJECT(element.get()), health_structure(kHealthMessage, worker.seen, *told).release())));
        }
      }
      std::erase_if(workers_, [&](const auto& worker) { return !present.contains(worker.first); });
    }
    for (auto& message : messages) {
      if (!run->begin_posting()) return;
      gst_element_post_message(element.get(), message.release());
      if (!run->end_posting()) return;
    }
    messages.clear();
  } while (run->sleep(tick));
}

}  // namespace supplier
