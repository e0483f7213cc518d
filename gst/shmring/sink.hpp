// SPDX-License-Identifier: LGPL-2.1-or-later
// What shmringsink does; gstshmringsink.cpp is its face to GObject.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <gst/base/gstbasesink.h>
#include <gst/gst.h>

#include "common/frame_codec.hpp"
#include "common/frame_metas.hpp"
#include "common/health_monitor.hpp"
#include "common/health_properties.hpp"
#include "common/owned.hpp"
#include "shmring/blocks.hpp"
#include "shmring/lane_limits.hpp"
#include "shmring/outlet.hpp"

namespace supplier {

class Sink {
 public:
  // The first of the health properties' ids.
  Sink(GstBaseSink* element, guint health_properties);

  shmring::PublisherOptions options;  // as the properties say; guarded by the element's object lock
  HealthProperties health;
  LaneLimits lane_limits;

  bool start();
  void stop();
  void playing(bool on);
  bool set_caps(GstCaps* caps);
  bool propose_allocation(GstQuery* query);
  GstFlowReturn render(GstBuffer* buffer);
  // Before and after the base class has handled it.
  void event_comes(GstEvent* event);
  void gap_passed(GstClockTime pts, GstClockTime duration);
  // The pipeline's latency was distributed.
  void latency_changed();

  guint readers() const { return outlet_->readers(); }
  Owned<GstStructure> stats() const;

 private:
  bool tell(const shmring::Error& error);
  bool require(std::uint64_t frame_size);
  GstFlowReturn publish(GstBuffer* buffer, shmring_frame_info& info);
  GstFlowReturn copy(GstBuffer* buffer, shmring_frame_info& info);
  Owned<GstBuffer> without_padding(GstBuffer* buffer, const shmring_frame_info& info);
  GstFlowReturn settle(const shmring::Result<void>& result);
  void watch_readers();
  void look(std::vector<Watched>& workers);

  GstBaseSink* const element_;
  const std::shared_ptr<Outlet> outlet_ = std::make_shared<Outlet>();
  const std::shared_ptr<Blocks> spare_ = std::make_shared<Blocks>();
  HealthMonitor monitor_;

  // The streaming thread's.
  StreamFormat format_;
  MetasWriter metas_;
  TimeKeeper time_;
  bool sized_ = false;  // the slots are large enough for format_
  bool told_too_large_ = false;

  std::atomic<guint> known_readers_{0};  // as last notified
  std::atomic<bool> flowing_{false};     // between the first frame and the end of the stream
};

}  // namespace supplier
