// SPDX-License-Identifier: LGPL-2.1-or-later
// Behaviour of shmringsink.
#include "ring/sink.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <span>
#include <utility>

#include <gst/video/video.h>

#include "base/audio_samples.hpp"
#include "base/clock.hpp"
#include "base/frame_parts.hpp"
#include "os/clock.hpp"
#include "ring/account_fields.hpp"
#include "ring/lanes.hpp"
#include "ring/ringmemory.hpp"
#include "ring/ringpool.hpp"

GST_DEBUG_CATEGORY_EXTERN(gst_shm_ring_sink_debug);
#define GST_CAT_DEFAULT gst_shm_ring_sink_debug

namespace supplier {
namespace {

// Frames that upstream may be filling, or that other branches still share, while more are published without copying; one
// of them is for copies. Upstream can ask for more by its pool's configuration.
constexpr std::uint32_t kLoans = 3;
// Where caps do not tell how large frames are: room for frames so many times larger than the first one, and than one
// that did not fit.
constexpr std::uint64_t kFirstHeadroom = 4;
constexpr std::uint64_t kHeadroom = 2;
constexpr std::uint64_t kMostPadding = 2;      // times the picture itself
constexpr std::uint64_t kPause = 500'000'000;  // ns, between tries to make slots larger

// The loan that is this buffer and nothing else.
shmring::Loan* loan_in(GstBuffer* buffer) {
  if (gst_buffer_n_memory(buffer) != 1) return nullptr;
  shmring::Loan* loan = loan_of(gst_buffer_peek_memory(buffer, 0));
  return loan && !loan->published() ? loan : nullptr;
}

// Between a frame's time and the clock, where it is not a file that has its own.
constexpr std::uint64_t kRunaway = GST_SECOND;

}  // namespace

Sink::Sink(GstBaseSink* element, guint health_properties)
    : health(health_properties),
      room_wait(element),
      element_(element),
      monitor_(GST_ELEMENT(element), [this](std::vector<Watched>& workers) { look(workers); }),
      eos_(GST_ELEMENT(element), GST_BASE_SINK_PAD(element)) {
  options.loans = kLoans;
}

bool Sink::tell(const shmring::Error& error) {
  const char* why = error.text.c_str();
  switch (error.status) {
    case SHMRING_IN_USE:
      GST_ELEMENT_ERROR(element_, RESOURCE, BUSY, ("Cannot publish: %s.", why), (nullptr));
      break;
    case SHMRING_NO_MEMORY:
      GST_ELEMENT_ERROR(element_, RESOURCE, NO_SPACE_LEFT, ("Cannot publish: %s.", why), (nullptr));
      break;
    case SHMRING_INVALID:
      GST_ELEMENT_ERROR(element_, RESOURCE, SETTINGS, ("Cannot publish: %s.", why), (nullptr));
      break;
    default:
      GST_ELEMENT_ERROR(element_, RESOURCE, OPEN_WRITE, ("Cannot publish: %s.", why), (nullptr));
  }
  return false;
}

bool Sink::start() {
  GST_OBJECT_LOCK(element_);
  shmring::PublisherOptions wanted = options;
  most_room_ = max_slot_size;
  GST_OBJECT_UNLOCK(element_);
  // Of few slots readers get theirs first.
  if (wanted.slots != 0) wanted.loans = std::clamp<std::uint32_t>(wanted.slots, 4, 3 + kLoans) - 3;
  if (wanted.socket_path.empty())
    return tell(
        {SHMRING_INVALID, "socket-path is not set: set it to the path of a socket by which readers find this ring"});
  size_given_ = wanted.slot_size != 0;
  wanted.slots_grow = !size_given_;
  if (!size_given_) wanted.slot_size = 1;  // so that the path is taken, and readers are counted, before the first frame
  auto opened = shmring::Publisher::open(wanted);
  if (!opened) return tell(opened.error());
  GST_INFO_OBJECT(element_, "publishes at %s, %s", wanted.socket_path.c_str(),
                  size_given_ ? "slots as slot-size says" : "slots as large as the frames need");
  {
    const std::lock_guard lock(publisher_mutex_);
    publisher_ = *std::move(opened);
  }
  format_ = {};
  room_ = try_again_at_ = 0;
  told_too_large_ = told_no_room_ = false;
  told_damaged_ = {};
  flowing_ = false;
  known_readers_ = key_requests_ = 0;
  eos_.start();
  clocking_ = Clocking::unknown;
  monitor_.forget();
  return true;
}

void Sink::stop() {
  GST_INFO_OBJECT(element_, "stops publishing, %u readers are attached", readers());
  eos_.stop();
  publisher_->close();  // pools that upstream keeps have it still
  const std::lock_guard lock(publisher_mutex_);
  publisher_.reset();
}

// For threads that do not stream; none between runs.
std::shared_ptr<shmring::Publisher> Sink::shared_publisher() const {
  const std::lock_guard lock(publisher_mutex_);
  return publisher_;
}

guint Sink::readers() const {
  const auto publisher = shared_publisher();
  return publisher ? publisher->readers() : 0;
}

void Sink::playing(bool on) {
  if (on)
    monitor_.start();
  else
    monitor_.stop();
}

bool Sink::set_caps(GstCaps* caps) {
  auto format = StreamFormat::from_caps(caps);
  if (!format) {
    GST_ELEMENT_ERROR(element_, STREAM, FORMAT, ("Cannot publish: %s.", format.error().text.c_str()),
                      ("caps %" GST_PTR_FORMAT, caps));
    return false;
  }
  GST_DEBUG_OBJECT(element_, "frames are %" GST_PTR_FORMAT, caps);
  format_ = *std::move(format);
  room_ = try_again_at_ = 0;
  told_too_large_ = false;
  if (auto set = publisher_->set_format(format_.ring_format()); !set) return tell(set.error());
  return true;
}

bool Sink::propose_allocation(GstQuery* query) {
  GstCaps* caps = nullptr;
  gboolean need_pool = FALSE;
  gst_query_parse_allocation(query, &caps, &need_pool);
  if (!caps) return true;
  auto format = StreamFormat::from_caps(caps);
  if (!format || !format->video()) {
    GST_DEBUG_OBJECT(element_, "offers no pool: not raw video");
    return true;
  }
  gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  if (!need_pool) return true;
  const auto publisher = shared_publisher();
  if (!publisher) return true;
  const auto pool = adopt(ring_pool_new(publisher));
  const auto size = static_cast<guint>(format->largest_frame());
  GST_DEBUG_OBJECT(element_, "offers a pool of buffers in the ring, %u bytes each", size);
  GstStructure* config = gst_buffer_pool_get_config(pool.get());
  gst_buffer_pool_config_set_params(config, caps, size, 0, 0);
  if (gst_buffer_pool_set_config(pool.get(), config)) gst_query_add_allocation_pool(query, pool.get(), size, 0, 0);
  return true;
}

// Makes the slots large enough: with the first frame of a format, and again where one outgrows what was guessed from it. Where no
// such ring is to be had (a memory limit, or too many former ones are held), the present one goes on: what is too large for it is dropped and
// counted, and later frames try again.
void Sink::require(std::uint64_t frame_size) {
  if (frame_size <= room_ && room_ != 0) return;
  const std::uint64_t now = monotonic_now();
  if (now < try_again_at_) return;
  std::uint64_t size = std::max(format_.largest_frame(), frame_size);
  if (format_.video()) {
    // Padding is worth room; a picture cut out of a far larger one, or bytes behind a damaged one, are not.
    if (frame_size > kMostPadding * format_.largest_frame()) size = format_.largest_frame();
  } else {
    if (room_ != 0)
      size = std::bit_ceil(kHeadroom * frame_size);
    else if (format_.largest_frame() == 0)
      size = std::bit_ceil(std::max(kSmallestGuess, kFirstHeadroom * frame_size));
    size = std::min(size, most_room_);
  }
  const std::uint64_t before = publisher_->slot_size();
  const auto made = publisher_->require(size, kLoansForCopies);
  if (made) {
    room_ = publisher_->slot_size();
    if (room_ != before)
      GST_DEBUG_OBJECT(element_,
                       "a frame of %" G_GUINT64_FORMAT " bytes: slots of %" G_GUINT64_FORMAT
                       " bytes were replaced by slots of %" G_GUINT64_FORMAT,
                       guint64{frame_size}, guint64{before}, guint64{room_});
    if (std::exchange(told_no_room_, false)) GST_INFO_OBJECT(element_, "there is room for larger frames again");
    return;
  }
  try_again_at_ = now + kPause;
  GST_LOG_OBJECT(element_, "no slots of %" G_GUINT64_FORMAT " bytes: %s", guint64{size}, made.error().text.c_str());
  if (std::exchange(told_no_room_, true)) return;
  GST_ELEMENT_WARNING(element_, RESOURCE, NO_SPACE_LEFT,
                      ("No room for larger frames: %s. They are dropped until there is.", made.error().text.c_str()),
                      ("each is counted in stats as dropped-too-large; the next try is in half a second"));
}

bool Sink::ready() {
  if (format_.known()) return true;
  GST_ELEMENT_ERROR(element_, CORE, NEGOTIATION,
                    ("Cannot publish: a buffer came before caps; add a capsfilter or a typefind upstream."), (nullptr));
  return false;
}

GstFlowReturn Sink::render(GstBuffer* buffer) {
  if (!ready()) return GST_FLOW_NOT_NEGOTIATED;
  GstFlowReturn flow = wait_for_readers(buffer);
  if (flow == GST_FLOW_OK) flow = publish(buffer);
  flowing_ = true;
  pass_key_request();
  watch_readers();
  return flow;
}

// Packets of one moment are one frame, so that a burst of them takes one place in a lane; shmringsrc makes a list of
// them again.
GstFlowReturn Sink::render_list(GstBufferList* list) {
  if (!ready()) return GST_FLOW_NOT_NEGOTIATED;
  GstFlowReturn flow = GST_FLOW_OK;
  const std::uint64_t room = size_given_ ? publisher_->slot_size() : most_room_;
  for (guint at = 0, next; flow == GST_FLOW_OK && at < gst_buffer_list_length(list); at = next) {
    next = format_.is_whole_by_buffer() ? at + 1 : end_of_unit(list, at, room);
    if (at != 0) flow = wait_for(gst_buffer_list_get(list, at));  // the base class has waited for the first
    if (flow == GST_FLOW_OK) flow = wait_for_readers(next == at + 1 ? gst_buffer_list_get(list, at) : nullptr);
    if (flow == GST_FLOW_OK)
      flow = next == at + 1 ? publish(gst_buffer_list_get(list, at)) : publish_unit(list, at, next);
  }
  flowing_ = true;
  pass_key_request();
  watch_readers();
  return flow;
}

GstFlowReturn Sink::wait_for(GstBuffer* buffer) {
  if (!gst_base_sink_get_sync(element_) || element_->segment.format != GST_FORMAT_TIME) return GST_FLOW_OK;
  const GstClockTime time =
      gst_segment_to_running_time(&element_->segment, GST_FORMAT_TIME, GST_BUFFER_DTS_OR_PTS(buffer));
  return GST_CLOCK_TIME_IS_VALID(time) ? gst_base_sink_wait(element_, time, nullptr) : GST_FLOW_OK;
}

// `alone`: the one buffer that the frame is; its loan is looked for only where a wait is asked for. None: the frame is copied in any case.
GstFlowReturn Sink::wait_for_readers(GstBuffer* alone) {
  return room_wait.longest == 0 ? GST_FLOW_OK : room_wait.wait(*publisher_, !alone || !loan_in(alone));
}

GstFlowReturn Sink::publish_unit(GstBufferList* list, guint begin, guint end) {
  GstBuffer* first = gst_buffer_list_get(list, begin);
  auto info = encode(first, format_, element_->segment, time_.of(GST_ELEMENT(element_)));
  keep_to_clock(info);
  info.size = 0;
  unit_.clear();
  for (guint i = begin; i < end; ++i) {
    GstBuffer* buffer = gst_buffer_list_get(list, i);
    if (!mapped_.add(buffer)) return drop(Damage::unreadable, buffer);
    unit_.push_back({static_cast<std::uint32_t>(gst_buffer_get_size(buffer)), flags_of(buffer, format_)});
    info.size += unit_.back().size;
    info.flags |= unit_.back().flags & SHMRING_FRAME_MARKER;
    if (!(unit_.back().flags & SHMRING_FRAME_DELTA_UNIT)) info.flags &= ~SHMRING_FRAME_DELTA_UNIT;
  }
  GST_LOG_OBJECT(element_, "publishes buffers %u to %u of a list as one frame", begin, end - 1);
  require(info.size);
  const auto metas = metas_.write(first, unit_);
  info.metadata = metas.data();
  info.metadata_size = metas.size();
  return write_mapped(info);
}

// A source that is neither live nor a file, such as the appsrc of a VideoWriter, counts its frames: its times run away from the clock as soon
// as it does not give just as many a second as it says. Readers compare times with the clock: from then on it is that of arrival.
void Sink::keep_to_clock(shmring_frame_info& info) {
  if (clocking_ == Clocking::as_stamped || info.pts == SHMRING_TIME_NONE) return;
  const std::uint64_t now = shmring::now();
  if (clocking_ == Clocking::unknown) {
    const std::uint64_t apart = now > info.pts ? now - info.pts : info.pts - now;
    if (apart < kRunaway) return;
    clocking_ = fed_by_application() ? Clocking::at_arrival : Clocking::as_stamped;
    if (clocking_ == Clocking::as_stamped) return;
    GST_ELEMENT_WARNING(element_, STREAM, FORMAT,
                        ("The times of the frames have run %" GST_TIME_FORMAT
                         " away from the clock: from now on frames have the time of their arrival. Give as many frames "
                         "a second as caps say, or make the "
                         "source live (is-live=true do-timestamp=true).",
                         GST_TIME_ARGS(apart)),
                        (nullptr));
  }
  info.pts = now;
  info.dts = SHMRING_TIME_NONE;
}

bool Sink::fed_by_application() {
  eos_.ask_upstream();
  if (eos_.upstream_is_live()) return false;
  const auto query = adopt(gst_query_new_seeking(GST_FORMAT_TIME));
  gboolean seekable = FALSE;
  if (gst_pad_peer_query(GST_BASE_SINK_PAD(element_), query.get()))
    gst_query_parse_seeking(query.get(), nullptr, &seekable, nullptr, nullptr);
  return !seekable;
}

GstFlowReturn Sink::publish(GstBuffer* buffer) {
  const gsize size = gst_buffer_get_size(buffer);
  if (size == 0 && (format_.video() || format_.audio())) return drop(Damage::empty, buffer);
  auto info = encode(buffer, format_, element_->segment, time_.of(GST_ELEMENT(element_)));
  keep_to_clock(info);
  const Layout planes = layout(info, format_);
  if (planes == Layout::broken) return drop(info.plane_count == 0 ? Damage::size : Damage::planes, buffer);
  const Samples samples = format_.audio() ? samples_in(buffer, *format_.audio()) : Samples::plain;
  if (samples == Samples::broken) return drop(Damage::size, buffer);
  GST_LOG_OBJECT(element_, "publishes %" GST_PTR_FORMAT, buffer);
  require(size);
  const auto metas = metas_.write(buffer);
  info.metadata = metas.data();
  info.metadata_size = metas.size();
  if (planes == Layout::foreign) return publish_plain(buffer, info);
  if (samples == Samples::scattered) return publish_samples(buffer, info);
  return publish(buffer, info);
}

GstFlowReturn Sink::publish(GstBuffer* buffer, shmring_frame_info& info) {
  if (shmring::Loan* loan = loan_in(buffer)) {
    const auto published = publisher_->publish(*loan, info);
    if (published) make_read_only(gst_buffer_peek_memory(buffer, 0));
    if (published.status() != SHMRING_INVALID) return settle(published, info.size);
    GST_DEBUG_OBJECT(element_, "a buffer of a ring that was replaced is copied: %s", published.error().text.c_str());
  }
  if (format_.video() && info.size > publisher_->slot_size() &&
      GST_VIDEO_INFO_SIZE(format_.video()) <= publisher_->slot_size())
    return publish_plain(buffer, info);  // it fits without the padding around its picture
  return copy(buffer, info);
}

GstFlowReturn Sink::copy(GstBuffer* buffer, shmring_frame_info& info) {
  const bool readable = mapped_.add(buffer);
  return readable ? write_mapped(info) : drop(Damage::unreadable, buffer);
}

GstFlowReturn Sink::write_mapped(shmring_frame_info& info) {
  const auto written = publisher_->write(mapped_.parts(), info);
  mapped_.clear();
  return settle(written, info.size);
}

// A picture in the layout that its caps stand for.
GstFlowReturn Sink::publish_plain(GstBuffer* buffer, shmring_frame_info& info) {
  const auto picture = plain(buffer, info);
  if (!picture) return drop(Damage::unreadable, buffer);
  info.plane_count = 0;
  return copy(picture.get(), info);
}

Owned<GstBuffer> Sink::plain(GstBuffer* buffer, const shmring_frame_info& info) {
  auto picture = adopt(gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(format_.video()), nullptr));
  const auto bare = adopt(gst_buffer_copy_region(buffer, GST_BUFFER_COPY_MEMORY, 0, static_cast<gsize>(-1)));
  if (info.plane_count != 0) add_planes(info, format_, bare.get());
  if (!picture || !copy_picture(format_, bare.get(), picture.get())) return nullptr;
  return picture;
}

