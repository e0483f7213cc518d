// SPDX-License-Identifier: LGPL-2.1-or-later
// From a complete frame to a reader that was asleep: 1.1 MB written in place at a camera's rate, both ends pinned, each frame read to the
// last byte. Also with jitter, with missing frames, with both cores loaded, and with eight readers that would all like to spin.
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <random>

#include <shmring/shmring.h>

#include "bench.hpp"
#include "transports.hpp"

using namespace bench;

namespace {

constexpr std::size_t kSize = 1'100'000;
constexpr std::uint64_t kWarm = 30;  // frames at the beginning that do not count: a reader learns the period from them
constexpr std::uint64_t kMost = 1000;

struct Setting {
  std::string name;  // "" for the plain one
  unsigned hz;
  std::uint64_t jitter = 0;  // ±ns
  bool missing = false;      // one in ten
  bool load = false;         // a busy process on each core
  bool anywhere = false;     // the kernel chooses the cores
};

struct Result {
  std::atomic<std::uint64_t> ready{0};
  std::uint64_t received[kMost];  // 0: never
  double cpu = 0;
};

// When each frame is due, by an absolute clock: a late one does not move the next.
std::vector<std::uint64_t> schedule(const Setting& setting, std::uint64_t frames) {
  std::mt19937_64 random(7);
  std::vector<std::uint64_t> due;
  const std::uint64_t period = 1'000'000'000 / setting.hz;
  for (std::uint64_t i = 1; due.size() < frames; ++i) {
    if (setting.missing && i > kWarm && random() % 10 == 0) continue;
    due.push_back(i * period + (setting.jitter ? random() % (2 * setting.jitter) : 0));
  }
  return due;
}

void read_all(Transport& transport, Result& result, std::uint64_t frames) {
  std::uint64_t start = 0;
  double touching = 0;
  for (std::uint64_t last = 0; last < frames;) {
    const std::byte* frame = transport.receive();
    const std::uint64_t t = now();
    Head head;
    std::memcpy(&head, frame, sizeof head);
    // Only the bare wake-ups' one frame is ever overwritten while it is read, when the machine is busy.
    if (head.number <= last || head.number > frames) {
      transport.release();
      continue;
    }
    last = head.number;
    result.received[last - 1] = t - head.complete_at;
    const double c = thread_cpu();
    keep(sum(frame, kSize));
    touching += thread_cpu() - c;
    transport.release();
    if (last != kWarm) continue;
    result.cpu = thread_cpu() - touching;
    start = now();
  }
  // Cost of waiting and taking; reading the payload is the worker's own.
  result.cpu = (thread_cpu() - touching - result.cpu) / (static_cast<double>(now() - start) / 1e9);
}

void run(const Options& options, const TransportKind& kind, const Setting& setting) {
  const std::uint64_t frames = std::min<std::uint64_t>(kMost, kWarm + options.scaled(std::max(90u, 3 * setting.hz), 5));
  auto transport = kind.make(options.folder, kSize);
  Result& result = *share<Result>();
  struct Sent {
    std::uint64_t cost[kMost], late[kMost];
  };
  Sent& sent = *share<Sent>();
  std::vector<Child> load;
  for (int core = 0; setting.load && core < 2; ++core)
    load.emplace_back([&, core] {
      const sched_param usual{};
      ::sched_setscheduler(0, SCHED_OTHER, &usual);  // also where the benchmark itself was given a better priority
      pin(core);
      for (;;) relax();
    });
  Child writer([&] {
    if (!setting.load && !setting.anywhere) pin(0);
    ::prctl(PR_SET_TIMERSLACK, 1);
    transport->open_writer();
    result.ready.fetch_add(1);
    while (result.ready.load() != 2) ::usleep(1000);
    ::usleep(300'000);  // attached, or connected
    const std::uint64_t start = now();
    const auto due = schedule(setting, frames);
    for (std::uint64_t i = 0; i < frames; ++i) {
      sleep_until(start + due[i]);
      sent.late[i] = now() - start - due[i];
      std::byte* room = transport->room();
      if (!room) die(kind.name + ": no room");
      fill(room, kSize, i);
      const Head head{i + 1, now()};
      std::memcpy(room, &head, sizeof head);
      transport->send();
      sent.cost[i] = now() - head.complete_at;
    }
    ::usleep(200'000);
  });
  Child reader([&] {
    if (!setting.load && !setting.anywhere) pin(1);
    while (result.ready.load() != 1) ::usleep(1000);
    transport->open_reader();
    result.ready.fetch_add(1);
    read_all(*transport, result, frames);
  });
  reader.join();
  writer.join();
  Samples wait, cost, late;
  for (std::uint64_t i = kWarm; i < frames; ++i) {
    if (result.received[i]) wait.add(result.received[i]);
    cost.add(sent.cost[i]);
    late.add(sent.late[i]);
  }
  emit("ring_wake" + setting.name, kind.name, {{"hz", setting.hz}},
       figures("latency", wait) + figures("send", cost) +
           Values{{"late_p50", late.at(0.5)},
                  {"reader_cpu", result.cpu * 100},
                  {"lost", static_cast<double>(frames - kWarm - wait.count())}});
}

// Eight readers of one ring on however few cores, all asking for `wake`: what each frame's age is, and how late the publisher runs.
void run_many(const Options& options, const char* name, shmring_wake wake) {
  const std::uint64_t frames = options.scaled(300, kWarm + 5);
  constexpr unsigned kReaders = 8, kHz = 60;
  auto* results = static_cast<Result*>(share(sizeof(Result) * kReaders));
  const std::string path = options.folder + "/many.sock";
  shmring_publisher_options po = SHMRING_PUBLISHER_OPTIONS_INIT;
  po.socket_path = path.c_str();
  po.slot_size = kSize;
  po.max_readers = kReaders;
  auto* ready = share<std::atomic<unsigned>>();
  std::vector<Child> readers;
  for (unsigned r = 0; r < kReaders; ++r)
    readers.emplace_back([&, r] {
      shmring_reader_options ro = SHMRING_READER_OPTIONS_INIT;
      const std::string worker = "worker-" + std::to_string(r);
      ro.socket_path = path.c_str();
      ro.worker = worker.c_str();
      ro.wake = wake;
      shmring_reader* reader = nullptr;
      if (shmring_reader_open(&ro, &reader) != SHMRING_OK) die(shmring_last_error());
      ready->fetch_add(1);
      for (std::uint64_t i = 0; i < frames; ++i) {
        shmring_frame* frame = nullptr;
        if (shmring_reader_read(reader, 5'000'000'000, &frame) != SHMRING_OK) die(shmring_last_error());
        shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
        shmring_frame_info_get(frame, &info);
        results[r].received[i] = now() - info.published_at;
        shmring_frame_release(frame);
      }
      shmring_reader_close(reader);
    });
  shmring_publisher* publisher = nullptr;
  if (shmring_publisher_open(&po, &publisher) != SHMRING_OK) die(shmring_last_error());
  while (ready->load() != kReaders) ::usleep(1000);
  shmring_ring_stats stats = SHMRING_RING_STATS_INIT;
  do {
    ::usleep(50'000);
    shmring_publisher_stats(publisher, &stats, nullptr, 0, 0, nullptr);
  } while (stats.readers != kReaders);
  ::prctl(PR_SET_TIMERSLACK, 1);
  Samples late, cost, age;
  const std::uint64_t start = now();
  for (std::uint64_t i = 0; i < frames; ++i) {
    const std::uint64_t due = start + (i + 1) * (1'000'000'000 / kHz);
    sleep_until(due);
    shmring_loan loan = SHMRING_LOAN_INIT;
    if (shmring_publisher_loan(publisher, &loan) != SHMRING_OK) die(shmring_last_error());
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.size = 64;
    const std::uint64_t t = now();
    shmring_publisher_publish(publisher, &loan, &info);
    if (i < kWarm) continue;
    cost.add(now() - t);
    late.add(t - due);
  }
  for (Child& reader : readers) reader.join();
  for (unsigned r = 0; r < kReaders; ++r)
    for (std::uint64_t i = kWarm; i < frames; ++i) age.add(results[r].received[i]);
  shmring_publisher_close(publisher);
  emit("ring_wake_8_readers", name, {{"hz", kHz}},
       figures("latency", age) + figures("send", cost) + figures("late", late));
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv, 1800);
  const Daemon roudi(options.folder);
  std::vector<TransportKind> kinds = bare_wakes();
  const auto rings = our_rings();
  kinds.push_back(rings[0]);
  kinds.push_back(rings[1]);
  const std::vector<TransportKind> awake = kinds;
  for (auto& kind : rivals()) kinds.push_back(kind);
  std::vector<Case> cases;
  for (const auto& kind : kinds)
    for (unsigned hz : {30u, 60u, 100u})
      if (!options.quick || hz == 100)
        cases.push_back({kind.name, [&options, kind, hz] { run(options, kind, {"", hz}); }});
  std::vector<Case> disturbed;
  for (const auto& kind : awake) {
    disturbed.push_back({kind.name + " jitter", [&options, kind] { run(options, kind, {"_jitter", 60, 200'000}); }});
    disturbed.push_back({kind.name + " missing", [&options, kind] { run(options, kind, {"_missing", 60, 0, true}); }});
    disturbed.push_back({kind.name + " load", [&options, kind] { run(options, kind, {"_load", 60, 0, false, true}); }});
  }
  for (const auto& kind : {rings[0], rings[1]})
    disturbed.push_back({kind.name + " anywhere", [&options, kind] {
                           run(options, kind, {"_anywhere", 60, 0, false, false, true});
                         }});
  disturbed.push_back({"ring block 8", [&] { run_many(options, "ring block", SHMRING_WAKE_BLOCK); }});
  disturbed.push_back({"ring adaptive 8", [&] { run_many(options, "ring adaptive", SHMRING_WAKE_ADAPTIVE); }});
  run_rounds(options, cases);
  run_rounds(options.patient(), disturbed);
}
