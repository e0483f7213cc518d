// SPDX-License-Identifier: LGPL-2.1-or-later
#include "reader/reader.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "lane/crash_point.hpp"
#include "os/clock.hpp"
#include "os/doorbell.hpp"
#include "reader/attachments.hpp"
#include "reader/connection.hpp"
#include "reader/interruption.hpp"
#include "reader/pace.hpp"
#include "reader/spin_waiter.hpp"

namespace shmring {
namespace {

// Bound on steps without a frame in one call: more than a lane full of stale frames.
constexpr std::uint32_t kMaxRounds = kMaxDepth + 64;
constexpr std::uint64_t kReplaced =
    10'000'000;                      // ns: a publisher between an eviction and the frame that it makes room for
constexpr int kLookForRelease = 5;   // ms
constexpr double kLeastRate = 1e-9;  // a frame in 30 years

[[gnu::cold, gnu::noinline]] Error forked() { return {SHMRING_FORKED, "this reader belongs to the parent process"}; }

}  // namespace

// Takes frames, and decides how to wait for the next one.
struct Reader::Impl {
  Impl(const ReaderOptions& o, Fd epoll_fd, Fd event)
      : options(o),
        epoll(std::move(epoll_fd)),
        interrupted(std::move(event)),
        connection(options, epoll, attachments) {}

  const ReaderOptions options;
  const ForkGuard guard;
  const Fd epoll;  // what fileno() gives away
  Interruption interrupted;
  Attachments attachments;
  Connection connection;
  SpinWaiter waiter;  // for wake=adaptive
  Outcome postponed;  // what latest() met behind the frame that it returned
  std::atomic<std::uint64_t> missed{0}, last_sequence{0}, stale{0}, taken{0};
  std::optional<Pace> pace;  // by max_rate

  // In a forked child, where the destructor must not run: a thread that stayed in the parent may be changing any of this.
  void abandon() {
    connection.abandon();
    for (const int fd : {epoll.get(), interrupted.fd()})
      if (fd >= 0) ::close(fd);
    if (pace) pace->abandon();
    attachments.abandon();
  }

  Attachment& attachment() const { return *attachments.present(); }
  bool adaptive() const { return attachment().granted().wake == SHMRING_WAKE_ADAPTIVE; }

  // The caller gets a frame first: the next call reports this.
  [[gnu::cold, gnu::noinline]] void postpone(const Error& met) {
    if (met.status == SHMRING_END)
      connection.end().reported(0);
    else if (met.status != SHMRING_INTERRUPTED && met.status != SHMRING_TOO_MANY_HELD)
      postponed = {met.status, met.text};
  }

  [[gnu::cold, gnu::noinline]] Outcome too_many_held() const {
    return {SHMRING_TOO_MANY_HELD, "this reader holds " + std::to_string(attachments.held_by_reading_thread()) +
                                       " frames, and may hold " + std::to_string(attachment().granted().max_held) +
                                       ": release one first, keep copies, or ask for a larger max-held"};
  }

  // At the limit by frames of former rings, of which another thread may let go meanwhile: reads as soon as there is room. In vain `got` is
  // TIMEOUT and says what is held.
  [[gnu::cold, gnu::noinline]] void await_release(Result<Frame>& got, std::uint64_t timeout) {
    const std::uint64_t start = now();
    while (got.status() == SHMRING_TOO_MANY_HELD && attachments.held_of_former() != 0) {
      const std::uint64_t spent = now() - start;
      if (spent >= timeout) {
        got = Error{SHMRING_TIMEOUT, got.error().text};
      } else {
        interrupted.pause(kLookForRelease);
        got = read(timeout - spent);
      }
    }
  }

  // Waits until the next frame is due, then takes it by `take`, which gets what is left of the timeout.
  template <class Take>
  Result<Frame> at_pace(std::uint64_t timeout, Take take) {
    if (guard.in_child()) return forked();
    const std::uint64_t start = now();
    for (std::uint64_t t = start, early; (early = pace->left(t)) != 0; t = now()) {
      if (interrupted) return Error{SHMRING_INTERRUPTED, {}};
      const std::uint64_t left = left_of(timeout, t - start);
      if (left == 0) return Error{SHMRING_TIMEOUT, {}};
      wait_for_event(pace->fd(), std::min(early, left));
    }
    pace->go_on();
    auto got = take(left_of(timeout, now() - start));
    if (got) pace->took(now());
    return got;
  }
  static std::uint64_t left_of(std::uint64_t timeout, std::uint64_t spent) {
    return timeout == SHMRING_WAIT_FOREVER ? timeout : timeout - std::min(timeout, spent);
  }

  [[gnu::cold, gnu::noinline]] Outcome search() {
    if (postponed.status != SHMRING_OK) return std::exchange(postponed, {});
    return connection.search();
  }