// Samples in the layout that their caps stand for, gathered from where a GstAudioMeta says they are.
GstFlowReturn Sink::publish_samples(GstBuffer* buffer, shmring_frame_info& info) {
  const MappedSamples mapped(buffer, *format_.audio());
  if (!mapped.complete()) return drop(Damage::unreadable, buffer);
  const auto written = publisher_->write(mapped.parts(), info);
  return settle(written, info.size);
}

// A frame that is not whole costs no other one anything: it is counted, and each kind of damage is reported once.
GstFlowReturn Sink::drop(Damage why, GstBuffer* buffer) {
  mapped_.clear();
  publisher_->count_malformed();
  GST_LOG_OBJECT(element_, "dropping malformed %" GST_PTR_FORMAT, buffer);
  if (const std::uint64_t count = malformed_.due(shmring::now()))
    GST_DEBUG_OBJECT(element_,
                     "dropped %" G_GUINT64_FORMAT " malformed frames since the last such line, last %" GST_PTR_FORMAT,
                     guint64{count}, buffer);
  if (std::exchange(told_damaged_[static_cast<std::size_t>(why)], true)) return GST_FLOW_OK;
  const auto size = std::to_string(gst_buffer_get_size(buffer));
  std::string text;
  switch (why) {
    case Damage::empty:
      text = "it is empty";
      break;
    case Damage::size:
      text = !format_.audio()
                 ? "it has " + size + " bytes, its caps need " + std::to_string(format_.largest_frame())
                 : "its " + size + " bytes are not the samples that its caps and its GstAudioMeta describe";
      break;
    case Damage::planes:
      text = "the planes of its GstVideoMeta do not lie within its " + size + " bytes";
      break;
    case Damage::unreadable:
      text = "its memory cannot be read, put an element before this that downloads it";
      break;
  }
  GST_ELEMENT_WARNING(element_, STREAM, FORMAT, ("A malformed frame is dropped: %s.", text.c_str()),
                      ("further ones of this kind are only counted, see dropped-malformed in stats"));
  return GST_FLOW_OK;
}

