// SPDX-License-Identifier: LGPL-2.1-or-later
// The article's ladder: how many Gbit/s of 1.1 MB frames go from one process to another that reads every byte, for each way there is.
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "bench.hpp"
#include "transports.hpp"

using namespace bench;

namespace {

void run(const Options& options, const TransportKind& kind, std::size_t size) {
  const std::uint64_t frames = options.scaled(std::max<std::uint64_t>(200, 2'000'000'000 / size), 20);
  auto transport = kind.make(options.folder, size);
  struct Shared {
    std::atomic<int> ready{0};
    std::atomic<std::uint64_t> read{0};  // keeps the writer at most 3 frames ahead, so that nothing is dropped anywhere
    std::uint64_t start, end;
  };
  Shared& shared = *share<Shared>();
  Child writer([&] {
    pin(0);
    transport->open_writer();
    shared.ready.fetch_add(1);
    while (shared.ready.load() != 2) ::usleep(1000);
    ::usleep(300'000);
    std::vector<std::byte> source(size);
    fill(source.data(), size, 7);
    shared.start = now();
    for (std::uint64_t i = 0; i < frames; ++i) {
      while (i - shared.read.load(std::memory_order_acquire) >= 3)
        ::sched_yield();  // a rival's own threads need this core, too
      std::byte* room = transport->room();
      if (!room) die(kind.name + ": no room");
      const Head head{i + 1, 0};
      std::memcpy(source.data(), &head, sizeof head);
      std::memcpy(room, source.data(), size);
      transport->send();
    }
    while (shared.read.load() != frames) ::usleep(1000);
  });
  Child reader([&] {
    pin(1);
    while (shared.ready.load() != 1) ::usleep(1000);
    transport->open_reader();
    shared.ready.fetch_add(1);
    for (std::uint64_t i = 0; i < frames; ++i) {
      const std::byte* frame = transport->receive();
      Head head;
      std::memcpy(&head, frame, sizeof head);
      if (head.number != i + 1) die(kind.name + ": a frame is missing");
      keep(sum(frame, size));
      transport->release();
      shared.end = now();
      shared.read.store(i + 1, std::memory_order_release);
    }
  });
  reader.join();
  writer.join();
  const double seconds = static_cast<double>(shared.end - shared.start) / 1e9;
  emit("ladder", kind.name, {{"size", static_cast<double>(size)}},
       {{"gbit_s", static_cast<double>(frames * size) * 8 / seconds / 1e9},
        {"frames_s", static_cast<double>(frames) / seconds},
        {"cpu_s_per_gb", (reader.cpu_seconds() + writer.cpu_seconds()) / (static_cast<double>(frames * size) / 1e9)}});
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv, 900);
  const Daemon roudi(options.folder);
  std::vector<TransportKind> kinds = rivals();
  kinds.push_back(our_rings()[0]);
  kinds.push_back(our_rings()[1]);
  std::vector<Case> cases;
  for (const auto& kind : kinds)
    for (std::size_t size : {100'000u, 1'100'000u})
      cases.push_back({kind.name, [&options, kind, size] { run(options, kind, size); }});
  run_rounds(options.patient(), cases);
}
