// SPDX-License-Identifier: LGPL-2.1-or-later
// Who may come in, under which name, with how much: the handshake, on the control thread.
#include <sys/epoll.h>

#include <algorithm>
#include <array>

#include "client/control.hpp"
#include "core/crash_point.hpp"

namespace shmring {
namespace {

constexpr std::size_t kMaxObservers = 16;
constexpr Offence kSealed{SHMRING_OFFENCE_SEALS, "it kept its lane's memory from being sealed"};

}  // namespace

Control::Next Control::refuse(Connection& c, Status status, const std::string& text) {
  ++refused_readers_;
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
  c.deadline = 0;
  return Next::keep;
}

std::string Control::who_reads() const {
  std::string text;
  for (const auto& [serial, c] : connections_)
    if (c.lane && c.ring == ring_.get() && c.lane->wanted.load() <= Lane::Stage::active)
      text +=
          (text.empty() ? "'" : ", '") + c.lane->grant.name + "' (process " + std::to_string(c.lane->process.pid) + ")";
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

  std::uint32_t readers = 0, used = 1 + ring_->loans();
  bool spinner = false;
  for (const auto& [serial, other] : connections_) {
    if (!other.lane || other.ring != ring_.get() || other.lane->wanted.load() > Lane::Stage::active) continue;
    if (other.lane->grant.name == name)
      return refuse(c, SHMRING_IN_USE,
                    "the name '" + name + "' belongs to process " + std::to_string(other.lane->process.pid) +
                        ", which lives: stop that one, or give this reader another name");
    ++readers;
    used += other.lane->grant.depth + other.lane->grant.max_held;
    spinner |= other.lane->grant.wake == SHMRING_WAKE_ADAPTIVE;
  }
  if (readers >= options_.max_readers)
    return refuse(c, SHMRING_IN_USE,
                  "this ring takes " + std::to_string(options_.max_readers) +
                      (options_.max_readers == 1 ? " reader, and " : " readers, and ") + who_reads() +
                      (readers == 1 ? " has it" : " have them") + ": raise max-readers, or stop one");
  for (const auto& lane : ring_->lanes())
    if (lane->wanted.load() > Lane::Stage::active && lane->applied.load() != Lane::Stage::freed)
      used += static_cast<std::uint32_t>(lane->owned.get());
  // A lane's number is free when neither a lane nor a handshake has it.
  std::uint32_t index = 0;
  const auto taken = [&] {
    return !ring_->lane_index_free(index) || std::any_of(connections_.begin(), connections_.end(), [&](const auto& o) {
      return o.second.lane && o.second.ring == ring_.get() && o.second.lane->index == index;
    });
  };
  while (index < ring_->geometry().lane_count && taken()) ++index;
  const std::uint32_t slots = ring_->geometry().slot_count, left = slots > used ? slots - used : 0;
  if (index == ring_->geometry().lane_count || left < 2)
    return refuse(
        c, SHMRING_REFUSED,
        "of " + std::to_string(slots) + " slots " + std::to_string(left) +
            " are left, a reader needs 2: readers that closed still hold frames, or slots is too small; keep copies of "
            "frames (in Python frame.copy()), release them, or raise slots");

  Lane::Grant grant;
  grant.name = name;
  grant.policy = hello.policy == SHMRING_POLICY_DEFAULT ? options_.policy : static_cast<shmring_policy>(hello.policy);
  grant.wake = spinner ? SHMRING_WAKE_BLOCK : static_cast<shmring_wake>(hello.wake);
  grant.depth =
      grant.policy == SHMRING_LATEST ? 1 : std::min(hello.depth ? hello.depth : options_.depth, options_.depth);
  grant.depth = std::min(grant.depth, left - 1);
  grant.max_held =
      std::min({hello.max_held ? hello.max_held : options_.max_held, options_.max_held, left - grant.depth});

  const LaneGeometry geometry = LaneGeometry::make(slots);
  auto memory = create_memory("shmring-lane", geometry.total_size);
  if (!memory) return refuse(c, memory.status(), "the publisher has no memory for a lane: " + memory.error().text);
  if (auto ok = seal(memory->fd, Seal::size); !ok) return refuse(c, ok.status(), ok.error().text);
  auto bell = Doorbell::make();
  if (!bell) return refuse(c, bell.status(), bell.error().text);

  SHMRING_CRASH_POINT(lane_allocated);
  welcome.policy = static_cast<std::uint8_t>(grant.policy);
  welcome.wake = static_cast<std::uint8_t>(grant.wake);
  welcome.ring_id = ring_->id();
  welcome.ring_size = ring_->geometry().total_size;
  welcome.lane_size = geometry.total_size;
  welcome.lane = index;
  welcome.depth = grant.depth;
  welcome.max_held = grant.max_held;
  // The lane first: it clears what its predecessor left in the ring, and the reader may look as soon as it has the descriptors.
  c.lane = std::make_shared<Lane>(std::move(grant), index, std::move(c.peer), std::move(c.socket), *std::move(bell),
                                  *std::move(memory), ring_->lane_block(index), slots);
  c.ring = ring_.get();
  c.stage = Connection::Stage::mapping;
  const std::array<int, 4> descriptors = {ring_->memory().get(), c.lane->memory.fd.get(), c.lane->bell.reader_end(),
                                          own_pidfd_.get()};
  if (!send_message(c.fd(), welcome, std::span(descriptors).first(own_pidfd_ ? 4 : 3)))
    return refuse(c, SHMRING_SYSTEM, "sending the ring failed");
  c.lane->bell.forget_reader_end();
  SHMRING_CRASH_POINT(welcome_sent);
  return Next::keep;
}

Control::Next Control::on_mapped(Connection& c) {
  SHMRING_CRASH_POINT(mapped_heard);
  if (c.ring != ring_.get()) {  // replaced meanwhile: it comes again
    auto bye = wire::make<wire::Bye>();
    bye.reason = wire::Goodbye::again;
    send_message(c.fd(), bye);
    return Next::close;
  }
  // From here on nobody else can ever map the lane writable, or change its size.
  if (!seal(c.lane->memory.fd, Seal::everything)) {
    convict(c, kSealed);
    return Next::close;
  }
  repopulate(c.lane->memory.mapping);  // until now it could be punched
  SHMRING_CRASH_POINT(lane_sealed);
  c.deadline = 0;
  c.stage = Connection::Stage::reading;
  Name& name = name_of(c.lane->grant.name);
  // One that was sent here from the former ring is the same as before.
  if (!comes_again(name, *c.lane)) ++name.generation;
  name.moving = 0;
  name.moving_process.reset();
  name.gone_at = 0;
  if (c.lane->pidfd) watch(c.lane->pidfd.get(), EPOLLIN, process_tag(c.serial));
  ring_->add_lane(c.lane);
  SHMRING_CRASH_POINT(lane_added);
  readers_.fetch_add(1, std::memory_order_relaxed);
  return Next::keep;
}

}  // namespace shmring