// A frame that found no slot is counted and gone; the stream goes on.
GstFlowReturn Sink::settle(const shmring::Result<void>& result, std::uint64_t frame_size) {
  switch (result.status()) {
    case SHMRING_OK:
      return GST_FLOW_OK;
    case SHMRING_FULL:
      GST_LOG_OBJECT(element_, "dropping a frame: no slot is free");
      if (const std::uint64_t count = no_slot_.due(shmring::now()))
        GST_DEBUG_OBJECT(element_,
                         "dropped %" G_GUINT64_FORMAT
                         " frames for every reader since the last such line: readers hold all slots",
                         guint64{count});
      return GST_FLOW_OK;
    case SHMRING_TOO_LARGE:
      if (const std::uint64_t count = too_large_.due(shmring::now()))
        GST_DEBUG_OBJECT(element_,
                         "dropped %" G_GUINT64_FORMAT
                         " frames since the last such line: too large, last %" G_GUINT64_FORMAT " bytes",
                         guint64{count}, guint64{frame_size});
      if (!told_no_room_ && !std::exchange(told_too_large_, true))
        GST_ELEMENT_WARNING(
            element_, RESOURCE, SETTINGS,
            ("A frame is dropped: it has %" G_GUINT64_FORMAT " bytes, a slot %" G_GUINT64_FORMAT
             ": set %s to the size of the largest frame.",
             guint64{frame_size}, guint64{publisher_->slot_size()}, size_given_ ? "slot-size" : "max-slot-size"),
            ("further frames that are too large are only counted, see dropped-too-large in stats"));
      return GST_FLOW_OK;
    default:
      tell(result.error());
      return GST_FLOW_ERROR;
  }
}

