// SPDX-License-Identifier: LGPL-2.1-or-later
// Between GStreamer's words for a frame and the ring's.
#include "base/frame_codec.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "abi/array.hpp"
#include "abi/layout.hpp"
#include "abi/video.hpp"
#include "base/owned.hpp"
#include "os/clock.hpp"

namespace supplier {
namespace {

constexpr gint kLargestSide = 1 << 20;  // as abi/check.cpp has it
constexpr std::size_t kLongestCaps = sizeof(shmring::FormatArea::caps) - 1;

struct Flag {
  guint gst;
  std::uint32_t ring;
  bool video;  // the same bit means something else to other streams
};
constexpr Flag kFlags[] = {
    {GST_BUFFER_FLAG_DELTA_UNIT, SHMRING_FRAME_DELTA_UNIT, false},
    {GST_BUFFER_FLAG_DISCONT, SHMRING_FRAME_DISCONT, false},
    {GST_BUFFER_FLAG_CORRUPTED, SHMRING_FRAME_CORRUPTED, false},
    {GST_BUFFER_FLAG_GAP, SHMRING_FRAME_GAP, false},
    {GST_BUFFER_FLAG_HEADER, SHMRING_FRAME_HEADER, false},
    {GST_BUFFER_FLAG_MARKER, SHMRING_FRAME_MARKER, false},
    {GST_VIDEO_BUFFER_FLAG_TFF, SHMRING_FRAME_TOP_FIELD_FIRST, true},
    {GST_VIDEO_BUFFER_FLAG_INTERLACED, SHMRING_FRAME_INTERLACED, true},
    {GST_VIDEO_BUFFER_FLAG_RFF, SHMRING_FRAME_REPEAT_FIRST_FIELD, true},
    {GST_VIDEO_BUFFER_FLAG_ONEFIELD, SHMRING_FRAME_ONE_FIELD, true},
};

// CLOCK_MONOTONIC minus the clock's time, from two readings close together.
GstClockTimeDiff ahead_of(GstClock* clock) {
  constexpr std::uint64_t kClose = 10 * GST_USECOND;
  GstClockTimeDiff best = 0;
  std::uint64_t width = UINT64_MAX;
  for (int attempt = 0; attempt < 3 && width > kClose; ++attempt) {
    const std::uint64_t before = shmring::now();
    const GstClockTime between = gst_clock_get_time(clock);
    const std::uint64_t after = shmring::now();
    if (after - before >= width) continue;
    width = after - before;
    best = GST_CLOCK_DIFF(between, before + width / 2);
  }
  return best;
}

std::uint64_t monotonic(GstClockTime stream_time, const GstSegment& segment, const TimeBase& time) {
  if (!GST_CLOCK_TIME_IS_VALID(stream_time) || segment.format != GST_FORMAT_TIME) return SHMRING_TIME_NONE;
  if (!time.valid()) return shmring::now();
  guint64 running_time = 0;
  const int sign = gst_segment_to_running_time_full(&segment, GST_FORMAT_TIME, stream_time, &running_time);
  if (sign == 0) return SHMRING_TIME_NONE;
  return time.to_monotonic(sign * static_cast<GstClockTimeDiff>(running_time));
}

std::uint64_t running_duration(GstClockTime duration, const GstSegment& segment) {
  if (!GST_CLOCK_TIME_IS_VALID(duration)) return SHMRING_TIME_NONE;
  const double rate = ABS(segment.rate);
  return rate == 1.0 ? duration : static_cast<std::uint64_t>(static_cast<double>(duration) / rate);
}

// Formats whose rows are not simply pixels side by side.
bool has_simple_rows(const GstVideoInfo& video) {
  const auto flags = GST_VIDEO_FORMAT_INFO_FLAGS(video.finfo);
  return !(flags & (GST_VIDEO_FORMAT_FLAG_COMPLEX | GST_VIDEO_FORMAT_FLAG_TILED | GST_VIDEO_FORMAT_FLAG_PALETTE));
}

// Those that are not made of rows at all are only taken as caps say.
bool has_rows(const GstVideoInfo& video) {
  return !(GST_VIDEO_FORMAT_INFO_FLAGS(video.finfo) & (GST_VIDEO_FORMAT_FLAG_TILED | GST_VIDEO_FORMAT_FLAG_PALETTE));
}

// Bytes of a row that belong to the picture, and rows: what must lie within a frame.
struct PlaneSize {
  std::int64_t row = 0;
  std::int64_t rows = 0;
};

PlaneSize plane_size(const GstVideoInfo& video, guint plane) {
  PlaneSize size;
  for (guint component = 0; component < GST_VIDEO_INFO_N_COMPONENTS(&video); ++component) {
    if (GST_VIDEO_INFO_COMP_PLANE(&video, component) != plane) continue;
    const auto width = static_cast<std::int64_t>(GST_VIDEO_INFO_COMP_WIDTH(&video, component));
    size.row = std::max(size.row, width * GST_VIDEO_INFO_COMP_PSTRIDE(&video, component));
    size.rows = std::max(size.rows, static_cast<std::int64_t>(GST_VIDEO_INFO_COMP_HEIGHT(&video, component)));
  }
  if (!has_simple_rows(video)) size.row = GST_VIDEO_INFO_PLANE_STRIDE(&video, plane);
  return size;
}

// Tells whether the rows of a plane lie within a frame, from the last one upwards where the stride is negative.
bool lies_within(const shmring_plane& plane, const PlaneSize& size, std::uint64_t frame_size) {
  const std::int64_t stride = plane.stride;
  if (size.rows == 0 || std::abs(stride) < size.row || plane.offset > frame_size || frame_size > G_MAXINT64 / 2)
    return false;
  const auto first = static_cast<std::int64_t>(plane.offset);
  const std::int64_t last = first + (size.rows - 1) * stride;
  return std::min(first, last) >= 0 && std::max(first, last) + size.row <= static_cast<std::int64_t>(frame_size);
}

bool same_planes(const shmring_frame_info& info, const GstVideoInfo& video) {
  if (info.plane_count != GST_VIDEO_INFO_N_PLANES(&video)) return false;
  for (guint plane = 0; plane < info.plane_count; ++plane) {
    if (info.planes[plane].offset != GST_VIDEO_INFO_PLANE_OFFSET(&video, plane)) return false;
    if (info.planes[plane].stride != GST_VIDEO_INFO_PLANE_STRIDE(&video, plane)) return false;
  }
  return true;
}

// Distance of the pixel at (x, y) from a plane's first one; of pixels that share their colour, the first.
std::uint64_t distance(const GstVideoInfo& video, guint plane, std::int32_t stride, guint x, guint y) {
  std::uint64_t column = UINT64_MAX;
  std::uint64_t row = UINT64_MAX;
  for (guint component = 0; component < GST_VIDEO_INFO_N_COMPONENTS(&video); ++component) {
    if (GST_VIDEO_INFO_COMP_PLANE(&video, component) != plane) continue;
    const std::uint64_t pixel = x >> GST_VIDEO_FORMAT_INFO_W_SUB(video.finfo, component);
    column = std::min(column, pixel * static_cast<std::uint64_t>(GST_VIDEO_INFO_COMP_PSTRIDE(&video, component)));
    row = std::min<std::uint64_t>(row, y >> GST_VIDEO_FORMAT_INFO_H_SUB(video.finfo, component));
  }
  return row * static_cast<std::uint64_t>(stride) + column;
}

// The first feature that frames in the ring do not have; NULL if there is none.
const char* foreign_feature(const GstCapsFeatures* features) {
  for (guint i = 0; features && i < gst_caps_features_get_size(features); ++i) {
    const char* feature = gst_caps_features_get_nth(features, i);
    if (std::string_view(feature) != GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY &&
        std::string_view(feature) != GST_CAPS_FEATURE_FORMAT_INTERLACED)
      return feature;
  }
  return nullptr;
}

std::string refusal_of(const std::string& feature) {
  if (feature.starts_with("memory:"))
    return "frames of " + feature +
           " are not in memory that processes can share, put an element before this that downloads them";
  if (feature.starts_with("meta:"))
    return "what " + feature + " adds to a frame cannot cross the ring, put an element before this that applies it";
  return "frames with the caps feature " + feature +
         " cannot cross the ring, put an element before this that converts them";
}

// A format whose planes GStreamer can tell.
bool is_known_format(const char* name) {
  const GstVideoFormat format = name ? gst_video_format_from_string(name) : GST_VIDEO_FORMAT_UNKNOWN;
  return format != GST_VIDEO_FORMAT_UNKNOWN && format != GST_VIDEO_FORMAT_ENCODED &&
         gst_video_format_get_info(format)->n_planes > 0;
}

// Takes what no picture can have out of raw video's width and height. False: nothing is left.
bool clamp_sides(GstStructure* structure) {
  if (!gst_structure_has_name(structure, "video/x-raw")) return true;
  GValue range = G_VALUE_INIT;
  g_value_init(&range, GST_TYPE_INT_RANGE);
  gst_value_set_int_range(&range, 1, kLargestSide);
  bool possible = true;
  for (const char* side : {"width", "height"}) {
    const GValue* value = gst_structure_get_value(structure, side);
    GValue left = G_VALUE_INIT;
    if (!value) continue;
    possible = possible && gst_value_intersect(&left, value, &range);
    if (possible) gst_structure_take_value(structure, side, &left);
  }
  g_value_unset(&range);
  return possible;
}

// Of a picture cut out of a larger one: caps are of the part, the planes begin where it begins.
void encode_planes(GstBuffer* buffer, const GstVideoInfo& video, shmring_frame_info& info) {
  static_assert(SHMRING_MAX_PLANES == GST_VIDEO_MAX_PLANES);
  const GstVideoMeta* meta = gst_buffer_get_video_meta(buffer);
  if (!meta) return;
  const GstVideoCropMeta* crop = gst_buffer_get_video_crop_meta(buffer);
  info.plane_count = std::min<std::uint32_t>(meta->n_planes, SHMRING_MAX_PLANES);
  for (guint plane = 0; plane < info.plane_count; ++plane) {
    info.planes[plane] = {meta->offset[plane], meta->stride[plane], 0};
    if (crop && has_simple_rows(video))
      info.planes[plane].offset += distance(video, plane, meta->stride[plane], crop->x, crop->y);
  }
  if (same_planes(info, video) && info.size >= GST_VIDEO_INFO_SIZE(&video)) info.plane_count = 0;
}

// A frame of raw Bayer whose rows are not padded as GStreamer's own elements do it, as some cameras' are not.
void encode_rows(GstBuffer* buffer, const shmring_format& bayer, shmring_frame_info& info) {
  const GstVideoMeta* meta = gst_buffer_get_video_meta(buffer);
  shmring_plane rows = bayer.planes[0];
  if (meta && meta->n_planes == 1) {
    rows = {meta->offset[0], meta->stride[0], 0};
  } else if (info.size % bayer.height == 0 && info.size / bayer.height <= G_MAXINT32) {
    const shmring_plane even{0, static_cast<std::int32_t>(info.size / bayer.height), 0};
    if (shmring::picture_size(bayer.pixel_format, bayer.width, bayer.height, {&even, 1}) <= info.size) rows = even;
  }
  if (rows.offset == bayer.planes[0].offset && rows.stride == bayer.planes[0].stride) return;
  info.plane_count = 1;
  info.planes[0] = rows;
}

// Of a frame that is no raw video: all that its caps describe must be there.
std::uint64_t least_size(const shmring_frame_info& info, const StreamFormat& format) {
  const shmring_format* bayer = format.bayer();
  if (!bayer) return format.array_size();
  const shmring_plane& rows = info.plane_count == 0 ? bayer->planes[0] : info.planes[0];
  return shmring::picture_size(bayer->pixel_format, bayer->width, bayer->height, {&rows, 1});
}

}  // namespace

shmring::Result<StreamFormat> StreamFormat::from_caps(const GstCaps* caps) {
  if (!caps || gst_caps_is_any(caps) || !gst_caps_is_fixed(caps))
    return {SHMRING_INVALID, "the caps of the frames are not fixed"};
  if (const char* feature = foreign_feature(gst_caps_get_features(caps, 0)))
    return {SHMRING_INVALID, refusal_of(feature)};

  StreamFormat format;
  const auto text = adopt(gst_caps_to_string(caps));
  format.text_ = text.get();
  if (format.text_.size() > kLongestCaps)
    return {SHMRING_INVALID, "the caps have " + std::to_string(format.text_.size()) + " bytes, a ring carries " +
                                 std::to_string(kLongestCaps)};
  const GstStructure* structure = gst_caps_get_structure(caps, 0);
  if (gst_structure_has_name(structure, "video/x-raw")) {
    if (!is_known_format(gst_structure_get_string(structure, "format"))) return format;
    GstVideoInfo video;
    if (!gst_video_info_from_caps(&video, caps))
      return {SHMRING_INVALID, "these caps do not describe raw video: " + format.text_};
    // GStreamer takes negative sides, and computes with them.
    const auto fits = [](gint side) { return side > 0 && side <= kLargestSide; };
    if (!fits(GST_VIDEO_INFO_WIDTH(&video)) || !fits(GST_VIDEO_INFO_HEIGHT(&video)))
      return {SHMRING_INVALID,
              "a side of a picture has 1 to " + std::to_string(kLargestSide) + " pixels: " + format.text_};
    format.video_ = video;
    format.largest_frame_ = GST_VIDEO_INFO_SIZE(&video);
    return format;
  }
  if (gst_structure_has_name(structure, "audio/x-raw")) {
    GstAudioInfo audio;
    if (gst_audio_info_from_caps(&audio, caps) && GST_AUDIO_INFO_BPF(&audio) > 0) format.audio_ = audio;
    return format;
  }
  if (shmring::is_array(format.text_)) {
    auto array = shmring::array_of_caps(format.text_);
    if (!array) return array.error();
    format.array_size_ = static_cast<std::uint64_t>(array->shape[0] * array->strides[0]);
    format.largest_frame_ = format.array_size_;
    return format;
  }
  gint width = 0;
  gint height = 0;
  if (gst_structure_get_int(structure, "width", &width) && gst_structure_get_int(structure, "height", &height) &&
      width > 0 && height > 0) {
    if (gst_structure_has_name(structure, "video/x-bayer")) {
      const char* name = gst_structure_get_string(structure, "format");
      const shmring_pixel_format pattern = shmring::pixel_format_of(name ? name : "");
      shmring_format bayer = SHMRING_FORMAT_INIT;
      std::string described;
      if (shmring::is_bayer(pattern) &&
          (format.largest_frame_ = shmring::describe_video(bayer, described, pattern, static_cast<std::uint32_t>(width),
                                                           static_cast<std::uint32_t>(height)))) {
        format.bayer_ = bayer;
        return format;
      }
    }
    // Compressed pictures are smaller than they would be as I420.
    format.largest_frame_ =
        std::max(kSmallestGuess, static_cast<std::uint64_t>(width) * static_cast<std::uint64_t>(height) * 3 / 2);
  }
  return format;
}

Owned<GstCaps> crossing_caps(GstCaps* filter) {
  if (!filter || gst_caps_is_any(filter)) return adopt(gst_caps_new_any());
  auto crossing = adopt(gst_caps_new_empty());
  const auto offer = [&](Owned<GstCaps> one) {
    const bool crosses = gst_caps_is_fixed(one.get()) ? bool{StreamFormat::from_caps(one.get())}
                                                      : !foreign_feature(gst_caps_get_features(one.get(), 0)) &&
                                                            clamp_sides(gst_caps_get_structure(one.get(), 0));
    if (crosses) gst_caps_append(crossing.get(), one.release());
  };
  for (guint i = 0; i < gst_caps_get_size(filter); ++i) {
    const GstCapsFeatures* features = gst_caps_get_features(filter, i);
    if (features && gst_caps_features_is_any(features)) {
      for (const char* feature : {GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY, GST_CAPS_FEATURE_FORMAT_INTERLACED}) {
        auto one = adopt(gst_caps_copy_nth(filter, i));
        gst_caps_set_features(one.get(), 0, gst_caps_features_new(feature, nullptr));
        offer(std::move(one));
      }
    } else {
      offer(adopt(gst_caps_copy_nth(filter, i)));
    }
  }
  return crossing;
}

shmring_format StreamFormat::ring_format() const {
  shmring_format format = bayer_ ? *bayer_ : shmring_format(SHMRING_FORMAT_INIT);
  format.caps = text_.c_str();
  if (!video_) return format;
  format.pixel_format = shmring::pixel_format_of(GST_VIDEO_INFO_NAME(&*video_));
  format.width = static_cast<std::uint32_t>(GST_VIDEO_INFO_WIDTH(&*video_));
  format.height = static_cast<std::uint32_t>(GST_VIDEO_INFO_FIELD_HEIGHT(&*video_));
  format.plane_count = std::min<std::uint32_t>(GST_VIDEO_INFO_N_PLANES(&*video_), SHMRING_MAX_PLANES);
  for (guint plane = 0; plane < format.plane_count; ++plane)
    format.planes[plane] = {GST_VIDEO_INFO_PLANE_OFFSET(&*video_, plane), GST_VIDEO_INFO_PLANE_STRIDE(&*video_, plane),
                            0};
  return format;
}

bool is_system_monotonic(GstClock* clock) {
  if (G_OBJECT_TYPE(clock) != GST_TYPE_SYSTEM_CLOCK) return false;  // network and audio clocks derive from it
  GstClockType type = GST_CLOCK_TYPE_OTHER;
  g_object_get(clock, "clock-type", &type, nullptr);
  return type == GST_CLOCK_TYPE_MONOTONIC;
}

TimeBase TimeKeeper::of(GstElement* element) {
  Owned<GstClock> other;
  GST_OBJECT_LOCK(element);
  const bool same = GST_ELEMENT_CLOCK(element) == clock_.get();
  if (!same) other = share(GST_ELEMENT_CLOCK(element));
  const auto base = static_cast<GstClockTimeDiff>(GST_ELEMENT_CAST(element)->base_time);
  GST_OBJECT_UNLOCK(element);
  if (!same) {
    clock_ = std::move(other);
    system_ = clock_ && is_system_monotonic(clock_.get());
  }
  if (!clock_) return {};
  return TimeBase(base + (system_ ? 0 : ahead_of(clock_.get())));
}

std::uint64_t TimeBase::to_monotonic(GstClockTimeDiff running_time) const {
  return static_cast<std::uint64_t>(std::max<GstClockTimeDiff>(0, running_time + shift_));
}

bool TimeBase::before_start(std::uint64_t monotonic) const {
  return valid_ && monotonic <= G_MAXINT64 && static_cast<GstClockTimeDiff>(monotonic) < shift_;
}

GstClockTime TimeBase::to_running_time(std::uint64_t monotonic) const {
  if (!valid_ || monotonic > G_MAXINT64) return GST_CLOCK_TIME_NONE;
  return static_cast<GstClockTime>(std::max<GstClockTimeDiff>(0, static_cast<GstClockTimeDiff>(monotonic) - shift_));
}

std::uint32_t flags_of(GstBuffer* buffer, const StreamFormat& format) {
  std::uint32_t flags = 0;
  for (const Flag& flag : kFlags)
    if ((format.video() || !flag.video) && GST_BUFFER_FLAG_IS_SET(buffer, flag.gst)) flags |= flag.ring;
  return flags;
}

void set_flags(GstBuffer* buffer, std::uint32_t flags, const StreamFormat& format) {
  for (const Flag& flag : kFlags)
    if ((format.video() || !flag.video) && (flags & flag.ring)) GST_BUFFER_FLAG_SET(buffer, flag.gst);
}

shmring_frame_info encode(GstBuffer* buffer, const StreamFormat& format, const GstSegment& segment,
                          const TimeBase& time) {
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = gst_buffer_get_size(buffer);
  info.pts = monotonic(GST_BUFFER_PTS(buffer), segment, time);
  info.dts = monotonic(GST_BUFFER_DTS(buffer), segment, time);
  info.duration = running_duration(GST_BUFFER_DURATION(buffer), segment);
  info.offset = GST_BUFFER_OFFSET(buffer);
  info.flags = flags_of(buffer, format);
  if (format.video()) encode_planes(buffer, *format.video(), info);
  if (format.bayer()) encode_rows(buffer, *format.bayer(), info);
  return info;
}

shmring_frame_info encode_gap(GstClockTime pts, GstClockTime duration, const GstSegment& segment,
                              const TimeBase& time) {
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.pts = monotonic(pts, segment, time);
  info.duration = running_duration(duration, segment);
  info.flags = SHMRING_FRAME_GAP;
  return info;
}

void decode(const shmring_frame_info& info, const StreamFormat& format, const TimeBase& time, GstBuffer* buffer) {
  GST_BUFFER_PTS(buffer) = time.to_running_time(info.pts);
  GST_BUFFER_DTS(buffer) = time.to_running_time(info.dts);
  GST_BUFFER_DURATION(buffer) = info.duration;
  GST_BUFFER_OFFSET(buffer) = info.sequence;
  set_flags(buffer, info.flags, format);
}

Layout layout(const shmring_frame_info& info, const StreamFormat& format) {
  const GstVideoInfo* video = format.video();
  if (!video) return info.size >= least_size(info, format) ? Layout::standard : Layout::broken;
  const bool whole = info.size >= GST_VIDEO_INFO_SIZE(video);
  if (info.plane_count == 0) return whole ? Layout::standard : Layout::broken;
  if (info.plane_count != GST_VIDEO_INFO_N_PLANES(video)) return Layout::broken;
  if (whole && same_planes(info, *video)) return Layout::standard;
  if (!has_rows(*video)) return Layout::broken;
  bool downwards = true;
  for (guint plane = 0; plane < info.plane_count; ++plane) {
    if (!lies_within(info.planes[plane], plane_size(*video, plane), info.size)) return Layout::broken;
    downwards = downwards && info.planes[plane].stride >= 0;
  }
  return downwards && has_simple_rows(*video) ? Layout::custom : Layout::foreign;
}

void add_planes(const shmring_frame_info& info, const StreamFormat& format, GstBuffer* buffer) {
  const GstVideoInfo* video = format.video();
  gsize offsets[GST_VIDEO_MAX_PLANES] = {};
  gint strides[GST_VIDEO_MAX_PLANES] = {};
  for (guint plane = 0; plane < info.plane_count; ++plane) {
    offsets[plane] = info.planes[plane].offset;
    strides[plane] = info.planes[plane].stride;
  }
  gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT(video),
                                 static_cast<guint>(GST_VIDEO_INFO_WIDTH(video)),
                                 static_cast<guint>(GST_VIDEO_INFO_HEIGHT(video)), info.plane_count, offsets, strides);
}

bool copy_picture(const StreamFormat& format, GstBuffer* from, GstBuffer* to) {
  GstVideoFrame source;
  GstVideoFrame target;
  if (!gst_video_frame_map(&source, format.video(), from, GST_MAP_READ)) return false;
  const bool mapped = gst_video_frame_map(&target, format.video(), to, GST_MAP_WRITE);
  const bool copied = mapped && gst_video_frame_copy(&target, &source);
  if (mapped) gst_video_frame_unmap(&target);
  gst_video_frame_unmap(&source);
  return copied;
}

}  // namespace supplier
