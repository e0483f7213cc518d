// SPDX-License-Identifier: LGPL-2.1-or-later
// What shmringsrc does.
#include "shmring/source.hpp"

#include <cstring>
#include <utility>

#include <gst/video/video.h>

#include "common/audio_samples.hpp"
#include "common/health_properties.hpp"
#include "shmring/ringmemory.hpp"

GST_DEBUG_CATEGORY_EXTERN(gst_shm_ring_src_debug);
#define GST_CAT_DEFAULT gst_shm_ring_src_debug

namespace supplier {
namespace {

// How long one wait takes at most, so that what changed without a frame is noticed.
constexpr std::uint64_t kPatience = 250 * GST_MSECOND;

}  // namespace

bool Source::tell(const shmring::Error& error) {
  const char* why = error.text.c_str();
  switch (error.status) {
    case SHMRING_IN_USE:
    case SHMRING_REFUSED:
      GST_ELEMENT_ERROR(element_, RESOURCE, BUSY, ("Cannot read %s: %s.", path_.c_str(), why), (nullptr));
      break;
    case SHMRING_NO_MEMORY:
      GST_ELEMENT_ERROR(element_, RESOURCE, NO_SPACE_LEFT, ("Cannot read %s: %s.", path_.c_str(), why), (nullptr));
      break;
    case SHMRING_INVALID:
      GST_ELEMENT_ERROR(element_, RESOURCE, SETTINGS, ("Cannot read: %s.", why), (nullptr));
      break;
    default:
      GST_ELEMENT_ERROR(element_, RESOURCE, READ, ("Cannot read %s: %s.", path_.c_str(), why), (nullptr));
  }
  return false;
}

bool Source::start() {
  GST_OBJECT_LOCK(element_);
  Settings wanted = settings;
  if (wanted.reader.name.empty() && GST_OBJECT_NAME(element_)) wanted.reader.name = GST_OBJECT_NAME(element_);
  GST_OBJECT_UNLOCK(element_);
  path_ = wanted.reader.path;
  on_disconnect_ = wanted.on_disconnect;
  wanted.reader.reconnect = on_disconnect_ == OnDisconnect::wait;
  if (path_.empty()) return tell({SHMRING_INVALID, "no socket-path is set, that of the publisher"});
  if (!valid_worker_name(wanted.reader.name.c_str()))
    return tell({SHMRING_INVALID, "a worker's name is UTF-8 without control characters and has 1 to 63 bytes, not '" +
                                      wanted.reader.name + "'"});
  auto reader = shmring::Reader::open(wanted.reader);
  if (!reader) return tell(reader.error());

  const std::lock_guard lock(interrupts_);
  const std::unique_lock alone(life_);
  paused_ = drop_pending_ = false;
  reader_ = *std::move(reader);
  format_ = {};
  caps_.reset();
  format_id_.reset();
  headers_ = nullptr;
  last_sequence_ = told_latency_ = copied_ = malformed_ = 0;
  told_waiting_ = takes_video_meta_ = false;
  return true;
}

void Source::stop() {
  const std::unique_lock alone(life_);
  reader_.reset();
}

void Source::interrupt(bool& why, bool on) {
  const std::lock_guard lock(interrupts_);
  why = on;
  const std::shared_lock alive(life_);
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
  return reader_ ? reader_->latency() : 0;
}

void Source::tell_waiting(const std::string& why) {
  if (reader_->connected() || std::exchange(told_waiting_, true)) return;
  GST_ELEMENT_INFO(element_, RESOURCE, NOT_FOUND, ("waiting for a publisher at %s", path_.c_str()),
                   ("%s", why.c_str()));
}

void Source::tell_latency() {
  const std::uint64_t now = reader_->latency();
  if (std::exchange(told_latency_, now) != now)
    gst_element_post_message(GST_ELEMENT(element_), gst_message_new_latency(GST_OBJECT(element_)));
}

shmring::Frame Source::next(GstFlowReturn& flow) {
  for (;;) {
    auto frame = reader_->read(kPatience);
    tell_latency();
    if (drop_pending_.exchange(false)) {
      reader_->flush();
      if (frame) continue;  // from before, too
    }
    switch (frame.status()) {
      case SHMRING_OK:
        told_waiting_ = false;
        return *std::move(frame);
      case SHMRING_TIMEOUT:
        tell_waiting(frame.error().text);
        break;
      case SHMRING_INTERRUPTED:
        if (may_go_on()) break;
        flow = GST_FLOW_FLUSHING;
        return {};
      case SHMRING_TOO_MANY_HELD:
        // Buffers of former publishers, of which the present one grants fewer. Downstream lets go of them in its own time.
        g_usleep(5000);
        break;
      case SHMRING_END:
        flow = GST_FLOW_EOS;
        return {};
      case SHMRING_DISCONNECTED:
        flow = on_disconnect_ == OnDisconnect::eos ? GST_FLOW_EOS : GST_FLOW_ERROR;
        if (flow == GST_FLOW_ERROR) tell({SHMRING_DISCONNECTED, "its publisher is gone"});
        return {};
      default:
        tell(frame.error());
        flow = GST_FLOW_ERROR;
        return {};
    }
  }
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
  format_ = *std::move(format);
  caps_ = std::move(caps);
  if (!gst_base_src_negotiate(element_))
    return GST_PAD_IS_FLUSHING(GST_BASE_SRC_PAD(element_)) ? GST_FLOW_FLUSHING : GST_FLOW_NOT_NEGOTIATED;
  format_id_ = frame.format_id();
  headers_ = stream_headers(caps_.get());
  skip_headers_ = false;
  return GST_FLOW_OK;
}

bool Source::negotiate() { return !caps_ || gst_base_src_set_caps(element_, caps_.get()); }

void Source::decide_allocation(GstQuery* query) {
  takes_video_meta_ = gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  // Frames bring their own memory.
  while (gst_query_get_n_allocation_pools(query) > 0) gst_query_remove_nth_allocation_pool(query, 0);
}

// A stretch without data is told as such; there is no place for it before the first buffer.
bool Source::skip_gap(const shmring_frame_info& info) {
  if (info.size != 0 || !(info.flags & SHMRING_FRAME_GAP)) return false;
  const GstClockTime pts = time_.of(GST_ELEMENT(element_)).to_running_time(info.pts);
  if (last_sequence_ != 0 && GST_CLOCK_TIME_IS_VALID(pts))
    gst_pad_push_event(GST_BASE_SRC_PAD(element_), gst_event_new_gap(pts, info.duration));
  return true;
}

GstFlowReturn Source::create(GstBuffer** buffer) {
  GstFlowReturn flow = GST_FLOW_OK;
  for (;;) {
    shmring::Frame frame = next(flow);
    if (!frame) return flow;
    if (format_id_ != frame.format_id())
      if (flow = adopt_format(frame); flow != GST_FLOW_OK) return flow;
    if (skip_gap(frame.info())) continue;
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
    buffer = copy_of(frame, planes);
    if (!buffer) return drop_malformed(info);
  } else {
    buffer = adopt(gst_buffer_new());
    gst_buffer_append_memory(buffer.get(), memory_of(std::move(frame)));
    if (planes == Layout::custom) add_planes(info, format_, buffer.get());
  }
  decode(info, format_, time_.of(GST_ELEMENT(element_)), buffer.get());
  if (!metas_.add_to(buffer.get(), {static_cast<const std::byte*>(info.metadata), info.metadata_size}))
    GST_WARNING_OBJECT(element_, "frame %" G_GUINT64_FORMAT " has metadata that makes no sense",
                       guint64{info.sequence});
  if (format_.audio() && !add_samples_meta(buffer.get(), *format_.audio())) return drop_malformed(info);
  // Decoders and parsers must know of missing frames; a picture stands alone.
  if (!format_.video() && last_sequence_ != 0 && info.sequence != last_sequence_ + 1)
    GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_DISCONT);
  last_sequence_ = info.sequence;
  return buffer;
}

