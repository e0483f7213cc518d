// SPDX-License-Identifier: LGPL-2.1-or-later
// Between GStreamer's words for a frame (caps, buffer, video meta, running time) and the ring's (format, frame info,
// CLOCK_MONOTONIC).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <gst/audio/audio.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <shmring/types.h>

#include "abi/result.hpp"
#include "base/owned.hpp"

namespace supplier {

constexpr std::uint64_t kSmallestGuess = 64 * 1024;  // bytes of a frame whose size caps do not tell

// Format of a stream's frames, from caps.
class StreamFormat {
 public:
  StreamFormat() = default;
  // INVALID, with an error message, for caps that do not cross the ring: those that are not fixed, have features other
  // than memory:SystemMemory and format:Interlaced, or describe no possible picture.
  static shmring::Result<StreamFormat> from_caps(const GstCaps* caps);

  // Tells whether there were caps.
  bool known() const { return !text_.empty(); }
  // For the ring; borrows from this object.
  shmring_format ring_format() const;
  // NULL for everything but raw video in a format that GStreamer knows. What has another crosses as bytes.
  const GstVideoInfo* video() const { return video_ ? &*video_ : nullptr; }
  // Rows of raw Bayer, as GStreamer pads them; NULL for everything else.
  const shmring_format* bayer() const { return bayer_ ? &*bayer_ : nullptr; }
  // Bytes of a frame of application/x-ndarray; 0 for everything else.
  std::uint64_t array_size() const { return array_size_; }
  // NULL for everything but raw audio.
  const GstAudioInfo* audio() const { return audio_ ? &*audio_ : nullptr; }
  bool is_raw() const { return video_ || bayer_ || audio_; }
  // Each buffer is a frame of its own, never a part of one.
  bool is_whole_by_buffer() const { return is_raw() || array_size_ != 0; }
  // The largest frame to expect; 0 where caps do not tell.
  std::uint64_t largest_frame() const { return largest_frame_; }

 private:
  std::string text_;
  std::optional<GstVideoInfo> video_;
  std::optional<shmring_format> bayer_;
  std::uint64_t array_size_ = 0;
  std::optional<GstAudioInfo> audio_;
  std::uint64_t largest_frame_ = 0;
};

// The part of `filter` that crosses the ring, in its order: the answer to a CAPS query. ANY for NULL and ANY, for which GStreamer
// has no other word.
Owned<GstCaps> crossing_caps(GstCaps* filter);

// Ties an element's running time to CLOCK_MONOTONIC, for as long as its clock does not drift.
class TimeBase {
 public:
  TimeBase() = default;  // not valid: without a clock
  explicit TimeBase(GstClockTimeDiff shift) : valid_(true), shift_(shift) {}

  bool valid() const { return valid_; }
  std::uint64_t to_monotonic(GstClockTimeDiff running_time) const;
  // Tells whether a time lies before the element's base-time: no buffer can have it.
  bool before_start(std::uint64_t monotonic) const;
  // 0 for what was before the element's base-time; GST_CLOCK_TIME_NONE for none, or if not valid.
  GstClockTime to_running_time(std::uint64_t monotonic) const;

 private:
  bool valid_ = false;
  GstClockTimeDiff shift_ = 0;  // running time + shift = CLOCK_MONOTONIC
};

// Tells whether a clock is CLOCK_MONOTONIC itself.
bool is_system_monotonic(GstClock* clock);

// The time base of an element that is PLAYING. What kind of clock it has is asked only when that changes.
class TimeKeeper {
 public:
  TimeBase of(GstElement* element);

 private:
  Owned<GstClock> clock_;
  bool system_ = false;  // it is CLOCK_MONOTONIC itself
};

// A buffer's flags as a set of SHMRING_FRAME_*, and back.
std::uint32_t flags_of(GstBuffer* buffer, const StreamFormat& format);
void set_flags(GstBuffer* buffer, std::uint32_t flags, const StreamFormat& format);

// Times, flags, offset and planes of a buffer. Planes are given only where they differ from those of the format. A time
// that cannot be tied to CLOCK_MONOTONIC for want of a clock is now.
shmring_frame_info encode(GstBuffer* buffer, const StreamFormat& format, const GstSegment& segment,
                          const TimeBase& time);
// Of a stretch of a stream without data (a GAP event).
shmring_frame_info encode_gap(GstClockTime pts, GstClockTime duration, const GstSegment& segment, const TimeBase& time);

// Sets times, flags and OFFSET (= sequence) of a new buffer.
void decode(const shmring_frame_info& info, const StreamFormat& format, const TimeBase& time, GstBuffer* buffer);

// Relation of a frame's planes to its caps.
enum class Layout {
  standard,  // as caps say, or not raw video
  custom,    // a GstVideoMeta must tell
  foreign,   // within the frame, but not as readers expect rows: copy_picture() makes it standard
  broken,    // they do not lie within the frame: never hand it out
};
Layout layout(const shmring_frame_info& info, const StreamFormat& format);
// Tells a buffer's `custom` planes.
void add_planes(const shmring_frame_info& info, const StreamFormat& format, GstBuffer* buffer);
// Copies the pixels of raw video between buffers of different layout; false if one cannot be mapped.
bool copy_picture(const StreamFormat& format, GstBuffer* from, GstBuffer* to);

}  // namespace supplier
