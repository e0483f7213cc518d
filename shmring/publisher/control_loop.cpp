// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publisher/control_loop.hpp"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <new>
#include <system_error>
#include <utility>

#include "lane/crash_point.hpp"
#include "os/clock.hpp"
#include "os/log.hpp"

namespace shmring {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kHandshakeTime = 1000 * kMillisecond;
constexpr std::uint64_t kIdle = 50 * kMillisecond;  // nothing published for so long: the spin lock is ours to try
constexpr std::uint64_t kListenerRest = 100 * kMillisecond;
constexpr std::uint64_t kRest = 5 * kMillisecond;
constexpr std::size_t kMaxGreeting = 8;                   // connections that have not said what they want
constexpr int kTick = 10;                                 // ms, while something waits to be carried out
constexpr std::uint64_t kPathLook = 1000 * kMillisecond;  // between looks whether the socket's file is there
constexpr std::uint64_t kLook = 50 * kMillisecond;        // between looks at readers that are gone or on their way

constexpr Violation kUnexpectedMessage{SHMRING_VIOLATION_MESSAGE, "it sent an unexpected message"};
constexpr Violation kDescriptors{SHMRING_VIOLATION_DESCRIPTORS,
                                 "it sent file descriptors, which the protocol does not allow"};

}  // namespace

Result<std::unique_ptr<ControlLoop>> ControlLoop::start(const PublisherOptions& options, PublisherShared& shared,
                                                        std::shared_ptr<Ring> ring) {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return system_error("epoll_create1");
  auto listener = Listener::bind(options.socket_path, options.perms);
  if (!listener) return listener.error();
  std::unique_ptr<ControlLoop> control(
      new ControlLoop(options, shared, std::move(ring), *std::move(listener), std::move(epoll)));
  if (!control->watch(control->listener_.fd(), EPOLLIN, kListenerTag) ||
      !control->watch(shared.event.get(), EPOLLIN, kWakeTag))
    return system_error("epoll_ctl");
  // Signals are the program's own business: none is delivered to this thread.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  Error error;
  try {
    control->thread_ = std::thread(&ControlLoop::run, control.get());
  } catch (const std::system_error& e) {
    error = {SHMRING_SYSTEM, std::string("starting a thread: ") + e.code().message() +
                                 ": this user or service may have no more (ulimit -u, TasksMax)"};
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error.status != SHMRING_OK) return error;
  ::pthread_setname_np(control->thread_.native_handle(), "shmring-control");
  log(SHMRING_LOG_INFO, options.socket_path, ": listening, slots of ", control->rings_.present().geometry().slot_size,
      " bytes");
  return control;
}

ControlLoop::ControlLoop(const PublisherOptions& options, PublisherShared& shared, std::shared_ptr<Ring> ring,
                         Listener listener, Fd epoll)
    : options_(options),
      shared_(shared),
      listener_(std::move(listener)),
      epoll_(std::move(epoll)),
      own_pidfd_(open_pidfd(static_cast<std::uint32_t>(::getpid()))),
      rings_(options_, std::move(ring), registry_, shared.readers),
      path_looked_at_(now()) {}

ControlLoop::~ControlLoop() {
  stop_ = true;
  shared_.wake_control();
  if (thread_.joinable()) thread_.join();
  announce();
  auto bye = wire::make<wire::Bye>();
  bye.reason = wire::Goodbye::closing;
  for (auto& [serial, connection] : connections_) send_message(connection.fd(), bye);
  SHMRING_CRASH_POINT(goodbye_said);
  listener_.close();
}

// Whatever the parent's threads were changing at the fork is left as it is: only descriptors are closed. Each of their numbers is that of an
// open one at any moment: check_path() closes the former listener after the new one is in its place.
void ControlLoop::abandon() {
  for (const int fd : {listener_.fd(), epoll_.get(), shared_.event.get()}) ::close(fd);
}

Result<Fd> PublisherShared::make_event() {
  Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return system_error("eventfd");
  return event;
}

void PublisherShared::wake_control() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(event.get(), &one, sizeof one);  // full: it is awake already
}

