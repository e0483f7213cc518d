// SPDX-License-Identifier: LGPL-2.1-or-later
#include "reader/connection.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>
#include <utility>

#include "lane/crash_point.hpp"
#include "os/clock.hpp"
#include "os/doorbell.hpp"
#include "os/log.hpp"

namespace shmring {
namespace {

constexpr std::uint64_t kRefusalGrace = 300'000'000;  // ns: a predecessor that was killed may take that long to be gone
constexpr int kMaxMessages = 32;                      // heard in one go
constexpr std::uint32_t kMostSpuriousWakeups = 64;    // a publisher notifies for a frame or, rarely, a message

}  // namespace

void Connection::abandon() {
  for (const int fd : {socket_.get(), doorbell_.get(), publisher_.get()})
    if (fd >= 0) ::close(fd);
}

Result<void> Connection::start() {
  if (auto ok = locator_.start(); !ok) return ok.error();
  for (const int fd : locator_.descriptors())
    if (fd >= 0 && !watch(fd, EPOLLIN)) return system_error("epoll_ctl");
  return {};
}

// False: the user watches too much (fs.epoll.max_user_watches), or there is no memory; nothing would ever wake us.
bool Connection::watch(int fd, std::uint32_t events) const {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

[[gnu::cold]] Outcome Connection::not_watched() {
  const Error error = system_error("epoll_ctl");
  detach(wire::Goodbye::closing);
  locator_.retry_later();
  return {error.status, options_.socket_path + ": " + error.text};
}

void Connection::take_requests(int socket) {
  const std::lock_guard lock(requests_mutex_);
  requests_ = socket;
}

Result<void> Connection::request_key_frame() {
  const std::lock_guard lock(requests_mutex_);
  if (requests_ >= 0) {
    // A full socket has more of them than the publisher can have heard.
    if (send_message(requests_, wire::make<wire::Key>()) || errno == EAGAIN) return {};
    return {SHMRING_DISCONNECTED, "the publisher at " + options_.socket_path + " is gone"};
  }
  if (requests_ == kUnknownThere)
    return {SHMRING_REFUSED, "the publisher at " + options_.socket_path +
                                 " takes no requests for key frames: update it, or make key frames more frequent"};
  return {SHMRING_DISCONNECTED, "this reader is attached to no publisher: read first"};
}

void Connection::detach(std::optional<wire::Goodbye> goodbye) {
  take_requests(kNoPublisher);
  if (socket_ && goodbye) {
    auto bye = wire::make<wire::Bye>();
    bye.reason = *goodbye;
    send_message(socket_.get(), bye);
  }
  SHMRING_CRASH_POINT(goodbye_sent);
  if (socket_) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket_.get(), nullptr);
  if (doorbell_) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, doorbell_.get(), nullptr);
  if (publisher_) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, publisher_.get(), nullptr);
  socket_.reset();
  doorbell_.reset();
  publisher_.reset();
  phase_ = Phase::searching;
  leaving_ = false;
  violation_ = nullptr;
  offered_.store(false, std::memory_order_relaxed);
  if (!attachments_.present()) return;
  former_pid_ = attachments_.present()->granted().publisher_pid;
  attachments_.detach();
  SHMRING_CRASH_POINT(detached);
}

Outcome Connection::try_later(Outcome outcome) {
  detach();
  locator_.retry_later();
  return outcome;
}

[[gnu::cold]] Outcome Connection::search() {
  if (phase_ == Phase::searching)
    if (Outcome connected = connect(); connected.status != SHMRING_OK || phase_ == Phase::searching) return connected;
  std::array<std::byte, wire::kMaxMessage> buffer;
  Received got = receive_message(socket_.get(), buffer);
  if (got.kind == Received::Kind::nothing) {
    if (!locator_.replaced()) return {SHMRING_TIMEOUT};
    return try_later({});
  }
  refuse_descriptors(socket_.get());
  const std::span<const std::byte> bytes(buffer.data(), got.size);
  if (got.kind == Received::Kind::message) {
    if (const auto welcome = wire::parse_welcome(bytes)) return attach(*welcome, got);
    if (const auto refused = wire::parse_refused(bytes)) {
      try_later();
      return refusal(static_cast<Status>(refused->status), options_.socket_path + ": " + refused->text);
    }
  }
  if (got.lost_descriptors)
    return try_later({SHMRING_SYSTEM, "descriptors from the publisher at " + options_.socket_path +
                                          " were lost: this process may open no more files; raise ulimit -n"});
  if (got.kind == Received::Kind::message && !wire::parse_bye(bytes))
    return leave_violator(options_.socket_path +
                          " does not belong to a shmring publisher: give the path of a publisher's socket");
  if (got.kind == Received::Kind::broken)
    return leave_violator("protocol violation by the process at " + options_.socket_path +
                          ": a message is too long or has too many descriptors");
  return try_later();
}

