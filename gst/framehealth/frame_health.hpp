// SPDX-License-Identifier: LGPL-2.1-or-later
// The element behind GstFrameHealth: forwards everything untouched and watches what becomes of it.
#pragma once

#include <gst/gst.h>

#include "base/health_monitor.hpp"
#include "base/health_properties.hpp"
#include "frame_watch.hpp"

namespace supplier {

class FrameHealth {
 public:
  static constexpr guint kFirstProperty = 1;
  static constexpr guint kStats = kFirstProperty + HealthProperties::kCount;

  FrameHealth(GstElement* element, GstPad* sink, GstPad* source);

  // Data, on the streaming thread.
  GstFlowReturn chain(GstBuffer* buffer);
  GstFlowReturn chain_list(GstBufferList* list);
  gboolean sink_event(GstEvent* event);
  gboolean sink_query(GstQuery* query);
  // Any thread.
  gboolean source_query(GstQuery* query);

  void set_property(guint id, const GValue* value);
  bool get_property(guint id, GValue* value) const;

  void begin_run();  // READY → PAUSED
  bool play();       // PAUSED → PLAYING
  void pause();      // PLAYING → PAUSED

 private:
  GstClockTime running_time(GstBuffer* buffer) const;
  GstFlowReturn leave(std::uint64_t count, GstFlowReturn result);
  std::int64_t clock_offset() const;
  Observation observe() const;

  GstElement* const element_;  // it owns this object and the pads
  GstPad* const sink_;
  GstPad* const source_;
  GstSegment segment_;  // the streaming thread's, as is:
  bool video_ = false;  // the stream is raw video
  FrameWatch watch_;
  HealthProperties properties_{kFirstProperty};
  HealthMonitor monitor_;  // the last member: its thread ends before what it looks at
};

}  // namespace supplier
