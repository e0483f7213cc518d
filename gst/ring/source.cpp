// SPDX-License-Identifier: LGPL-2.1-or-later
// Behaviour of shmringsrc.
#include "ring/source.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <gst/video/video.h>

#include "base/audio_samples.hpp"
#include "base/health_properties.hpp"
#include "os/clock.hpp"
#include "publisher/key_requests.hpp"
#include "ring/account_fields.hpp"
#include "ring/ringmemory.hpp"

GST_DEBUG_CATEGORY_EXTERN(gst_shm_ring_src_debug);
#define GST_CAT_DEFAULT gst_shm_ring_src_debug

namespace supplier {
namespace {

// Frames that were published so long after the pipeline's start, and before it by their times, have wrong times.
constexpr std::uint64_t kLate = 5 * GST_SECOND;
// Number of waits for the second frame, which tells the rate.
constexpr int kRateWaits = 4;

}  // namespace

bool Source::tell(const shmring::Error& error) {
  // Most of the library's sentences name the path.
  const bool named = error.status == SHMRING_INVALID || error.text.find(path_) != std::string::npos;
  const std::string text = named ? error.text : path_ + ": " + error.text;
  const char* why = text.c_str();
  switch (error.status) {
    case SHMRING_IN_USE:
    case SHMRING_REFUSED:
      GST_ELEMENT_ERROR(element_, RESOURCE, BUSY, ("Cannot read: %s.", why), (nullptr));
      break;
    case SHMRING_NO_MEMORY:
      GST_ELEMENT_ERROR(element_, RESOURCE, NO_SPACE_LEFT, ("Cannot read: %s.", why), (nullptr));
      break;
    case SHMRING_INVALID:
      GST_ELEMENT_ERROR(element_, RESOURCE, SETTINGS, ("Cannot read: %s.", why), (nullptr));
      break;
    default:
      GST_ELEMENT_ERROR(element_, RESOURCE, READ, ("Cannot read: %s.", why), (nullptr));
  }
  return false;
}

bool Source::start() {
  GST_OBJECT_LOCK(element_);
  Settings wanted = settings;
  if (wanted.reader.worker.empty() && GST_OBJECT_NAME(element_)) wanted.reader.worker = GST_OBJECT_NAME(element_);
  GST_OBJECT_UNLOCK(element_);
  path_ = wanted.reader.socket_path;
  on_disconnect_ = wanted.on_disconnect;
  max_rate_ = wanted.reader.max_rate;
  wanted.reader.reconnect = on_disconnect_ == OnDisconnect::wait || on_disconnect_ == OnDisconnect::repeat;
  if (path_.empty()) return tell({SHMRING_INVALID, "socket-path is not set: set it to the publisher's"});
  if (!valid_worker_name(wanted.reader.worker.c_str()))
    return tell({SHMRING_INVALID, "a worker's name is UTF-8 without control characters and has 1 to 63 bytes, not '" +
                                      wanted.reader.worker + "'"});
  auto reader = shmring::Reader::open(wanted.reader);
  if (!reader) return tell(reader.error());
  GST_INFO_OBJECT(element_, "reads %s as worker '%s'", path_.c_str(), wanted.reader.worker.c_str());

  const std::lock_guard lock(interrupts_);
  const std::unique_lock alone(life_);
  unlocked_ = paused_ = drop_pending_ = false;
  reader_ = *std::move(reader);
  format_ = {};
  caps_.reset();
  said_caps_.clear();
  ahead_.reset();
  outage_.reset(on_disconnect_ == OnDisconnect::repeat);
  format_id_.reset();
  headers_ = nullptr;
  last_sequence_ = taken_sequence_ = told_latency_ = copied_ = malformed_ = early_ = repeated_count_ = 0;
  metas_dropped_ = key_requests_ = ask_again_at_ = 0;
  scheduled_keys_.forget();
  told_waiting_ = told_early_ = told_missed_ = wait_for_key_ = needs_key_ = takes_video_meta_ = false;
  return true;
}

void Source::stop() {
  GST_INFO_OBJECT(element_, "stops reading, last frame %" G_GUINT64_FORMAT, guint64{last_sequence_});
  const std::unique_lock alone(life_);
  ahead_.reset();
  outage_.reset(false);
  repeated_ = nullptr;
  reader_.reset();
}

void Source::interrupt(bool& why, bool on) {
  const std::lock_guard lock(interrupts_);
  why = on;
  const std::shared_lock alive(life_);
  GST_DEBUG_OBJECT(element_, "reading is %s", unlocked_ || paused_ ? "interrupted" : "allowed");
  if (reader_) reader_->interrupt(unlocked_ || paused_);
  interrupts_changed_.notify_all();
}

bool Source::may_go_on() {
  std::unique_lock lock(interrupts_);
  interrupts_changed_.wait(lock, [this] { return unlocked_ || !paused_; });
  return !unlocked_;
}

void Source::pause(bool on) {
  {
    const std::lock_guard lock(interrupts_);
    if (paused_ && !on) drop_pending_ = true;
  }
  interrupt(paused_, on);
}

std::uint64_t Source::latency() const {
  const std::shared_lock alive(life_);
  if (!reader_) return 0;
  const std::uint64_t now = reader_->latency();
  return now != 0 || reader_->connected() ? now : told_latency_.load();
}

void Source::tell_waiting(const std::string& why) {
  if (reader_->connected() || std::exchange(told_waiting_, true)) return;
  GST_ELEMENT_INFO(element_, RESOURCE, NOT_FOUND, ("waiting for a publisher at %s", path_.c_str()),
                   ("%s", why.empty() ? "the publisher there has not let this reader in yet" : why.c_str()));
}

void Source::tell_latency() {
  const std::uint64_t now = reader_->latency();
  if (now == 0 && !reader_->connected()) return;  // an outage is no reason to change it
  if (told_latency_.exchange(now) == now) return;
  GST_DEBUG_OBJECT(element_, "the publisher's latency is %" GST_TIME_FORMAT, GST_TIME_ARGS(now));
  gst_element_post_message(GST_ELEMENT(element_), gst_message_new_latency(GST_OBJECT(element_)));
}

shmring::Frame Source::next(GstFlowReturn& flow) {
  for (;;) {
    auto frame = ahead_ ? *std::exchange(ahead_, std::nullopt) : reader_->read(outage_.patience());
    tell_latency();
    if (drop_pending_.exchange(false)) {
      GST_DEBUG_OBJECT(element_, "drops the frames from before the pause");
      reader_->flush();
      taken_sequence_ = 0;
      if (frame) continue;  // from before, too
    }
    switch (frame.status()) {
      case SHMRING_OK:
        if (std::exchange(told_waiting_, false)) GST_INFO_OBJECT(element_, "a publisher is there, frames come");
        outage_.end();
        return *std::move(frame);
      case SHMRING_TIMEOUT:
        tell_waiting(frame.error().text);
        GST_TRACE_OBJECT(element_, "no frame yet");
        if (fill_outage()) return {};
        break;
      case SHMRING_INTERRUPTED:
        GST_DEBUG_OBJECT(element_, "interrupted");
        if (may_go_on()) break;
        flow = GST_FLOW_FLUSHING;
        return {};
      case SHMRING_TOO_MANY_HELD:
        // Buffers of former publishers, of which the present one grants fewer. Downstream releases them in its own time.
        GST_TRACE_OBJECT(element_, "waits for downstream: %s", frame.error().text.c_str());
        outage_.release_slot();
        g_usleep(5000);
        break;
      case SHMRING_END:
        GST_INFO_OBJECT(element_, "the publisher ended the stream after frame %" G_GUINT64_FORMAT,
                        guint64{last_sequence_});
        flow = GST_FLOW_EOS;
        return {};
      case SHMRING_DISCONNECTED:
        flow = on_disconnect_ == OnDisconnect::eos ? GST_FLOW_EOS : GST_FLOW_ERROR;
        GST_INFO_OBJECT(element_, "the publisher is gone, on-disconnect makes this %s", gst_flow_get_name(flow));
        if (flow == GST_FLOW_ERROR) tell({SHMRING_DISCONNECTED, "its publisher is gone"});
        return {};
      default:
        tell(frame.error());
        flow = GST_FLOW_ERROR;
        return {};
    }
  }
}

// While there is no publisher, muxers must not wait for this stream: what others give would pile up before them, and be lost. True:
// there is a repeated_ picture.
bool Source::fill_outage() {
  if (reader_->connected()) return false;
  const GstClockTime now = time_.of(GST_ELEMENT(element_)).to_running_time(shmring::now());
  auto [gap, repeated] = outage_.fill(now, told_latency_, format_);
  if (gap) {
    GST_DEBUG_OBJECT(element_, "no publisher: fills with %" GST_PTR_FORMAT, gap.get());
    gst_pad_push_event(GST_BASE_SRC_PAD(element_), gap.release());
  }
  if (!repeated) return false;
  GST_LOG_OBJECT(element_, "no publisher: repeats the last frame as %" GST_PTR_FORMAT, repeated.get());
  repeated_count_.fetch_add(1, std::memory_order_relaxed);
  repeated_ = std::move(repeated);
  return true;
}

// Some muxers and encoders need a frame rate. Where the publisher gives none, the second frame tells it, if it comes soon enough.
void Source::announce_rate(const shmring::Frame& first, GstCaps* caps) {
  if (!format_.video() || GST_VIDEO_INFO_FPS_N(format_.video()) != 0 || reader_->max_held() < 2 || ahead_) return;
  for (int waits = 0; waits < kRateWaits; ++waits) {
    auto second = reader_->read(Outage::kPatience);
    if (second.status() == SHMRING_TIMEOUT) continue;
    ahead_ = std::move(second);
    break;
  }
  if (!ahead_ || !*ahead_) return;
  const shmring_frame_info& one = first.info();
  const shmring_frame_info& two = (*ahead_)->info();
  const bool times = one.pts != SHMRING_TIME_NONE && two.pts != SHMRING_TIME_NONE && two.pts > one.pts;
  const std::uint64_t passed = times ? two.pts - one.pts : two.published_at - one.published_at;
  const std::uint64_t interval = passed / std::max<std::uint64_t>(1, two.sequence - one.sequence);
  if (interval < GST_MSECOND || interval > 10 * GST_SECOND) return;
  const auto rounded = [](std::uint64_t of, std::uint64_t by) { return static_cast<gint>((of + by / 2) / by); };
  if (interval <= GST_SECOND)
    gst_caps_set_simple(caps, "framerate", GST_TYPE_FRACTION, rounded(GST_SECOND, interval), 1, nullptr);
  else
    gst_caps_set_simple(caps, "framerate", GST_TYPE_FRACTION, 1, rounded(interval, GST_SECOND), nullptr);
  GST_DEBUG_OBJECT(element_, "measured the frame rate: %" GST_PTR_FORMAT, caps);
  format_ = *StreamFormat::from_caps(caps);
}

// Caps say how many frames come, which with max-rate may be fewer than the publisher's.
void Source::limit_rate(GstCaps* caps) {
  if (max_rate_ == 0 || !format_.video() || GST_VIDEO_INFO_FPS_N(format_.video()) == 0) return;
  gint numerator = 0, denominator = 1;
  gst_util_double_to_fraction(max_rate_, &numerator, &denominator);
  const gint fps_n = GST_VIDEO_INFO_FPS_N(format_.video()), fps_d = GST_VIDEO_INFO_FPS_D(format_.video());
  if (numerator == 0 || gst_util_fraction_compare(fps_n, fps_d, numerator, denominator) <= 0) return;
  gst_caps_set_simple(caps, "framerate", GST_TYPE_FRACTION, numerator, denominator, nullptr);
  format_ = *StreamFormat::from_caps(caps);
}

GstFlowReturn Source::adopt_format(const shmring::Frame& frame) {
  const shmring_format said = frame.format();
  const char* text = said.caps ? said.caps : "";
  auto caps = adopt(gst_caps_from_string(text));
  auto format = StreamFormat::from_caps(caps.get());
  if (!format) {
    GST_ELEMENT_ERROR(element_, STREAM, FORMAT,
                      ("Cannot read %s: the publisher's frames have no caps that GStreamer understands: \"%s\".",
                       path_.c_str(), text),
                      ("%s", format.error().text.c_str()));
    return GST_FLOW_ERROR;
  }
  // The next publisher of the same frames: a rate that was measured stays.
  if (caps_ && format_.video() && said_caps_ == text) {
    GST_DEBUG_OBJECT(element_, "the publisher's caps are those of before");
    format_id_ = frame.format_id();
    return GST_FLOW_OK;
  }
  format_ = *std::move(format);
  announce_rate(frame, caps.get());
  limit_rate(caps.get());
  said_caps_.clear();
  caps_ = std::move(caps);
  GST_DEBUG_OBJECT(element_, "frames are %" GST_PTR_FORMAT, caps_.get());
  if (!gst_base_src_negotiate(element_))
    return GST_PAD_IS_FLUSHING(GST_BASE_SRC_PAD(element_)) ? GST_FLOW_FLUSHING : GST_FLOW_NOT_NEGOTIATED;
  format_id_ = frame.format_id();
  said_caps_ = text;
  headers_ = stream_headers(caps_.get());
  skip_headers_ = false;
  return GST_FLOW_OK;
}

bool Source::negotiate() { return !caps_ || gst_base_src_set_caps(element_, caps_.get()); }

void Source::decide_allocation(GstQuery* query) {
  takes_video_meta_ = gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  GST_DEBUG_OBJECT(element_, "downstream takes %s", takes_video_meta_ ? "any strides" : "default strides only");
  // Frames bring their own memory.
  while (gst_query_get_n_allocation_pools(query) > 0) gst_query_remove_nth_allocation_pool(query, 0);
}

// A stretch without data is told as such; there is no place for it before the first buffer.
bool Source::skip_gap(const shmring_frame_info& info) {
  if (info.size != 0 || !(info.flags & SHMRING_FRAME_GAP)) return false;
  const GstClockTime pts = time_.of(GST_ELEMENT(element_)).to_running_time(info.pts);
  GST_DEBUG_OBJECT(element_, "a gap at %" GST_TIME_FORMAT, GST_TIME_ARGS(pts));
  if (last_sequence_ != 0 && GST_CLOCK_TIME_IS_VALID(pts))
    gst_pad_push_event(GST_BASE_SRC_PAD(element_), gst_event_new_gap(pts, info.duration));
  return true;
}

// The stream was joined between two key frames, or frames of it are missing: what needs them is of no use before the next key frame, so the publisher
// is asked for one, and again while none comes. Frames are passed on all the same: only downstream knows what it can do with them.
void Source::look_for_key(const shmring_frame_info& info) {
  if (scheduled_keys_.any()) {
    const TimeBase time = time_.of(GST_ELEMENT(element_));
    if (scheduled_keys_.take(time.to_running_time(info.pts != SHMRING_TIME_NONE ? info.pts : info.published_at)))
      ask_for_key(0);
  }
  if (info.flags & SHMRING_FRAME_DELTA_UNIT) {
    needs_key_ = needs_key_ || wait_for_key_ || info.sequence != taken_sequence_ + 1;
    if (needs_key_) ask_for_key(shmring::now());
  } else if (!(info.flags & (SHMRING_FRAME_HEADER | SHMRING_FRAME_GAP))) {
    needs_key_ = false;
  }
}

// `now`: at most once in the publisher's interval; 0: at once.
void Source::ask_for_key(std::uint64_t now) {
  if (now != 0 && now < ask_again_at_) return;
  if (now != 0) ask_again_at_ = now + shmring::KeyRequests::kInterval;
  const auto asked = reader_->request_key_frame();
  if (asked) key_requests_.fetch_add(1, std::memory_order_relaxed);
  GST_DEBUG_OBJECT(element_, "asks for a key frame%s%s",
                   asked ? "" : ", in vain: ", asked ? "" : asked.error().text.c_str());
}

bool Source::request_key_frame(GstClockTime running_time) {
  const std::shared_lock alive(life_);
  if (!reader_) return false;
  if (GST_CLOCK_TIME_IS_VALID(running_time)) {
    GST_DEBUG_OBJECT(element_, "keeps a request for a key frame until %" GST_TIME_FORMAT, GST_TIME_ARGS(running_time));
    scheduled_keys_.add(running_time);
    return true;
  }
  const auto asked = reader_->request_key_frame();
  if (asked) key_requests_.fetch_add(1, std::memory_order_relaxed);
  GST_DEBUG_OBJECT(element_, "downstream asks for a key frame%s%s",
                   asked ? "" : ", in vain: ", asked ? "" : asked.error().text.c_str());
  return bool{asked};
}

// A frame captured before this pipeline started has no place in it: as PTS 0 many frames would have one time, for which muxers fail. Of a
// stream with key frames it then begins with one. DTS counts as PTS does, so that both are right from the first buffer on.
bool Source::skip_early(const shmring_frame_info& info) {
  const TimeBase time = time_.of(GST_ELEMENT(element_));
  const bool early = time.before_start(info.pts) || time.before_start(info.dts);
  // A picture was shown for that time already.
  if (outage_.covers(time.to_running_time(info.pts))) {
    early_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  if (!early && !(wait_for_key_ && (info.flags & SHMRING_FRAME_DELTA_UNIT))) {
    wait_for_key_ = false;
    return false;
  }
  wait_for_key_ = true;
  GST_LOG_OBJECT(element_, "refuses frame %" G_GUINT64_FORMAT, guint64{info.sequence});
  if (const std::uint64_t count = refused_.due(shmring::now()))
    GST_DEBUG_OBJECT(element_, "refused %" G_GUINT64_FORMAT " frames since the last such line: %s", guint64{count},
                     early ? "they are from before this pipeline's start" : "they need a key frame before them");
  early_.fetch_add(1, std::memory_order_relaxed);
  if (early && !told_early_ && time.to_running_time(info.published_at) > reader_->latency() + kLate) {
    told_early_ = true;
    const std::uint64_t when = info.pts != SHMRING_TIME_NONE ? info.pts : info.dts;
    GST_ELEMENT_WARNING(
        element_, STREAM, FORMAT,
        ("Frames from %s are dropped: their times lie %" GST_TIME_FORMAT
         " before they were published, before this pipeline started. Publish them with times of CLOCK_MONOTONIC "
         "(in Python time.monotonic_ns()), or without.",
         path_.c_str(), GST_TIME_ARGS(GST_CLOCK_DIFF(when, info.published_at))),
        ("further ones are only counted, see early in stats"));
  }
  return true;
}

GstFlowReturn Source::create(GstBuffer** buffer) {
  GstFlowReturn flow = GST_FLOW_OK;
  for (;;) {
    shmring::Frame frame = next(flow);
    if (!frame) {
      *buffer = repeated_.release();
      return flow;
    }
    if (format_id_ != frame.format_id())
      if (flow = adopt_format(frame); flow != GST_FLOW_OK) return flow;
    if (taken_sequence_ != 0 && frame.info().sequence > taken_sequence_ + 1) tell_missed(frame.info());
    look_for_key(frame.info());
    taken_sequence_ = frame.info().sequence;
    if (skip_early(frame.info()) || skip_gap(frame.info())) continue;
    auto made = buffer_of(std::move(frame));
    if (!made) continue;  // it is no frame of its caps
    if (push_headers(made)) return GST_FLOW_OK;
    if (!made) continue;
    if (auto list = list_of_parts(made.get()))
      gst_base_src_submit_buffer_list(element_, list.release());
    else
      *buffer = made.release();
    return GST_FLOW_OK;
  }
}

// A frame that is not what its caps say costs nothing but itself.
Owned<GstBuffer> Source::drop_malformed(const shmring_frame_info& info) {
  if (malformed_.fetch_add(1, std::memory_order_relaxed) == 0)
    GST_ELEMENT_WARNING(
        element_, STREAM, FORMAT,
        ("A malformed frame from %s is dropped: its %" G_GUINT64_FORMAT " bytes are not what its caps describe.",
         path_.c_str(), guint64{info.size}),
        ("further ones are only counted, see malformed in stats"));
  return nullptr;
}

Owned<GstBuffer> Source::buffer_of(shmring::Frame frame) {
  const shmring_frame_info info = frame.info();
  const Layout planes = layout(info, format_);
  if (planes == Layout::broken) return drop_malformed(info);

  Owned<GstBuffer> buffer;
  const bool hoarded =
      reader_->held() >= reader_->max_held();  // this one is the last that may be held: it must come free
  if (info.size == 0) {
    buffer = adopt(gst_buffer_new());
  } else if (hoarded || planes == Layout::foreign || (planes == Layout::custom && !takes_video_meta_)) {
    log_copy(hoarded ? "downstream holds as many frames as max-held allows" : "downstream does not take its strides");
    buffer = copy_of(frame, planes);
    if (!buffer) return drop_malformed(info);
  } else {
    buffer = adopt(gst_buffer_new());
    gst_buffer_append_memory(buffer.get(), memory_of(std::move(frame)));
    if (planes == Layout::custom) add_planes(info, format_, buffer.get());
  }
  decode(info, format_, time_.of(GST_ELEMENT(element_)), buffer.get());
  if (!metas_.add_to(buffer.get(), {static_cast<const std::byte*>(info.metadata), info.metadata_size})) {
    metas_dropped_.fetch_add(1, std::memory_order_relaxed);
    if (const std::uint64_t count = bad_metas_.due(shmring::now()))
      GST_WARNING_OBJECT(element_,
                         "%" G_GUINT64_FORMAT " frames since the last such line, last %" G_GUINT64_FORMAT
                         ", have metadata that contradicts itself: what made no sense is left out",
                         guint64{count}, guint64{info.sequence});
  }
  if (format_.audio() && !add_samples_meta(buffer.get(), *format_.audio())) return drop_malformed(info);
  // Decoders and parsers must know of missing frames; a picture stands alone.
  if (!format_.video() && last_sequence_ != 0 && info.sequence != last_sequence_ + 1)
    GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_DISCONT);
  last_sequence_ = info.sequence;
  GST_LOG_OBJECT(element_, "took frame %" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT " bytes", guint64{info.sequence},
                 guint64{info.size});
  outage_.record(buffer.get(), format_);
  return buffer;
}

// A picture that is missed is what this element is for; a stream whose frames build on each other is damaged by it.
[[gnu::cold]] void Source::tell_missed(const shmring_frame_info& info) {
  const guint64 missed = info.sequence - taken_sequence_ - 1;
  GST_LOG_OBJECT(element_, "%" G_GUINT64_FORMAT " frames before %" G_GUINT64_FORMAT " were not taken", missed,
                 guint64{info.sequence});
  if (const std::uint64_t count = missed_.due(shmring::now()))
    GST_DEBUG_OBJECT(element_,
                     "missed frames, last those before %" G_GUINT64_FORMAT
                     ": newer ones came while downstream was busy; times since the last such line: %" G_GUINT64_FORMAT,
                     guint64{info.sequence}, guint64{count});
  if (!(info.flags & SHMRING_FRAME_DELTA_UNIT) || std::exchange(told_missed_, true)) return;
  GST_ELEMENT_WARNING(
      element_, STREAM, FAILED,
      ("%" G_GUINT64_FORMAT " frames from %s are lost that later ones need: downstream was busy while newer "
       "ones came. Set a larger depth, or put a queue behind this element.",
       missed, path_.c_str()),
      ("further ones are only counted, see dropped in stats"));
}

[[gnu::cold]] void Source::log_copy(const char* why) {
  GST_LOG_OBJECT(element_, "copies a frame: %s", why);
  if (const std::uint64_t count = copies_.due(shmring::now()))
    GST_DEBUG_OBJECT(element_, "copied %" G_GUINT64_FORMAT " frames since the last such line: %s", guint64{count}, why);
}

// A stream of bytes is joined in the middle: what it begins with comes before its first frame, whole and once. True: the
// frame went with it. The frame is gone where it is one of the headers itself.
bool Source::push_headers(Owned<GstBuffer>& frame) {
  const bool header = GST_BUFFER_FLAG_IS_SET(frame.get(), GST_BUFFER_FLAG_HEADER);
  if (auto headers = std::move(headers_)) {
    if (begins_with_headers(frame.get(), headers.get())) return false;
    skip_headers_ = header;
    GST_DEBUG_OBJECT(element_, "pushes the stream's headers before its first frame");
    if (!header) gst_buffer_list_add(headers.get(), frame.release());
    gst_base_src_submit_buffer_list(element_, headers.release());
    return true;
  }
  skip_headers_ = skip_headers_ && header;
  if (skip_headers_) frame = nullptr;
  return false;
}

// The list that a frame was published as; NULL where it was one buffer.
Owned<GstBufferList> Source::list_of_parts(GstBuffer* frame) {
  return metas_.parts().size() > 1 ? list_of(frame, metas_.parts(), format_) : nullptr;
}

Owned<GstBuffer> Source::copy_of(const shmring::Frame& frame, Layout planes) {
  copied_.fetch_add(1, std::memory_order_relaxed);
  const auto bytes = frame.bytes();
  const bool tight = planes == Layout::foreign || (planes == Layout::custom && !takes_video_meta_);
  auto copy =
      adopt(gst_buffer_new_allocate(nullptr, tight ? GST_VIDEO_INFO_SIZE(format_.video()) : bytes.size(), nullptr));
  if (!copy) return nullptr;
  if (!tight) {
    gst_buffer_fill(copy.get(), 0, bytes.data(), bytes.size());
    if (planes == Layout::custom) add_planes(frame.info(), format_, copy.get());
    return copy;
  }
  // Only lent for the copy: the frame outlives this buffer.
  const auto original = adopt(gst_buffer_new_wrapped_full(
      GST_MEMORY_FLAG_READONLY, const_cast<std::byte*>(bytes.data()), bytes.size(), 0, bytes.size(), nullptr, nullptr));
  add_planes(frame.info(), format_, original.get());
  if (!copy_picture(format_, original.get(), copy.get())) return nullptr;
  return copy;
}

Owned<GstStructure> Source::stats() const {
  shmring_reader_stats reader{};
  bool connected = false;
  std::uint64_t latency = 0;
  {
    const std::shared_lock alive(life_);
    if (reader_) {
      reader = reader_->stats();
      connected = reader_->connected();
      latency = reader_->latency();
    }
  }
  auto structure = adopt(gst_structure_new(
      "application/x-shmringsrc-stats", "connected", G_TYPE_BOOLEAN, connected, "copied", G_TYPE_UINT64,
      guint64{copied_.load(std::memory_order_relaxed)}, "early", G_TYPE_UINT64,
      guint64{early_.load(std::memory_order_relaxed)}, "key-requests", G_TYPE_UINT64,
      guint64{key_requests_.load(std::memory_order_relaxed)}, "repeated", G_TYPE_UINT64,
      guint64{repeated_count_.load(std::memory_order_relaxed)}, "malformed", G_TYPE_UINT64,
      guint64{malformed_.load(std::memory_order_relaxed)}, "metas-dropped", G_TYPE_UINT64,
      guint64{metas_dropped_.load(std::memory_order_relaxed)}, "latency", G_TYPE_UINT64, guint64{latency}, nullptr));
  set_fields(structure.get(), reader);
  return structure;
}

}  // namespace supplier