  // `timeout`: how long the caller would wait.
  [[gnu::hot]] Outcome step(shmring_frame*& frame, std::uint64_t timeout) {
    if (!connection.attached()) return search();
    switch (attachment().take(frame, attachments.held_of_former())) {
      case Attachment::Took::too_many:
        connection.frame_is_there();
        return too_many_held();
      case Attachment::Took::broken:
        return connection.leave_wrecked();
      case Attachment::Took::empty:
        if (adaptive() && timeout != 0 && spin(timeout)) return {};
        return connection.nothing_there();
      case Attachment::Took::frame:
        break;
    }
    note(frame->info.sequence);
    const std::uint64_t t = frame->taken_at;
    if (adaptive()) waiter.record_arrival(frame->info.published_at, t);
    if (options.max_frame_age != 0 && t - frame->info.published_at > options.max_frame_age &&
        t > frame->info.published_at)
      discard(std::exchange(frame, nullptr));
    return {};
  }

  void note(std::uint64_t sequence) {
    connection.took(sequence);
    taken.fetch_add(1, std::memory_order_relaxed);
    const std::uint64_t last = last_sequence.exchange(sequence, std::memory_order_relaxed);
    if (last != 0 && sequence > last + 1) missed.fetch_add(sequence - last - 1, std::memory_order_relaxed);
  }