// Connects and greets, if a try is due.
Outcome Connection::connect() {
  if (!locator_.due()) return {SHMRING_TIMEOUT};
  if (UntrustedFd::closing() >= UntrustedFd::kTooMany) {
    locator_.retry_later();
    return {SHMRING_TIMEOUT};
  }
  auto connected = locator_.connect();
  if (!connected) {
    if (connected.status() == SHMRING_DISCONNECTED && std::exchange(moving_, false) && !options_.reconnect)
      return gone();
    // A folder that was open to us once may be again.
    if (connected.status() == SHMRING_DISCONNECTED || connected.status() == SHMRING_IN_USE ||
        (connected.status() == SHMRING_REFUSED && attachments_.ever_attached()))
      return {SHMRING_TIMEOUT};
    if (connected.status() == SHMRING_REFUSED) return refusal(SHMRING_REFUSED, connected.error().text);
    return {connected.status(), connected.error().text};
  }
  SHMRING_CRASH_POINT(connected);
  auto hello = wire::make_hello(wire::kVersion, wire::Role::reader);
  hello.policy = static_cast<std::uint8_t>(options_.drop_policy);
  hello.wake = static_cast<std::uint8_t>(options_.wake);
  hello.depth = options_.depth;
  hello.max_held = options_.max_held;
  wire::set_text(hello.name, options_.worker);
  if (!send_message(connected->get(), hello)) {
    locator_.retry_later();
    return {SHMRING_TIMEOUT};
  }
  socket_ = UntrustedFd(*std::move(connected));
  if (!watch(socket_.get(), EPOLLIN | EPOLLRDHUP)) return not_watched();
  phase_ = Phase::greeting;
  SHMRING_CRASH_POINT(hello_sent);
  return {};
}

// Retry for a while: a previous reader of this name may still be being cleaned up, by the kernel or by the publisher. Or the socket's file is
// so new that its mode is not set yet.
Outcome Connection::refusal(Status status, std::string text) {
  const std::uint64_t t = now();
  const bool passes = status == SHMRING_IN_USE || status == SHMRING_REFUSED;
  if (passes && refused_since_ == 0) refused_since_ = t;
  if (passes && t - refused_since_ < kRefusalGrace) return {SHMRING_TIMEOUT};
  refused_since_ = 0;
  log(SHMRING_LOG_INFO, "'", options_.worker, "' was refused: ", text);
  return {status, std::move(text)};
}

Outcome Connection::attach(const wire::Welcome& welcome, Received& got) {
  SHMRING_CRASH_POINT(welcome_heard);
  const auto agreed = wire::check_agreement(wire::kVersion, welcome);
  if (agreed && drain_doorbell(got.descriptors[2].get()) == Drained::no_doorbell)
    return leave_violator(options_.socket_path + ": the publisher sent no doorbell");
  auto made = agreed ? Attachment::make(welcome, got.descriptors[0].fd(), got.descriptors[1].fd()) : agreed.error();
  if (made.status() == SHMRING_PROTOCOL) return leave_violator(options_.socket_path + ": " + made.error().text);
  if (!made) return try_later({made.status(), options_.socket_path + ": " + made.error().text});
  got.descriptors[0].trust();
  got.descriptors[1].trust();
  if (!send_message(socket_.get(), wire::make<wire::Mapped>())) {  // its ring was replaced meanwhile, or it is gone
    (*made)->unref();
    return try_later();
  }
  // A different pid means a new publisher, not a resized ring.
  attachments_.attach(*made, !moving_ || welcome.publisher_pid != former_pid_);
  SHMRING_CRASH_POINT(mapped_sent);
  doorbell_ = std::move(got.descriptors[2]);
  bool watched = watch(doorbell_.get(), EPOLLIN);
  if (got.descriptors[3] && is_pidfd(got.descriptors[3].get())) publisher_ = got.descriptors[3].trust();
  if (publisher_) watched = watch(publisher_.get(), EPOLLIN) && watched;
  if (!watched) return not_watched();
  take_requests(welcome.features & wire::kKeyRequests ? socket_.get() : kUnknownThere);
  locator_.found();
  refused_since_ = 0;
  end_.reset();
  moving_ = false;
  newest_ = 0;
  spurious_wakeups_ = 0;
  phase_ = Phase::attached;
  log(SHMRING_LOG_INFO, options_.socket_path, ": '", options_.worker, "' attached to process ", welcome.publisher_pid,
      ": depth ", welcome.depth, ", max-held ", welcome.max_held);
  return {};
}

