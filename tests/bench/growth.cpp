// SPDX-License-Identifier: LGPL-2.1-or-later
// Growth of costs: per frame with the number of lanes (all read), with the size of a frame, and with the number of rings of one publisher.
#include <unistd.h>

#include <atomic>
#include <cstring>

#include <shmring/shmring.h>

#include "bench.hpp"

using namespace bench;

namespace {

void check(shmring_status status) {
  if (status != SHMRING_OK) die(shmring_last_error());
}

// `rings` rings of `lanes` lanes each; one process on the other core reads them all, a byte of each page. The publisher writes whole frames.
void run(const Options& options, const char* name, std::size_t size, std::uint32_t lanes, std::uint32_t rings) {
  const std::uint64_t frames =
      options.scaled(std::max<std::uint64_t>(30, std::min<std::uint64_t>(3'000, 1'000'000'000 / (size * rings))), 3);
  const auto path = [&](std::uint32_t ring) { return options.folder + "/" + std::to_string(ring) + ".sock"; };
  struct Words {
    alignas(128) std::atomic<std::uint64_t> there{0};
    alignas(128) std::atomic<std::uint64_t> taken{0};
  };
  Words& words = *share<Words>();
  std::vector<shmring_publisher*> publishers(rings);
  for (std::uint32_t i = 0; i < rings; ++i) {
    const std::string p = path(i);
    shmring_publisher_options po = SHMRING_PUBLISHER_OPTIONS_INIT;
    po.socket_path = p.c_str();
    po.slot_size = size;
    po.max_readers = lanes;
    po.slots = 4 + 2 * lanes;
    po.depth = po.max_held = 1;
    check(shmring_publisher_open(&po, &publishers[i]));
  }
  Child consumer([&] {
    pin(1);
    std::vector<shmring_reader*> readers;
    for (std::uint32_t i = 0; i < rings; ++i)
      for (std::uint32_t lane = 0; lane < lanes; ++lane) {
        const std::string p = path(i), worker = "lane-" + std::to_string(lane);
        shmring_reader_options ro = SHMRING_READER_OPTIONS_INIT;
        ro.socket_path = p.c_str();
        ro.worker = worker.c_str();
        shmring_reader* reader = nullptr;
        check(shmring_reader_open(&ro, &reader));
        shmring_frame* none = nullptr;
        while (!shmring_reader_connected(reader)) shmring_reader_read(reader, 10'000'000, &none);
        readers.push_back(reader);
      }
    words.taken.store(1);
    for (std::uint64_t i = 1; i <= frames; ++i) {
      while (words.there.load(std::memory_order_acquire) < i) relax();
      for (shmring_reader* reader : readers) {
        shmring_frame* frame = nullptr;
        check(shmring_reader_read(reader, 5'000'000'000, &frame));
        const auto* bytes = static_cast<const std::byte*>(shmring_frame_data(frame));
        for (std::size_t at = 0; at < size; at += 4096) keep(static_cast<std::uint64_t>(bytes[at]));
        shmring_frame_release(frame);
      }
      words.taken.store(i + 1, std::memory_order_release);
    }
    for (shmring_reader* reader : readers) shmring_reader_close(reader);
  });
  while (words.taken.load() == 0) ::usleep(1000);
  ::usleep(100'000);
  pin(0);
  Samples writing(frames), publishing(frames);
  for (std::uint64_t i = 1; i <= frames; ++i) {
    while (words.taken.load(std::memory_order_acquire) < i) relax();
    std::uint64_t write = 0, publish = 0;
    for (shmring_publisher* publisher : publishers) {
      const std::uint64_t t = now();
      shmring_loan loan = SHMRING_LOAN_INIT;
      check(shmring_publisher_loan(publisher, &loan));
      fill(static_cast<std::byte*>(loan.data), size, i);
      const std::uint64_t filled = now();
      shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
      info.size = size;
      check(shmring_publisher_publish(publisher, &loan, &info));
      publish += now() - filled;
      write += filled - t;
    }
    words.there.store(i, std::memory_order_release);
    if (i <= frames / 10) continue;
    writing.add(write);
    publishing.add(publish);
  }
  consumer.join();
  for (shmring_publisher* publisher : publishers) shmring_publisher_close(publisher);
  pin(-1);
  emit("growth", name, {{"size", static_cast<double>(size)}, {"lanes", lanes}, {"rings", rings}},
       {{"write_p50", writing.at(0.5)}, {"publish_p50", publishing.at(0.5)}});
}

}  // namespace

int main(int argc, char** argv) {
  Options options = parse(argc, argv, 300);
  options.rounds = std::min(options.rounds, 3u);
  std::vector<Case> cases;
  for (std::uint32_t lanes : {1u, 2u, 4u, 8u, 16u, 32u, 63u})
    cases.push_back({"lanes", [&options, lanes] { run(options, "lanes", 1024, lanes, 1); }});
  for (std::size_t size : {1'000u, 10'000u, 100'000u, 1'100'000u, 6'220'800u, 12'441'600u, 24'883'200u})
    cases.push_back({"size", [&options, size] { run(options, "size", size, 1, 1); }});
  for (std::uint32_t rings : {1u, 2u, 4u, 8u, 16u, 32u, 64u})
    cases.push_back({"rings", [&options, rings] { run(options, "rings", 100'000, 1, rings); }});
  run_rounds(options, cases);
}