bool ControlLoop::watch(int fd, std::uint32_t events, std::uint64_t tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

// An observer or a reader that asks all the time is heard now and then.
void ControlLoop::rest(Connection& c) {
  c.rests_until = now() + kRest;
  set_events(c, 0);
}

void ControlLoop::set_events(const Connection& c, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = socket_tag(c.serial);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, c.fd(), &event);
}

void ControlLoop::run() {
  while (!stop_) {
    try {
      round();
    } catch (const std::bad_alloc&) {
      ::poll(nullptr, 0, kTick);  // what could not be done now is done, or asked for, again
    }
  }
}

void ControlLoop::round() {
  std::array<epoll_event, 32> events;
  int timeout;
  {
    const std::lock_guard lock(mutex_);
    timeout = next_timeout();
  }
  const int n = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout);
  const std::lock_guard lock(mutex_);
  for (int i = 0; i < n; ++i) {
    notify_sleepers();  // before each event: sleeping readers must not wait for the rest
    handle(events[static_cast<std::size_t>(i)].data.u64);
  }
  notify_sleepers();
  disconnect_violators();
  handle_deadlines();
  check_path();
  follow_lanes();
  announce();
}

void ControlLoop::handle_deadlines() {
  const std::uint64_t t = now();
  if (listener_rests_until_ != 0 && t >= listener_rests_until_) {
    listener_rests_until_ = 0;
    watch(listener_.fd(), EPOLLIN, kListenerTag);
  }
  std::vector<Serial> late;
  for (auto& [serial, c] : connections_) {
    if (c.deadline != 0 && t >= c.deadline) late.push_back(serial);
    if (c.rests_until != 0 && t >= c.rests_until) {
      c.rests_until = 0;
      set_events(c, EPOLLIN | EPOLLRDHUP);
    }
  }
  for (const Serial serial : late) {
    ++violations_[SHMRING_VIOLATION_SILENCE];
    drop(serial);
  }
  // Its process lives on without the connection: it left.
  for (auto it = departures_.begin(); it != departures_.end();)
    it = t >= it->second.deadline ? forget(it) : std::next(it);
}

// ms until something is due.
int ControlLoop::next_timeout() const {
  if (rings_.present().has_changes()) return kTick;
  const bool ended = shared_.ended_after.load(std::memory_order_relaxed) != 0;
  for (const auto& [serial, c] : connections_)  // some connection still has messages to send
    if (c.stage == Connection::Stage::reading && rings_.in_present(*c.lane) &&
        (!c.told_offered || (ended && c.told_end == 0)))
      return kTick;
  std::uint64_t due = path_looked_at_ + kPathLook;
  if (listener_rests_until_ != 0) due = std::min(due, listener_rests_until_);
  if (rings_.to_follow()) due = std::min(due, now() + kLook);
  for (const auto& [serial, connection] : connections_)
    for (const std::uint64_t t : {connection.deadline, connection.rests_until})
      if (t != 0) due = std::min(due, t);
  for (const auto& [serial, departure] : departures_) due = std::min(due, departure.deadline);
  const std::uint64_t t = now();
  return due <= t ? 0 : static_cast<int>((due - t) / kMillisecond + 1);
}

void ControlLoop::handle(std::uint64_t tag) {
  const Serial serial = tag / 2;
  if (tag == kWakeTag) {
    std::uint64_t count;
    [[maybe_unused]] const auto got = ::read(shared_.event.get(), &count, sizeof count);
    notify_sleepers();
  } else if (tag == kListenerTag) {
    accept_all();
  } else if (const auto found = connections_.find(serial); found != connections_.end()) {
    if (tag == process_tag(serial))
      end_if_gone(serial);
    else
      serve(found->second);
  } else if (const auto departed = departures_.find(serial); departed != departures_.end()) {
    judge(departed);
  }
}

// Out of descriptors: accept would fail for ever without a pause.
void ControlLoop::rest_listener() {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.fd(), nullptr);
  listener_rests_until_ = now() + kListenerRest;
  log(SHMRING_LOG_WARNING, options_.socket_path, ": no descriptors or memory for another connection, accepting pauses");
}

