// SPDX-License-Identifier: LGPL-2.1-or-later
#include "reader/reader.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <optional>

#include "lane/crash_point.hpp"
#include "os/clock.hpp"
#include "os/doorbell.hpp"
#include "os/log.hpp"
#include "os/socket.hpp"
#include "reader/attachment.hpp"
#include "reader/end_of_stream.hpp"
#include "reader/former_rings.hpp"
#include "reader/interruption.hpp"
#include "reader/publisher_locator.hpp"
#include "reader/spin_waiter.hpp"

namespace shmring {
namespace {

constexpr std::uint64_t kRefusalGrace = 300'000'000;  // a predecessor that was killed may take that long to be gone
// Bound on steps without a frame in one call: more than a lane full of stale frames.
constexpr std::uint32_t kMaxRounds = kMaxDepth + 64;
constexpr std::uint64_t kReplaced =
    10'000'000;                     // ns: a publisher between an eviction and the frame that it makes room for
constexpr int kLookForRelease = 5;  // ms
constexpr int kMaxMessages = 32;    // heard in one go
constexpr std::uint32_t kMostSpuriousWakeups = 64;  // a publisher notifies for a frame or, rarely, a message

[[gnu::cold, gnu::noinline]] Error forked() { return {SHMRING_FORKED, "this reader belongs to the parent process"}; }

}  // namespace

struct Reader::Impl {
  Impl(const ReaderOptions& o, Fd epoll_fd, Fd event)
      : options(o), epoll(std::move(epoll_fd)), interrupted(std::move(event)), locator(options.socket_path) {}

  const ReaderOptions options;
  const ForkGuard guard;
  const Fd epoll;  // what fileno() gives away
  Interruption interrupted;
  PublisherLocator locator;
  std::atomic<bool> offered{false};  // our lane is in use: a frame came, or the publisher said so

  // The connection, and what it told us.
  enum class Phase { searching, greeting, attached } phase = Phase::searching;
  UntrustedFd socket, bell;
  Fd publisher;  // its process, where the kernel can tell
  EndOfStream end;
  bool leaving = false, moving = false;  // the publisher says goodbye; for a new ring of its own
  const char* violation = nullptr;       // text of the protocol violation, or NULL
  std::uint32_t spurious_wakeups = 0;    // in a row, without a frame
  std::uint64_t newest = 0;              // the last one taken from this publisher
  std::uint32_t former_pid = 0;          // the publisher that was left last
  SpinWaiter waiter;                     // for wake=adaptive
  std::uint64_t refused_since = 0;

  mutable std::mutex mutex;  // guards attachment and totals: the reading thread writes, any thread reads
  Attachment* attachment = nullptr;
  FormerRings former;
  shmring_reader_stats totals{};  // of former attachments
  Histogram age, hold;
  std::atomic<std::uint64_t> missed{0}, last_sequence{0}, stale{0}, taken{0};

  ~Impl() { detach(wire::Goodbye::closing); }
  // In a forked child, where the destructor must not run: a thread that stayed in the parent may hold the lock, or be changing any of this.
  void abandon() {
    for (const int fd : {epoll.get(), interrupted.fd(), socket.get(), bell.get(), publisher.get()})
      if (fd >= 0) ::close(fd);
    if (attachment) attachment->unref();
  }

  // Result of a step that found no frame. OK: try again.
  struct Outcome {
    Status status = SHMRING_OK;
    std::string text{};
  };
  Outcome postponed;  // what latest() met behind the frame that it returned

  // False: the user watches too much (fs.epoll.max_user_watches), or there is no memory; nothing would ever wake us.
  bool watch(int fd, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    return ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  }
  [[gnu::cold]] Outcome not_watched() {
    const Error error = system_error("epoll_ctl");
    detach(wire::Goodbye::closing);
    locator.retry_later();
    return {error.status, options.socket_path + ": " + error.text};
  }

