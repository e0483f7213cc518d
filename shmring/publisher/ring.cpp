// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publisher/ring.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include "abi/array.hpp"
#include "abi/video.hpp"
#include "lane/crash_point.hpp"

namespace shmring {
namespace {

constexpr std::uint64_t kRush = 20'000;  // ns between frames: less is a rush

std::uint64_t random_id() {
  std::uint64_t id = 0;
  while (id == 0)
    if (::getrandom(&id, sizeof id, 0) != sizeof id) id = 1;
  return id;
}

// FNV-1a, 64 bits (Fowler, Noll, Vo).
std::uint64_t hash(std::uint64_t seed, const void* data, std::size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < size; ++i) seed = (seed ^ bytes[i]) * 0x100000001B3;
  return seed;
}

std::uint64_t hash(const std::string& text) { return hash(0xCBF29CE484222325, text.data(), text.size()); }

}  // namespace

Result<std::unique_ptr<StoredFormat>> StoredFormat::make(const shmring_format& format) {
  auto stored = std::make_unique<StoredFormat>();
  FormatArea& area = stored->area;
  const char* caps = format.caps ? format.caps : "";
  const std::size_t size = std::strlen(caps);
  if (size >= sizeof area.caps)
    return {SHMRING_INVALID,
            "the caps have " + std::to_string(size) + " bytes, a ring carries " + std::to_string(sizeof area.caps - 1)};
  if (format.plane_count > SHMRING_MAX_PLANES) return {SHMRING_INVALID, "a frame has at most 4 planes"};
  area.pixel_format = format.pixel_format;
  area.width = format.width;
  area.height = format.height;
  area.plane_count = format.plane_count;
  std::copy_n(format.planes, format.plane_count, area.planes);
  if (format.plane_count != 0)
    stored->least_size =
        picture_size(format.pixel_format, format.width, format.height, {format.planes, format.plane_count});
  if (is_array(caps)) {
    auto array = array_of_caps(caps);
    if (!array) return array.error();
    stored->least_size = static_cast<std::uint64_t>(array->shape[0] * array->strides[0]);
  }
  area.caps_size = static_cast<std::uint32_t>(size);
  std::memcpy(area.caps, caps, size);
  area.id = hash(
      hash(0xCBF29CE484222325, &area.pixel_format, offsetof(FormatArea, caps) - offsetof(FormatArea, pixel_format)),
      caps, size);
  if (area.id == 0) area.id = 1;
  return stored;
}

Result<std::shared_ptr<Ring>> Ring::create(std::uint32_t slots, std::uint32_t loans, std::uint32_t lanes,
                                           std::uint32_t max_depth, std::uint64_t slot_size) {
  auto geometry = RingGeometry::make(slots, lanes, max_depth, slot_size);
  if (!geometry) return geometry.error();
  auto memory = create_memory("shmring", geometry->total_size);
  if (!memory) return memory.error();
  SHMRING_CRASH_POINT(ring_allocated);
  const std::uint64_t id = random_id();
  geometry->write_header(*reinterpret_cast<RingHeader*>(memory->mapping.data()), id);
  if (auto ok = seal(memory->fd, Seal::everything); !ok) return ok.error();
  SHMRING_CRASH_POINT(ring_sealed);
  return std::shared_ptr<Ring>(new Ring(*geometry, *std::move(memory), loans, id));
}

Ring::Ring(const RingGeometry& geometry, SharedMemory memory, std::uint32_t loans, std::uint64_t id)
    : geometry_(geometry),
      memory_(std::move(memory)),
      id_(id),
      loans_(loans),
      slot_refs_(geometry.slot_count),
      format_ids_(geometry.slot_count, 0),
      freed_slots_(geometry.slot_count) {
  active_.reserve(geometry.lane_count);
  ended_.reserve(geometry.lane_count);
  note_slots();
}

