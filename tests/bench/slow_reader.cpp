// SPDX-License-Identifier: LGPL-2.1-or-later
// A camera of 30 Hz and a reader that works 100 ms on each frame: how old frames are when it gets them, and whether the writer runs late
// because of it. Every way keeps as many frames for the reader as it does by itself.
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "bench.hpp"
#include "transports.hpp"

using namespace bench;

namespace {

constexpr std::size_t kSize = 1'100'000;
constexpr unsigned kHz = 30;
constexpr std::uint64_t kWork = 100'000'000;

void run(const Options& options, const TransportKind& kind) {
  const std::uint64_t frames = options.scaled(120, 9), most = frames + 1;
  auto transport = kind.make(options.folder, kSize);
  struct Shared {
    std::atomic<int> ready{0};
    std::atomic<std::uint64_t> received{0};
    std::uint64_t age[1000];
  };
  Shared& shared = *share<Shared>();
  Child reader([&] {
    while (shared.ready.load() != 1) ::usleep(1000);
    transport->open_reader();
    shared.ready.fetch_add(1);
    for (std::uint64_t i = 0; i < most; ++i) {
      const std::byte* frame = transport->receive();
      Head head;
      std::memcpy(&head, frame, sizeof head);
      shared.age[i] = now() - head.complete_at;
      shared.received.store(i + 1);
      sleep_until(now() + kWork);
      transport->release();
    }
  });
  struct Sent {
    std::uint64_t late[1000];
    std::uint64_t count = 0, dropped = 0;
  };
  Sent& sent = *share<Sent>();
  Child writer([&] {
    transport->open_writer();
    shared.ready.fetch_add(1);
    while (shared.ready.load() != 2) ::usleep(1000);
    ::usleep(300'000);
    const std::uint64_t start = now();
    for (std::uint64_t i = 0; i < frames; ++i) {
      const std::uint64_t due = start + (i + 1) * (1'000'000'000 / kHz);
      if (now() < due) sleep_until(due);
      sent.late[sent.count++] = now() - due;
      std::byte* room = transport->room();
      if (!room) {
        ++sent.dropped;
        continue;
      }
      fill(room, kSize, i);
      const Head head{i + 1, now()};
      std::memcpy(room, &head, sizeof head);
      transport->send();
    }
  });
  writer.join();
  Samples ages, late;
  // The beginning, when nothing waits yet, does not count.
  for (std::uint64_t i = std::min<std::uint64_t>(5, shared.received.load() / 2); i < shared.received.load(); ++i)
    ages.add(shared.age[i]);
  for (std::uint64_t i = 0; i < sent.count; ++i) late.add(sent.late[i]);
  emit(
      "slow_reader", kind.name, {{"hz", kHz}},
      figures("age", ages) + figures("late", late) + Values{{"received", static_cast<double>(shared.received.load())}});
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv, 600);
  const Daemon roudi(options.folder);
  std::vector<TransportKind> kinds = rivals();
  kinds.push_back(latest_ring());
  kinds.push_back(our_rings()[0]);
  std::vector<Case> cases;
  for (const auto& kind : kinds) cases.push_back({kind.name, [&options, kind] { run(options, kind); }});
  run_rounds(options, cases);
}