void ControlLoop::accept_all() {
  // Bounded: connections that arrive meanwhile wait for the next round.
  for (std::size_t i = 0; i < kMaxGreeting; ++i) {
    if (UntrustedFd::closing() >= UntrustedFd::kTooMany) return rest_listener();
    UntrustedFd socket = listener_.accept();
    if (!socket) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) rest_listener();
      return;
    }
    Peer peer = peer_of(socket.get());
    if (peer.starving) return rest_listener();  // without its process we could not tell when it is gone
    make_room_for_greeting();
    const Serial serial = ++last_serial_;
    if (!watch(socket.get(), EPOLLIN | EPOLLRDHUP, socket_tag(serial))) continue;
    Connection& c = connections_[serial];
    c.serial = serial;
    c.peer = std::move(peer);
    c.socket = std::move(socket);
    c.deadline = now() + kHandshakeTime;
    SHMRING_CRASH_POINT(accepted);
    serve(c);  // a reader's HELLO has usually arrived already
    notify_sleepers();
  }
}

// Closes the oldest connection that has sent no HELLO, so that idle connections cannot lock readers out.
void ControlLoop::make_room_for_greeting() {
  std::size_t silent = 0;
  auto oldest = connections_.end();
  for (auto it = connections_.begin(); it != connections_.end(); ++it) {
    if (it->second.stage != Connection::Stage::greeting) continue;
    ++silent;
    if (oldest == connections_.end() || it->second.deadline < oldest->second.deadline) oldest = it;
  }
  if (silent < kMaxGreeting) return;
  ++violations_[SHMRING_VIOLATION_SILENCE];
  log(SHMRING_LOG_DEBUG, options_.socket_path, ": a silent connection makes room for the next");
  drop(oldest->first);
}

ControlLoop::Served ControlLoop::serve(Connection& c) {
  std::array<std::byte, wire::kMaxMessage> buffer;
  // Bound: a peer that floods us is served a few messages a round, like the others.
  for (int i = 0; i < 4; ++i) {
    const Received got = receive_message(c.fd(), buffer);
    if (got.kind == Received::Kind::nothing) return Served::none;
    if (got.kind == Received::Kind::closed) {
      end_lost_lane(c);
      drop(c.serial);
      return Served::ended;
    }
    const std::span<const std::byte> bytes(buffer.data(), got.size);
    const wire::Type type =
        got.kind == Received::Kind::message ? wire::type_of(bytes).value_or(wire::Type{}) : wire::Type{};
    const auto hello = type == wire::Type::hello ? wire::parse_hello(bytes) : std::nullopt;
    Next next = Next::close;
    if (got.descriptors[0] || got.lost_descriptors) {
      disconnect(c, kDescriptors);
    } else if (hello && c.stage == Connection::Stage::greeting) {
      next = on_hello(c, *hello);
    } else if (type == wire::Type::mapped && c.stage == Connection::Stage::mapping) {
      next = on_mapped(c);
    } else if (type == wire::Type::ask && c.stage == Connection::Stage::observing) {
      next = send_stats(c);
    } else if (type == wire::Type::key && c.stage == Connection::Stage::reading && (c.features & wire::kKeyRequests)) {
      next = on_key(c);
    } else if (type == wire::Type::bye) {
      const auto bye = wire::parse_bye(bytes);
      c.goes_on = bye && bye->reason == wire::Goodbye::again;
      end_lane(c, "");
    } else {
      disconnect(c, kUnexpectedMessage);
    }
    if (next == Next::close) {
      drop(c.serial);
      return Served::ended;
    }
    if (c.rests_until != 0 && c.stage == Connection::Stage::observing) return Served::none;
  }
  return Served::some;
}

// As many requests as it likes are no violation: they come to one, and the connection rests after a few.
ControlLoop::Next ControlLoop::on_key(Connection& c) {
  if (shared_.key_requests.add())
    log(SHMRING_LOG_DEBUG, options_.socket_path, ": reader '", c.lane->grant.name, "' asks for a key frame");
  if (c.rests_until == 0) rest(c);
  return Next::keep;
}

