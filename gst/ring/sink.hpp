// SPDX-License-Identifier: LGPL-2.1-or-later
// Behaviour of shmringsink; gstshmringsink.cpp is its GObject class.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gst/base/gstbasesink.h>
#include <gst/gst.h>

#include "base/frame_codec.hpp"
#include "base/frame_metas.hpp"
#include "base/health_monitor.hpp"
#include "base/health_properties.hpp"
#include "base/log_limit.hpp"
#include "base/owned.hpp"
#include "publisher/publisher.hpp"
#include "ring/eos_forwarding.hpp"
#include "ring/lane_limits.hpp"
#include "ring/mapped_parts.hpp"
#include "ring/room_wait.hpp"

namespace supplier {

class Sink {
 public:
  // The first of the health properties' ids.
  Sink(GstBaseSink* element, guint health_properties);

  shmring::PublisherOptions options;  // as the properties say; guarded by the element's object lock
  std::atomic<ForwardEos> forward_eos{ForwardEos::automatic};
  HealthProperties health;
  LaneLimits lane_limits;
  static constexpr std::uint64_t kMaxSlotSize = 64 << 20;
  std::uint64_t max_slot_size = kMaxSlotSize;  // guarded like the options
  RoomWait room_wait;

  bool start();
  void stop();
  void playing(bool on);
  bool set_caps(GstCaps* caps);
  bool propose_allocation(GstQuery* query);
  GstFlowReturn render(GstBuffer* buffer);
  GstFlowReturn render_list(GstBufferList* list);
  // Before and after the base class has handled it.
  void event_comes(GstEvent* event);
  void gap_passed(GstClockTime pts, GstClockTime duration);
  // The pipeline's latency was distributed.
  void latency_changed();

  guint readers() const;
  Owned<GstStructure> stats() const;

 private:
  // Why a frame is no frame of its caps.
  enum class Damage { empty, size, planes, unreadable };
  static constexpr std::size_t kDamages = 4;

  bool tell(const shmring::Error& error);
  void require(std::uint64_t frame_size);
  bool ready();
  GstFlowReturn publish(GstBuffer* buffer);
  GstFlowReturn publish(GstBuffer* buffer, shmring_frame_info& info);
  GstFlowReturn publish_plain(GstBuffer* buffer, shmring_frame_info& info);
  GstFlowReturn publish_samples(GstBuffer* buffer, shmring_frame_info& info);
  GstFlowReturn publish_unit(GstBufferList* list, guint begin, guint end);
  GstFlowReturn wait_for(GstBuffer* buffer);
  GstFlowReturn wait_for_readers(GstBuffer* alone);
  GstFlowReturn copy(GstBuffer* buffer, shmring_frame_info& info);
  GstFlowReturn write_mapped(shmring_frame_info& info);
  Owned<GstBuffer> plain(GstBuffer* buffer, const shmring_frame_info& info);
  GstFlowReturn drop(Damage why, GstBuffer* buffer);
  GstFlowReturn settle(const shmring::Result<void>& result, std::uint64_t frame_size);
  void keep_to_clock(shmring_frame_info& info);
  bool fed_by_application();
  void pass_key_request();
  void watch_readers();
  void look(std::vector<Watched>& workers);

  std::shared_ptr<shmring::Publisher> shared_publisher() const;

  GstBaseSink* const element_;
  // Changes between runs only, with the lock. The streaming thread, which is between them, needs none.
  std::shared_ptr<shmring::Publisher> publisher_;
  mutable std::mutex publisher_mutex_;
  HealthMonitor monitor_;
  EosForwarding eos_;

  // The streaming thread's.
  StreamFormat format_;
  MetasWriter metas_;
  MappedParts mapped_;  // empty between frames
  std::vector<FramePart> unit_;
  TimeKeeper time_;
  enum class Clocking { as_stamped, unknown, at_arrival } clocking_ = Clocking::unknown;  // which times frames get
  std::uint64_t room_ = 0;          // frames of format_ up to this size need no look at the slots
  bool size_given_ = false;         // by slot-size
  std::uint64_t most_room_ = 0;     // max-slot-size
  std::uint64_t try_again_at_ = 0;  // to make larger slots; ns
  bool told_too_large_ = false;
  bool told_no_room_ = false;
  std::array<bool, kDamages> told_damaged_{};
  LogLimit malformed_, no_slot_, too_large_;  // lines about frames that are dropped

  std::atomic<guint> key_requests_{0};   // passed upstream
  std::atomic<guint> known_readers_{0};  // as last notified
  std::atomic<bool> flowing_{false};     // between the first frame and the end of the stream
};

}  // namespace supplier
