// SPDX-License-Identifier: LGPL-2.1-or-later
// The surgeon's load: 16 rings of 1.1 MB frames in step, 26 Gbit/s in all, copied in by one thread and read by 16 Python processes; then
// the same rings as fast as 16 readers in C that add up every byte can take them.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>

#include <shmring/shmring.h>

#include "bench.hpp"

namespace {
std::atomic<std::uint64_t> allocations{0};
}
void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

using namespace bench;

namespace {

constexpr unsigned kRings = 16;
constexpr std::size_t kSize = 1'100'000;
constexpr double kFramesPerSecond = 2955;

void check(shmring_status status) {
  if (status != SHMRING_OK) die(shmring_last_error());
}

std::string path_of(const Options& options, unsigned ring) {
  return options.folder + "/" + std::to_string(ring) + ".sock";
}

class Rings {
 public:
  explicit Rings(const Options& options, unsigned count = kRings) : publishers_(count) {
    for (unsigned i = 0; i < count; ++i) {
      const std::string path = path_of(options, i);
      shmring_publisher_options po = SHMRING_PUBLISHER_OPTIONS_INIT;
      po.socket_path = path.c_str();
      po.slot_size = kSize;
      check(shmring_publisher_open(&po, &publishers_[i]));
      shmring_format format = SHMRING_FORMAT_INIT;
      char caps[256];
      shmring_format_video(&format, SHMRING_GRAY8, 1100, 1000, caps, sizeof caps);
      check(shmring_publisher_set_format(publishers_[i], &format));
    }
  }
  ~Rings() {
    for (auto* publisher : publishers_) shmring_publisher_close(publisher);
  }
  shmring_publisher* operator[](unsigned i) { return publishers_[i]; }
  void wait_for_readers() {
    for (auto* publisher : publishers_)
      for (shmring_ring_stats stats = of(publisher); stats.readers == 0; stats = of(publisher)) ::usleep(10'000);
    ::usleep(200'000);
  }
  static shmring_ring_stats of(shmring_publisher* publisher, shmring_reader_account* lane = nullptr) {
    shmring_ring_stats stats = SHMRING_RING_STATS_INIT;
    check(shmring_publisher_stats(publisher, &stats, lane, sizeof *lane, lane ? 1 : 0, nullptr));
    return stats;
  }
  double dropped() {
    double all = 0;
    for (auto* publisher : publishers_) {
      shmring_reader_account lane{};
      all += static_cast<double>(of(publisher, &lane).dropped_no_slot);
      all += static_cast<double>(lane.dropped);
    }
    return all;
  }

 private:
  std::vector<shmring_publisher*> publishers_;
};

void python(const Options& options, const std::string& script) {
  const double seconds = static_cast<double>(options.scaled(60, 2));
  const auto ticks = static_cast<std::uint64_t>(seconds * kFramesPerSecond / kRings);
  Rings rings(options);
  int report[2];
  if (::pipe(report) != 0) die("pipe");
  std::vector<Child> readers;
  for (unsigned i = 0; i < kRings; ++i)
    readers.emplace_back([&, i] {
      ::dup2(report[1], 1);
      ::close(report[0]);
      const std::string path = path_of(options, i);
      ::execl("/usr/bin/python3", "python3", script.c_str(), path.c_str(), nullptr);
      ::_exit(1);
    });
  ::close(report[1]);
  rings.wait_for_readers();
  std::vector<std::byte> source(kSize, std::byte{1});
  ::prctl(PR_SET_TIMERSLACK, 1);
  const std::uint64_t warm = ticks / 10;
  std::uint64_t faults = 0, heap = 0, memory = 0, start = now(), due = start;
  double cpu = 0;
  const auto period = static_cast<std::uint64_t>(1e9 * kRings / kFramesPerSecond);
  Samples slice(ticks);
  slice.warm_up();
  for (std::uint64_t tick = 0; tick < ticks; ++tick) {
    if (tick == warm) {
      faults = page_faults();
      heap = allocations.load();
      memory = resident();
      cpu = process_cpu();
      start = now();
    }
    sleep_until(due += period);
    const std::uint64_t begun = now();
    for (unsigned i = 0; i < kRings; ++i) {
      shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
      info.size = kSize;
      shmring_publisher_write(rings[i], source.data(), &info);
    }
    if (tick >= warm) slice.add(now() - begun);
  }
  const double elapsed = static_cast<double>(now() - start) / 1e9, used = process_cpu() - cpu;
  faults = page_faults() - faults;
  heap = allocations.load() - heap;
  const double growth_bytes = static_cast<double>(resident()) - static_cast<double>(memory);
  const Values publisher = {{"seconds", elapsed},
                            {"frames_s", static_cast<double>((ticks - warm) * kRings) / elapsed},
                            {"gbit_s", static_cast<double>((ticks - warm) * kRings * kSize) * 8 / elapsed / 1e9},
                            {"slice_p50", slice.at(0.5)},
                            {"slice_p99", slice.at(0.99)},
                            {"publisher_page_faults", static_cast<double>(faults)},
                            {"publisher_allocations", static_cast<double>(heap)},
                            {"publisher_growth_bytes", growth_bytes},
                            {"publisher_cpu", used / elapsed}};
  ::usleep(100'000);
  const double dropped = rings.dropped();
  for (unsigned i = 0; i < kRings; ++i) check(shmring_publisher_end(rings[i]));
  // Each reader prints one line of numbers at its end: cpu seconds and wall seconds since its own start of counting, and what it gained
  // meanwhile in page faults, in Python's blocks and in resident bytes, the last two as a maximum.
  double reader_cpu = 0, reader_faults = 0, blocks = 0, growth = 0;
  std::FILE* lines = ::fdopen(report[0], "r");
  for (unsigned i = 0; i < kRings; ++i) {
    double spent, wall, faulted, block, grown;
    if (std::fscanf(lines, "%lf %lf %lf %lf %lf", &spent, &wall, &faulted, &block, &grown) != 5)
      die("a reader in Python failed");
    reader_cpu += spent / wall;
    reader_faults += faulted;
    blocks = std::max(blocks, block);
    growth = std::max(growth, grown);
  }
  std::fclose(lines);
  for (Child& reader : readers) reader.join();
  double cores = reader_cpu;
  for (const auto& [key, value] : publisher)
    if (key == "publisher_cpu") cores += value;
  emit("surgeon", "readers in Python", {{"rings", kRings}},
       publisher + Values{{"dropped", dropped},
                          {"readers_cpu", reader_cpu},
                          {"cores", cores},
                          {"readers_page_faults", reader_faults},
                          {"reader_blocks_growth", blocks},
                          {"reader_growth_bytes", growth}});
}

// With 16 rings more frames are on their way than the caches hold; fewer rings show what that costs.
void as_fast_as_possible(const Options& options, unsigned count) {
  const std::uint64_t frames = options.scaled(24'000, 160) / count;
  struct alignas(128) Count {
    std::atomic<std::uint64_t> read{0};
  };
  auto* counts = static_cast<Count*>(share(sizeof(Count) * count));
  Rings rings(options, count);
  std::vector<Child> readers;
  for (unsigned i = 0; i < count; ++i)
    readers.emplace_back([&, i] {
      pin(1);
      const std::string path = path_of(options, i);
      shmring_reader_options ro = SHMRING_READER_OPTIONS_INIT;
      ro.socket_path = path.c_str();
      ro.worker = "sum";
      shmring_reader* reader = nullptr;
      check(shmring_reader_open(&ro, &reader));
      for (;;) {
        shmring_frame* frame = nullptr;
        const shmring_status status = shmring_reader_read(reader, SHMRING_WAIT_FOREVER, &frame);
        if (status == SHMRING_END) break;
        check(status);
        keep(sum(static_cast<const std::byte*>(shmring_frame_data(frame)), kSize));
        shmring_frame_release(frame);
        counts[i].read.fetch_add(1, std::memory_order_release);
      }
      shmring_reader_close(reader);
    });
  rings.wait_for_readers();
  pin(0);
  std::vector<std::byte> source(kSize, std::byte{1});
  const std::uint64_t start = now();
  for (std::uint64_t tick = 0; tick < frames; ++tick)
    for (unsigned i = 0; i < count; ++i) {
      // Two ahead, so that no reader drops or waits: more would only wait in memory instead of in the caches.
      while (tick - counts[i].read.load(std::memory_order_acquire) >= 2) relax();
      shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
      info.size = kSize;
      check(shmring_publisher_write(rings[i], source.data(), &info));
    }
  for (unsigned i = 0; i < count; ++i)
    while (counts[i].read.load() < frames) relax();
  const double seconds = static_cast<double>(now() - start) / 1e9;
  for (unsigned i = 0; i < count; ++i) check(shmring_publisher_end(rings[i]));
  for (Child& reader : readers) reader.join();
  pin(-1);
  emit("surgeon", "readers in C, every byte", {{"rings", count}},
       {{"gbit_s", static_cast<double>(frames * count * kSize) * 8 / seconds / 1e9}, {"dropped", rings.dropped()}});
}

}  // namespace

int main(int argc, char** argv) {
  Options options = parse(argc, argv, 600);
  const char* script = std::getenv("SURGEON_READER");
  options.rounds = std::min(options.rounds, 3u);
  std::vector<Case> cases;
  for (const unsigned count : {1u, 4u, kRings})
    cases.push_back({"C", [&, count] { as_fast_as_possible(options, count); }});
  if (options.only != "Python") run_rounds(options, cases);
  // Once: it takes a minute, and its question is whether anything is ever lost.
  if (script && (options.only.empty() || options.only == "Python")) python(options, script);
}