// It is told, where it can be; what is left of the connection is the caller's to drop.
void ControlLoop::disconnect(Connection& c, const Violation& violation) {
  ++violations_[violation.kind];
  log(SHMRING_LOG_WARNING, options_.socket_path, ": process ", c.peer.process.pid,
      " is disconnected for a protocol violation: ", violation.text);
  auto bye = wire::make<wire::Bye>();
  bye.reason = wire::Goodbye::retired;
  wire::set_text(bye.text, violation.text);
  send_message(c.fd(), bye);
  end_lane(c, violation.text);
}

void ControlLoop::drop(Serial serial) {
  const auto found = connections_.find(serial);
  if (found == connections_.end()) return;
  Connection& c = found->second;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, c.fd(), nullptr);
  if (c.lane && c.stage == Connection::Stage::reading) {
    end_lane(c, kClosedUnexpectedly);
    // Still alive and holding frames: only its end, or the last release, frees the lane. follow_lanes() watches for both.
    if (c.lane->pidfd) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, c.lane->pidfd.get(), nullptr);
    ::shutdown(c.fd(), SHUT_RDWR);
  } else if (c.lane) {
    c.lane->socket.reset();  // a place is kept, for the next try
  }
  connections_.erase(found);
}

void ControlLoop::notify_sleepers() {
  for (const auto& lane : rings_.present().lanes())
    if (lane->notify_later.exchange(false, std::memory_order_relaxed)) lane->notify();
}

// To each reader once, and not before its lane has the frame that it starts with: that it is offered all that come; the end.
void ControlLoop::announce() {
  const std::uint64_t after = shared_.ended_after.load();
  for (auto& [serial, c] : connections_) {
    if (!has_first_frame(c)) continue;
    if (!std::exchange(c.told_offered, true)) {
      c.lane->drop_own_memory();
      send_message(c.fd(), wire::make<wire::Mapped>());
    }
    if (c.told_end == after) continue;
    c.told_end = after;
    if (after == 0) continue;
    auto end = wire::make<wire::End>();
    end.after_sequence = after;
    send_message(c.fd(), end);
    SHMRING_CRASH_POINT(end_told);
  }
}

bool ControlLoop::has_first_frame(const Connection& c) const {
  return c.stage == Connection::Stage::reading && rings_.in_present(*c.lane) &&
         c.lane->applied.load() >= Lane::Stage::active;
}

void ControlLoop::follow_lanes() {
  const std::uint64_t t = now();
  rings_.follow(t);
  // While frames flow the publishing side does it itself with the next one.
  Ring& ring = rings_.present();
  if (ring.has_changes() && t - shared_.last_published_at.get() > kIdle && shared_.spin_lock.try_lock()) {
    const bool notify = ring.apply_changes(t);
    shared_.spin_lock.unlock();
    if (notify) notify_sleepers();
  }
  rings_.forget_freed_lanes();
}

void ControlLoop::replace_ring(std::shared_ptr<Ring> ring, const std::function<void()>& publish_there) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t former = rings_.present().id();
  log(SHMRING_LOG_INFO, options_.socket_path, ": the ring is replaced, slots of ",
      rings_.present().geometry().slot_size, " bytes by slots of ", ring->geometry().slot_size,
      "; former rings still held: ", rings_.former() + 1);
  rings_.replace(std::move(ring), publish_there);
  auto bye = wire::make<wire::Bye>();
  bye.reason = wire::Goodbye::again;
  for (auto& [serial, c] : connections_) {
    if (!c.lane || c.lane->ring_id != former) continue;
    const Lane::Stage stage = c.lane->wanted.load();
    if (c.stage == Connection::Stage::mapping) {
      if (stage == Lane::Stage::awaited) continue;  // it takes what waits there and goes on
      // on_mapped() tells it: hanging up on a message of its own would lose ours. It will have been sent on when it is back.
      if (!c.comes_on) registry_.count_attachment(c.lane->grant.name);
      registry_.sent_on(*c.lane, now());
      continue;
    }
    if (stage == Lane::Stage::active) {
      rings_.drain(*c.lane);
      registry_.sent_on(*c.lane, now());
    }
    send_message(c.fd(), bye);
  }
  SHMRING_CRASH_POINT(readers_sent_on);
  shared_.wake_control();
}

