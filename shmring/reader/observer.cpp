// SPDX-License-Identifier: LGPL-2.1-or-later
#include "reader/observer.hpp"

#include <poll.h>

#include <array>
#include <vector>

#include "abi/wire.hpp"
#include "os/clock.hpp"
#include "os/socket.hpp"

namespace shmring {
namespace {

// The next message of the type wanted, or why there is none.
Result<std::size_t> await(int socket, std::span<std::byte> buffer, wire::Type wanted, std::uint64_t timeout) {
  const std::uint64_t start = now();
  for (;;) {
    const Received got = receive_message(socket, buffer);
    if (got.kind == Received::Kind::closed) return {SHMRING_DISCONNECTED, "the publisher is gone"};
    const auto type = wire::type_of(buffer.first(got.size));
    if (got.kind == Received::Kind::message && type == wanted) return got.size;
    if (got.kind == Received::Kind::message && type == wire::Type::refused)
      if (const auto refused = wire::parse_refused(buffer.first(got.size)))
        return {static_cast<Status>(refused->status), refused->text};
    if (got.kind == Received::Kind::broken || got.kind == Received::Kind::message)
      return {SHMRING_PROTOCOL,
              "this socket does not belong to a shmring publisher: give the path of a publisher's socket"};
    const std::uint64_t spent = now() - start;
    if (timeout != SHMRING_WAIT_FOREVER && spent >= timeout)
      return {SHMRING_TIMEOUT, "the publisher does not answer: it may be stopped"};
    const std::uint64_t left = timeout == SHMRING_WAIT_FOREVER ? 1'000'000'000u : timeout - spent;
    timespec t{static_cast<time_t>(left / 1'000'000'000u), static_cast<long>(left % 1'000'000'000u)};
    pollfd p{socket, POLLIN, 0};
    ::ppoll(&p, 1, &t, nullptr);
  }
}

}  // namespace

Result<std::unique_ptr<Observer>> Observer::open(const std::string& path, std::uint64_t timeout) {
  auto connected = connect_to(path);
  if (!connected) return connected.error();
  UntrustedFd socket(*std::move(connected));
  refuse_descriptors(socket.get());
  const auto hello = wire::make_hello(wire::kVersion, wire::Role::observer);
  if (!send_message(socket.get(), hello)) return {SHMRING_DISCONNECTED, "the publisher is gone"};
  std::array<std::byte, wire::kMaxMessage> buffer;
  if (auto got = await(socket.get(), buffer, wire::Type::welcome, timeout); !got) return got.error();
  return std::unique_ptr<Observer>(new Observer(std::move(socket)));
}

Result<RingStats> Observer::stats(std::uint64_t timeout) {
  if (!send_message(socket_.get(), wire::make<wire::Ask>())) return {SHMRING_DISCONNECTED, "the publisher is gone"};
  std::vector<std::byte> buffer(wire::kMaxStats);
  auto got = await(socket_.get(), buffer, wire::Type::stats, timeout);
  if (!got) return got.error();
  RingStats stats;
  stats.accounts.resize(SHMRING_MAX_READERS + 64);
  const auto lanes = wire::parse_stats(std::span(buffer).first(*got), stats.ring, stats.accounts);
  if (!lanes) return {SHMRING_PROTOCOL, "the publisher sent a malformed STATS message"};
  stats.accounts.resize(std::min(*lanes, stats.accounts.size()));
  return stats;
}

}  // namespace shmring
