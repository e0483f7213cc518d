// SPDX-License-Identifier: LGPL-2.1-or-later
// The handshake of the control thread: HELLO, WELCOME or REFUSED, MAPPED.
#include <sys/epoll.h>

#include <algorithm>
#include <array>

#include "lane/crash_point.hpp"
#include "os/clock.hpp"
#include "os/log.hpp"
#include "publisher/control_loop.hpp"

namespace shmring {
namespace {

constexpr std::size_t kMaxObservers = 16;
constexpr Violation kSealed{SHMRING_VIOLATION_SEALS, "it kept its lane's memory from being sealed"};

}  // namespace

ControlLoop::Next ControlLoop::refuse(Connection& c, Status status, const std::string& text) {
  ++refused_readers_;
  log(SHMRING_LOG_INFO, options_.socket_path, ": a peer (process ", c.peer.process.pid, ") is refused: ", text);
  auto refused = wire::make<wire::Refused>();
  refused.status = status;
  wire::set_text(refused.text, text);
  send_message(c.fd(), refused);
  return Next::close;
}

ControlLoop::Next ControlLoop::on_hello(Connection& c, const wire::Hello& hello) {
  auto agreed = wire::negotiate(wire::kVersion, hello);
  if (!agreed) return refuse(c, agreed.status(), agreed.error().text);
  auto welcome = wire::make<wire::Welcome>();
  welcome.protocol = agreed->protocol;
  welcome.features = c.features = agreed->features;
  welcome.publisher_pid = static_cast<std::uint32_t>(::getpid());
  if (hello.role == wire::Role::reader) return welcome_reader(c, hello, welcome);

  const auto observers = std::count_if(connections_.begin(), connections_.end(),
                                       [](const auto& o) { return o.second.stage == Connection::Stage::observing; });
  if (static_cast<std::size_t>(observers) >= kMaxObservers)
    return refuse(c, SHMRING_REFUSED, "16 observers are looking already");
  welcome.depth = welcome.max_held = 1;
  if (!send_message(c.fd(), welcome)) return Next::close;
  c.stage = Connection::Stage::observing;
  log(SHMRING_LOG_DEBUG, options_.socket_path, ": process ", c.peer.process.pid, " observes the ring");
  c.deadline = 0;
  return Next::keep;
}

ControlLoop::Next ControlLoop::welcome_reader(Connection& c, const wire::Hello& hello, wire::Welcome welcome) {
  SHMRING_CRASH_POINT(hello_heard);
  const std::string name(hello.name);
  if (!wire::valid_name(name))
    return refuse(c, SHMRING_INVALID, "a reader needs a name: UTF-8, 1 to 63 bytes, no control characters");
  find_the_gone();
  // A reader counts these itself, and would not take another one.
  if (const auto held = rings_.held_of_former(name, c.peer.process.pid); held > options_.max_held)
    return refuse(c, SHMRING_REFUSED,
                  "'" + name + "' still holds " + std::to_string(held) + " frames of former rings, and max-held is " +
                      std::to_string(options_.max_held) + ": release them first");

  c.comes_on = registry_.was_sent_on(name, c.peer.process.pid);
  const Lane::Ask asked{hello.policy, hello.wake, hello.depth, hello.max_held};
  auto place = rings_.let_in(name, asked, c.peer.process, c.peer.pidfd);
  if (!place) return refuse(c, place.status(), place.error().text);
  c.peer.pidfd.reset();  // its lane has one
  const std::shared_ptr<Lane> lane = *std::move(place);
  const std::uint64_t size = lane->geometry.total_size;
  auto memory = create_memory("shmring-lane", size);
  if (!memory) return refuse(c, memory.status(), "the publisher has no memory for a lane: " + memory.error().text);
  if (auto ok = seal(memory->fd, Seal::size); !ok) return refuse(c, ok.status(), ok.error().text);
  auto doorbell = Doorbell::make();
  if (!doorbell) return refuse(c, doorbell.status(), doorbell.error().text);

  SHMRING_CRASH_POINT(lane_allocated);
  const Ring& ring = *rings_.of(*lane);
  welcome.policy = static_cast<std::uint8_t>(lane->grant.policy);
  welcome.wake = static_cast<std::uint8_t>(lane->grant.wake);
  welcome.ring_id = ring.id();
  welcome.ring_size = ring.geometry().total_size;
  welcome.lane_size = size;
  welcome.lane = lane->index;
  welcome.depth = lane->grant.depth;
  welcome.max_held = lane->grant.max_held;
  lane->equip(std::move(c.socket), *std::move(doorbell), *std::move(memory));
  c.lane = lane;
  c.stage = Connection::Stage::mapping;
  const std::array<int, 4> descriptors = {ring.memory().get(), lane->memory.fd.get(), lane->doorbell.reader_end(),
                                          own_pidfd_.get()};
  if (!send_message(c.fd(), welcome, std::span(descriptors).first(own_pidfd_ ? 4 : 3)))
    return refuse(c, SHMRING_SYSTEM, "sending the ring failed");
  lane->doorbell.forget_reader_end();
  SHMRING_CRASH_POINT(welcome_sent);
  return Next::keep;
}

ControlLoop::Next ControlLoop::on_mapped(Connection& c) {
  SHMRING_CRASH_POINT(mapped_heard);
  auto bye = wire::make<wire::Bye>();
  bye.reason = wire::Goodbye::again;
  Lane& lane = *c.lane;
  const std::string& name = lane.grant.name;
  // Its ring was replaced meanwhile, or its place given up: it comes again.
  if (lane.wanted.load() >= Lane::Stage::retired) {
    send_message(c.fd(), bye);
    return Next::close;
  }
  // From here on no other process can ever map the lane writable, or change its size.
  if (!seal(lane.memory.fd, Seal::everything)) {
    disconnect(c, kSealed);
    rings_.give_up_places(name, lane.process.pid);
    return Next::close;
  }
  repopulate(lane.memory.mapping);  // until now it could be punched
  SHMRING_CRASH_POINT(lane_sealed);
  c.deadline = 0;
  c.stage = Connection::Stage::reading;
  if (lane.pidfd) watch(lane.pidfd.get(), EPOLLIN, process_tag(c.serial));
  if (!rings_.in_present(lane)) {  // frames wait for it there and in newer ones: it takes one ring after the other
    registry_.on_its_way(name);
    rings_.drain(lane);
    send_message(c.fd(), bye);
    log(SHMRING_LOG_DEBUG, options_.socket_path, ": reader '", name, "' (process ", lane.process.pid,
        ") takes the frames that wait for it in a former ring");
    return Next::keep;
  }
  const std::uint32_t attachments = registry_.attached(name, c.comes_on);
  rings_.begin(c.lane);
  SHMRING_CRASH_POINT(lane_added);
  log(SHMRING_LOG_INFO, options_.socket_path, ": reader '", name, "' (process ", lane.process.pid,
      ") attached, attachment ", attachments, " of this name: depth ", lane.grant.depth, ", max-held ",
      lane.grant.max_held);
  return Next::keep;
}

}  // namespace shmring
