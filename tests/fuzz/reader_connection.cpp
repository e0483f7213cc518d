// SPDX-License-Identifier: LGPL-2.1-or-later
// A publisher that says to a real reader what the fuzzer likes and hands it what memory it likes. The reader waits, or says what is wrong;
// frames that it hands out can be read.
#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <vector>

#include "abi/geometry.hpp"
#include "abi/wire.hpp"
#include "fuzz.hpp"
#include "os/doorbell.hpp"
#include "os/memory.hpp"
#include "os/socket.hpp"
#include "reader/reader.hpp"
#include "temp_dir.hpp"

namespace {

using namespace shmring;

constexpr std::uint32_t kSlots = 4, kDepth = 3;
constexpr std::uint64_t kSlotSize = 64;

struct Stage {
  support::TempDir dir;
  std::string path = dir.file("ring");
  Listener listener = *Listener::bind(path, 0600);
  RingGeometry geometry = *RingGeometry::make(kSlots, 1, kDepth, kSlotSize);
  SharedMemory ring = *create_memory("shmring-fuzz", geometry.total_size);
  std::uint64_t lane_size = LaneGeometry::make(kSlots).total_size;
  SharedMemory lane = *create_memory("shmring-fuzz-lane", lane_size);
  SharedMemory open = *create_memory("shmring-fuzz-open", geometry.total_size);
  Doorbell doorbell = *Doorbell::make();
  Fd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};

  Stage() {
    FUZZ_CHECK(seal(ring.fd, Seal::everything) && seal(lane.fd, Seal::size));
    geometry.write_header(*reinterpret_cast<RingHeader*>(ring.mapping.data()), 1);
    geometry.write_header(*reinterpret_cast<RingHeader*>(open.mapping.data()), 1);
  }
  LaneBlock& block() const { return *reinterpret_cast<LaneBlock*>(ring.mapping.data() + geometry.lanes_offset); }
  void reset() const {
    block().head = 0;
    std::memset(lane.mapping.data(), 0, lane_size);
  }
  void publish(std::uint64_t sequence) const {
    const std::uint64_t head = block().head;
    const auto slot = static_cast<std::uint32_t>(head % kSlots);
    auto* descriptors = reinterpret_cast<SlotDescriptor*>(ring.mapping.data() + geometry.slots_offset);
    descriptors[slot].sequence = sequence;
    descriptors[slot].size = kSlotSize;
    block().entry[head % kDepth] = slot;
    block().head = head + 1;
  }
};

template <class Message>
void send(int socket, Message message, fuzz::Input& input, std::span<const int> descriptors = {}) {
  input.spoil(message, 2);
  auto bytes = std::as_bytes(std::span(&message, 1));
  if (input.up_to(15) == 15) bytes = bytes.first(input.take<std::uint8_t>() % bytes.size());
  send_message(socket, bytes, descriptors);
}

void say(const Stage& stage, int socket, fuzz::Input& input) {
  switch (input.up_to(6)) {
    case 0:
    case 1: {
      auto welcome = wire::make<wire::Welcome>();
      welcome.protocol = wire::kProtocol;
      welcome.ring_size = stage.geometry.total_size;
      welcome.lane_size = stage.lane_size;
      welcome.depth = welcome.max_held = kDepth;
      std::array<int, 5> descriptors;
      const std::array genuine = {stage.ring.fd.get(), stage.lane.fd.get(), stage.doorbell.reader_end(),
                                  stage.null.get()};
      const std::array other = {stage.open.fd.get(), stage.null.get(), stage.ring.fd.get(), socket};
      for (std::size_t i = 0; i < descriptors.size(); ++i)
        descriptors[i] = i < genuine.size() && input.up_to(7) != 7 ? genuine[i] : other[input.up_to(3)];
      return send(socket, welcome, input, std::span(descriptors).first(input.up_to(7) == 7 ? input.up_to(5) : 3));
    }
    case 2: {
      auto end = wire::make<wire::End>();
      end.after_sequence = input.up_to(3);
      return send(socket, end, input);
    }
    case 3: {
      auto bye = wire::make<wire::Bye>();
      bye.reason = static_cast<wire::Goodbye>(input.up_to(2));
      return send(socket, bye, input);
    }
    case 4: {
      auto refused = wire::make<wire::Refused>();
      refused.status = input.up_to(15);
      return send(socket, refused, input);
    }
    case 5:
      if (input.up_to(1) == 0) return send(socket, wire::make<wire::Mapped>(), input);
      return stage.doorbell.notify();
    case 6:
      send_message(socket, input.take_bytes(input.take<std::uint8_t>()));
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Stage stage;
  stage.reset();
  fuzz::Input input(data, size);
  ReaderOptions o;
  o.socket_path = stage.path;
  o.worker = "reader";
  o.reconnect = input.up_to(1) == 1;
  const auto reader = *Reader::open(o);
  std::vector<Frame> held;
  const auto look = [&] {
    auto frame = reader->read(0);
    if (frame) {
      FUZZ_CHECK(frame->bytes().size() <= kSlotSize);
      fuzz::touch(frame->bytes());
      held.push_back(*std::move(frame));
      if (held.size() > 1) held.erase(held.begin());
    } else {
      FUZZ_CHECK(frame.status() != SHMRING_OK && frame.status() != SHMRING_FORKED &&
                 frame.status() != SHMRING_INTERRUPTED);
    }
  };
  look();  // it connects
  UntrustedFd socket;
  std::uint64_t sequence = 0;
  for (int steps = 0; !input.empty() && steps < 40; ++steps) {
    if (UntrustedFd next = stage.listener.accept()) socket = std::move(next);
    switch (input.up_to(5)) {
      default:
        if (socket) say(stage, socket.get(), input);
        look();
        break;
      case 3:
        stage.publish(++sequence);
        look();
        break;
      case 4:
        look();
        break;
      case 5:
        if (input.up_to(3) == 3) socket.reset();
        look();
        break;
    }
  }
  socket.reset();
  for (int i = 0; i < 3; ++i) look();
  static_cast<void>(reader->stats());
  // Connections still in the backlog are not for the next run.
  while (UntrustedFd next = stage.listener.accept()) next.reset();
  return 0;
}
