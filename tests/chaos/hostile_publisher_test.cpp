// SPDX-License-Identifier: LGPL-2.1-or-later
// Publishers that lie: in the welcome, in the header, in descriptors and formats, about the memory they send. The
// reader says so and goes on looking; it neither crashes nor hangs nor shows bytes that are not of the frame.
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "abi/geometry.hpp"
#include "abi/wire.hpp"
#include "lingering.hpp"
#include "os/clock.hpp"
#include "os/doorbell.hpp"
#include "os/memory.hpp"
#include "os/socket.hpp"
#include "reader/reader.hpp"
#include "temp_dir.hpp"
#include "watchdog.hpp"

namespace shmring {
namespace {

constexpr std::uint64_t kSlotSize = 5000;

// A ring as a correct publisher would make it, for a test to spoil before it is sent.
struct FakeRing {
  RingGeometry geometry = *RingGeometry::make(8, 2, 5, kSlotSize);
  SharedMemory ring = *create_memory("fake-ring", geometry.total_size);
  SharedMemory lane = *create_memory("fake-lane", LaneGeometry::make(8).total_size);
  Doorbell doorbell = *Doorbell::make();
  bool seal_ring = true, seal_lane = true;
  wire::Welcome welcome = wire::make<wire::Welcome>();

  FakeRing() {
    geometry.write_header(header(), 1);
    welcome.protocol = wire::kProtocol;
    welcome.publisher_pid = static_cast<std::uint32_t>(::getpid());
    welcome.ring_size = geometry.total_size;
    welcome.lane_size = LaneGeometry::make(8).total_size;
    welcome.depth = 5;
    welcome.max_held = 4;
    put(0, 1);
  }
  template <class T>
  T& at(std::uint64_t offset) {
    return *reinterpret_cast<T*>(ring.mapping.data() + offset);
  }
  RingHeader& header() { return at<RingHeader>(0); }
  LaneBlock& block() { return at<LaneBlock>(geometry.lanes_offset); }
  SlotDescriptor& slot(std::uint32_t i) {
    return at<SlotDescriptor>(geometry.slots_offset + i * sizeof(SlotDescriptor));
  }
  FormatArea& format(std::uint32_t i) { return at<FormatArea>(geometry.formats_offset + i * kFormatStride); }
  // Publishes the frame in a slot.
  void put(std::uint32_t index, std::uint64_t sequence) {
    slot(index).sequence = sequence;
    slot(index).size = 100;
    slot(index).published_at = now();
    const std::uint64_t head = block().head.load();
    block().entry[head % 5].store(index);
    block().head.store(head + 1);
  }
};

// Answers each reader's HELLO with what `answer` makes of it, until the end of its scope: declare it after what the answer uses.
class Server {
 public:
  Server(const std::string& path, std::function<void(int socket)> answer) {
    auto bound = Listener::bind(path, 0600);
    EXPECT_TRUE(bound) << bound.error().text;
    if (!bound) return;
    thread_ = std::thread([this, answer = std::move(answer), listener = *std::move(bound)]() mutable {
      std::vector<Fd> open;
      while (!stop_) {
        pollfd p{listener.fd(), POLLIN, 0};
        if (::poll(&p, 1, 10) <= 0) continue;
        open.push_back(listener.accept().trust());
        pollfd hello{open.back().get(), POLLIN, 0};
        ::poll(&hello, 1, 1000);
        std::array<std::byte, wire::kMaxMessage> buffer;
        receive_message(open.back().get(), buffer);
        answer(open.back().get());
      }
      listener.close();
    });
  }
  ~Server() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

class HostilePublisher : public testing::Test {
 protected:
  [[nodiscard]] Server serve(std::function<void(int socket)> answer) const { return {path, std::move(answer)}; }
  [[nodiscard]] Server serve(FakeRing& fake) const {
    return serve([&fake](int socket) { send(fake, socket); });
  }
  static void send(FakeRing& fake, int socket) {
    if (fake.seal_ring) (void)seal(fake.ring.fd, Seal::everything);
    if (fake.seal_lane) (void)seal(fake.lane.fd, Seal::size);
    const std::array<int, 3> descriptors = {fake.ring.fd.get(), fake.lane.fd.get(), fake.doorbell.reader_end()};
    send_message(socket, fake.welcome, descriptors);
  }
  std::unique_ptr<Reader> reader() {
    ReaderOptions o;
    o.socket_path = path;
    o.worker = "reader";
    return *Reader::open(o);
  }
  // A reader that is told of the lie.
  void expect_refusal(Status status = SHMRING_PROTOCOL) {
    auto r = reader();
    const auto frame = r->read(10'000'000'000);
    EXPECT_EQ(frame.status(), status) << frame.error().text;
    EXPECT_FALSE(frame.error().text.empty());
  }
  static std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }

