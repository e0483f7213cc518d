// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publisher/publisher.hpp"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <mutex>
#include <string_view>
#include <vector>

#include "abi/video.hpp"
#include "lane/crash_point.hpp"
#include "os/clock.hpp"
#include "os/fork_guard.hpp"
#include "os/log.hpp"
#include "publisher/control_loop.hpp"
#include "publisher/frame_copy.hpp"
#include "publisher/ring.hpp"

namespace shmring {
namespace {

// Error for a frame that does not fit its slot.
[[gnu::cold, gnu::noinline]] Error unfit(const shmring_frame_info& info) {
  if (info.plane_count > SHMRING_MAX_PLANES) return {SHMRING_INVALID, "a frame has at most 4 planes"};
  if (info.metadata_size > kMetadataSize)
    return {SHMRING_INVALID, "the metadata has " + std::to_string(info.metadata_size) + " bytes, a frame carries " +
                                 std::to_string(kMetadataSize)};
  return {SHMRING_TOO_LARGE, "the frame is larger than its slot"};
}

// Builds the error for an invalid handle or loan, outside of the hot path.
[[gnu::cold, gnu::noinline]] Error wrong(Status status, const char* text) { return {status, text}; }

constexpr const char* kForked = "this publisher belongs to the parent process";
constexpr const char* kClosed = "this publisher is closed";

}  // namespace

struct Publisher::Impl {
  Impl(const PublisherOptions& o, Fd event) : options(o), shared(std::move(event)) {}

  const PublisherOptions options;
  const ForkGuard guard;
  PublisherShared shared;

  // Under the spin lock; any thread reads the counters.
  std::shared_ptr<Ring> ring;  // none once closed
  std::shared_ptr<const StoredFormat> format;
  std::uint64_t latency = 0;
  Counter sequence, published, no_slot, too_large, malformed;

  std::atomic<std::uint64_t> copied{0}, streamed{0};

  // Held where rings are made, replaced and closed, and where readers are looked at. Taken before the control thread's lock, and that one
  // before the spin lock.
  std::mutex control_mutex;
  std::unique_ptr<ControlLoop> control;     // none once closed
  std::vector<std::weak_ptr<Ring>> former;  // rings before it that are held

  Result<std::shared_ptr<Ring>> make_ring(std::uint64_t slot_size, std::uint32_t loans) const {
    const std::uint64_t wanted =
        options.slots ? options.slots
                      : 1ull + loans + std::uint64_t{options.max_readers} * (options.depth + options.max_held);
    if (wanted > kMaxSlots)
      return {SHMRING_INVALID, std::to_string(wanted) + " slots are more than 16384: fewer readers, depth or max-held"};
    if (options.slots && options.slots < 3 + loans)
      return {SHMRING_INVALID, std::to_string(options.slots) + " slots are too few: 1 + " + std::to_string(loans) +
                                   " loans + 2 for a reader are needed"};
    // A reader that comes back may find its former lane still holding frames: numbers for both.
    const std::uint32_t lanes = std::min(kMaxLanes, 2 * options.max_readers);
    return Ring::create(static_cast<std::uint32_t>(wanted), loans, lanes, options.depth, slot_size);
  }

  // A ring of a former size is kept by a frame of it, or a reader that has not moved over yet: each place for a reader has max_held + 1 of
  // these, whatever sizes do, and this process its loans. With the control mutex.
  Result<void> room_for_another_ring() {
    std::string holders = control->holders_of_former_rings();
    std::erase_if(former, [](const auto& r) { return r.expired(); });
    const std::size_t most = std::size_t{options.max_readers} * (options.max_held + 1) + options.loans;
    if (former.size() < most) return {};
    if (holders.empty()) holders = "loans of this process";
    return {SHMRING_NO_MEMORY, std::to_string(former.size()) +
                                   " rings of former sizes are still held, the most that max-readers, "
                                   "max-held and loans allow (" +
                                   holders + "): another can be made when one of them is released"};
  }