LaneBlock& Ring::lane_block(std::uint32_t lane) const {
  return *reinterpret_cast<LaneBlock*>(base() + geometry_.lanes_offset + lane * geometry_.lane_stride);
}

SlotDescriptor& Ring::descriptor(std::uint32_t slot) const {
  return reinterpret_cast<SlotDescriptor*>(base() + geometry_.slots_offset)[slot];
}

void Ring::note_slots() {
  slot_counts_.store(std::uint64_t{slot_refs_.free_slots()} << 32 | lent_, std::memory_order_relaxed);
}

Ring::Slots Ring::slots() const {
  const std::uint64_t packed = slot_counts_.load(std::memory_order_relaxed);
  const auto free = static_cast<std::uint32_t>(packed >> 32);
  auto lent = static_cast<std::uint32_t>(packed);
  return {free, geometry_.slot_count - free - lent, lent};
}

[[gnu::hot]] bool Ring::lend(std::uint32_t& slot, std::uint32_t spare) {
  if (spare >= loans_) spare = 0;
  if (lent_ + spare >= loans_ || !slot_refs_.any_free()) take_back_returned();
  if (lent_ + spare >= loans_) return false;
  if (!slot_refs_.any_free()) collect_all();
  if (!slot_refs_.any_free()) return false;
  slot = slot_refs_.acquire();
  SHMRING_CRASH_POINT(slot_lent);
  ++lent_;
  note_slots();
  return true;
}

[[gnu::hot]] void Ring::give_back(std::uint32_t slot) { freed_slots_.give(slot); }

[[gnu::hot]] void Ring::take_back_returned() {
  freed_slots_.take([this](std::uint32_t slot) {
    slot_refs_.unref(slot);
    --lent_;
  });
  note_slots();
}

[[gnu::hot]] void Ring::offer(Lane& lane, std::uint32_t slot, std::uint64_t sequence, std::uint64_t now) {
  // Rushing frames: what the reader did meanwhile is looked at when the lane seems full. Otherwise at once, so that warm slots come back
  // and `busy_since` is right.
  const bool rush = now - lane.last_offered_at.get() < kRush;
  lane.last_offered_at.set(now);
  const bool idle = lane.writer.owns_nothing();
  switch (lane.writer.offer(slot, sequence, slot_refs_, !rush)) {
    case LaneWriter<>::Offer::queued:
      if (idle) lane.busy_since.set(now);
      break;
    case LaneWriter<>::Offer::dropped:
      break;
    case LaneWriter<>::Offer::violation:
      lane.violation.store(&kWrongTail, std::memory_order_release);
      break;
  }
}

[[gnu::hot]] void Ring::prepare(std::uint32_t slot) const {
  prefetch_to_write(&descriptor(slot));
  // A mailbox is full with every frame that was not taken: its tail will be looked at, whatever the pace.
  for (const Lane* lane : active_) lane->writer.prefetch_lines(lane->grant.depth == 1);
}