  support::TempDir dir;
  const std::string path = dir.file("ring");
};

TEST_F(HostilePublisher, TheFakeRingIsReadableAsLongAsNothingIsSpoilt) {
  FakeRing fake;
  const Server server = serve(fake);
  auto r = reader();
  auto frame = r->read(10'000'000'000);
  ASSERT_TRUE(frame) << frame.error().text;
  EXPECT_EQ(frame->bytes().size(), 100u);
}

TEST_F(HostilePublisher, MemoryThatCouldStillBeWrittenIsRefused) {
  FakeRing fake;
  fake.seal_ring = false;
  const Server server = serve(fake);
  expect_refusal();
}

TEST_F(HostilePublisher, ALaneThatCouldShrinkIsRefused) {
  FakeRing fake;
  fake.seal_lane = false;
  const Server server = serve(fake);
  expect_refusal();
}

TEST_F(HostilePublisher, MemoryOfAnotherSizeIsRefused) {
  FakeRing fake;
  fake.welcome.ring_size -= kPage;
  const Server server = serve(fake);
  expect_refusal();
}

TEST_F(HostilePublisher, AWelcomeWithoutMemoryIsRefused) {
  FakeRing fake;
  const Server server = serve([&](int socket) { send_message(socket, fake.welcome); });
  expect_refusal();
}

TEST_F(HostilePublisher, AWelcomeWithFilesInsteadOfMemoryIsRefused) {
  FakeRing fake;
  const Fd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const Server server = serve([&](int socket) {
    const std::array<int, 3> descriptors = {file.get(), file.get(), fake.doorbell.reader_end()};
    send_message(socket, fake.welcome, descriptors);
  });
  expect_refusal();
}

TEST_F(HostilePublisher, AHeaderThatLiesInAnyOneFieldIsRefused) {
  // Every 32-bit word of the fixed part, with values that could lead astray.
  constexpr std::size_t words = offsetof(RingHeader, reserved) / 4;
  for (std::size_t word = 0; word < words; ++word) {
    if (word == offsetof(RingHeader, ring_id) / 4 || word == offsetof(RingHeader, ring_id) / 4 + 1)
      continue;  // any number is an id
    for (const std::uint32_t value : {0u, 1u, 0x7FFFFFFFu, 0xFFFFFFFFu, 0x80000000u}) {
      FakeRing fake;
      auto* bytes = reinterpret_cast<std::uint32_t*>(&fake.header()) + word;
      if (*bytes == value) continue;
      *bytes = value;
      auto geometry = RingGeometry::from_header(fake.header(), fake.ring.mapping.size());
      if (!geometry) {
        EXPECT_EQ(geometry.status(), SHMRING_PROTOCOL);
        continue;
      }
      // Believed all the same: then everything it leads to must lie inside of the memory.
      EXPECT_LE(geometry->payload_offset + geometry->slot_count * geometry->slot_stride, fake.ring.mapping.size())
          << word;
      EXPECT_LE(geometry->lanes_offset + geometry->lane_count * geometry->lane_stride, geometry->slots_offset) << word;
      EXPECT_LE(geometry->slot_size, geometry->slot_stride) << word;
    }
  }
}

TEST_F(HostilePublisher, ALaneNumberOrDepthOutsideOfTheRingIsRefused) {
  {
    FakeRing fake;
    fake.welcome.lane = 2;
    const Server server = serve(fake);
    expect_refusal();
  }
  FakeRing fake;
  fake.welcome.depth = 200;
  const Server server = serve(fake);
  expect_refusal();
}

TEST_F(HostilePublisher, ASlotThatDoesNotExistIsRefused) {
  FakeRing fake;
  fake.block().entry[0].store(8);
  const Server server = serve(fake);
  expect_refusal();
}

TEST_F(HostilePublisher, AFrameLargerThanItsSlotIsRefused) {
  FakeRing fake;
  fake.slot(0).size = kSlotSize + 1;
  const Server server = serve(fake);
  expect_refusal();
}

TEST_F(HostilePublisher, PlanesOutsideOfTheFrameAreRefused) {
  FakeRing fake;
  fake.slot(0).plane_count = 1;
  fake.slot(0).planes[0].offset = 101;
  const Server server = serve(fake);
  expect_refusal();
}

TEST_F(HostilePublisher, MorePlanesThanThereAreIsRefused) {
  FakeRing fake;
  fake.slot(0).plane_count = 5;
  const Server server = serve(fake);
  expect_refusal();
}

TEST_F(HostilePublisher, CapsWithoutAnEndAreRefused) {
  FakeRing fake;
  fake.slot(0).format_id = 7;
  fake.format(0).caps_size = sizeof fake.format(0).caps;
  const Server server = serve(fake);
  expect_refusal();
}

TEST_F(HostilePublisher, TheSameSlotAgainWhileItIsHeldIsRefused) {
  FakeRing fake;
  const Server server = serve(fake);
  auto r = reader();
  auto held = r->read(10'000'000'000);
  ASSERT_TRUE(held);
  fake.put(0, 1);
  const auto again = r->read(10'000'000'000);
  EXPECT_EQ(again.status(), SHMRING_PROTOCOL);
  EXPECT_EQ(held->info().sequence, 1u);
}

// A frame's format is looked at by whoever holds it, perhaps on another thread.
TEST_F(HostilePublisher, TheSameSlotUnderANewNumberWhileItIsHeldIsRefusedAndTheFormatStays) {
  FakeRing fake;
  std::strcpy(fake.format(0).caps, "image/jpeg");
  fake.format(0).caps_size = 10;
  fake.slot(0).format_id = 7;
  const Server server = serve(fake);
  auto r = reader();
  auto held = r->read(10'000'000'000);
  ASSERT_TRUE(held);
  const char* const caps = held->format().caps;
  fake.slot(0).format_id = 0;
  fake.put(0, 2);
  EXPECT_EQ(r->read(10'000'000'000).status(), SHMRING_PROTOCOL);
  EXPECT_STREQ(caps, "image/jpeg");
  EXPECT_EQ(held->info().sequence, 1u);
}

TEST_F(HostilePublisher, ARingOfHolesIsRefused) {
  FakeRing fake;
  const Fd holes(::memfd_create("holes", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(holes.get(), 1ll << 38), 0);
  ASSERT_TRUE(seal(holes, Seal::everything));
  fake.welcome.ring_size = 1ull << 38;
  const Server server = serve([&](int socket) {
    const std::array<int, 3> descriptors = {holes.get(), fake.lane.fd.get(), fake.doorbell.reader_end()};
    send_message(socket, fake.welcome, descriptors);
  });
  expect_refusal();
}

TEST_F(HostilePublisher, AWelcomeWithoutADoorbellIsRefused) {
  FakeRing fake;
  const Server server = serve([&](int socket) {
    (void)seal(fake.ring.fd, Seal::everything);
    (void)seal(fake.lane.fd, Seal::size);
    const std::array<int, 3> descriptors = {fake.ring.fd.get(), fake.lane.fd.get(), fake.ring.fd.get()};
    send_message(socket, fake.welcome, descriptors);
  });
  expect_refusal();
}

// A read without a time limit to wait for comes back, also from a publisher that never stops.
TEST_F(HostilePublisher, ADoorbellThatNeverStopsKeepsNoReadFromReturning) {
  FakeRing fake;
  const Server server = serve(fake);
  auto r = reader();
  ASSERT_TRUE(r->read(10'000'000'000));
  std::atomic<bool> stop{false};
  std::vector<std::thread> ringers;
  for (int i = 0; i < 3; ++i)
    ringers.emplace_back([&] {
      while (!stop) fake.doorbell.notify();
    });
  const std::uint64_t known = r->stats().protocol_violations;
  while (r->stats().protocol_violations == known && !HasFailure()) {
    const auto frame = r->read(0);
    EXPECT_TRUE(frame.status() == SHMRING_TIMEOUT || frame.status() == SHMRING_PROTOCOL) << frame.error().text;
  }
  stop = true;
  for (auto& ringer : ringers) ringer.join();
}

TEST_F(HostilePublisher, StaleFramesWithoutEndKeepNoReadFromReturning) {
  FakeRing fake;
  const Server server = serve(fake);
  ReaderOptions o;
  o.socket_path = path;
  o.worker = "reader";
  o.max_frame_age = 1;
  auto r = *Reader::open(o);
  std::atomic<bool> publishing{true};
  std::thread publisher([&] {
    std::uint64_t sequence = 1;
    while (publishing) {
      ++sequence;
      const std::uint32_t slot = sequence % 8;
      fake.slot(slot).sequence = sequence;
      fake.slot(slot).published_at = 1;
      const std::uint64_t head = fake.block().head.load();
      fake.block().entry[head % 5].store(slot);
      fake.block().head.store(head + 1);
    }
  });
  for (int i = 0; i < 50; ++i) {
    EXPECT_FALSE(r->read(0));
    EXPECT_FALSE(r->read(1'000'000));
  }
  publishing = false;
  publisher.join();
}

TEST_F(HostilePublisher, AHeadThatFlickersKeepsNoReadFromReturning) {
  FakeRing fake;
  const Server server = serve(fake);
  auto r = reader();
  ASSERT_TRUE(r->read(10'000'000'000));
  std::atomic<bool> stop{false};
  std::thread flicker([&] {
    while (!stop) {
      fake.block().head.store(2);
      fake.block().head.store(1);
    }
  });
  for (int i = 0; i < 2000; ++i) (void)r->read(0);
  (void)r->read(20'000'000);  // each comes back, with whatever
  stop = true;
  flicker.join();
}

TEST_F(HostilePublisher, DescriptorsThatAreSlowToCloseHoldNoReaderUp) {
  std::vector<Fd> ends;
  const Server server = serve([&](int socket) {
    Lingering first, second;
    first.pass_on(socket, bytes_of(FakeRing().welcome));
    second.pass_on(socket, bytes_of(wire::make<wire::End>()));
    ends.push_back(std::move(first.other_end));
    ends.push_back(std::move(second.other_end));
  });
  auto r = reader();
  EXPECT_EQ(r->read(10'000'000'000).status(), SHMRING_PROTOCOL);
  r.reset();
}

TEST_F(HostilePublisher, NonsenseInTheMiddleOfAStreamIsFoundAndCounted) {
  FakeRing fake;
  const Server server = serve([&](int socket) {
    send(fake, socket);
    const std::array<std::byte, 5> nonsense{};
    send_message(socket, std::span<const std::byte>(nonsense));
  });
  auto r = reader();
  EXPECT_TRUE(r->read(10'000'000'000)) << "what came before is taken";
  const auto frame = r->read(10'000'000'000);
  EXPECT_EQ(frame.status(), SHMRING_PROTOCOL);
  EXPECT_EQ(r->stats().protocol_violations, 1u);
}

TEST_F(HostilePublisher, AnyDescriptorInPlaceOfItsProcessIsNotBelieved) {
  FakeRing fake;
  (void)seal(fake.ring.fd, Seal::everything);
  (void)seal(fake.lane.fd, Seal::size);
  const Fd readable_at_once(::eventfd(1, EFD_CLOEXEC));
  const Server server = serve([&](int socket) {
    const std::array<int, 4> descriptors = {fake.ring.fd.get(), fake.lane.fd.get(), fake.doorbell.reader_end(),
                                            readable_at_once.get()};
    send_message(socket, fake.welcome, descriptors);
  });
  auto r = reader();
  ASSERT_TRUE(r->read(10'000'000'000));
  EXPECT_EQ(r->read(50'000'000).status(), SHMRING_TIMEOUT);
  EXPECT_EQ(r->stats().attachments, 1u);
}

TEST_F(HostilePublisher, WelcomeAndGoodbyeWithoutEndMakeNoReaderSpin) {
  FakeRing fake;
  fake.block().head.store(0);  // no frame
  std::atomic<int> answered{0};
  const Server server = serve([&](int socket) {
    send(fake, socket);
    auto bye = wire::make<wire::Bye>();
    bye.reason = answered % 2 ? wire::Goodbye::again : wire::Goodbye::closing;
    send_message(socket, bye);
    ++answered;
  });
  auto r = reader();
  EXPECT_EQ(r->read(1'000'000'000).status(), SHMRING_TIMEOUT);
  EXPECT_GE(answered, 2);
  EXPECT_LE(answered, 40) << "each try comes twice as late, up to every 100 ms";
}

TEST_F(HostilePublisher, AHeadThatRacesAheadShowsNoFrameTwice) {
  FakeRing fake;
  const Server server = serve(fake);
  auto r = reader();
  ASSERT_TRUE(r->read(10'000'000'000));
  fake.block().head.store(UINT64_MAX / 2);
  std::uint64_t taken = 1;
  for (int i = 0; i < 100; ++i) taken += r->read(0) ? 1 : 0;
  EXPECT_LE(taken, r->stats().attachments) << "once each time it comes back";
}

TEST_F(HostilePublisher, MessagesThatMakeNoSenseAreSurvived) {
  std::mt19937_64 random(3);
  std::atomic<int> answered{0};
  const Server server = serve([&](int socket) {
    std::vector<std::byte> bytes(1 + random() % 2000);
    for (auto& byte : bytes) byte = static_cast<std::byte>(random());
    auto welcome = wire::make<wire::Welcome>();
    if (answered % 3 == 0) std::memcpy(bytes.data(), &welcome.head, std::min(bytes.size(), sizeof welcome.head));
    send_message(socket, bytes);
    ++answered;
  });
  auto r = reader();
  while (answered < 50) {
    const auto frame = r->read(5'000'000);
    EXPECT_TRUE(frame.status() == SHMRING_PROTOCOL || frame.status() == SHMRING_TIMEOUT) << frame.error().text;
  }
}

TEST_F(HostilePublisher, AFloodOfDescriptorsIsClosed) {
  const std::size_t before = open_descriptors();
  std::atomic<int> answered{0};
  {
    const Server server = serve([&](int socket) {
      const std::array<int, 3> junk = {0, 1, 2};
      auto bye = wire::make<wire::Bye>();
      for (int i = 0; i < 20; ++i) send_message(socket, bye, junk);
      ++answered;
    });
    auto r = reader();
    while (answered < 20) (void)r->read(5'000'000);
  }
  EXPECT_TRUE(support::eventually([&] { return open_descriptors() <= before; }))
      << open_descriptors() << " of " << before;
}

TEST_F(HostilePublisher, ThatNeverAnswersIsWaitedForWithoutSpinning) {
  const Server server = serve([](int) {});
  auto r = reader();
  timespec before, after;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
  EXPECT_EQ(r->read(500'000'000).status(), SHMRING_TIMEOUT);
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
  EXPECT_LT((after.tv_sec - before.tv_sec) * 1'000'000'000 + after.tv_nsec - before.tv_nsec, 100'000'000);
}

}  // namespace
}  // namespace shmring