bool ControlLoop::give_up_former_places() {
  const std::lock_guard lock(mutex_);
  const bool any = rings_.give_up_former_places();
  follow_lanes();
  return any;
}

// A cleaner of /tmp, a folder made anew: without its file no reader would find us any more, and another publisher would take the path.
void ControlLoop::check_path() {
  const std::uint64_t t = now();
  if (t - path_looked_at_ < kPathLook) return;
  path_looked_at_ = t;
  if (listener_.place() != Listener::Place::lost) {
    path_taken_ = false;
    return;
  }
  auto again = Listener::bind_at_once(options_.socket_path, options_.perms);
  if (!again) {  // it is tried again: a folder may come back, another publisher leave
    if (again.status() == SHMRING_IN_USE && !std::exchange(path_taken_, true))
      notice_ = "this publisher's socket file was removed, and no reader finds it any more: " + again.error().text;
    return;
  }
  accept_all();  // connections made while the file was there
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.fd(), nullptr);
  listener_ = *std::move(again);
  path_taken_ = false;
  listener_rests_until_ = 0;
  if (!watch(listener_.fd(), EPOLLIN, kListenerTag)) listener_rests_until_ = t + kListenerRest;
  log(SHMRING_LOG_WARNING, options_.socket_path, ": the socket file was removed, it is made again");
  notice_ = options_.socket_path + ", the socket file of this publisher, was removed: it is made again";
}

std::string ControlLoop::take_notice() {
  const std::lock_guard lock(mutex_);
  return std::exchange(notice_, {});
}

std::string ControlLoop::holders_of_former_rings() {
  const std::lock_guard lock(mutex_);
  follow_lanes();
  return rings_.holders_of_former();
}

void ControlLoop::add_stats(RingStats& stats) const {
  const std::lock_guard lock(mutex_);
  rings_.collect_former();
  fill_stats(stats);
}

void ControlLoop::fill_stats(RingStats& stats) const {
  stats.ring.refused_readers = refused_readers_;
  std::copy(violations_.begin(), violations_.end(), stats.ring.violations);
  for (std::size_t i = 0; i < violations_.size(); ++i)
    if (i != SHMRING_VIOLATION_SILENCE) stats.ring.protocol_violations += violations_[i];
  stats.ring.rings = static_cast<std::uint32_t>(1 + rings_.former());
  stats.accounts =
      registry_.accounts(rings_.lanes(), shared_.last_published_at.get(),
                         [&](const std::string& name, std::uint32_t generation) { return departs(name, generation); });
  stats.ring.readers = shared_.readers.load(std::memory_order_relaxed);
}

ControlLoop::Next ControlLoop::send_stats(Connection& c) {
  RingStats stats{};
  shared_.collect();
  rings_.collect_former();
  fill_stats(stats);
  shared_.fill_ring_stats(stats.ring);
  auto head = wire::make<wire::Stats>();
  head.ring_size = sizeof stats.ring;
  head.lane_size = sizeof(shmring_reader_account);
  head.lane_count = static_cast<std::uint32_t>(stats.accounts.size());
  std::vector<std::byte> bytes(sizeof head + sizeof stats.ring +
                               stats.accounts.size() * sizeof(shmring_reader_account));
  std::memcpy(bytes.data(), &head, sizeof head);
  std::memcpy(bytes.data() + sizeof head, &stats.ring, sizeof stats.ring);
  if (!stats.accounts.empty())
    std::memcpy(bytes.data() + sizeof head + sizeof stats.ring, stats.accounts.data(),
                stats.accounts.size() * sizeof(shmring_reader_account));
  if (!send_message(c.fd(), bytes) && hung_up(c.fd())) return Next::close;
  rest(c);
  return Next::keep;
}

}  // namespace shmring