  // With the control mutex.
  Result<void> replace_ring(std::uint64_t slot_size, std::uint32_t loans) {
    const auto make = [&]() -> Result<std::shared_ptr<Ring>> {
      if (auto room = room_for_another_ring(); !room) return room.error();
      return make_ring(slot_size, loans);
    };
    auto made = make();
    if (made.status() == SHMRING_NO_MEMORY && control->give_up_former_places()) made = make();
    if (!made) {
      log(SHMRING_LOG_WARNING, options.socket_path, ": no ring with slots of ", slot_size,
          " bytes: ", made.error().text);
      return made.error();
    }
    former.emplace_back(current());
    // Readers have their places in it before the first frame is published there.
    control->replace_ring(*made, [&] {
      const std::lock_guard lock(shared.spin_lock);
      ring = *made;
      ring->header().latency.store(latency, std::memory_order_relaxed);
      SHMRING_CRASH_POINT(ring_replaced);
    });
    return {};
  }

  std::shared_ptr<Ring> current() {
    const std::lock_guard lock(shared.spin_lock);
    return ring;
  }

  // True if readers find a whole picture in a frame; of other frames they find all there is. With the spin lock.
  bool whole(const shmring_frame_info& info) const {
    if (!format) return true;
    return info.size >= (info.plane_count == 0 ? format->least_size : size_of_planes(info));
  }

  [[gnu::noinline]] std::uint64_t size_of_planes(const shmring_frame_info& info) const {
    const FormatArea& f = format->area;
    return picture_size(static_cast<shmring_pixel_format>(f.pixel_format), f.width, f.height,
                        {info.planes, std::min<std::size_t>(info.plane_count, SHMRING_MAX_PLANES)});
  }

  [[gnu::cold, gnu::noinline]] static Error misfit(const shmring_frame_info& info, const StoredFormat& format) {
    const FormatArea& f = format.area;
    const shmring_pixel_layout* layout = pixel_layout(static_cast<shmring_pixel_format>(f.pixel_format));
    if (!layout)
      return {SHMRING_INVALID, "the frame is dropped: it has " + std::to_string(info.size) +
                                   " bytes, and the array that its caps describe has " +
                                   std::to_string(format.least_size)};
    return {SHMRING_INVALID, "the frame is dropped: its " + std::to_string(info.size) +
                                 " bytes and its planes hold no " + layout->name + " of " + std::to_string(f.width) +
                                 "x" + std::to_string(f.height)};
  }

  // A log line for the 1st, 2nd, 4th, 8th … of them.
  [[gnu::cold, gnu::noinline]] void log_too_large(std::uint64_t size, std::uint64_t room) const {
    if (const std::uint64_t count = too_large.get(); std::has_single_bit(count))
      log(SHMRING_LOG_WARNING, options.socket_path, ": a frame of ", size, " bytes does not fit a slot of ", room, ", ",
          count, " so far");
  }

  // Calls `body` with the spin lock, after what the control thread wants of the lanes; not once closed.
  template <class Body>
  void with_ring(Body body) {
    bool wake = false;
    {
      const std::lock_guard lock(shared.spin_lock);
      if (!ring) return;
      const std::uint64_t t = now();
      wake = ring->apply_changes(t);
      body(t);
    }
    if (wake) shared.wake_control();
  }

  // A frame dropped for every reader still counts as offered: it has a sequence, and each account has it.
  void drop_for_all(Counter& why) {
    with_ring([&](std::uint64_t t) { drop_for_all(why, t); });
  }
  // With the spin lock.
  void drop_for_all(Counter& why, std::uint64_t t) {
    sequence.add();
    why.add();
    shared.last_published_at.set(t);
    ring->offer_nothing(t);
  }

  // Follows what readers took and released.
  void collect() {
    with_ring([&](std::uint64_t) { ring->collect_all(); });
  }