void Sink::event_comes(GstEvent* event) {
  // Before the base class posts EOS: the application may stop us at once then.
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS) {
    if (eos_.is_stream_end(forward_eos)) publisher_->end();
    flowing_ = false;
  }
}

// Other streams than raw video need to be told that nothing comes for a while; a picture or an array just stays.
void Sink::gap_passed(GstClockTime pts, GstClockTime duration) {
  if (!format_.known() || (format_.is_whole_by_buffer() && !format_.audio())) return;
  GST_DEBUG_OBJECT(element_, "publishes a gap at %" GST_TIME_FORMAT ", %" GST_TIME_FORMAT " long", GST_TIME_ARGS(pts),
                   GST_TIME_ARGS(duration));
  // The preroll lock is held, as in render(): the base class takes it for serialized events.
  if (wait_for_readers(nullptr) != GST_FLOW_OK) return;
  require(0);
  auto info = encode_gap(pts, duration, element_->segment, time_.of(GST_ELEMENT(element_)));
  settle(publisher_->write({}, info), 0);
  pass_key_request();
}

// Age of frames that come here: upstream's latency, or what the pipeline settled on if we wait for that
// moment.
void Sink::latency_changed() {
  eos_.ask_upstream();
  GstClockTime latency = gst_base_sink_get_latency(element_);
  if (!gst_base_sink_get_sync(element_)) {
    gboolean live = FALSE;
    const auto query = adopt(gst_query_new_latency());
    if (!gst_pad_peer_query(GST_BASE_SINK_PAD(element_), query.get())) return;
    gst_query_parse_latency(query.get(), &live, &latency, nullptr);
    if (!live) latency = 0;
  }
  GST_DEBUG_OBJECT(element_, "frames are %" GST_TIME_FORMAT " old when they come here", GST_TIME_ARGS(latency));
  const auto publisher = shared_publisher();
  if (publisher && GST_CLOCK_TIME_IS_VALID(latency)) publisher->set_latency(latency);
}

