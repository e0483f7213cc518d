// SPDX-License-Identifier: LGPL-2.1-or-later
// Output of shmringsrc while its publisher is away, so that downstream need not wait for this stream: GAP events, or the last
// picture again.
#pragma once

#include <cstdint>
#include <optional>

#include <gst/gst.h>

#include "base/frame_codec.hpp"
#include "base/owned.hpp"

namespace supplier {

// The streaming thread's.
class Outage {
 public:
  // Longest single wait, so that changes without a frame are noticed.
  static constexpr std::uint64_t kPatience = 250 * GST_MSECOND;

  // `repeat`: raw video is repeated and raw audio continued as silence; all else gets GAP events in any case.
  void reset(bool repeat);

  // A frame on its way downstream. With `repeat` the last picture stays held until the next one.
  void record(GstBuffer* frame, const StreamFormat& format);
  // The publisher is there again.
  void end() { behind_.reset(); }
  // Tells whether a time was filled already.
  bool covers(GstClockTime running_time) const { return running_time < filled_; }
  // Moves the held picture to memory of its own, so that no slot of the ring is kept for it.
  void release_slot();
  // Time to wait for a frame before the next fill().
  std::uint64_t patience() const { return patience_; }

  struct Filler {
    Owned<GstEvent> gap;        // first, if not NULL
    Owned<GstBuffer> repeated;  // or NULL
  };
  // There is no publisher at running time `now`; the last one had this latency, and frames of this format.
  Filler fill(GstClockTime now, GstClockTime latency, const StreamFormat& format);

 private:
  Owned<GstEvent> gap(GstClockTime length);
  Filler repeat(GstClockTime now, GstClockTime latency);
  Owned<GstBuffer> next_repeated();

  bool repeat_ = false;
  GstClockTime end_ = GST_CLOCK_TIME_NONE;  // of the last buffer, or of what was filled after it
  GstClockTime filled_ = 0;                 // frames before this time come too late
  std::optional<GstClockTimeDiff> behind_;  // during an outage: how far the end stays behind the clock
  Owned<GstBuffer> last_;                   // the picture, or silence; NULL: GAP events
  bool own_ = false;                        // last_ is in memory of its own
  gsize silent_bytes_ = 0;                  // of raw audio: the size of the last buffer
  GstClockTime interval_ = 0;               // of the repeated buffers
  std::uint64_t patience_ = 0;
};

}  // namespace supplier