  void fill_ring_stats(shmring_ring_stats& s) {
    s.struct_size = sizeof s;
    std::shared_ptr<Ring> r;
    std::shared_ptr<const StoredFormat> f;
    {
      const std::lock_guard lock(shared.spin_lock);
      r = ring;
      f = format;
    }
    if (!r) return;
    const auto slots = r->slots();
    s.publisher_pid = static_cast<std::uint32_t>(::getpid());
    s.slots = r->geometry().slot_count;
    s.free_slots = slots.free;
    s.owned = slots.owned;
    s.loaned = slots.loaned;
    s.max_readers = options.max_readers;
    s.slot_size = r->geometry().slot_size;
    s.memory = r->geometry().total_size;
    s.offered = sequence.get();
    s.published = published.get();
    s.dropped_no_slot = no_slot.get();
    s.dropped_too_large = too_large.get();
    s.dropped_malformed = malformed.get();
    s.copied = copied.load(std::memory_order_relaxed);
    s.streamed = streamed.load(std::memory_order_relaxed);
    s.last_published_at = shared.last_published_at.get();
    if (f) std::string_view(f->area.caps).copy(s.caps, sizeof s.caps - 1);
  }
};

[[gnu::hot]] Loan::Loan(Loan&& other) noexcept { *this = std::move(other); }
[[gnu::hot]] Loan& Loan::operator=(Loan&& other) noexcept {
  std::swap(ring_, other.ring_);
  std::swap(slot_, other.slot_);
  std::swap(published_, other.published_);
  return *this;
}
[[gnu::hot]] Loan::~Loan() {
  if (ring_) ring_->give_back(slot_);
}
[[gnu::hot]] std::span<std::byte> Loan::bytes() const { return {ring_->payload(slot_), ring_->geometry().slot_size}; }

Publisher::Publisher(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Publisher>> Publisher::open(const PublisherOptions& options) {
  if (options.max_readers == 0 || options.max_readers > kMaxLanes)
    return {SHMRING_INVALID, "max-readers " + std::to_string(options.max_readers) + " is not between 1 and 63"};
  if (options.max_held == 0 || options.max_held > kMaxHeld)
    return {SHMRING_INVALID, "max-held " + std::to_string(options.max_held) + " is not between 1 and 256"};
  if (options.depth == 0 || options.depth > kMaxDepth)
    return {SHMRING_INVALID, "depth " + std::to_string(options.depth) + " is not between 1 and 256"};
  if (options.loans == 0 || options.loans > 4096)
    return {SHMRING_INVALID, "loans " + std::to_string(options.loans) + " is not between 1 and 4096"};
  if (auto ok = check_path(options.socket_path); !ok) return ok.error();
  auto event = PublisherShared::make_event();
  if (!event) return event.error();
  auto impl = std::make_unique<Impl>(options, *std::move(event));
  auto ring = impl->make_ring(options.slot_size, options.loans);
  if (!ring) return ring.error();
  impl->ring = *ring;
  impl->shared.collect = [raw = impl.get()] { raw->collect(); };
  impl->shared.fill_ring_stats = [raw = impl.get()](shmring_ring_stats& stats) { raw->fill_ring_stats(stats); };
  auto control = ControlLoop::start(options, impl->shared, *ring);
  if (!control) return control.error();
  impl->control = *std::move(control);
  return std::unique_ptr<Publisher>(new Publisher(std::move(impl)));
}

Publisher::~Publisher() {
  if (!in_child()) {
    close();
  } else {
    if (impl_->control) impl_->control->abandon();
    (void)
        impl_.release();  // its locks may be held, and its lists be half changed, by threads that stayed in the parent
  }
}

void Publisher::close() {
  if (in_child()) return;
  const std::lock_guard lock(impl_->control_mutex);
  impl_->control.reset();
  std::shared_ptr<Ring> last;  // let go without the spin lock
  const std::lock_guard spin(impl_->shared.spin_lock);
  last.swap(impl_->ring);
}

bool Publisher::in_child() const { return impl_->guard.in_child(); }

Result<void> Publisher::set_format(const shmring_format& format) {
  if (in_child()) return wrong(SHMRING_FORKED, kForked);
  auto stored = StoredFormat::make(format);
  if (!stored) return stored.error();
  std::shared_ptr<const StoredFormat> next = *std::move(stored);
  {
    const std::lock_guard lock(impl_->shared.spin_lock);
    if (!impl_->ring) return wrong(SHMRING_DISCONNECTED, kClosed);
    next.swap(impl_->format);
  }
  SHMRING_CRASH_POINT(format_set);
  return {};
}

Result<void> Publisher::resize(std::uint64_t slot_size, std::uint32_t loans) {
  if (in_child()) return wrong(SHMRING_FORKED, kForked);
  const std::lock_guard lock(impl_->control_mutex);
  const auto present = impl_->current();
  if (!present) return wrong(SHMRING_DISCONNECTED, kClosed);
  return impl_->replace_ring(slot_size, loans != 0 ? loans : present->loans());
}

Result<void> Publisher::require(std::uint64_t slot_size, std::uint32_t loans) {
  if (in_child()) return wrong(SHMRING_FORKED, kForked);
  const std::lock_guard lock(impl_->control_mutex);
  const auto present = impl_->current();
  if (!present) return wrong(SHMRING_DISCONNECTED, kClosed);
  const PublisherOptions& given = impl_->options;
  slot_size = given.slots_grow ? std::max(slot_size, present->geometry().slot_size) : present->geometry().slot_size;
  loans = given.slots != 0 ? present->loans() : std::max(loans, present->loans());
  if (slot_size == present->geometry().slot_size && loans == present->loans()) return {};
  return impl_->replace_ring(slot_size, loans);
}

std::uint64_t Publisher::slot_size() const {
  if (in_child()) return 0;
  const auto ring = impl_->current();
  return ring ? ring->geometry().slot_size : 0;
}

std::uint64_t Publisher::largest_slot_size() const { return impl_->options.slots_grow ? UINT64_MAX : slot_size(); }

[[gnu::hot]] Result<Loan> Publisher::loan(std::uint32_t spare) {
  Impl& p = *impl_;
  if (p.guard.in_child()) return wrong(SHMRING_FORKED, kForked);
  std::uint32_t slot = 0;
  std::shared_ptr<Ring> ring;
  bool wake = false, lent = false;
  {
    const std::lock_guard lock(p.shared.spin_lock);
    if (!p.ring) return wrong(SHMRING_DISCONNECTED, kClosed);
    ring = p.ring;
    wake = ring->apply_changes(p.shared.last_published_at.get());
    lent = ring->lend(slot, spare);
    if (lent) ring->prepare(slot);
  }
  if (wake) p.shared.wake_control();
  if (!lent) return Error{SHMRING_FULL, {}};
  return Loan(std::move(ring), slot);
}

[[gnu::hot]] Result<void> Publisher::publish(Loan& loan, shmring_frame_info& info) {
  Impl& p = *impl_;
  if (p.guard.in_child()) return wrong(SHMRING_FORKED, kForked);
  if (!loan.ring_ || loan.published_) return wrong(SHMRING_INVALID, "this loan was published before");
  if (info.plane_count > SHMRING_MAX_PLANES || info.metadata_size > kMetadataSize ||
      info.size > loan.ring_->geometry().slot_size)
    return unfit(info);
  std::shared_ptr<Lane> sleeper;
  std::uint32_t sleepers = 0;
  bool wake = false;
  std::shared_ptr<const StoredFormat> of_another;  // the format that the frame is not of
  {
    const std::lock_guard lock(p.shared.spin_lock);
    if (loan.ring_ != p.ring)
      return p.ring ? wrong(SHMRING_INVALID, "this loan is of a ring that was replaced")
                    : wrong(SHMRING_DISCONNECTED, kClosed);
    p.ring->prepare(loan.slot_);
    const std::uint64_t t = now();
    wake = p.ring->apply_changes(t);
    if (p.whole(info)) {
      p.sequence.add();
      p.published.add();
      info.sequence = p.sequence.get();
      info.published_at = t;
      p.shared.last_published_at.set(t);
      if (p.shared.ended_after.load(std::memory_order_relaxed)) p.shared.ended_after.store(0);
      sleepers = p.ring->publish(loan.slot_, info, p.format.get(), t, sleeper);
    } else {
      p.drop_for_all(p.malformed, t);
      of_another = p.format;
    }
  }
  SHMRING_CRASH_POINT(wakeup_claimed);
  // One wake-up at most: of the only sleeping reader, or of the control thread, which notifies all.
  if (sleepers == 1) sleeper->notify();
  if (sleepers > 1 || wake) p.shared.wake_control();
  if (of_another) return Impl::misfit(info, *of_another);
  loan.published_ = true;
  SHMRING_CRASH_POINT(notified);
  return {};
}

Result<void> Publisher::write(std::span<const std::span<const std::byte>> parts, shmring_frame_info& info) {
  info.size = 0;
  for (const auto& part : parts) info.size += part.size();
  auto lent = loan();
  if (lent.status() == SHMRING_FULL) {
    count_dropped();
    return {SHMRING_FULL, "no slot is free: the frame is dropped for every reader"};
  }
  if (!lent) return lent.error();
  std::byte* to = lent->bytes().data();
  if (info.size > lent->bytes().size()) {
    impl_->drop_for_all(impl_->too_large);
    impl_->log_too_large(info.size, lent->bytes().size());
    return {SHMRING_TOO_LARGE, "the frame has " + std::to_string(info.size) + " bytes, a slot " +
                                   std::to_string(lent->bytes().size()) + ": set slot-size to the largest frame"};
  }
  if (copy(parts, info.size, to) == Copied::past_caches) impl_->streamed.fetch_add(1, std::memory_order_relaxed);
  impl_->copied.fetch_add(1, std::memory_order_relaxed);
  return publish(*lent, info);
}

bool Publisher::lacks_room(bool needs_slot, bool give_up) {
  bool lacks = false;
  if (!in_child()) impl_->with_ring([&](std::uint64_t) { lacks = impl_->ring->lacks_room(needs_slot, give_up); });
  return lacks;
}

void Publisher::count_dropped() {
  if (!in_child()) impl_->drop_for_all(impl_->no_slot);
}

void Publisher::count_malformed() {
  if (!in_child()) impl_->drop_for_all(impl_->malformed);
}

void Publisher::end() {
  Impl& p = *impl_;
  if (p.guard.in_child()) return;
  {
    const std::lock_guard lock(p.shared.spin_lock);
    // 0 means "goes on": a stream that ends before its first frame ends after "frame" 2^64-1, which every reader has passed.
    const std::uint64_t after = p.sequence.get();
    p.shared.ended_after.store(after ? after : UINT64_MAX);
  }
  p.shared.wake_control();
}

void Publisher::set_latency(std::uint64_t latency) {
  if (in_child()) return;
  const std::lock_guard lock(impl_->shared.spin_lock);
  impl_->latency = latency;
  if (impl_->ring) impl_->ring->header().latency.store(latency, std::memory_order_relaxed);
}

bool Publisher::key_frame_requested() {
  KeyRequests& requests = impl_->shared.key_requests;
  return requests.pending() && !in_child() && requests.take(now());
}

RingStats Publisher::stats() const {
  RingStats stats{};
  if (in_child()) return stats;
  const std::lock_guard lock(impl_->control_mutex);
  if (!impl_->control) return stats;
  // The ring last: a reader's account never has more frames than the ring's.
  impl_->collect();
  impl_->control->add_stats(stats);
  impl_->fill_ring_stats(stats.ring);
  return stats;
}

std::string Publisher::take_notice() {
  if (in_child()) return {};
  const std::lock_guard lock(impl_->control_mutex);
  return impl_->control ? impl_->control->take_notice() : std::string();
}

std::uint32_t Publisher::readers() const {
  return in_child() ? 0 : impl_->shared.readers.load(std::memory_order_relaxed);
}

}  // namespace shmring
