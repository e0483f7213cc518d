// SPDX-License-Identifier: LGPL-2.1-or-later
// A reader that speaks the protocol by hand, and so can break every rule of it.
#pragma once

#include <poll.h>
#include <sys/mman.h>

#include <array>
#include <cstddef>
#include <string>

#include <gtest/gtest.h>

#include "abi/geometry.hpp"
#include "abi/layout.hpp"
#include "abi/wire.hpp"
#include "os/doorbell.hpp"
#include "os/socket.hpp"

namespace shmring {

struct HostilePeer {
  Fd socket;
  Fd ring, lane, doorbell;
  wire::Welcome welcome{};
  std::byte* memory = nullptr;  // the lane's, writable

  static HostilePeer connect(const std::string& path) {
    HostilePeer peer;
    auto connected = connect_to(path);
    EXPECT_TRUE(connected) << connected.error().text;
    if (connected) peer.socket = *std::move(connected);
    return peer;
  }
  static wire::Hello hello(const std::string& name) {
    auto hello = wire::make<wire::Hello>();
    hello.protocol_min = hello.protocol_max = wire::kProtocol;
    hello.policy = SHMRING_LATEST;
    wire::set_text(hello.name, name);
    return hello;
  }
  // The whole handshake; what it takes is this one's to spoil.
  static HostilePeer attach(const std::string& path, const std::string& name, shmring_policy policy = SHMRING_LATEST) {
    HostilePeer peer = connect(path);
    auto greeting = hello(name);
    greeting.policy = static_cast<std::uint8_t>(policy);
    EXPECT_TRUE(send_message(peer.socket.get(), greeting));
    EXPECT_TRUE(peer.await_welcome());
    peer.map();
    EXPECT_TRUE(send_message(peer.socket.get(), wire::make<wire::Mapped>()));
    return peer;
  }

  bool await_welcome() {
    std::array<std::byte, wire::kMaxMessage> buffer;
    Received got = receive(buffer);
    const auto parsed = wire::parse_welcome({buffer.data(), got.size});
    if (!parsed) return false;
    welcome = *parsed;
    ring = got.descriptors[0].trust();
    lane = got.descriptors[1].trust();
    doorbell = got.descriptors[2].trust();
    return true;
  }
  void map() {
    void* data = ::mmap(nullptr, welcome.lane_size, PROT_READ | PROT_WRITE, MAP_SHARED, lane.get(), 0);
    ASSERT_NE(data, MAP_FAILED);
    memory = static_cast<std::byte*>(data);
  }
  Received receive(std::span<std::byte> buffer) const {
    pollfd p{socket.get(), POLLIN, 0};
    ::poll(&p, 1, 20'000);
    return receive_message(socket.get(), buffer);
  }
  // Tells whether the publisher has closed the connection, or does so soon; whatever it still says is thrown away.
  bool is_sent_away() const {
    std::array<std::byte, wire::kMaxMessage> buffer;
    for (int i = 0; i < 1000; ++i)
      if (receive(buffer).kind == Received::Kind::closed) return true;
    return false;
  }
  LanePage& page() const { return *reinterpret_cast<LanePage*>(memory); }

  HostilePeer() = default;
  HostilePeer(HostilePeer&& other) noexcept
      : socket(std::move(other.socket)),
        ring(std::move(other.ring)),
        lane(std::move(other.lane)),
        doorbell(std::move(other.doorbell)),
        welcome(other.welcome),
        memory(std::exchange(other.memory, nullptr)) {}
  ~HostilePeer() {
    if (memory) ::munmap(memory, welcome.lane_size);
  }
};

}  // namespace shmring
