// SPDX-License-Identifier: LGPL-2.1-or-later
// Small frames with both ends awake: one way through the ring against a cache line's round trip, publishing to n lanes that are awake,
// a floor for the clock and for a fence, and the system calls made meanwhile (none).
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

shmring_publisher* open_publisher(const std::string& path, std::uint32_t readers, shmring_policy policy) {
  shmring_publisher_options options = SHMRING_PUBLISHER_OPTIONS_INIT;
  options.socket_path = path.c_str();
  options.slot_size = 64;
  options.max_readers = readers;
  options.drop_policy = policy;
  shmring_publisher* publisher = nullptr;
  check(shmring_publisher_open(&options, &publisher));
  return publisher;
}

shmring_reader* open_reader(const std::string& path, const std::string& name, shmring_wake wake) {
  shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
  options.socket_path = path.c_str();
  options.worker = name.c_str();
  options.wake = wake;
  shmring_reader* reader = nullptr;
  check(shmring_reader_open(&options, &reader));
  return reader;
}

shmring_loan borrow(shmring_publisher* publisher) {
  shmring_loan loan = SHMRING_LOAN_INIT;
  check(shmring_publisher_loan(publisher, &loan));
  return loan;
}

void publish(shmring_publisher* publisher, shmring_loan loan, std::uint64_t value) {
  std::memcpy(loan.data, &value, sizeof value);
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = 64;
  check(shmring_publisher_publish(publisher, &loan, &info));
}

// Reads a frame's payload, and has it still held.
std::uint64_t take(shmring_reader* reader, shmring_frame*& frame) {
  check(shmring_reader_read(reader, SHMRING_WAIT_FOREVER, &frame));
  std::uint64_t value;
  std::memcpy(&value, shmring_frame_data(frame), sizeof value);
  return value;
}

std::uint64_t read(shmring_reader* reader) {
  shmring_frame* frame = nullptr;
  const std::uint64_t value = take(reader, frame);
  shmring_frame_release(frame);
  return value;
}