// Disconnects after a protocol violation; what the publisher sent afterwards is ignored.
[[gnu::cold, gnu::noinline]] Outcome Connection::leave_violator(std::string text) {
  log(SHMRING_LOG_WARNING, text);
  attachments_.count_violation();
  return try_later({SHMRING_PROTOCOL, std::move(text)});
}

[[gnu::cold, gnu::noinline]] Outcome Connection::leave_wrecked() {
  return leave_violator("protocol violation by the publisher at " + options_.socket_path +
                        ": corrupt data in its ring");
}

// Drains the doorbell and the socket, and records what the messages say.
void Connection::hear() {
  if (doorbell_ && drain_doorbell(doorbell_.get()) == Drained::notification &&
      ++spurious_wakeups_ > kMostSpuriousWakeups) {
    violation_ = "rings without having a frame";
    return;
  }
  std::array<std::byte, wire::kMaxMessage> buffer;
  for (int i = 0; i < kMaxMessages; ++i) {
    const Received got = receive_message(socket_.get(), buffer);
    if (got.kind == Received::Kind::nothing) break;
    if (got.kind == Received::Kind::closed) {
      leaving_ = true;
      return;
    }
    const std::span<const std::byte> bytes(buffer.data(), got.size);
    if (wire::type_of(bytes) == wire::Type::mapped) {
      offered_.store(true, std::memory_order_relaxed);
      continue;
    }
    if (const auto told = wire::parse_end(bytes)) {
      end_.announced(told->after_sequence == UINT64_MAX ? 0 : told->after_sequence, newest_);
      SHMRING_CRASH_POINT(end_heard);
    } else if (const auto bye = wire::parse_bye(bytes)) {
      leaving_ = true;
      moving_ = bye->reason == wire::Goodbye::again;
      SHMRING_CRASH_POINT(again_heard);
    } else {
      violation_ = "sent a message that makes no sense";
      return;
    }
  }
  if (publisher_ && readable(publisher_.get())) leaving_ = true;
}

[[gnu::cold, gnu::noinline]] Outcome Connection::report_end() {
  end_.reported(now());
  return {SHMRING_END, "the publisher ended the stream"};
}

Outcome Connection::gone() {
  if (options_.reconnect) return {};
  end_.reset();
  return {SHMRING_DISCONNECTED, "the publisher at " + options_.socket_path + " is gone"};
}

[[gnu::noinline]] Outcome Connection::nothing_there() {
  hear();
  SHMRING_CRASH_POINT(socket_emptied);
  if (violation_) return leave_violator("the publisher at " + options_.socket_path + " " + violation_);
  Attachment& attachment = *attachments_.present();
  if (!attachment.empty()) return {};
  if (end_.unreported()) return report_end();
  if (leaving_) {
    log(SHMRING_LOG_INFO, options_.socket_path, ": '", options_.worker, "' ",
        moving_ ? "moves to the publisher's new ring" : "lost its publisher", ", last sequence ", newest_);
    if (newest_ == 0) locator_.retry_later();  // not even a frame: no reason to hurry
    detach(moving_ ? wire::Goodbye::again : wire::Goodbye::closing);
    return moving_ ? Outcome{} : gone();
  }
  if (!attachment.arm()) {
    attachment.disarm();
    return {};
  }
  return {SHMRING_TIMEOUT};
}

}  // namespace shmring
