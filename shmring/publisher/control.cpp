// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publisher/control.hpp"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
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
constexpr std::uint64_t kObserverRest = 5 * kMillisecond;
constexpr std::size_t kMaxGreeting = 8;  // connections that have not said what they want
constexpr std::size_t kMaxNames = 64;
constexpr int kTick = 10;                                 // ms, while something waits to be carried out
constexpr std::uint64_t kPathLook = 1000 * kMillisecond;  // between looks whether the socket's file is there
constexpr std::uint64_t kLook = 50 * kMillisecond;  // between looks at the frames that detached readers still hold

constexpr std::uint64_t kDepartureTime = 1000 * kMillisecond;  // from a hang-up to the end of the process
constexpr std::size_t kMaxDepartures = 16;
constexpr int kQueuedMessages = 512;  // more than a socket's buffer takes

const char* const kClosedUnexpectedly = "its connection closed unexpectedly";
constexpr Violation kUnexpectedMessage{SHMRING_VIOLATION_MESSAGE, "it sent an unexpected message"};
constexpr Violation kDescriptors{SHMRING_VIOLATION_DESCRIPTORS,
                                 "it sent file descriptors, which the protocol does not allow"};

}  // namespace

Result<std::unique_ptr<Control>> Control::start(const PublisherOptions& options, PublisherShared& shared,
                                                std::shared_ptr<Ring> ring) {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return system_error("epoll_create1");
  auto listener = Listener::bind(options.socket_path, options.perms);
  if (!listener) return listener.error();
  std::unique_ptr<Control> control(
      new Control(options, shared, std::move(ring), *std::move(listener), std::move(epoll)));
  if (!control->watch(control->listener_.fd(), EPOLLIN, kListenerTag) ||
      !control->watch(shared.event.get(), EPOLLIN, kWakeTag))
    return system_error("epoll_ctl");
  // Signals are the program's own business: none is delivered to this thread.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  Error error;
  try {
    control->thread_ = std::thread(&Control::run, control.get());
  } catch (const std::system_error& e) {
    error = {SHMRING_SYSTEM, std::string("starting a thread: ") + e.code().message() +
                                 ": this user or service may have no more (ulimit -u, TasksMax)"};
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error.status != SHMRING_OK) return error;
  ::pthread_setname_np(control->thread_.native_handle(), "shmring-control");
  log(SHMRING_LOG_INFO, options.socket_path, ": listening, slots of ", control->ring_->geometry().slot_size, " bytes");
  return control;
}

Control::Control(const PublisherOptions& options, PublisherShared& shared, std::shared_ptr<Ring> ring,
                 Listener listener, Fd epoll)
    : options_(options),
      shared_(shared),
      listener_(std::move(listener)),
      epoll_(std::move(epoll)),
      own_pidfd_(open_pidfd(static_cast<std::uint32_t>(::getpid()))),
      ring_(std::move(ring)),
      path_looked_at_(now()) {}

