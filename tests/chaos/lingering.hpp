// SPDX-License-Identifier: LGPL-2.1-or-later
// A descriptor that is slow to close, for a hostile peer to pass on.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "os/fd.hpp"
#include "os/socket.hpp"

namespace shmring {

// A TCP connection with unsent data: whoever closes its last descriptor waits a minute for the data to go.
struct Lingering {
  Fd socket, other_end;
  Lingering() {
    const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener.get(), 1), 0);
    EXPECT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    socket = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    other_end = Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const std::vector<char> data(1 << 16);
    while (::send(socket.get(), data.data(), data.size(), MSG_DONTWAIT) > 0) {
    }
    const linger minute{1, 60};
    EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &minute, sizeof minute), 0);
  }
  // Passes it on; then ours is not the last descriptor any more, or a detached thread closes it. False: the kernel does not
  // let it through.
  bool pass_on(int to, std::span<const std::byte> message) {
    const std::array<int, 1> descriptors = {socket.get()};
    if (!send_message(to, message, descriptors)) return false;
    const UntrustedFd ours(std::move(socket));
    return true;
  }
  ~Lingering() {
    const linger none{0, 0};
    if (socket) ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
  }
};

template <class Message>
std::span<const std::byte> bytes_of(const Message& message) {
  return std::as_bytes(std::span(&message, 1));
}

}  // namespace shmring
