// SPDX-License-Identifier: LGPL-2.1-or-later
// Duration of a start: a ring of 64 MB, a reader that attaches to it until its first frame; and which way of copying a frame into a
// ring is the fastest at which size, with a reader at the other end that reads every byte.
#include <unistd.h>

#include <atomic>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <shmring/shmring.h>

#include "bench.hpp"

using namespace bench;

namespace {

void check(shmring_status status) {
  if (status != SHMRING_OK) die(shmring_last_error());
}

void start(const Options& options, std::uint64_t megabytes) {
  const std::string path = options.folder + "/attach.sock";
  constexpr std::uint32_t kSlots = 16;
  const std::uint64_t begun = now();
  shmring_publisher_options po = SHMRING_PUBLISHER_OPTIONS_INIT;
  po.socket_path = path.c_str();
  po.slot_size = (megabytes << 20) / kSlots;
  po.slots = kSlots;
  shmring_publisher* publisher = nullptr;
  check(shmring_publisher_open(&po, &publisher));
  const std::uint64_t opened = now() - begun;
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = 64;
  std::byte payload[64]{};
  check(shmring_publisher_write(publisher, payload, &info));
  struct Times {
    std::uint64_t attached;
  };
  Times& times = *share<Times>();
  std::atomic<bool>& stop = *share<std::atomic<bool>>();
  Child reader([&] {
    shmring_reader_options ro = SHMRING_READER_OPTIONS_INIT;
    ro.socket_path = path.c_str();
    ro.worker = "late";
    const std::uint64_t t = now();
    shmring_reader* r = nullptr;
    check(shmring_reader_open(&ro, &r));
    shmring_frame* frame = nullptr;
    check(shmring_reader_read(r, 5'000'000'000, &frame));
    times.attached = now() - t;
    shmring_frame_release(frame);
    stop.store(true);
    shmring_reader_close(r);
  });
  // The publisher goes on meanwhile; applying the lane is its next frame's business.
  while (!stop.load()) {
    check(shmring_publisher_write(publisher, payload, &info));
    ::usleep(1000);
  }
  reader.join();
  shmring_publisher_close(publisher);
  emit("attach", "ring", {{"megabytes", static_cast<double>(megabytes)}},
       {{"open", static_cast<double>(opened)}, {"attach_to_frame", static_cast<double>(times.attached)}});
}

void copy_plain(std::byte* to, const std::byte* from, std::size_t size) { std::memcpy(to, from, size); }

#if defined(__x86_64__)
__attribute__((target("avx2"))) void copy_streaming(std::byte* to, const std::byte* from, std::size_t size) {
  auto* t = reinterpret_cast<__m256i*>(to);
  const auto* f = reinterpret_cast<const __m256i*>(from);
  for (std::size_t i = 0; i < size / 64; ++i) {
    const __m256i a = _mm256_loadu_si256(f + 2 * i), b = _mm256_loadu_si256(f + 2 * i + 1);
    _mm256_stream_si256(t + 2 * i, a);
    _mm256_stream_si256(t + 2 * i + 1, b);
  }
  _mm_sfence();
}
void copy_string(std::byte* to, const std::byte* from, std::size_t size) {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}
#endif

using Copy = void (*)(std::byte*, const std::byte*, std::size_t);

// Every row is from borrowing the slot to the end of publishing. copy == nullptr: shmring_publisher_write().
void copying(const Options& options, const char* name, Copy copy, std::size_t size) {
  const std::uint64_t frames = options.scaled(std::max<std::uint64_t>(40, 400'000'000 / size), 4);
  const std::string path = options.folder + "/copy.sock";
  struct Shared {
    std::atomic<std::uint64_t> read{0};
    std::uint64_t reading[20'000];
  };
  Shared& shared = *share<Shared>();
  shmring_publisher_options po = SHMRING_PUBLISHER_OPTIONS_INIT;
  po.socket_path = path.c_str();
  po.slot_size = size;
  shmring_publisher* publisher = nullptr;
  check(shmring_publisher_open(&po, &publisher));
  Child reader([&] {
    pin(1);
    shmring_reader_options ro = SHMRING_READER_OPTIONS_INIT;
    ro.socket_path = path.c_str();
    ro.worker = "sum";
    shmring_reader* r = nullptr;
    check(shmring_reader_open(&ro, &r));
    for (std::uint64_t i = 0; i < frames; ++i) {
      shmring_frame* frame = nullptr;
      check(shmring_reader_read(r, 5'000'000'000, &frame));
      const std::uint64_t t = now();
      keep(sum(static_cast<const std::byte*>(shmring_frame_data(frame)), size));
      shared.reading[i] = now() - t;
      shmring_frame_release(frame);
      shared.read.store(i + 1, std::memory_order_release);
    }
    shmring_reader_close(r);
  });
  shmring_ring_stats stats = SHMRING_RING_STATS_INIT;
  do {
    ::usleep(1000);
    check(shmring_publisher_stats(publisher, &stats, nullptr, 0, 0, nullptr));
  } while (stats.readers == 0);
  pin(0);
  auto* source = static_cast<std::byte*>(share(size));
  Samples copied(frames), whole(frames), reading(frames);
  for (std::uint64_t i = 0; i < frames; ++i) {
    fill(source, size, i);  // fresh from a camera or a decoder: in this core's caches as far as it fits
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.size = size;
    const std::uint64_t t = now();
    if (copy) {
      shmring_loan loan = SHMRING_LOAN_INIT;
      check(shmring_publisher_loan(publisher, &loan));
      copy(static_cast<std::byte*>(loan.data), source, size);
      check(shmring_publisher_publish(publisher, &loan, &info));
    } else {
      check(shmring_publisher_write(publisher, source, &info));
    }
    const std::uint64_t done = now();
    while (shared.read.load(std::memory_order_acquire) <= i) relax();
    copied.add(done - t);
    whole.add(now() - t);
  }
  reader.join();
  for (std::uint64_t i = 0; i < frames; ++i) reading.add(shared.reading[i]);
  shmring_publisher_close(publisher);
  pin(-1);
  emit("copying", name, {{"size", static_cast<double>(size)}},
       {{"copy_p50", copied.at(0.5)}, {"read_p50", reading.at(0.5)}, {"copy_to_read_p50", whole.at(0.5)}});
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv, 300);
  std::vector<Case> cases;
  for (std::uint64_t megabytes : {1u, 64u, 256u})
    cases.push_back({"attach", [&options, megabytes] { start(options, megabytes); }});
  std::vector<std::pair<const char*, Copy>> ways = {{"memcpy", copy_plain}, {"write()", nullptr}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) ways.emplace_back("streaming stores", copy_streaming);
  ways.emplace_back("rep movsb", copy_string);
#endif
  for (const auto& [name, copy] : ways)
    for (std::size_t size : {100'000u, 1'100'032u, 6'220'800u, 12'441'600u, 24'883'200u}) {
      const char* const called = name;
      const Copy how = copy;
      cases.push_back({called, [&options, called, how, size] { copying(options, called, how, size); }});
    }
  run_rounds(options, cases);
}
