// SPDX-License-Identifier: LGPL-2.1-or-later
#include "reader/attachment.hpp"

#include <algorithm>

#include "lane/crash_point.hpp"
#include "os/clock.hpp"
#include "reader/reader.hpp"

namespace shmring {
namespace {

constexpr std::size_t kPrepared = 16;  // slots; the publisher gives the ones it used last again

}  // namespace

Result<Attachment*> Attachment::make(const wire::Welcome& welcome, const Fd& ring_fd, const Fd& lane_fd) {
  if (!ring_fd || !lane_fd) return {SHMRING_PROTOCOL, "WELCOME carried no memory descriptors"};
  if (welcome.ring_size > kMaxRingSize || welcome.depth > kMaxDepth || welcome.max_held > kMaxHeld)
    return {SHMRING_PROTOCOL, "WELCOME is inconsistent"};
  auto ring = map_read_only(ring_fd, welcome.ring_size, true);
  if (!ring) return ring.error();
  auto geometry = RingGeometry::from_header(*reinterpret_cast<const RingHeader*>(ring->data()), ring->size());
  if (!geometry) return geometry.error();
  SHMRING_CRASH_POINT(ring_mapped);
  const std::uint64_t lane_size = LaneGeometry::make(geometry->slot_count).total_size;
  if (welcome.lane >= geometry->lane_count || welcome.lane_size != lane_size ||
      sizeof(LaneBlock) + 4ull * welcome.depth > geometry->lane_stride)
    return {SHMRING_PROTOCOL, "WELCOME does not match the ring's header"};
  auto lane = map_read_write(lane_fd, lane_size);
  if (!lane) return lane.error();
  SHMRING_CRASH_POINT(lane_mapped);
  return new Attachment(welcome, *geometry, *std::move(ring), *std::move(lane));
}

Attachment::Attachment(const wire::Welcome& welcome, const RingGeometry& geometry, Mapping ring, Mapping lane)
    : welcome_(welcome),
      geometry_(geometry),
      ring_(std::make_shared<const Mapping>(std::move(ring))),
      base_(ring_->data()),
      lane_([&] {
        lane.keep_from_children();  // a child must not be able to release its parent's frames
        return std::move(lane);
      }()),
      counters_(
          *reinterpret_cast<LaneCounters*>(lane_.data() + LaneGeometry::make(geometry.slot_count).counters_offset)),
      lane_reader_(at<LaneBlock>(geometry.lanes_offset + welcome.lane * geometry.lane_stride),
                   *reinterpret_cast<LanePage*>(lane_.data()), welcome.depth),
      frames_(geometry.slot_count) {
  for (std::uint32_t slot = 0; slot < geometry.slot_count; ++slot) {
    frames_[slot].owner = this;
    frames_[slot].slot = slot;
  }
}

[[gnu::hot]] void Attachment::unref() {
  // acq_rel: the thread that drops the last reference sees all writes made before the others were dropped.
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

[[gnu::hot]] Attachment::Took Attachment::take(shmring_frame*& out, std::uint32_t elsewhere) {
  if (held() + elsewhere >= welcome_.max_held) return lane_reader_.empty() ? Took::empty : Took::too_many;
  const std::uint32_t slot = lane_reader_.take([this](std::uint32_t expected) {
    prefetch(base_ + geometry_.slots_offset + expected * sizeof(SlotDescriptor));
    prefetch(base_ + geometry_.payload_offset + expected * geometry_.slot_stride);
  });
  if (slot == LaneReader<>::kEmpty) return Took::empty;
  SHMRING_CRASH_POINT(tail_moved);
  const std::uint64_t t = now();  // while those lines come
  if (slot >= geometry_.slot_count) return Took::broken;
  shmring_frame& frame = frames_[slot];
  // acquire: pairs with the release in release(). A publisher that gives a held slot away again would change a frame under its user.
  if (frame.held.load(std::memory_order_acquire)) return Took::broken;
  SlotDescriptor d;
  if (!check_descriptor(at<SlotDescriptor>(geometry_.slots_offset + slot * sizeof(SlotDescriptor)), geometry_, d))
    return Took::broken;
  if (d.sequence <= last_sequence_) return Took::broken;
  if (d.format_id != frame.format_id && !read_format(frame, d.format_id)) return Took::broken;
  SHMRING_CRASH_POINT(descriptor_checked);
  last_sequence_ = d.sequence;
  frame.taken_at = t;
  shmring_frame_info& info = frame.info;
  info.sequence = d.sequence;
  info.size = d.size;
  info.pts = d.pts;
  info.dts = d.dts;
  info.duration = d.duration;
  info.published_at = d.published_at;
  info.offset = d.extras & kHasOffset ? d.offset : SHMRING_TIME_NONE;
  info.flags = d.flags;
  const bool own_planes = d.plane_count != 0 || !frame.format;
  info.plane_count = own_planes ? d.plane_count : frame.format->plane_count;
  std::copy_n(own_planes ? d.planes : frame.format->planes, info.plane_count, info.planes);

  info.metadata = nullptr;
  info.metadata_size = 0;
  if (d.extras & kHasMetadata) read_metadata(frame, d.metadata_size);

  frame.held.store(true, std::memory_order_relaxed);
  references_.fetch_add(1, std::memory_order_relaxed);
  counters_.held.fetch_add(1, std::memory_order_relaxed);
  counters_.taken_at.store(t, std::memory_order_relaxed);
  counters_.taken_sequence.store(d.sequence, std::memory_order_relaxed);
  counters_.age.record(t > d.published_at ? t - d.published_at : 0);
  SHMRING_CRASH_POINT(frame_held);
  out = &frame;
  return Took::frame;
}

[[gnu::hot]] void Attachment::prepare() const {
  prefetch_to_write(&counters_);
  prefetch_to_write(&counters_.age);
  for (std::size_t i = 0; i < std::min(frames_.size(), kPrepared); ++i) {
    const shmring_frame& frame = frames_[i];
    prefetch(base_ + geometry_.slots_offset + frame.slot * sizeof(SlotDescriptor));
    prefetch_to_write(&frame);
    prefetch_to_write(&frame.info);
  }
}

bool Attachment::read_format(shmring_frame& frame, std::uint64_t id) {
  frame.format_id = 0;
  if (id == 0) {
    frame.format.reset();
    return true;
  }
  if (!frame.format) frame.format = std::make_unique<FormatArea>();
  if (!check_format(at<FormatArea>(geometry_.formats_offset + frame.slot * kFormatStride), *frame.format)) {
    frame.format.reset();  // a copy that failed must never be used, by whatever frame comes next
    return false;
  }
  frame.format_id = id;
  return true;
}

void Attachment::read_metadata(shmring_frame& frame, std::uint32_t size) {
  if (!frame.metadata) frame.metadata = std::make_unique<std::array<std::byte, kMetadataSize>>();
  copy_metadata(at<FormatArea>(geometry_.formats_offset + frame.slot * kFormatStride), size, frame.metadata->data());
  frame.info.metadata = frame.metadata->data();
  frame.info.metadata_size = size;
}

[[gnu::hot]] void Attachment::release(shmring_frame* frame) {
  // In a forked child the lane's page is not even there: the frame is the parent's to release.
  if (!guard_.in_child()) {
    const std::uint64_t t = now();
    counters_.hold.record(t > frame->taken_at ? t - frame->taken_at : 0);
    counters_.released_at.store(t, std::memory_order_relaxed);
    counters_.held.fetch_sub(1, std::memory_order_relaxed);
    SHMRING_CRASH_POINT(release_begun);
    const std::uint64_t sequence = frame->info.sequence;
    frame->held.store(false, std::memory_order_release);
    lane_reader_.release(frame->slot, sequence);
  }
  SHMRING_CRASH_POINT(acknowledged);
  unref();
}

void Attachment::describe(shmring_reader_stats& stats, Histogram& age, Histogram& hold) const {
  stats.publisher_pid = welcome_.publisher_pid;
  stats.drop_policy = static_cast<shmring_policy>(welcome_.policy);
  stats.wake = static_cast<shmring_wake>(welcome_.wake);
  stats.depth = welcome_.depth;
  stats.max_held = welcome_.max_held;
  age.add(counters_.age);
  hold.add(counters_.hold);
}

[[gnu::hot]] Frame::~Frame() {
  if (held_) held_->owner->release(held_);
}
std::span<const std::byte> Frame::bytes() const { return {held_->owner->payload(*held_), held_->info.size}; }
const shmring_frame_info& Frame::info() const { return held_->info; }
std::uint64_t Frame::format_id() const { return held_->format_id; }

shmring_format Frame::format() const {
  shmring_format f = SHMRING_FORMAT_INIT;
  if (held_->format_id == 0) return f;
  const FormatArea& area = *held_->format;
  f.caps = area.caps;
  f.id = area.id;
  f.pixel_format = static_cast<shmring_pixel_format>(area.pixel_format);
  f.width = area.width;
  f.height = area.height;
  f.plane_count = area.plane_count;
  std::copy_n(area.planes, area.plane_count, f.planes);
  return f;
}

}  // namespace shmring
