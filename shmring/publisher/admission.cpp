// SPDX-License-Identifier: LGPL-2.1-or-later
// The handshake, on the control thread: accepts or refuses a reader, checks its name, grants depth and max-held.
#include <sys/epoll.h>

#include <algorithm>
#include <array>

#include "lane/crash_point.hpp"
#include "os/clock.hpp"
#include "os/log.hpp"
#include "publisher/control.hpp"

namespace shmring {
namespace {

constexpr std::size_t kMaxObservers = 16;
constexpr Violation kSealed{SHMRING_VIOLATION_SEALS, "it kept its lane's memory from being sealed"};

}  // namespace

Control::Next Control::refuse(Connection& c, Status status, const std::string& text) {
  ++refused_readers_;
  log(SHMRING_LOG_INFO, options_.socket_path, ": a peer (process ", c.peer.process.pid, ") is refused: ", text);
  auto refused = wire::make<wire::Refused>();
  refused.status = status;
  wire::set_text(refused.text, text);
  send_message(c.fd(), refused);
  return Next::close;
}

Control::Next Control::on_hello(Connection& c, const wire::Hello& hello) {
  auto agreed = wire::negotiate(wire::kVersion, hello);
  if (!agreed) return refuse(c, agreed.status(), agreed.error().text);
  auto welcome = wire::make<wire::Welcome>();
  welcome.protocol = agreed->protocol;
  welcome.features = agreed->features;
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

// Readers of the present ring: those that have their lane, are on their way to it, or are just being let in.
template <class Each>
void Control::each_reader(Each each) const {
  for (const auto& lane : ring_->lanes())
    if (lane->wanted.load() <= Lane::Stage::active) each(*lane);
  for (const auto& [serial, c] : connections_)
    if (c.lane && c.ring == ring_.get() && c.lane->wanted.load() == Lane::Stage::prepared) each(*c.lane);
}

std::string Control::who_reads() const {
  std::string text;
  each_reader([&](const Lane& lane) {
    text += (text.empty() ? "'" : ", '") + lane.grant.name + "' (process " + std::to_string(lane.process.pid) + ")";
  });
  return text;
}

std::uint32_t Control::held_of_former_rings(const std::string& name, std::uint32_t pid) const {
  std::uint64_t held = 0;
  for (const auto& ring : old_rings_)
    for (const auto& lane : ring->lanes())
      if (lane->process.pid == pid && lane->grant.name == name) held += lane->owned.get();
  return static_cast<std::uint32_t>(held);
}

Control::Next Control::welcome_reader(Connection& c, const wire::Hello& hello, wire::Welcome welcome) {
  SHMRING_CRASH_POINT(hello_heard);
  const std::string name(hello.name);
  if (!wire::valid_name(name))
    return refuse(c, SHMRING_INVALID, "a reader needs a name: UTF-8, 1 to 63 bytes, no control characters");
  find_the_gone();
  // A reader counts these itself, and would not take another one.
  if (const auto held = held_of_former_rings(name, c.peer.process.pid); held > options_.max_held)
    return refuse(c, SHMRING_REFUSED,
                  "'" + name + "' still holds " + std::to_string(held) + " frames of former rings, and max-held is " +
                      std::to_string(options_.max_held) + ": release them first");

  if (const auto known = names_.find(name); known != names_.end()) c.comes_on = comes_on(known->second, c.peer);
  const Lane::Ask asked{hello.policy, hello.wake, hello.depth, hello.max_held};
  Place place = find_place(name, asked, c.peer.process.pid);
  if (place.lane) {
    c.peer.pidfd.reset();  // its lane has one
  } else {
    auto made = make_lane(name, asked, c.peer.process, std::move(c.peer.pidfd));
    if (!made) return refuse(c, made.status(), made.error().text);
    place = {ring_.get(), *std::move(made)};
  }
  const std::uint64_t size = place.lane->geometry.total_size;
  auto memory = create_memory("shmring-lane", size);
  if (!memory) return refuse(c, memory.status(), "the publisher has no memory for a lane: " + memory.error().text);
  if (auto ok = seal(memory->fd, Seal::size); !ok) return refuse(c, ok.status(), ok.error().text);
  auto bell = Doorbell::make();
  if (!bell) return refuse(c, bell.status(), bell.error().text);

  SHMRING_CRASH_POINT(lane_allocated);
  const Lane::Grant& grant = place.lane->grant;
  welcome.policy = static_cast<std::uint8_t>(grant.policy);
  welcome.wake = static_cast<std::uint8_t>(grant.wake);
  welcome.ring_id = place.ring->id();
  welcome.ring_size = place.ring->geometry().total_size;
  welcome.lane_size = size;
  welcome.lane = place.lane->index;
  welcome.depth = grant.depth;
  welcome.max_held = grant.max_held;
  place.lane->equip(std::move(c.socket), *std::move(bell), *std::move(memory));
  c.ring = place.ring;
  c.lane = std::move(place.lane);
  c.stage = Connection::Stage::mapping;
  const std::array<int, 4> descriptors = {c.ring->memory().get(), c.lane->memory.fd.get(), c.lane->bell.reader_end(),
                                          own_pidfd_.get()};
  if (!send_message(c.fd(), welcome, std::span(descriptors).first(own_pidfd_ ? 4 : 3)))
    return refuse(c, SHMRING_SYSTEM, "sending the ring failed");
  c.lane->bell.forget_reader_end();
  SHMRING_CRASH_POINT(welcome_sent);
  return Next::keep;
}

Result<std::shared_ptr<Lane>> Control::make_lane(const std::string& name, const Lane::Ask& asked, ProcessId process,
                                                 Fd pidfd) const {
  std::uint32_t readers = 0, used = 1 + ring_->loans(), namesake = 0;
  bool spinner = false, named = false;
  std::array<bool, kMaxLanes> taken{};
  each_reader([&](const Lane& other) {
    if (other.grant.name == name) namesake = other.process.pid, named = true;
    ++readers;
    used += other.grant.depth + other.grant.max_held;
    spinner |= other.grant.wake == SHMRING_WAKE_ADAPTIVE;
    taken[other.index] = true;
  });
  if (named)
    return {SHMRING_IN_USE, "the name '" + name + "' belongs to process " + std::to_string(namesake) +
                                ", which lives: stop that one, or give this reader another name"};
  if (readers >= options_.max_readers)
    return {SHMRING_IN_USE, "this ring takes " + std::to_string(options_.max_readers) +
                                (options_.max_readers == 1 ? " reader, and " : " readers, and ") + who_reads() +
                                (readers == 1 ? " has it" : " have them") + ": raise max-readers, or stop one"};
  for (const auto& lane : ring_->lanes()) {
    taken[lane->index] = true;
    if (lane->wanted.load() > Lane::Stage::active && lane->applied.load() != Lane::Stage::freed)
      used += static_cast<std::uint32_t>(lane->owned.get());
  }
  std::uint32_t index = 0;
  while (index < ring_->geometry().lane_count && taken[index]) ++index;
  const std::uint32_t slots = ring_->geometry().slot_count, left = slots > used ? slots - used : 0;
  if (index == ring_->geometry().lane_count || left < 2)
    return {SHMRING_REFUSED,
            "of " + std::to_string(slots) + " slots " + std::to_string(left) +
                " are left, a reader needs 2: readers that closed still hold frames, or slots is too small; keep "
                "copies of frames (in Python frame.copy()), release them, or raise slots"};

  Lane::Grant grant;
  grant.name = name;
  grant.asked = asked;
  grant.policy =
      asked.policy == SHMRING_POLICY_DEFAULT ? options_.drop_policy : static_cast<shmring_policy>(asked.policy);
  grant.wake = spinner ? SHMRING_WAKE_BLOCK : static_cast<shmring_wake>(asked.wake);
  grant.depth =
      grant.policy == SHMRING_LATEST ? 1 : std::min(asked.depth ? asked.depth : options_.depth, options_.depth);
  grant.depth = std::min(grant.depth, left - 1);
  grant.max_held =
      std::min({asked.max_held ? asked.max_held : options_.max_held, options_.max_held, left - grant.depth});
  return std::make_shared<Lane>(std::move(grant), index, process, std::move(pidfd), ring_->lane_block(index), slots);
}

Control::Next Control::on_mapped(Connection& c) {
  SHMRING_CRASH_POINT(mapped_heard);
  auto bye = wire::make<wire::Bye>();
  bye.reason = wire::Goodbye::again;
  if (!c.ring) {  // replaced meanwhile: it comes again
    send_message(c.fd(), bye);
    return Next::close;
  }
  // From here on nobody else can ever map the lane writable, or change its size.
  if (!seal(c.lane->memory.fd, Seal::everything)) {
    disconnect(c, kSealed);
    give_up_places(c.lane->grant.name, c.lane->process.pid);
    return Next::close;
  }
  repopulate(c.lane->memory.mapping);  // until now it could be punched
  SHMRING_CRASH_POINT(lane_sealed);
  c.deadline = 0;
  c.stage = Connection::Stage::reading;
  Name& name = name_of(c.lane->grant.name);
  name.gone_at = 0;
  name.left_at = 0;
  if (c.lane->pidfd) watch(c.lane->pidfd.get(), EPOLLIN, process_tag(c.serial));
  if (c.ring != ring_.get()) {  // frames wait for it there and in newer ones: it takes one ring after the other
    c.ring->want(*c.lane, Lane::Stage::draining);
    (void)c.ring->apply_changes(now());  // the goodbye wakes it
    send_message(c.fd(), bye);
    log(SHMRING_LOG_DEBUG, options_.socket_path, ": reader '", c.lane->grant.name, "' (process ", c.lane->process.pid,
        ") takes the frames that wait for it in a former ring");
    return Next::keep;
  }
  if (!c.comes_on) ++name.generation;
  name.moving = 0;
  name.moving_process.reset();
  if (c.lane->wanted.load() == Lane::Stage::prepared)
    ring_->add_lane(c.lane, Lane::Stage::active);
  else
    ring_->want(*c.lane, Lane::Stage::active);
  SHMRING_CRASH_POINT(lane_added);
  log(SHMRING_LOG_INFO, options_.socket_path, ": reader '", c.lane->grant.name, "' (process ", c.lane->process.pid,
      ") attached, attachment ", name.generation, " of this name: depth ", c.lane->grant.depth, ", max-held ",
      c.lane->grant.max_held);
  count_readers();
  return Next::keep;
}

}  // namespace shmring
