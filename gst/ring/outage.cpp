// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ring/outage.hpp"

#include <algorithm>
#include <utility>

#include <gst/audio/audio.h>
#include <gst/video/video.h>

#include "base/audio_samples.hpp"

namespace supplier {
namespace {

// A wait is no shorter while frames come: a stream of many small buffers must not wake the thread more often.
constexpr GstClockTime kShortestPatience = 20 * GST_MSECOND;

GstClockTime interval_of(GstBuffer* frame, const StreamFormat& format) {
  if (const GstVideoInfo* video = format.video(); video && GST_VIDEO_INFO_FPS_N(video) > 0)
    return std::max<GstClockTime>(
        1, gst_util_uint64_scale_int(GST_SECOND, GST_VIDEO_INFO_FPS_D(video), GST_VIDEO_INFO_FPS_N(video)));
  if (const GstAudioInfo* audio = format.audio()) {
    const guint64 samples = gst_buffer_get_size(frame) / GST_AUDIO_INFO_BPF(audio);
    return std::max<GstClockTime>(1, gst_util_uint64_scale_int(samples, GST_SECOND, GST_AUDIO_INFO_RATE(audio)));
  }
  const GstClockTime duration = GST_BUFFER_DURATION(frame);
  return GST_CLOCK_TIME_IS_VALID(duration) && duration > 0 ? duration : Outage::kPatience;
}

// Metas that a repeated picture must not have: capture times, objects found, captions.
gboolean keep_planes_only(GstBuffer* /*buffer*/, GstMeta** meta, gpointer /*unused*/) {
  if ((*meta)->info->api != GST_VIDEO_META_API_TYPE) *meta = nullptr;
  return TRUE;
}

Owned<GstBuffer> silence(const GstAudioInfo& audio, gsize size) {
  auto buffer = adopt(gst_buffer_new_allocate(nullptr, size, nullptr));
  GstMapInfo map;
  if (!buffer || !gst_buffer_map(buffer.get(), &map, GST_MAP_WRITE)) return nullptr;
  gst_audio_format_info_fill_silence(audio.finfo, map.data, map.size);
  gst_buffer_unmap(buffer.get(), &map);
  return add_samples_meta(buffer.get(), audio) ? std::move(buffer) : nullptr;
}

}  // namespace

void Outage::reset(bool repeat) {
  *this = Outage();
  repeat_ = repeat;
  patience_ = kPatience;
}

void Outage::record(GstBuffer* frame, const StreamFormat& format) {
  if (!GST_BUFFER_PTS_IS_VALID(frame)) return;
  const GstClockTime duration = GST_BUFFER_DURATION_IS_VALID(frame) ? GST_BUFFER_DURATION(frame) : 0;
  end_ = GST_BUFFER_PTS(frame) + duration;
  if (!repeat_) return;
  filled_ = silent_bytes_ = 0;
  last_ = nullptr;
  own_ = false;
  patience_ = kPatience;
  const gsize size = gst_buffer_get_size(frame);
  if (!format.is_raw() || size == 0) return;
  interval_ = interval_of(frame, format);
  if (duration == 0) end_ += interval_;
  patience_ = std::clamp(2 * interval_, kShortestPatience, kPatience);
  if (format.audio())
    silent_bytes_ = size;
  else
    last_ = adopt(gst_buffer_copy(frame));  // of its description: the frame itself stays writable for downstream
}

void Outage::release_slot() {
  if (!last_ || std::exchange(own_, true)) return;
  last_ = adopt(gst_buffer_copy_deep(last_.get()));
  if (last_) gst_buffer_foreach_meta(last_.get(), keep_planes_only, nullptr);
}

Outage::Filler Outage::fill(GstClockTime now, GstClockTime latency, const StreamFormat& format) {
  if (!GST_CLOCK_TIME_IS_VALID(end_) || !GST_CLOCK_TIME_IS_VALID(now)) return {};
  release_slot();
  if (silent_bytes_ != 0 && !last_ && format.audio()) last_ = silence(*format.audio(), std::exchange(silent_bytes_, 0));
  if (last_) return repeat(now, latency);
  if (!behind_) behind_ = GST_CLOCK_DIFF(end_, now);
  const GstClockTimeDiff passed = GST_CLOCK_DIFF(end_, now) - *behind_;
  if (passed <= 0) return {};
  return {gap(static_cast<GstClockTime>(passed)), nullptr};
}

// Each picture is given when its interval is over, so that it takes no frame's place. What was missed for longer than kPatience, since the
// publisher hung before it died or downstream was busy, is a gap and not a burst of pictures.
Outage::Filler Outage::repeat(GstClockTime now, GstClockTime latency) {
  const auto least = static_cast<GstClockTimeDiff>(latency + interval_);
  if (!behind_)
    behind_ = std::clamp(GST_CLOCK_DIFF(end_, now), least, least + static_cast<GstClockTimeDiff>(kPatience));
  Filler filler;
  GstClockTimeDiff passed = GST_CLOCK_DIFF(end_, now) - *behind_;
  if (passed > static_cast<GstClockTimeDiff>(kPatience)) {
    filler.gap = gap(static_cast<GstClockTime>(passed));
    passed = 0;
  }
  if (passed >= 0) {
    filler.repeated = next_repeated();
    passed -= static_cast<GstClockTimeDiff>(interval_);
  }
  patience_ = std::clamp<GstClockTime>(passed < 0 ? static_cast<GstClockTime>(-passed) : 0, 1, kPatience);
  return filler;
}

Owned<GstEvent> Outage::gap(GstClockTime length) {
  auto event = adopt(gst_event_new_gap(end_, length));
  end_ += length;
  return event;
}

Owned<GstBuffer> Outage::next_repeated() {
  auto repeated = adopt(gst_buffer_copy(last_.get()));
  GST_BUFFER_FLAG_SET(repeated.get(), GST_BUFFER_FLAG_GAP);
  GST_BUFFER_FLAG_UNSET(repeated.get(), GST_BUFFER_FLAG_DISCONT);
  GST_BUFFER_PTS(repeated.get()) = end_;
  GST_BUFFER_DTS(repeated.get()) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION(repeated.get()) = interval_;
  GST_BUFFER_OFFSET(repeated.get()) = GST_BUFFER_OFFSET_END(repeated.get()) = GST_BUFFER_OFFSET_NONE;
  end_ += interval_;
  filled_ = end_ - interval_ / 2;  // the next frame need not keep the beat
  return repeated;
}

}  // namespace supplier