  void detach(std::optional<wire::Goodbye> goodbye = {}) {
    if (socket && goodbye) {
      auto bye = wire::make<wire::Bye>();
      bye.reason = *goodbye;
      send_message(socket.get(), bye);
    }
    SHMRING_CRASH_POINT(goodbye_sent);
    if (socket) ::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, socket.get(), nullptr);
    if (bell) ::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, bell.get(), nullptr);
    if (publisher) ::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, publisher.get(), nullptr);
    socket.reset();
    bell.reset();
    publisher.reset();
    phase = Phase::searching;
    leaving = false;
    violation = nullptr;
    offered.store(false, std::memory_order_relaxed);
    const std::lock_guard lock(mutex);
    if (!attachment) return;
    age.add(attachment->counters().age);
    hold.add(attachment->counters().hold);
    former_pid = attachment->granted().publisher_pid;
    if (attachment->held() != 0)
      former.add(attachment);
    else
      attachment->unref();
    attachment = nullptr;
    SHMRING_CRASH_POINT(detached);
  }

  // One step towards a publisher, without waiting.
  [[gnu::cold]] Outcome search() {
    if (postponed.status != SHMRING_OK) return std::exchange(postponed, {});
    if (phase == Phase::searching) {
      if (!locator.due()) return {SHMRING_TIMEOUT};
      if (UntrustedFd::closing() >= UntrustedFd::kTooMany) {
        locator.retry_later();
        return {SHMRING_TIMEOUT};
      }
      auto connected = locator.connect();
      if (!connected) {
        if (connected.status() == SHMRING_DISCONNECTED && std::exchange(moving, false) && !options.reconnect)
          return gone();
        // A folder that was open to us once may be again.
        if (connected.status() == SHMRING_DISCONNECTED || connected.status() == SHMRING_IN_USE ||
            (connected.status() == SHMRING_REFUSED && totals.attachments != 0))
          return {SHMRING_TIMEOUT};
        if (connected.status() == SHMRING_REFUSED) return refusal(SHMRING_REFUSED, connected.error().text);
        return {connected.status(), connected.error().text};
      }
      SHMRING_CRASH_POINT(connected);
      auto hello = wire::make_hello(wire::kVersion, wire::Role::reader);
      hello.policy = static_cast<std::uint8_t>(options.drop_policy);
      hello.wake = static_cast<std::uint8_t>(options.wake);
      hello.depth = options.depth;
      hello.max_held = options.max_held;
      wire::set_text(hello.name, options.worker);
      if (!send_message(connected->get(), hello)) {
        locator.retry_later();
        return {SHMRING_TIMEOUT};
      }
      socket = UntrustedFd(*std::move(connected));
      if (!watch(socket.get(), EPOLLIN | EPOLLRDHUP)) return not_watched();
      phase = Phase::greeting;
      SHMRING_CRASH_POINT(hello_sent);
    }
    std::array<std::byte, wire::kMaxMessage> buffer;
    Received got = receive_message(socket.get(), buffer);
    if (got.kind == Received::Kind::nothing) {
      if (!locator.replaced()) return {SHMRING_TIMEOUT};
      detach();
      locator.retry_later();
      return {};
    }
    refuse_descriptors(socket.get());
    const std::span<const std::byte> bytes(buffer.data(), got.size);
    if (got.kind == Received::Kind::message) {
      if (const auto welcome = wire::parse_welcome(bytes)) return attach(*welcome, got);
      if (const auto refused = wire::parse_refused(bytes)) {
        detach();
        locator.retry_later();
        return refusal(static_cast<Status>(refused->status), options.socket_path + ": " + refused->text);
      }
    }
    if (got.lost_descriptors) {
      detach();
      locator.retry_later();
      return {SHMRING_SYSTEM, "descriptors from the publisher at " + options.socket_path +
                                  " were lost: this process may open no more files; raise ulimit -n"};
    }
    if (got.kind == Received::Kind::message && !wire::parse_bye(bytes))
      return leave_violator(options.socket_path +
                            " does not belong to a shmring publisher: give the path of a publisher's socket");
    if (got.kind == Received::Kind::broken)
      return leave_violator("protocol violation by the process at " + options.socket_path +
                            ": a message is too long or has too many descriptors");
    detach();
    locator.retry_later();
    return {SHMRING_TIMEOUT};
  }

  // Disconnects after a protocol violation; what the publisher sent afterwards is ignored.
  [[gnu::cold, gnu::noinline]] Outcome leave_violator(std::string text) {
    log(SHMRING_LOG_WARNING, text);
    detach();
    locator.retry_later();
    const std::lock_guard lock(mutex);
    ++totals.protocol_violations;
    return {SHMRING_PROTOCOL, std::move(text)};
  }

  // Retry for a while: a previous reader of this name may still be being cleaned up, by the kernel or by the publisher. Or the socket's file is
  // so new that its mode is not set yet.
  Outcome refusal(Status status, std::string text) {
    const std::uint64_t t = now();
    const bool passes = status == SHMRING_IN_USE || status == SHMRING_REFUSED;
    if (passes && refused_since == 0) refused_since = t;
    if (passes && t - refused_since < kRefusalGrace) return {SHMRING_TIMEOUT};
    refused_since = 0;
    log(SHMRING_LOG_INFO, "'", options.worker, "' was refused: ", text);
    return {status, std::move(text)};
  }

  Outcome attach(const wire::Welcome& welcome, Received& got) {
    SHMRING_CRASH_POINT(welcome_heard);
    const auto agreed = wire::check_agreement(wire::kVersion, welcome);
    if (agreed && drain_doorbell(got.descriptors[2].get()) == Heard::no_doorbell)
      return leave_violator(options.socket_path + ": the publisher sent no doorbell");
    auto made = agreed ? Attachment::make(welcome, got.descriptors[0].fd(), got.descriptors[1].fd()) : agreed.error();
    if (made.status() == SHMRING_PROTOCOL) return leave_violator(options.socket_path + ": " + made.error().text);
    if (!made) {
      detach();
      locator.retry_later();
      return {made.status(), options.socket_path + ": " + made.error().text};
    }
    got.descriptors[0].trust();
    got.descriptors[1].trust();
    if (!send_message(socket.get(), wire::make<wire::Mapped>())) {  // its ring was replaced meanwhile, or it is gone
      (*made)->unref();
      detach();
      locator.retry_later();
      return {SHMRING_TIMEOUT};
    }
    {
      const std::lock_guard lock(mutex);
      attachment = *made;
      // A different pid means a new publisher, not a resized ring.
      if (!moving || welcome.publisher_pid != former_pid) ++totals.attachments;
    }
    SHMRING_CRASH_POINT(mapped_sent);
    bell = std::move(got.descriptors[2]);
    bool watched = watch(bell.get(), EPOLLIN);
    if (got.descriptors[3] && is_pidfd(got.descriptors[3].get())) publisher = got.descriptors[3].trust();
    if (publisher) watched = watch(publisher.get(), EPOLLIN) && watched;
    if (!watched) return not_watched();
    locator.found();
    refused_since = 0;
    end.reset();
    moving = false;
    newest = 0;
    spurious_wakeups = 0;
    phase = Phase::attached;
    const auto& granted = attachment->granted();
    log(SHMRING_LOG_INFO, options.socket_path, ": '", options.worker, "' attached to process ", granted.publisher_pid,
        ": depth ", granted.depth, ", max-held ", granted.max_held);
    return {};
  }

  // Drains the doorbell and the socket, and records what the messages say.
  void hear() {
    if (bell && drain_doorbell(bell.get()) == Heard::ring && ++spurious_wakeups > kMostSpuriousWakeups) {
      violation = "rings without having a frame";
      return;
    }
    std::array<std::byte, wire::kMaxMessage> buffer;
    for (int i = 0; i < kMaxMessages; ++i) {
      const Received got = receive_message(socket.get(), buffer);
      if (got.kind == Received::Kind::nothing) break;
      if (got.kind == Received::Kind::closed) {
        leaving = true;
        return;
      }
      const std::span<const std::byte> bytes(buffer.data(), got.size);
      if (wire::type_of(bytes) == wire::Type::mapped) {
        offered.store(true, std::memory_order_relaxed);
        continue;
      }
      if (const auto told = wire::parse_end(bytes)) {
        end.announced(told->after_sequence == UINT64_MAX ? 0 : told->after_sequence, newest);
        SHMRING_CRASH_POINT(end_heard);
      } else if (const auto bye = wire::parse_bye(bytes)) {
        leaving = true;
        moving = bye->reason == wire::Goodbye::again;
        SHMRING_CRASH_POINT(again_heard);
      } else {
        violation = "sent a message that makes no sense";
        return;
      }
    }
    if (publisher && readable(publisher.get())) leaving = true;
  }

  [[gnu::cold, gnu::noinline]] Outcome report_end() {
    end.reported(now());
    return {SHMRING_END, "the publisher ended the stream"};
  }

  // The caller gets a frame first: the next call reports this.
  [[gnu::cold, gnu::noinline]] void postpone(const Error& met) {
    if (met.status == SHMRING_END)
      end.reported(0);
    else if (met.status != SHMRING_INTERRUPTED && met.status != SHMRING_TOO_MANY_HELD)
      postponed = {met.status, met.text};
  }

  Outcome gone() {
    if (options.reconnect) return {};
    end.reset();
    return {SHMRING_DISCONNECTED, "the publisher at " + options.socket_path + " is gone"};
  }

  // Nothing to take: why, and what next? On OK the lane is armed or things have moved: look again.
  [[gnu::noinline]] Outcome nothing_there() {
    hear();
    SHMRING_CRASH_POINT(socket_emptied);
    if (violation) return leave_violator("the publisher at " + options.socket_path + " " + violation);
    if (!attachment->empty()) return {};
    if (end.unreported()) return report_end();
    if (leaving) {
      log(SHMRING_LOG_INFO, options.socket_path, ": '", options.worker, "' ",
          moving ? "moves to the publisher's new ring" : "lost its publisher", ", last sequence ", newest);
      if (newest == 0) locator.retry_later();  // not even a frame: no reason to hurry
      detach(moving ? wire::Goodbye::again : wire::Goodbye::closing);
      return moving ? Outcome{} : gone();
    }
    if (!attachment->arm()) {
      attachment->disarm();
      return {};
    }
    return {SHMRING_TIMEOUT};
  }

  [[gnu::cold, gnu::noinline]] Outcome too_many_held() const {
    return {SHMRING_TOO_MANY_HELD, "this reader holds " + std::to_string(held()) + " frames, and may hold " +
                                       std::to_string(attachment->granted().max_held) +
                                       ": release one first, keep copies, or ask for a larger max-held"};
  }

  std::uint32_t held_elsewhere() { return former.empty() ? 0 : former.forget_released(mutex); }
  // At the limit by frames of former rings, of which another thread may let go meanwhile: reads as soon as there is room. In vain `got` is
  // TIMEOUT and says what is held.
  [[gnu::cold, gnu::noinline]] void await_release(Result<Frame>& got, std::uint64_t timeout) {
    const std::uint64_t start = now();
    while (got.status() == SHMRING_TOO_MANY_HELD && held_elsewhere() != 0) {
      const std::uint64_t spent = now() - start;
      if (spent >= timeout) {
        got = Error{SHMRING_TIMEOUT, got.error().text};
      } else {
        interrupted.pause(kLookForRelease);
        got = read(timeout - spent);
      }
    }
  }
  // Frames held of all rings. Call with the mutex held, or on the reading thread.
  std::uint32_t held() const { return (attachment ? attachment->held() : 0) + former.held(); }
  [[gnu::cold, gnu::noinline]] Outcome leave_wrecked() {
    return leave_violator("protocol violation by the publisher at " + options.socket_path +
                          ": corrupt data in its ring");
  }

  // `timeout`: how long the caller would wait.
  [[gnu::hot]] Outcome step(shmring_frame*& frame, std::uint64_t timeout) {
    if (phase != Phase::attached) return search();
    switch (attachment->take(frame, held_elsewhere())) {
      case Attachment::Took::too_many:
        spurious_wakeups = 0;  // a frame is there
        return too_many_held();
      case Attachment::Took::broken:
        return leave_wrecked();
      case Attachment::Took::empty:
        if (adaptive() && timeout != 0 && spin(timeout)) return {};
        return nothing_there();
      case Attachment::Took::frame:
        spurious_wakeups = 0;
        offered.store(true, std::memory_order_relaxed);
        break;
    }
    note(frame->info.sequence);
    const std::uint64_t t = frame->taken_at;
    if (adaptive()) waiter.record_arrival(frame->info.published_at, t);
    if (options.max_frame_age != 0 && t - frame->info.published_at > options.max_frame_age &&
        t > frame->info.published_at) {
      discard(std::exchange(frame, nullptr));
      return {};
    }
    return {};
  }

  void note(std::uint64_t sequence) {
    spurious_wakeups = 0;
    if (newest == 0) locator.worked();
    newest = sequence;
    end.passed(sequence);
    taken.fetch_add(1, std::memory_order_relaxed);
    const std::uint64_t last = last_sequence.exchange(sequence, std::memory_order_relaxed);
    if (last != 0 && sequence > last + 1) missed.fetch_add(sequence - last - 1, std::memory_order_relaxed);
  }

  void discard(shmring_frame* frame) {
    stale.fetch_add(1, std::memory_order_relaxed);
    auto& shared = attachment->counters().stale;
    shared.store(shared.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    attachment->release(frame);
  }

  bool adaptive() const { return attachment->granted().wake == SHMRING_WAKE_ADAPTIVE; }

  // Spins if the next frame is due now. False: it is not.
  [[gnu::hot]] bool spin(std::uint64_t timeout) {
    const std::uint64_t t = now();
    const auto window = waiter.next(t);
    if (!window || window.from > t || (timeout != SHMRING_WAIT_FOREVER && window.until - t >= timeout)) return false;
    attachment->disarm();  // the publisher need not notify
    attachment->prepare();
    waiter.spin(window, [this] { return !attachment->empty() || interrupted; });
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
    if (phase != Phase::attached)
      return wait_for_event(epoll.get(), phase == Phase::searching ? std::min(timeout, locator.pause()) : timeout);
    const std::uint64_t due = adaptive() ? limit(timeout) : 0;
    SHMRING_CRASH_POINT(falling_asleep);
    wait_for_event(epoll.get(), timeout);
    SHMRING_CRASH_POINT(woken);
    if (due != 0) waiter.record_wakeup(due, now());
    if (adaptive() && attachment->empty()) waiter.begin();
  }

  // What `ask` says of the attachment; zero without one, or in a forked child.
  template <class Ask>
  auto ask(Ask ask) const {
    using Answer = decltype(ask(*attachment));
    if (guard.in_child()) return Answer{};
    const std::lock_guard lock(mutex);
    return attachment ? ask(*attachment) : Answer{};
  }

  [[gnu::hot]] Result<Frame> read(std::uint64_t timeout) {
    if (guard.in_child()) return forked();
    const std::uint64_t start = timeout == 0 || timeout == SHMRING_WAIT_FOREVER ? 0 : now();
    for (std::uint32_t rounds = 1;; ++rounds) {
      if (interrupted) return Error{SHMRING_INTERRUPTED, {}};
      shmring_frame* frame = nullptr;
      Outcome outcome = step(frame, timeout);
      if (frame) return Frame(frame);
      if (outcome.status == SHMRING_OK) {
        if (rounds % 16 != 0 || (timeout == 0 ? rounds < kMaxRounds : start == 0 || now() - start < timeout)) continue;
        // Return to the caller: a publisher that keeps this loop busy notifies again.
        if (phase == Phase::attached) (void)attachment->arm();
        return Error{SHMRING_TIMEOUT, {}};
      }
      if (outcome.status == SHMRING_TIMEOUT && end && end.due_in(now()) == 0) outcome = report_end();
      if (outcome.status != SHMRING_TIMEOUT) return Error{outcome.status, std::move(outcome.text)};
      if (timeout == 0) return Error{SHMRING_TIMEOUT, locator.reason()};
      std::uint64_t left = timeout;
      if (start != 0) {
        const std::uint64_t spent = now() - start;
        if (spent >= timeout) return Error{SHMRING_TIMEOUT, locator.reason()};
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
  if (auto ok = impl->locator.start(); !ok) return ok.error();
  bool watched = impl->watch(impl->interrupted.fd(), EPOLLIN);
  for (int fd : impl->locator.descriptors()) watched = (fd < 0 || impl->watch(fd, EPOLLIN)) && watched;
  if (!watched) return system_error("epoll_ctl");
  return std::unique_ptr<Reader>(new Reader(std::move(impl)));
}

[[gnu::hot]] Result<Frame> Reader::read(std::uint64_t timeout) {
  auto got = impl_->read(timeout);
  if (got.status() == SHMRING_TOO_MANY_HELD && timeout != 0 && timeout != SHMRING_WAIT_FOREVER)
    impl_->await_release(got, timeout);
  return got;
}
Result<Frame> Reader::latest(std::uint64_t timeout) {
  auto newest = read(timeout);
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
  if (impl_->guard.in_child() || impl_->phase != Impl::Phase::attached) return;
  // Bound: what was pending when it began.
  shmring_frame* frame = nullptr;
  for (std::uint32_t i = 0; i < impl_->attachment->granted().depth &&
                            impl_->attachment->take(frame, impl_->held_elsewhere()) == Attachment::Took::frame;
       ++i) {
    impl_->note(frame->info.sequence);
    impl_->discard(frame);
  }
}

void Reader::interrupt(bool on) {
  if (!impl_->guard.in_child()) impl_->interrupted.set(on);  // else the parent would be woken
}

int Reader::fileno() const { return impl_->epoll.get(); }
bool Reader::connected() const {
  return impl_->ask([&](const Attachment&) { return impl_->offered.load(); });
}
std::uint64_t Reader::latency() const {
  return impl_->ask([](const Attachment& a) { return a.latency(); });
}
std::uint32_t Reader::max_held() const {
  return impl_->ask([](const Attachment& a) { return a.granted().max_held; });
}

std::uint32_t Reader::held() const {
  if (impl_->guard.in_child()) return 0;
  const std::lock_guard lock(impl_->mutex);
  return impl_->held();
}

shmring_reader_stats Reader::stats() const {
  if (impl_->guard.in_child()) return {.struct_size = sizeof(shmring_reader_stats)};
  const std::lock_guard lock(impl_->mutex);
  shmring_reader_stats s = impl_->totals;
  s.struct_size = sizeof s;
  s.held = impl_->held();
  s.taken = impl_->taken.load();
  s.stale = impl_->stale.load();
  s.missed = impl_->missed.load();
  s.last_sequence = impl_->last_sequence.load();
  auto age = std::make_unique<Histogram>(), hold = std::make_unique<Histogram>();
  age->add(impl_->age);
  hold->add(impl_->hold);
  if (const Attachment* a = impl_->attachment) a->describe(s, *age, *hold);
  s.age = age->summary();
  s.hold = hold->summary();
  return s;
}

}  // namespace shmring