// A stream of bytes is joined in the middle: what it begins with comes before its first frame, whole and once. True: the
// frame went with it. The frame is gone where it is one of the headers itself.
bool Source::push_headers(Owned<GstBuffer>& frame) {
  const bool header = GST_BUFFER_FLAG_IS_SET(frame.get(), GST_BUFFER_FLAG_HEADER);
  if (auto headers = std::move(headers_)) {
    if (begins_with_headers(frame.get(), headers.get())) return false;
    skip_headers_ = header;
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
  auto copy = adopt(gst_buffer_new());
  const bool tight = planes == Layout::foreign || (planes == Layout::custom && !takes_video_meta_);
  const gsize size = tight ? GST_VIDEO_INFO_SIZE(format_.video()) : bytes.size();
  Block block = spare_->take(size);
  if (!tight) {
    std::memcpy(block.bytes().data(), bytes.data(), bytes.size());
    gst_buffer_append_memory(copy.get(), memory_of(std::move(block), 0, size));
    if (planes == Layout::custom) add_planes(frame.info(), format_, copy.get());
    return copy;
  }
  gst_buffer_append_memory(copy.get(), memory_of(std::move(block), 0, size));
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
  return adopt(gst_structure_new(
      "application/x-shmringsrc-stats", "connected", G_TYPE_BOOLEAN, connected, "publisher-pid", G_TYPE_UINT64,
      guint64{reader.publisher_pid}, "attachments", G_TYPE_UINT64, guint64{reader.attachments}, "taken", G_TYPE_UINT64,
      guint64{reader.taken}, "stale", G_TYPE_UINT64, guint64{reader.stale}, "missed", G_TYPE_UINT64,
      guint64{reader.missed}, "copied", G_TYPE_UINT64, guint64{copied_.load(std::memory_order_relaxed)}, "malformed",
      G_TYPE_UINT64, guint64{malformed_.load(std::memory_order_relaxed)}, "held", G_TYPE_UINT64, guint64{reader.held},
      "drop-policy", G_TYPE_STRING, policy_name(reader.policy), "wake", G_TYPE_STRING, wake_name(reader.wake), "depth",
      G_TYPE_UINT64, guint64{reader.depth}, "max-held", G_TYPE_UINT64, guint64{reader.max_held}, "last-sequence",
      G_TYPE_UINT64, guint64{reader.last_sequence}, "latency", G_TYPE_UINT64, guint64{latency}, "age-p50",
      G_TYPE_UINT64, guint64{reader.age.p50}, "age-p99", G_TYPE_UINT64, guint64{reader.age.p99}, "age-max",
      G_TYPE_UINT64, guint64{reader.age.max}, "hold-p50", G_TYPE_UINT64, guint64{reader.hold.p50}, "hold-p99",
      G_TYPE_UINT64, guint64{reader.hold.p99}, "hold-max", G_TYPE_UINT64, guint64{reader.hold.max}, "liars",
      G_TYPE_UINT64, guint64{reader.liars}, nullptr));
}

}  // namespace supplier