[[gnu::hot]] std::uint32_t Ring::publish(std::uint32_t slot, const shmring_frame_info& info, const StoredFormat* format,
                                         std::uint64_t now, std::shared_ptr<Lane>& sleeper) {
  SlotDescriptor& d = descriptor(slot);
  d.sequence = info.sequence;
  d.size = info.size;
  d.published_at = now;
  d.pts = info.pts;
  d.dts = info.dts;
  d.duration = info.duration;
  d.flags = info.flags;
  d.plane_count = static_cast<std::uint16_t>(info.plane_count);
  d.extras = static_cast<std::uint16_t>((info.offset != SHMRING_TIME_NONE ? kHasOffset : 0) |
                                        (info.metadata_size ? kHasMetadata : 0));
  if (d.extras || d.plane_count) {
    d.offset = info.offset;
    std::copy_n(info.planes, info.plane_count, d.planes);
    d.metadata_size = static_cast<std::uint32_t>(info.metadata_size);
  }
  auto& area = *reinterpret_cast<FormatArea*>(base() + geometry_.formats_offset + slot * kFormatStride);
  if (info.metadata_size) std::memcpy(area.metadata, info.metadata, info.metadata_size);
  SHMRING_CRASH_POINT(descriptor_written);
  const std::uint64_t format_id = format ? format->area.id : 0;
  d.format_id = format_id;
  if (format && format_ids_[slot] != format_id) {
    std::memcpy(static_cast<void*>(&area), &format->area, offsetof(FormatArea, caps) + format->area.caps_size + 1);
    format_ids_[slot] = format_id;
    SHMRING_CRASH_POINT(format_written);
  }

  for (Lane* lane : active_) {
    offer(*lane, slot, info.sequence, now);
    SHMRING_CRASH_POINT(lane_offered);
  }
  slot_refs_.ref(slot);
  if (newest_ != kNone) slot_refs_.unref(newest_);
  newest_ = slot;
  newest_sequence_ = info.sequence;

  HardwareOps::fence();  // one for all lanes; see LaneWriter::claim_wakeup
  SHMRING_CRASH_POINT(fence_passed);
  std::uint32_t sleepers = 0;
  bool protocol_violations = false;
  for (Lane* lane : active_) {
    if (lane->violation.load(std::memory_order_relaxed)) {
      protocol_violations = true;
    } else if (lane->writer.claim_wakeup()) {
      if (sleepers++ == 0)
        sleeper = lane->shared_from_this();
      else
        lane->notify_later.store(true, std::memory_order_relaxed);
    }
  }
  if (protocol_violations) {
    for (std::size_t i = active_.size(); i-- > 0;)
      if (Lane& lane = *active_[i]; lane.violation.load(std::memory_order_relaxed)) {
        deactivate(lane);
        lane.writer.retire(slot_refs_);
        ended_.push_back(&lane);
        lane.applied.store(Lane::Stage::retired, std::memory_order_release);
      }
    sleepers = std::max(sleepers, 2u);  // the control thread is to see to them
    if (sleeper) sleeper->notify_later.store(true, std::memory_order_relaxed);
  } else if (sleepers > 1) {
    sleeper->notify_later.store(true, std::memory_order_relaxed);
  }
  note_slots();
  return sleepers;
}

void Ring::offer_nothing(std::uint64_t now) {
  for (Lane* lane : active_) {
    lane->last_offered_at.set(now);
    lane->writer.offer_nothing();
  }
}

bool Ring::lacks_room(bool needs_slot, bool give_up) {
  collect_all();
  const bool no_slot = needs_slot && !slot_refs_.any_free();
  bool lacks = false;
  for (Lane* lane : active_) {
    if (lane->grant.policy != SHMRING_DROP_NEWEST) continue;
    const bool full = lane->writer.full() || (no_slot && !lane->writer.owns_nothing());
    lane->given_up = full && (give_up || lane->given_up);
    lacks |= full && !lane->given_up;
  }
  return lacks;
}

void Ring::deactivate(Lane& lane) {
  std::erase(active_, &lane);
  std::erase(ended_, &lane);
}

// Before `applied` says freed: from then on the lane may be gone at any moment, and the next apply() must not find it.
void Ring::forget(Lane& lane) {
  table_[lane.index].store(nullptr, std::memory_order_relaxed);
  if (lane.writer.last_taken() != newest_sequence_) return;
  gone_[next_gone_++ % gone_.size()] = {hash(lane.grant.name), newest_sequence_};
}

// True if a reader of this name took the frame that is kept for new readers.
bool Ring::took_newest(const std::string& name) {
  const std::uint64_t hashed = hash(name);
  if (std::any_of(gone_.begin(), gone_.end(),
                  [&](const Gone& gone) { return gone.name == hashed && gone.taken == newest_sequence_; }))
    return true;
  // One whose end is not yet carried out, or which still holds frames.
  return std::any_of(table_.begin(), table_.end(), [&](const auto& entry) {
    Lane* lane = entry.load(std::memory_order_acquire);
    if (!lane || lane->grant.name != name || lane->applied.load(std::memory_order_relaxed) < Lane::Stage::active)
      return false;
    lane->writer.absorb_taken();  // else a peer that broke the protocol, whose end comes
    return lane->writer.last_taken() == newest_sequence_;
  });
}

