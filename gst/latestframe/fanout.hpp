// SPDX-License-Identifier: LGPL-2.1-or-later
// The fan-out: mailbox, distribution thread, the newest frame, the branches, and what passes between them and upstream.
// The element owns it together with the threads that are still inside a push when the element is gone.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/health_monitor.hpp"
#include "latestframe/branch.hpp"
#include "latestframe/mailbox.hpp"
#include "latestframe/negotiation.hpp"

namespace supplier::latestframe {

enum class Wake { block, adaptive };

// Counters of the fan-out.
struct Flow {
  std::uint64_t received = 0;       // handed in
  std::uint64_t published = 0;      // became the newest frame
  std::uint64_t mailbox_drops = 0;  // overwritten before the distribution thread saw them
  std::uint64_t discarded = 0;      // by a flush or a stop, or for want of buffers, before they were published
  std::uint64_t copied = 0;         // of those published, because the source ran short of buffers
};

class Fanout : public BranchHost {
 public:
  Fanout(GstElement* element, GstPad* sink);
  ~Fanout() override;
  Fanout(const Fanout&) = delete;
  Fanout& operator=(const Fanout&) = delete;

  // READY to PAUSED and back. False: there is no thread to be had.
  bool start();
  void stop();
  void set_wake(Wake wake) { wake_.store(wake, std::memory_order_relaxed); }
  Wake wake() const { return wake_.load(std::memory_order_relaxed); }

  // The sink pad's functions. publish() is for one thread at a time (the pad's stream lock).
  GstFlowReturn publish(Owned<GstMiniObject> frame, bool delta);
  // Of the same thread: whether the buffer is a header of the stream. It is kept with the sticky events, for no frame may
  // overwrite it and a branch that comes later needs it too.
  bool keep_header(GstBuffer* buffer);
  bool sink_event(Owned<GstEvent> event);
  bool sink_query(GstQuery* query);
  // The source pads' functions; false: not answered here.
  bool source_event(Branch& branch, Owned<GstEvent> event);
  bool source_query(GstQuery* query, bool& result);

  void add(const std::shared_ptr<Branch>& branch);
  void remove(const Branch& branch);

  // For the branches.
  void ask_key_now() override;
  void reconfigure_upstream() override;
  void reconsider(bool left) override;
  void look_at_health() override { monitor_.poke(); }

  HealthMonitor& monitor() { return monitor_; }

  Flow flow();
  void watch(std::vector<Watched>& workers);
  struct Member {
    std::shared_ptr<Branch> branch;
    Owned<GstPad> pad;
  };
  std::vector<Member> members();

 private:
  Candidates candidates();
  void distribute();
  void publish_newest(ItemRef item);
  void tell_shortage(bool copied);
  const StreamStateRef& stream_state();
  void announce();
  bool pass_key_request(Owned<GstEvent> request);
  void flush_start(Owned<GstEvent> event);
  void flush_stop(Owned<GstEvent> event);
  void await(const std::function<bool(const Member&)>& done);
  void end(Owned<GstEvent> event);
  void warn_if_not_live(GstQuery* latency);
  void ask_branches();
  bool any_branch_answers(GstQuery* query);

  // From here on the pushing thread's: on no cache line of what the branches' threads use.
  alignas(64) const Owned<GstPad> sink_;
  std::atomic<Wake> wake_{Wake::block};

  // Guarded by the sink pad's stream lock, which is held in publish() and in serialized events and queries, also on a pad
  // that is not active.
  ItemPool pool_;
  StreamStateRef stream_state_;
  std::uint64_t headers_ = 0;  // how many came
  std::atomic<bool> stream_state_changed_{true};
  std::atomic<std::uint32_t> epoch_{0};  // as in newest_, for publish()
  std::atomic<std::uint64_t> received_{0};
  std::atomic<std::uint64_t> mailbox_drops_{0};

  Mailbox mailbox_;
  std::vector<std::shared_ptr<Branch>> branches_;  // guarded by the lock of newest_
  std::uint64_t discarded_ = 0;                    // likewise

  Negotiation negotiation_;
  Seeks seeks_;
  std::atomic<bool> liveness_checked_{false};
  std::thread distribution_;
  HealthMonitor monitor_;
};

}  // namespace supplier::latestframe