Control::~Control() {
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
// open one at any moment: mind_path() closes the former listener after the new one is in its place.
void Control::abandon() {
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

bool Control::watch(int fd, std::uint32_t events, std::uint64_t tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

// An observer that asks all the time is answered now and then.
void Control::rest(Connection& c) {
  c.rests_until = now() + kObserverRest;
  set_events(c, 0);
}

void Control::set_events(const Connection& c, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = socket_tag(c.serial);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, c.fd(), &event);
}

void Control::run() {
  while (!stop_) {
    try {
      round();
    } catch (const std::bad_alloc&) {
      ::poll(nullptr, 0, kTick);  // what could not be done now is done, or asked for, again
    }
  }
}

void Control::round() {
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
  end_rests();
  mind_path();
  settle();
  announce();
}

void Control::end_rests() {
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
int Control::next_timeout() const {
  if (ring_->has_changes()) return kTick;
  const bool ended = shared_.ended_after.load(std::memory_order_relaxed) != 0;
  for (const auto& [serial, c] : connections_)  // some connection still has messages to send
    if (c.stage == Connection::Stage::reading && c.ring == ring_.get() &&
        (!c.told_offered || (ended && c.told_end == 0)))
      return kTick;
  std::uint64_t due = path_looked_at_ + kPathLook;
  if (listener_rests_until_ != 0) due = std::min(due, listener_rests_until_);
  // Detached readers still hold frames: look now and then.
  if (!old_rings_.empty() || std::any_of(ring_->lanes().begin(), ring_->lanes().end(), [](const auto& lane) {
        return lane->wanted.load(std::memory_order_relaxed) != Lane::Stage::active;
      }))
    due = std::min(due, now() + kLook);
  for (const auto& [serial, connection] : connections_)
    for (const std::uint64_t t : {connection.deadline, connection.rests_until})
      if (t != 0) due = std::min(due, t);
  for (const auto& [serial, departure] : departures_) due = std::min(due, departure.deadline);
  const std::uint64_t t = now();
  return due <= t ? 0 : static_cast<int>((due - t) / kMillisecond + 1);
}

void Control::handle(std::uint64_t tag) {
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
void Control::rest_listener() {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.fd(), nullptr);
  listener_rests_until_ = now() + kListenerRest;
  log(SHMRING_LOG_WARNING, options_.socket_path, ": no descriptors or memory for another connection, accepting pauses");
}

void Control::accept_all() {
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
void Control::make_room_for_greeting() {
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

Control::Served Control::serve(Connection& c) {
  std::array<std::byte, wire::kMaxMessage> buffer;
  // Bound: a peer that floods us is served a few messages a round, like everybody else.
  for (int i = 0; i < 4; ++i) {
    const Received got = receive_message(c.fd(), buffer);
    if (got.kind == Received::Kind::nothing) return Served::none;
    if (got.kind == Received::Kind::closed) {
      end_lost_lane(c);
      drop(c.serial);
      return Served::ended;
    }
    const std::span<const std::byte> bytes(buffer.data(), got.size);
    const auto type = got.kind == Received::Kind::message ? wire::type_of(bytes) : std::nullopt;
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
    if (c.rests_until != 0) return Served::none;
  }
  return Served::some;
}

// It is told, where it can be; what is left of the connection is the caller's to drop.
void Control::disconnect(Connection& c, const Violation& violation) {
  ++violations_[violation.kind];
  log(SHMRING_LOG_WARNING, options_.socket_path, ": process ", c.peer.process.pid,
      " is disconnected for a protocol violation: ", violation.text);
  auto bye = wire::make<wire::Bye>();
  bye.reason = wire::Goodbye::retired;
  wire::set_text(bye.text, violation.text);
  send_message(c.fd(), bye);
  end_lane(c, violation.text);
}

// What the reader holds is its own until it lets go of it, or its process is gone. Only the process's handle can say that it is: a
// connection also ends while its process lives.
void Control::end_lane(Connection& c, const std::string& reason) {
  if (c.stage != Connection::Stage::reading) return;
  const Lane::Stage stage = c.lane->wanted.load();
  if (stage < Lane::Stage::retired) {
    c.ring->want(*c.lane, Lane::Stage::retired);
    Name& name = name_of(c.lane->grant.name);
    wire::set_text(name.total.reason, reason);
    name.gone_at = now();
    if (c.goes_on)
      name.left_at = name.gone_at;
    else
      give_up_places(c.lane->grant.name, c.lane->process.pid);
    log(SHMRING_LOG_INFO, options_.socket_path, ": reader '", c.lane->grant.name, "' (process ", c.lane->process.pid,
        ") left: ",
        !reason.empty() ? reason
        : c.goes_on     ? "it moves to the new ring"
                        : "it closed its connection");
    count_readers();
  }
  if (c.lane->pidfd && readable(c.lane->pidfd.get())) c.ring->want(*c.lane, Lane::Stage::freed);
}

// Ends the lane of a connection that closed, or whose process ended, without a goodbye.
void Control::end_lost_lane(Connection& c) {
  if (c.stage != Connection::Stage::reading) return;
  Lane& lane = *c.lane;
  const bool was_reading = lane.wanted.load() < Lane::Stage::retired;
  if (!lane.pidfd) {  // the kernel cannot tell of the process's end: the hang-up has to do
    end_lane(c, kClosedUnexpectedly);
    c.ring->want(lane, Lane::Stage::freed);
  } else if (readable(lane.pidfd.get())) {
    end_lane(c, reason_of_end(lane.pidfd, lane.process));
  } else {
    end_lane(c, "");
    if (!was_reading) return;
    // A process closes its descriptors shortly before it is gone. Until then its reader counts as attached.
    Fd pidfd = lane.pidfd.duplicate();
    if (!pidfd || !watch(pidfd.get(), EPOLLIN, process_tag(c.serial))) return;
    if (departures_.size() >= kMaxDepartures) forget(departures_.begin());
    departures_.emplace(c.serial, Departure{lane.grant.name, name_of(lane.grant.name).generation, lane.process,
                                            std::move(pidfd), now() + kDepartureTime});
  }
}

void Control::drop(Serial serial) {
  const auto found = connections_.find(serial);
  if (found == connections_.end()) return;
  Connection& c = found->second;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, c.fd(), nullptr);
  if (c.lane && c.stage == Connection::Stage::reading) {
    end_lane(c, kClosedUnexpectedly);
    // Still alive and holding frames: only its end, or the last release, frees the lane. settle() watches for both.
    if (c.lane->pidfd) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, c.lane->pidfd.get(), nullptr);
    ::shutdown(c.fd(), SHUT_RDWR);
  } else if (c.lane) {
    c.lane->socket.reset();  // a place is kept, for the next try
  }
  connections_.erase(found);
}

// Ends a reader that hung up, or whose process ended. What it sent before is heard first: a goodbye that is still in the queue counts.
void Control::end_if_gone(Serial serial) {
  const auto found = connections_.find(serial);
  if (found == connections_.end()) return;
  Connection& c = found->second;
  const bool ended = c.lane && c.lane->pidfd && readable(c.lane->pidfd.get());
  if (!ended && !hung_up(c.fd())) return;
  Served served = Served::some;
  for (int i = 0; i < kQueuedMessages && served == Served::some; ++i) served = serve(c);
  if (served == Served::ended) return;
  // A child of its process may have the connection still open.
  if (!ended) return;
  end_lost_lane(c);
  drop(serial);
}

// Before a reader is refused: those that are gone have no say any more.
void Control::find_the_gone() {
  std::vector<Serial> readers;
  for (const auto& [serial, c] : connections_)
    if (c.lane) readers.push_back(serial);
  for (const Serial serial : readers) end_if_gone(serial);
  settle();
}

// A reader's process is gone after its connection.
void Control::judge(Departures::iterator departed) {
  const Departure& departure = departed->second;
  if (!readable(departure.pidfd.get())) return;
  const auto name = names_.find(departure.name);
  const std::string reason = reason_of_end(departure.pidfd, departure.process);
  log(SHMRING_LOG_INFO, options_.socket_path, ": reader '", departure.name, "' (process ", departure.process.pid,
      ") is gone: ", reason.empty() ? "its process ended" : reason);
  if (name != names_.end() && name->second.generation == departure.generation)
    wire::set_text(name->second.total.reason, reason);
  forget(departed);
}

// Its handle is a duplicate: closed without this, epoll would go on reporting the process for as long as the others are open.
Control::Departures::iterator Control::forget(Departures::iterator departed) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, departed->second.pidfd.get(), nullptr);
  return departures_.erase(departed);
}

bool Control::departs(const std::string& name, std::uint32_t generation) const {
  return std::any_of(departures_.begin(), departures_.end(), [&](const auto& departure) {
    return departure.second.name == name && departure.second.generation == generation;
  });
}

void Control::notify_sleepers() {
  for (const auto& lane : ring_->lanes())
    if (lane->notify_later.exchange(false, std::memory_order_relaxed)) lane->notify();
}

// To each reader once, and not before its lane has the frame that it starts with: that it is offered all that come; the end.
void Control::announce() {
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

bool Control::has_first_frame(const Connection& c) const {
  return c.stage == Connection::Stage::reading && c.ring == ring_.get() &&
         c.lane->applied.load() >= Lane::Stage::active;
}

void Control::disconnect_violators() {
  std::vector<Serial> violators;
  for (auto& [serial, c] : connections_)
    if (c.lane && c.lane->violation.load(std::memory_order_acquire)) violators.push_back(serial);
  for (const Serial serial : violators) {
    Connection& c = connections_.at(serial);
    disconnect(c, *c.lane->violation.load());
    drop(serial);
  }
}

void Control::settle() {
  const std::uint64_t t = now();
  // Lanes that ended but whose process lives: gone by now?
  bool ended = false;
  for (const auto& lane : ring_->lanes()) {
    if (lane->wanted.load() == Lane::Stage::awaited) mind_place(*ring_, *lane, t);
    if (lane->wanted.load() < Lane::Stage::retired) continue;
    ended = true;
    if (lane->pidfd && readable(lane->pidfd.get())) ring_->want(*lane, Lane::Stage::freed);
  }
  if (ended) ring_->nudge();
  // While frames flow the publishing side does it itself with the next one.
  if (ring_->has_changes() && t - shared_.last_published_at.get() > kIdle && shared_.spin_lock.try_lock()) {
    const bool notify = ring_->apply_changes(t);
    shared_.spin_lock.unlock();
    if (notify) notify_sleepers();
  }
  forget_freed(*ring_);

  std::erase_if(old_rings_, [&](const std::shared_ptr<Ring>& ring) {
    for (const auto& lane : ring->lanes()) {
      if (lane->wanted.load() == Lane::Stage::awaited) mind_place(*ring, *lane, t);
      if (lane->wanted.load() == Lane::Stage::retired && lane->pidfd && readable(lane->pidfd.get()))
        ring->want(*lane, Lane::Stage::freed);
    }
    ring->nudge();
    (void)ring->apply_changes(t);  // its readers are woken by the goodbye
    forget_freed(*ring);
    return ring->lanes().empty();
  });
}

// A cleaner of /tmp, a folder made anew: without its file no reader would find us any more, and another publisher would take the path.
void Control::mind_path() {
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

std::string Control::take_notice() {
  const std::lock_guard lock(mutex_);
  return std::exchange(notice_, {});
}

std::string Control::holders_of_former_rings() {
  const std::lock_guard lock(mutex_);
  settle();
  std::map<std::string, std::uint64_t> frames;
  for (const auto& ring : old_rings_)
    for (const auto& lane : ring->lanes())
      frames["'" + lane->grant.name + "' (process " + std::to_string(lane->process.pid) + ")"] += lane->owned.get();
  std::string text;
  for (const auto& [holder, count] : frames) {
    if (!text.empty()) text += ", ";
    text += std::to_string(count) + " frames by " + holder;
  }
  return text;
}

Control::Name& Control::name_of(const std::string& name) {
  if (const auto found = names_.find(name); found != names_.end()) return found->second;
  if (names_.size() >= kMaxNames) {
    // The one that is gone longest is forgotten; those attached are not many more.
    auto oldest = names_.end();
    for (auto it = names_.begin(); it != names_.end(); ++it)
      if (it->second.gone_at != 0 && (oldest == names_.end() || it->second.gone_at < oldest->second.gone_at))
        oldest = it;
    if (oldest != names_.end()) names_.erase(oldest);
  }
  Name& added = names_[name];
  added.gone_at = now();  // until it attaches
  return added;
}

}  // namespace shmring