void Ring::apply(std::uint64_t now) {
  for (auto& entry : table_) {
    Lane* lane = entry.load(std::memory_order_acquire);
    if (!lane) continue;
    const Lane::Stage wanted = lane->wanted.load(std::memory_order_acquire);
    const Lane::Stage before = lane->applied.load(std::memory_order_relaxed);
    if (wanted <= before) continue;
    deactivate(*lane);
    switch (wanted) {
      case Lane::Stage::prepared:
        break;
      case Lane::Stage::awaited:
        active_.push_back(lane);
        break;
      case Lane::Stage::active:
        lane->open();
        active_.push_back(lane);
        if (before != Lane::Stage::awaited && newest_ != kNone && !took_newest(lane->grant.name))
          offer(*lane, newest_, newest_sequence_, now);
        SHMRING_CRASH_POINT(lane_activated);
        break;
      case Lane::Stage::draining:
        if (before < Lane::Stage::active) lane->open();
        ended_.push_back(lane);
        break;
      case Lane::Stage::retired:
        lane->writer.retire(slot_refs_);
        SHMRING_CRASH_POINT(lane_retired);
        ended_.push_back(lane);
        break;
      case Lane::Stage::freed:
        lane->writer.free_all(slot_refs_);
        forget(*lane);
        break;
    }
    // release: pairs with the control thread's acquire; it may destroy a freed lane at once.
    lane->applied.store(wanted, std::memory_order_release);
  }
  collect_ended();
}

bool Ring::mark_sleepers() {
  HardwareOps::fence();
  bool any = false;
  for (Lane* lane : active_)
    if (lane->writer.claim_wakeup()) {
      lane->notify_later.store(true, std::memory_order_relaxed);
      any = true;
    }
  return any;
}

void Ring::collect_all() {
  take_back_returned();
  for (Lane* lane : active_)
    if (lane->writer.absorb_taken())
      lane->writer.collect(slot_refs_);  // else a peer that broke the protocol: the next offer deals with it
  collect_ended();
}

void Ring::collect_ended() {
  std::erase_if(ended_, [&](Lane* lane) {
    lane->writer.absorb_taken();
    lane->writer.collect(slot_refs_);
    lane->owned.set(lane->writer.held());
    if (lane->applied.load(std::memory_order_relaxed) != Lane::Stage::retired || !lane->writer.owns_nothing())
      return false;
    forget(*lane);
    lane->applied.store(Lane::Stage::freed, std::memory_order_release);
    SHMRING_CRASH_POINT(lane_freed);
    return true;
  });
  note_slots();
}

void Ring::add_lane(std::shared_ptr<Lane> lane, Lane::Stage wanted) {
  lane->wanted.store(wanted, std::memory_order_release);
  table_[lane->index].store(lane.get(), std::memory_order_release);
  lanes_.push_back(std::move(lane));
  changes_.store(true, std::memory_order_release);
}

void Ring::want(Lane& lane, Lane::Stage stage) {
  if (lane.wanted.load(std::memory_order_relaxed) >= stage) return;
  lane.wanted.store(stage, std::memory_order_release);
  changes_.store(true, std::memory_order_release);
}

std::vector<std::shared_ptr<Lane>> Ring::take_freed_lanes() {
  std::vector<std::shared_ptr<Lane>> freed;
  std::erase_if(lanes_, [&](std::shared_ptr<Lane>& lane) {
    if (lane->applied.load(std::memory_order_acquire) != Lane::Stage::freed) return false;
    freed.push_back(std::move(lane));
    return true;
  });
  return freed;
}

}  // namespace shmring
