// SPDX-License-Identifier: LGPL-2.1-or-later
// ZeroMQ over ipc: a PUSH and a PULL socket, the frame built in the message that is sent.
#include <memory>

#include <zmq.hpp>

#include "bench.hpp"
#include "peers.hpp"

namespace bench {
namespace {

class ZeroMq : public Transport {
 public:
  ZeroMq(const std::string& folder, std::size_t frame_size) : Transport(frame_size), path_(folder + "/zmq.sock") {}
  void open_writer() override { open(zmq::socket_type::push, true); }
  std::byte* room() override {
    message_.rebuild(size);
    return static_cast<std::byte*>(message_.data());
  }
  void send() override { socket_->send(message_, zmq::send_flags::none); }
  void open_reader() override { open(zmq::socket_type::pull, false); }
  const std::byte* receive() override {
    if (!socket_->recv(message_)) die("ZeroMQ: recv failed");
    return static_cast<const std::byte*>(message_.data());
  }

 private:
  void open(zmq::socket_type type, bool bind) {
    context_ = std::make_unique<zmq::context_t>(1);
    socket_ = std::make_unique<zmq::socket_t>(*context_, type);
    socket_->set(zmq::sockopt::linger, 0);
    socket_->set(zmq::sockopt::sndhwm, 5);
    socket_->set(zmq::sockopt::rcvhwm, 5);
    const std::string address = "ipc://" + path_;
    if (bind)
      socket_->bind(address);
    else
      socket_->connect(address);
  }

  const std::string path_;
  std::unique_ptr<zmq::context_t> context_;
  std::unique_ptr<zmq::socket_t> socket_;
  zmq::message_t message_;
};

}  // namespace

std::unique_ptr<Transport> make_zeromq(const std::string& folder, std::size_t size) {
  return std::make_unique<ZeroMq>(folder, size);
}

}  // namespace bench
