// SPDX-License-Identifier: LGPL-2.1-or-later
// A reader attached to memory whose every word the fuzzer writes: header, lane, descriptors, formats. What the reader hands out lies inside
// the ring and stays as it is while it is held.
#include <string>
#include <vector>

#include "abi/geometry.hpp"
#include "abi/wire.hpp"
#include "fuzz.hpp"
#include "os/memory.hpp"
#include "reader/attachment.hpp"
#include "reader/reader.hpp"

namespace {

using namespace shmring;

constexpr std::uint32_t kSlots = 4, kLanes = 2, kDepth = 3, kHeld = 3;
constexpr std::uint64_t kSlotSize = 600;

// Memory as a publisher makes it. Sealed it stays writable here, so one serves all runs.
struct Memory {
  RingGeometry geometry = *RingGeometry::make(kSlots, kLanes, kDepth, kSlotSize);
  std::uint64_t lane_size = LaneGeometry::make(kSlots).total_size;
  SharedMemory ring = *create_memory("shmring-fuzz", geometry.total_size);
  SharedMemory lane = *create_memory("shmring-fuzz-lane", lane_size);

  explicit Memory(bool sealed) {
    if (sealed) FUZZ_CHECK(seal(ring.fd, Seal::everything) && seal(lane.fd, Seal::size));
  }
  template <class T>
  T& at(std::uint64_t offset) const {
    return *reinterpret_cast<T*>(ring.mapping.data() + offset);
  }
  LaneBlock& block() const { return at<LaneBlock>(geometry.lanes_offset); }
  LanePage& page() const { return *reinterpret_cast<LanePage*>(lane.mapping.data()); }
  SlotDescriptor& descriptor(std::uint32_t slot) const {
    return at<SlotDescriptor>(geometry.slots_offset + slot * sizeof(SlotDescriptor));
  }
  FormatArea& format(std::uint32_t slot) const {
    return at<FormatArea>(geometry.formats_offset + slot * sizeof(FormatArea));
  }

  void reset() const {
    std::memset(ring.mapping.data(), 0, geometry.formats_offset);
    for (std::uint32_t slot = 0; slot < kSlots; ++slot)
      std::memset(static_cast<void*>(&format(slot)), 0, offsetof(FormatArea, caps) + 64);
    std::memset(lane.mapping.data(), 0, lane_size);
    geometry.write_header(at<RingHeader>(0), 1);
  }
};

// A frame in the user's hands, and how it was when it came.
struct Held {
  Frame frame;
  shmring_frame_info info;
  const char* caps;
  std::string text;

  explicit Held(shmring_frame* taken) : frame(taken), info(frame.info()), caps(frame.format().caps), text(caps) {
    FUZZ_CHECK(info.size <= kSlotSize && frame.bytes().size() == info.size);
    FUZZ_CHECK(info.plane_count <= SHMRING_MAX_PLANES && frame.format().plane_count <= SHMRING_MAX_PLANES);
    FUZZ_CHECK(text.size() < sizeof(FormatArea::caps));
    fuzz::touch(frame.bytes());
    FUZZ_CHECK(info.metadata_size <= SHMRING_METADATA_SIZE);
    fuzz::touch({static_cast<const std::byte*>(info.metadata), info.metadata_size});
  }
  void check() const {
    FUZZ_CHECK(std::memcmp(&info, &frame.info(), sizeof info) == 0);
    FUZZ_CHECK(frame.format().caps == caps && text == caps);
  }
};

// As a correct publisher would, but for what the fuzzer spoils of it.
void publish(const Memory& memory, fuzz::Input& input, std::uint64_t& sequence) {
  const std::uint32_t slot = input.up_to(kSlots - 1);
  SlotDescriptor d{};
  d.sequence = ++sequence;
  d.size = input.take<std::uint16_t>() % (kSlotSize + 1);
  d.format_id = input.up_to(3);
  d.extras = static_cast<std::uint16_t>(input.up_to(3));
  d.metadata_size = input.up_to(200);
  input.spoil(d, 3);
  std::memcpy(static_cast<void*>(&memory.descriptor(slot)), &d, sizeof d);
  FormatArea& format = memory.format(slot);
  format.id = d.format_id;
  format.plane_count = input.up_to(SHMRING_MAX_PLANES);
  format.caps_size = input.up_to(20);
  std::memcpy(format.caps, "video/x-raw, format=(string)BGR", format.caps_size + 1);
  format.caps[format.caps_size] = '\0';
  input.spoil({reinterpret_cast<std::byte*>(&format), 160}, 2);
  LaneBlock& block = memory.block();
  const std::uint64_t head = block.head;
  block.entry[head % kDepth] = slot;
  block.head = head + 1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Memory sealed(true), open(false);
  fuzz::Input input(data, size);
  const Memory& memory = input.up_to(15) == 15 ? open : sealed;
  memory.reset();
  input.spoil(memory.at<RingHeader>(0), 2);
  auto welcome = wire::make<wire::Welcome>();
  welcome.protocol = wire::kProtocol;
  welcome.ring_size = memory.geometry.total_size;
  welcome.lane_size = memory.lane_size;
  welcome.depth = kDepth;
  welcome.max_held = kHeld;
  input.spoil(welcome, 1);
  const auto believed = wire::parse_welcome(std::as_bytes(std::span(&welcome, 1)));
  if (!believed) return 0;
  auto made = Attachment::make(*believed, memory.ring.fd, memory.lane.fd);
  if (!made) {
    FUZZ_CHECK(!made.error().text.empty());
    return 0;
  }
  FUZZ_CHECK(&memory == &sealed);
  Attachment& attachment = **made;
  std::vector<Held> held;
  std::uint64_t sequence = 0;
  while (!input.empty()) {
    shmring_frame* frame = nullptr;
    switch (input.up_to(8)) {
      case 0:
      case 1:
        publish(memory, input, sequence);
        break;
      case 2:
      case 3:
      case 4:
        if (attachment.take(frame, 0) == Attachment::Took::frame) held.emplace_back(frame);
        break;
      case 5:
        if (!held.empty()) {
          held.back().check();
          held.pop_back();
        }
        break;
      case 6:
        memory.block().head = input.number();
        break;
      case 7:
        memory.page().tail = input.number();
        break;
      case 8:
        memory.block().entry[input.up_to(kDepth - 1)] = static_cast<std::uint32_t>(input.number());
        break;
    }
    FUZZ_CHECK(held.size() <= believed->max_held && attachment.held() == held.size());
    if (!attachment.arm()) attachment.disarm();
  }
  attachment.unref();
  for (const Held& each : held) each.check();
  return 0;
}
