// SPDX-License-Identifier: LGPL-2.1-or-later
// A peer that says to a real publisher what the fuzzer likes, in any order, and writes what it likes into the lane it was given. A correct
// reader beside it gets every frame, and the publisher's accounts balance.
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <vector>

#include "abi/layout.hpp"
#include "abi/wire.hpp"
#include "fuzz.hpp"
#include "os/socket.hpp"
#include "publisher/publisher.hpp"
#include "reader/reader.hpp"
#include "temp_dir.hpp"

namespace {

using namespace shmring;

constexpr std::uint64_t kSlotSize = 64, kPatience = 20'000'000'000;

class Stranger {
 public:
  explicit Stranger(const std::string& path) : socket_(*connect_to(path)) {}
  ~Stranger() {
    if (lane_) ::munmap(lane_, lane_size_);
  }

  // One of the messages of the protocol, spoiled, perhaps cut, with unwanted descriptors.
  void say(fuzz::Input& input) {
    switch (input.up_to(7)) {
      case 0:
      case 1: {
        auto hello = wire::make_hello(wire::kVersion, static_cast<wire::Role>(input.up_to(1)));
        wire::set_text(hello.name, std::array{"a", "witness", "b"}[input.up_to(2)]);
        hello.policy = static_cast<std::uint8_t>(input.up_to(2));
        hello.depth = input.up_to(3);
        hello.max_held = input.up_to(3);
        send(hello, input);
        return listen(3);
      }
      case 2:
        send(wire::make<wire::Mapped>(), input);
        return;
      case 3:
        send(wire::make<wire::Ask>(), input);
        return listen(3);
      case 4:
        send(wire::make<wire::Bye>(), input);
        return;
      case 5:
        send(wire::make<wire::Welcome>(), input);
        return;
      case 7:
        send(wire::make<wire::Key>(), input);
        return;
      case 6:
        const auto bytes = input.take_bytes(input.take<std::uint8_t>());
        send_message(socket_.get(), bytes);
        return;
    }
  }

  void write(fuzz::Input& input) {
    if (!lane_) return;
    LanePage& page = *reinterpret_cast<LanePage*>(lane_);
    switch (input.up_to(3)) {
      case 0:
        page.tail = page.tail + input.up_to(3);
        break;
      case 1:
        page.tail = input.number();
        break;
      case 2:
        page.waiting = static_cast<std::uint32_t>(input.number());
        break;
      case 3:
        page.ack[input.up_to(7)] = input.number();
        break;
    }
  }

  // Reads the publisher's messages; the memory of a WELCOME is mapped.
  void listen(int patience_ms) {
    pollfd p{socket_.get(), POLLIN, 0};
    ::poll(&p, 1, patience_ms);
    std::vector<std::byte> buffer(wire::kMaxStats);
    for (;;) {
      const Received got = receive_message(socket_.get(), buffer);
      if (got.kind != Received::Kind::message) return;
      const auto welcome = wire::parse_welcome(std::span(buffer).first(got.size));
      if (!welcome || lane_ || welcome->lane_size == 0) continue;
      void* lane = ::mmap(nullptr, welcome->lane_size, PROT_READ | PROT_WRITE, MAP_SHARED, got.descriptors[1].get(), 0);
      FUZZ_CHECK(lane != MAP_FAILED);
      lane_ = static_cast<std::byte*>(lane);
      lane_size_ = welcome->lane_size;
    }
  }

  // Says no more, and waits until the publisher has heard all and hangs up.
  void leave() {
    ::shutdown(socket_.get(), SHUT_WR);
    std::vector<std::byte> buffer(wire::kMaxStats);
    bool hung_up = false;
    for (int i = 0; i < 1000 && !hung_up; ++i) {
      pollfd p{socket_.get(), POLLIN, 0};
      ::poll(&p, 1, 20);
      hung_up = receive_message(socket_.get(), buffer).kind == Received::Kind::closed;
    }
    FUZZ_CHECK(hung_up);
  }

 private:
  template <class Message>
  void send(Message message, fuzz::Input& input) {
    input.spoil(message, 2);
    auto bytes = std::as_bytes(std::span(&message, 1));
    if (input.up_to(15) == 15) bytes = bytes.first(input.take<std::uint8_t>() % bytes.size());
    const std::array descriptors = {socket_.get(), socket_.get(), socket_.get(), socket_.get()};
    send_message(socket_.get(), bytes, std::span(descriptors).first(input.up_to(15) == 15 ? 1 + input.up_to(3) : 0));
  }

  const Fd socket_;
  std::byte* lane_ = nullptr;
  std::uint64_t lane_size_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const support::TempDir dir;
  fuzz::Input input(data, size);
  PublisherOptions o;
  o.socket_path = dir.file("ring");
  o.slot_size = kSlotSize;
  o.max_readers = 3;
  o.depth = o.max_held = 2;
  const auto publisher = *Publisher::open(o);
  ReaderOptions r;
  r.socket_path = o.socket_path;
  r.worker = "witness";
  const auto witness = *Reader::open(r);
  std::uint64_t sequence = 0;
  const auto publish = [&] {
    std::array<std::byte, kSlotSize> bytes;
    bytes.fill(static_cast<std::byte>(++sequence));
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    const std::span<const std::byte> part = bytes;
    FUZZ_CHECK(publisher->write({&part, 1}, info));
    auto frame = witness->read(kPatience);
    FUZZ_CHECK(frame && frame->info().sequence == sequence);
    FUZZ_CHECK(std::equal(bytes.begin(), bytes.end(), frame->bytes().begin(), frame->bytes().end()));
  };
  publish();
  std::vector<std::unique_ptr<Stranger>> peers;
  peers.push_back(std::make_unique<Stranger>(o.socket_path));
  for (int steps = 0; !input.empty() && steps < 20; ++steps) {
    Stranger& peer = *peers.back();
    switch (input.up_to(7)) {
      default:
        peer.say(input);
        break;
      case 4:
        peer.write(input);
        break;
      case 5:
        publish();
        break;
      case 6:
        peer.listen(2);
        break;
      case 7:
        if (peers.size() < 4) peers.push_back(std::make_unique<Stranger>(o.socket_path));
        break;
    }
  }
  for (const auto& peer : peers) peer->leave();
  publish();
  (void)publisher->key_frame_requested();
  const auto stats = publisher->stats();
  FUZZ_CHECK(stats.ring.free_slots + stats.ring.owned + stats.ring.loaned == stats.ring.slots);
  for (const auto& lane : stats.accounts) FUZZ_CHECK(lane.offered == lane.delivered + lane.dropped + lane.pending);
  return 0;
}