void wait_for_readers(shmring_publisher* publisher, std::uint32_t readers) {
  for (;;) {
    shmring_ring_stats stats = SHMRING_RING_STATS_INIT;
    check(shmring_publisher_stats(publisher, &stats, nullptr, 0, 0, nullptr));
    if (stats.readers == readers) break;
    ::usleep(1000);
  }
  ::usleep(100'000);
}

// Through one ring and back through another, both readers spinning; half of it is one way: from writing the payload until the other
// process has read it. Borrowing the next slot and letting go of the last frame come after it, as in any program that is in a hurry.
void one_way(const Options& options) {
  const double round_trip = line_round_trip(options);
  const std::uint64_t count = options.scaled(300'000, 2'000);
  const std::string there = options.folder + "/there.sock", back = options.folder + "/back.sock";
  Child echo([&] {
    pin(1);
    shmring_publisher* publisher = open_publisher(back, 1, SHMRING_DROP_NEWEST);
    shmring_reader* reader = open_reader(there, "echo", SHMRING_WAKE_ADAPTIVE);
    wait_for_readers(publisher, 1);
    shmring_frame* frame = nullptr;
    shmring_loan loan = borrow(publisher);
    for (std::uint64_t i = 0; i < count; ++i) {
      publish(publisher, loan, take(reader, frame));
      shmring_frame_release(frame);
      loan = borrow(publisher);
    }
    shmring_reader_close(reader);
    ::usleep(100'000);
    shmring_publisher_close(publisher);
  });
  shmring_publisher* publisher = open_publisher(there, 1, SHMRING_DROP_NEWEST);
  pin(0);
  shmring_reader* reader = open_reader(back, "caller", SHMRING_WAKE_ADAPTIVE);
  shmring_frame* none = nullptr;
  while (!shmring_reader_connected(reader)) shmring_reader_read(reader, 10'000'000, &none);
  wait_for_readers(publisher, 1);
  Samples samples(count);
  shmring_frame* frame = nullptr;
  for (std::uint64_t i = 0; i < count; ++i) {
    const shmring_loan loan = borrow(publisher);
    const std::uint64_t start = now();
    publish(publisher, loan, i);
    if (take(reader, frame) != i) die("a frame is missing");
    if (i > count / 10) samples.add(now() - start);
    shmring_frame_release(frame);
  }
  echo.join();
  shmring_ring_stats stats = SHMRING_RING_STATS_INIT;
  shmring_reader_account lane{};
  std::size_t lanes = 0;
  check(shmring_publisher_stats(publisher, &stats, &lane, sizeof lane, 1, &lanes));
  shmring_reader_close(reader);
  shmring_publisher_close(publisher);
  pin(-1);
  emit("ring_small", "one way", {},
       {{"one_way_p50", samples.at(0.5) / 2},
        {"one_way_p99", samples.at(0.99) / 2},
        {"line_round_trip", round_trip},
        {"bells_per_1000", static_cast<double>(lane.wakeups) * 1000 / static_cast<double>(count)}});
}

// Publishing alone, timed; the loan before it is timed by itself. The lanes' readers live in a process on the other core that either
// takes every frame, told by a word that the frame is there, or never takes one.
void to_lanes(const Options& options, std::uint32_t lanes, bool consumed, double round_trip) {
  const std::uint64_t count = options.scaled(20'000, 200);
  const std::string path = options.folder + "/lanes.sock";
  struct Words {
    alignas(128) std::atomic<std::uint64_t> there{0};
    alignas(128) std::atomic<std::uint64_t> taken{0};
  };
  Words& words = *share<Words>();
  shmring_publisher* publisher = open_publisher(path, lanes, SHMRING_LATEST);
  Child consumer([&] {
    pin(1);
    std::vector<shmring_reader*> readers;
    for (std::uint32_t i = 0; i < lanes; ++i) {
      readers.push_back(open_reader(path, "lane-" + std::to_string(i), SHMRING_WAKE_BLOCK));
      shmring_frame* none = nullptr;
      while (!shmring_reader_connected(readers.back())) shmring_reader_read(readers.back(), 10'000'000, &none);
    }
    words.taken.store(1);
    for (std::uint64_t i = 1; consumed && i <= count + 1; ++i) {
      while (words.there.load(std::memory_order_acquire) < i) relax();
      for (shmring_reader* reader : readers) keep(read(reader));
      words.taken.store(i + 1, std::memory_order_release);
    }
    while (words.there.load() != UINT64_MAX) ::usleep(1000);
    for (shmring_reader* reader : readers) shmring_reader_close(reader);
  });
  wait_for_readers(publisher, lanes);
  pin(0);
  Samples costs(count), loans(count), clock(count);
  for (std::uint64_t i = 1; i <= count + 1; ++i) {
    while (consumed && words.taken.load(std::memory_order_acquire) < i) relax();
    const std::uint64_t before = now();
    shmring_loan loan = SHMRING_LOAN_INIT;
    check(shmring_publisher_loan(publisher, &loan));
    const std::uint64_t start = now();
    std::memcpy(loan.data, &i, sizeof i);
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.size = 64;
    check(shmring_publisher_publish(publisher, &loan, &info));
    const std::uint64_t end = now();
    words.there.store(i, std::memory_order_release);
    if (i == 1) {
      ::usleep(50'000);  // the first frame rings; from now on everybody is awake
      continue;
    }
    costs.add(end - start);
    loans.add(start - before);
    clock.add(now() - end);
  }
  words.there.store(UINT64_MAX);
  consumer.join();
  shmring_publisher_close(publisher);
  pin(-1);
  // Timing itself costs one reading of the clock. Interrupts make the mean useless, so the slowest 5 % are left out.
  const double tick = clock.mean_without_top(0.05);
  emit("ring_lanes", consumed ? "consumed" : "unread", {{"lanes", lanes}},
       {{"publish", costs.mean_without_top(0.05) - tick},
        {"loan", loans.mean_without_top(0.05) - tick},
        {"clock", tick},
        {"line_round_trip", round_trip}});
}

// A lone publisher with one unread lane, as fast as it goes: what a whole loan, publish costs without timing each.
void whole(const Options& options) {
  const std::uint64_t count = options.scaled(2'000'000, 10'000);
  const std::string path = options.folder + "/whole.sock";
  pin(0);
  shmring_publisher* publisher = open_publisher(path, 1, SHMRING_LATEST);
  std::uint64_t start = now();
  for (std::uint64_t i = 0; i < count; ++i) publish(publisher, borrow(publisher), i);
  const double none = static_cast<double>(now() - start) / static_cast<double>(count);
  std::atomic<std::uint64_t> word{0};
  start = now();
  for (std::uint64_t i = 0; i < count; ++i) {
    word.store(i, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  const double fence = static_cast<double>(now() - start) / static_cast<double>(count);
  start = now();
  for (std::uint64_t i = 0; i < count; ++i) keep(now());
  const double clock = static_cast<double>(now() - start) / static_cast<double>(count);
  shmring_publisher_close(publisher);
  pin(-1);
  emit("ring_small", "no reader", {}, {{"loan_and_publish", none}, {"fence", fence}, {"clock", clock}});
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv, 300);
  std::vector<Case> cases = {{"one way", [&] { one_way(options); }}, {"whole", [&] { whole(options); }}};
  for (std::uint32_t lanes : {1u, 2u, 4u, 8u, 16u, 32u, 63u})
    for (bool consumed : {false, true})
      cases.push_back(
          {"lanes", [&options, lanes, consumed] { to_lanes(options, lanes, consumed, line_round_trip(options)); }});
  run_rounds(options, cases);
}