  void discard(shmring_frame* frame) {
    stale.fetch_add(1, std::memory_order_relaxed);
    auto& shared = attachment().counters().stale;
    shared.store(shared.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    attachment().release(frame);
  }

  // Spins if the next frame is due now. False: it is not.
  [[gnu::hot]] bool spin(std::uint64_t timeout) {
    const std::uint64_t t = now();
    const auto window = waiter.next(t);
    if (!window || window.from > t || (timeout != SHMRING_WAIT_FOREVER && window.until - t >= timeout)) return false;
    attachment().disarm();  // the publisher need not notify
    attachment().prepare();
    waiter.spin(window, [this] { return !attachment().empty() || interrupted; });
    return true;
  }

  // Cuts a sleep of at most `timeout` to when the next window begins. That moment; 0: the sleep is left as it is. The lane stays armed, so a
  // frame that comes early wakes.
  [[gnu::hot]] std::uint64_t limit(std::uint64_t& timeout) const {
    const std::uint64_t t = now();
    const auto window = waiter.next(t);
    if (!window || (timeout != SHMRING_WAIT_FOREVER && window.until - t >= timeout)) return 0;
    timeout = window.from > t ? window.from - t : 0;
    return window.from;
  }

  [[gnu::hot]] void wait(std::uint64_t timeout) {
    if (!connection.attached()) return wait_for_event(epoll.get(), std::min(timeout, connection.pause()));
    const std::uint64_t due = adaptive() ? limit(timeout) : 0;
    SHMRING_CRASH_POINT(falling_asleep);
    wait_for_event(epoll.get(), timeout);
    SHMRING_CRASH_POINT(woken);
    if (due != 0) waiter.record_wakeup(due, now());
    if (adaptive() && attachment().empty()) waiter.begin();
  }

  [[gnu::hot]] Result<Frame> read(std::uint64_t timeout) {
    if (guard.in_child()) return forked();
    const std::uint64_t start = timeout == 0 || timeout == SHMRING_WAIT_FOREVER ? 0 : now();
    EndOfStream& end = connection.end();
    for (std::uint32_t rounds = 1;; ++rounds) {
      if (interrupted) return Error{SHMRING_INTERRUPTED, {}};
      shmring_frame* frame = nullptr;
      Outcome outcome = step(frame, timeout);
      if (frame) return Frame(frame);
      if (outcome.status == SHMRING_OK) {
        if (rounds % 16 != 0 || (timeout == 0 ? rounds < kMaxRounds : start == 0 || now() - start < timeout)) continue;
        // Return to the caller: a publisher that keeps this loop busy notifies again.
        if (connection.attached()) (void)attachment().arm();
        return Error{SHMRING_TIMEOUT, {}};
      }
      if (outcome.status == SHMRING_TIMEOUT && end && end.due_in(now()) == 0) outcome = connection.report_end();
      if (outcome.status != SHMRING_TIMEOUT) return Error{outcome.status, std::move(outcome.text)};
      if (timeout == 0) return Error{SHMRING_TIMEOUT, connection.reason()};
      std::uint64_t left = timeout;
      if (start != 0) {
        const std::uint64_t spent = now() - start;
        if (spent >= timeout) return Error{SHMRING_TIMEOUT, connection.reason()};
        left = timeout - spent;
      }
      wait(end ? std::min(left, end.due_in(now())) : left);
    }
  }
};

Reader::Reader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reader::~Reader() {
  if (!impl_->guard.in_child()) return;
  impl_->abandon();
  (void)impl_.release();
}

Result<std::unique_ptr<Reader>> Reader::open(const ReaderOptions& options) {
  auto completed = complete(options);
  if (!completed) return completed.error();
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return system_error("epoll_create1");
  auto event = Interruption::make_event();
  if (!event) return event.error();
  auto impl = std::make_unique<Impl>(*completed, std::move(epoll), *std::move(event));
  if (auto ok = impl->connection.start(); !ok) return ok.error();
  epoll_event interruption{};
  interruption.events = EPOLLIN;
  if (::epoll_ctl(impl->epoll.get(), EPOLL_CTL_ADD, impl->interrupted.fd(), &interruption) != 0)
    return system_error("epoll_ctl");
  if (completed->max_rate > kLeastRate) {
    auto pace =
        Pace::make(static_cast<std::uint64_t>(1e9 / completed->max_rate), impl->epoll.get(), impl->interrupted.fd());
    if (!pace) return pace.error();
    impl->pace.emplace(*std::move(pace));
  }
  return std::unique_ptr<Reader>(new Reader(std::move(impl)));
}

[[gnu::hot]] Result<Frame> Reader::read(std::uint64_t timeout) {
  if (impl_->pace) return impl_->at_pace(timeout, [this](std::uint64_t left) { return take(left); });
  return take(timeout);
}
Result<Frame> Reader::latest(std::uint64_t timeout) {
  if (impl_->pace) return impl_->at_pace(timeout, [this](std::uint64_t left) { return take_latest(left); });
  return take_latest(timeout);
}

[[gnu::hot]] Result<Frame> Reader::take(std::uint64_t timeout) {
  auto got = impl_->read(timeout);
  if (got.status() == SHMRING_TOO_MANY_HELD && timeout != 0 && timeout != SHMRING_WAIT_FOREVER)
    impl_->await_release(got, timeout);
  return got;
}
Result<Frame> Reader::take_latest(std::uint64_t timeout) {
  auto newest = take(timeout);
  // Bound: a publisher that is faster than us does not keep us.
  for (std::uint32_t i = 0; newest && i < kMaxDepth; ++i) {
    auto newer = impl_->read(0);
    if (newer.status() == SHMRING_TOO_MANY_HELD) {
      // Another one is there: the one in hand gives way. If it is being replaced at this moment, the newest follows at once.
      *newest = Frame();
      newer = impl_->read(std::max(timeout, kReplaced));
      if (!newer) return newer;
    }
    if (!newer) {
      if (newer.status() != SHMRING_TIMEOUT) impl_->postpone(newer.error());
      return newest;
    }
    newest = std::move(newer);
  }
  return newest;
}

void Reader::flush() {
  if (impl_->guard.in_child() || !impl_->connection.attached()) return;
  // Bound: what was pending when it began.
  Attachment& attachment = impl_->attachment();
  shmring_frame* frame = nullptr;
  for (std::uint32_t i = 0; i < attachment.granted().depth &&
                            attachment.take(frame, impl_->attachments.held_of_former()) == Attachment::Took::frame;
       ++i) {
    impl_->note(frame->info.sequence);
    impl_->discard(frame);
  }
}

void Reader::interrupt(bool on) {
  if (!impl_->guard.in_child()) impl_->interrupted.set(on);  // else the parent would be woken
}

int Reader::fileno() const { return impl_->pace ? impl_->pace->fd() : impl_->epoll.get(); }
bool Reader::connected() const { return !impl_->guard.in_child() && impl_->connection.offered(); }
std::uint64_t Reader::latency() const {
  return impl_->attachments.ask([](const Attachment& a) { return a.latency(); });
}
std::uint32_t Reader::max_held() const {
  return impl_->attachments.ask([](const Attachment& a) { return a.granted().max_held; });
}

std::uint32_t Reader::held() const { return impl_->attachments.held(); }

std::uint64_t Reader::attachments() const { return impl_->attachments.count(); }

Result<void> Reader::request_key_frame() {
  if (impl_->guard.in_child()) return forked();
  return impl_->connection.request_key_frame();
}

RingMemory Reader::memory() const {
  return impl_->attachments.ask([](const Attachment& a) { return RingMemory{a.memory(), a.granted().ring_id}; });
}

shmring_reader_stats Reader::stats() const {
  shmring_reader_stats s = impl_->attachments.stats();
  if (impl_->guard.in_child()) return s;
  s.taken = impl_->taken.load();
  s.stale = impl_->stale.load();
  s.missed = impl_->missed.load();
  s.last_sequence = impl_->last_sequence.load();
  return s;
}

}  // namespace shmring