// By the streaming thread, as QoS goes upstream: the control thread of the ring must not wait for upstream's locks. So a request goes up with the
// next frame, and an encoder's next frame but one, at the latest, is a key frame.
void Sink::pass_key_request() {
  if (!publisher_->key_frame_requested()) return;
  GST_DEBUG_OBJECT(element_, "a reader asks for a key frame: passes that upstream");
  const guint count = key_requests_.fetch_add(1, std::memory_order_relaxed);
  gst_pad_push_event(GST_BASE_SINK_PAD(element_),
                     gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, count));
}

void Sink::watch_readers() {
  const guint now = readers();
  const guint before = known_readers_.exchange(now);
  if (before == now) return;
  GST_DEBUG_OBJECT(element_, "%u readers are attached, before %u", now, before);
  g_object_notify(G_OBJECT(element_), "num-clients");
  monitor_.poke();
}

void Sink::look(std::vector<Watched>& workers) {
  watch_readers();
  const auto publisher = shared_publisher();
  if (!publisher) return;
  if (const std::string notice = publisher->take_notice(); !notice.empty())
    GST_ELEMENT_WARNING(element_, RESOURCE, NOT_FOUND, ("%s.", notice.c_str()), (nullptr));
  const auto stats = publisher->stats();
  for (const shmring_reader_account& lane : stats.accounts)
    if (!left_by_itself(lane))
      workers.push_back({observe(lane, flowing_), lane_limits.of(lane.worker, health.limits())});
}

Owned<GstStructure> Sink::stats() const {
  const auto publisher = shared_publisher();
  auto stats = sink_stats(publisher ? publisher->stats() : shmring::RingStats{}, flowing_, monitor_);
  set_field(stats.get(), "metas-dropped", metas_.dropped());
  set_field(stats.get(), "key-requests", key_requests_.load(std::memory_order_relaxed));
  return stats;
}

}  // namespace supplier
