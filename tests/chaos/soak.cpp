// SPDX-License-Identifier: LGPL-2.1-or-later
// Sixteen rings for MINUTES, while their readers and some of their publishers are killed, stopped and continued: what a process has at the
// start it has at the end. Two calm windows, after a warm-up and at the end, are compared; it ends with 1 if anything grew.
//
//   soak MINUTES [PYTHON]      CHAOS_SEED repeats a run; SOAK_LEAK=1 has this program leak, to see that it would be found
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <iomanip>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "child_process.hpp"
#include "footprint.hpp"
#include "ring_pattern.hpp"
#include "temp_dir.hpp"
#include "watchdog.hpp"

namespace {

using chaos::Footprint;
using support::ChildProcess;
using Clock = std::chrono::steady_clock;

constexpr unsigned kRings = 16, kOuter = 4;  // of those, published by processes that are killed
constexpr std::uint64_t kSize = 16384;
constexpr std::uint32_t kReadersEach = 2;  // one that stays, one that is killed
constexpr auto kWindow = std::chrono::seconds(3);
constexpr std::size_t kGrowth = 1 << 20;  // bytes; what allocators may come to keep
constexpr double kFaultsPerFrame = 0.02;  // some for the watching itself
using support::kSanitized;                // it keeps what was freed
constexpr const char* kPolicies[] = {"drop-newest", "drop-oldest", "latest"};

std::vector<std::string> problems;
void expect(bool holds, const std::string& problem) {
  if (!holds) problems.push_back(problem);
}

// A ring published in this process, by a thread of its own.
class InnerRing {
 public:
  InnerRing(const std::string& path, unsigned number) {
    shmring::PublisherOptions o;
    o.socket_path = path;
    o.slot_size = kSize;
    o.max_readers = kReadersEach;
    o.drop_policy = static_cast<shmring_policy>(number % 3);
    publisher_ = *shmring::Publisher::open(o);
    thread_ = std::thread([this, number] { publish(std::chrono::milliseconds(8 + number)); });
  }
  ~InnerRing() {
    stop_ = true;
    thread_.join();
  }
  std::uint64_t frames() const { return frames_; }
  void resize() { resize_ = true; }
  bool has_all_readers() const {
    const auto s = publisher_->stats().ring;
    return s.readers == kReadersEach && s.rings == 1;
  }
  void check(const std::string& name) const {
    const auto s = publisher_->stats();
    expect(s.ring.free_slots + s.ring.owned + s.ring.loaned == s.ring.slots, name + ": a slot is lost");
    expect(s.ring.protocol_violations == 0, name + ": a correct reader is taken for one that broke the protocol");
    expect(s.ring.dropped_no_slot == 0, name + ": a frame was dropped for everybody");
    for (const auto& lane : s.accounts)
      expect(lane.offered == lane.delivered + lane.dropped + lane.pending,
             name + ": the account of " + lane.worker + " is wrong");
  }

 private:
  void publish(std::chrono::milliseconds period) {
    for (std::uint64_t n = 1; !stop_; ++n) {
      if (resize_.exchange(false))
        expect(static_cast<bool>(publisher_->resize(kSize + n % 2 * 8192)), "a ring was not resized");
      if (ring_pattern::publish(*publisher_, n, kSize) == SHMRING_OK) ++frames_;
      std::this_thread::sleep_for(period);
    }
  }

  std::unique_ptr<shmring::Publisher> publisher_;
  std::atomic<bool> stop_{false}, resize_{false};
  std::atomic<std::uint64_t> frames_{0};
  std::thread thread_;
};

class Soak {
 public:
  explicit Soak(std::string python) : python_(std::move(python)) {
    for (unsigned i = 0; i < kRings; ++i) {
      if (i < kOuter)
        outer_.push_back(outer(i));
      else
        inner_.push_back(std::make_unique<InnerRing>(path(i), i));
    }
    for (unsigned i = 0; i < kRings; ++i) {
      staying_.push_back(reader(i, "staying", !python_.empty() && i % 8 == 7));
      victims_.push_back(victim(i));
    }
  }

  void wreak(Clock::duration duration) {
    for (const auto end = Clock::now() + duration; Clock::now() < end; ::usleep(5'000 + up_to(40'000))) {
      const unsigned i = up_to(kRings - 1);
      switch (up_to(9)) {
        case 0:
          if (i < kOuter) {
            expect_no_fault(outer_[i]);
            outer_[i].kill();
            outer_[i] = outer(i);
            ++publishers_killed;
          } else {
            inner_[i - kOuter]->resize();
          }
          break;
        case 1:
        case 2:
        case 3:
          victims_[i].stop();
          ++stops;
          break;
        case 4:
        case 5:
        case 6:
          victims_[i].resume();
          break;
        default:  // also one that stands still
          expect_no_fault(victims_[i]);
          victims_[i].signal(SIGKILL);
          victims_[i] = victim(i);
          ++readers_killed;
          if (std::getenv("SOAK_LEAK")) leak();
      }
    }
  }

  // A calm stretch with everybody there: what each process has, and how many pages it touched for the first time.
  struct Window {
    Footprint publishing, readers, python;
    double faults_per_frame = 0;
    std::vector<Footprint> each;
  };
  Window watch(const Window* before = nullptr) {
    for (auto& each : victims_) each.resume();
    const bool calm = support::eventually(
        [&] {
          for (const auto& ring : inner_)
            if (!ring->has_all_readers()) return false;
          if (!before) return true;
          const auto now = footprints();
          for (std::size_t i = 0; i < now.size(); ++i)
            if (!now[i].within(before->each[i])) return false;
          return true;
        },
        std::chrono::seconds(20));
    if (!before) expect(calm, "not every reader found its ring");
    std::this_thread::sleep_for(kWindow);  // those that have just attached see each slot for the first time
    const std::uint64_t frames = published();
    const auto start = footprints();
    std::this_thread::sleep_for(kWindow);
    Window w;
    w.each = footprints();
    std::size_t faults = 0;
    for (std::size_t i = 0; i < w.each.size(); ++i) {
      (i == 0 ? w.publishing : is_python(i - 1) ? w.python : w.readers) += w.each[i];
      if (i == 0 || !is_python(i - 1)) faults += w.each[i].faults - start[i].faults;
    }
    w.faults_per_frame = static_cast<double>(faults) / static_cast<double>(published() - frames);
    return w;
  }

  void check() {
    for (std::size_t i = 0; i < inner_.size(); ++i) inner_[i]->check("ring " + std::to_string(i + kOuter));
    for (auto& each : staying_) {
      expect(each.running(), "a reader ended: " + each.output());
      expect_no_fault(each);
    }
    for (auto& each : victims_) expect_no_fault(each);
    for (auto& each : outer_) expect_no_fault(each);
  }
  std::uint64_t published() const {
    std::uint64_t frames = 0;
    for (const auto& ring : inner_) frames += ring->frames();
    return frames;
  }

  unsigned readers_killed = 0, publishers_killed = 0, stops = 0;
  const unsigned seed =
      std::getenv("CHAOS_SEED") ? static_cast<unsigned>(std::stoul(std::getenv("CHAOS_SEED"))) : std::random_device()();

 private:
  std::string path(unsigned i) const { return dir_.file("ring-" + std::to_string(i)); }
  unsigned up_to(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n)(random_); }
  bool is_python(std::size_t staying) const { return !python_.empty() && staying % 8 == 7; }

  ChildProcess outer(unsigned i) const {
    return ChildProcess::spawn({RING_ACTOR, "publish", path(i), "size=" + std::to_string(kSize), "period_us=15000",
                                "max_readers=" + std::to_string(kReadersEach)});
  }
  ChildProcess reader(unsigned i, const std::string& name, bool in_python) const {
    if (in_python)
      return ChildProcess::spawn({python_, "-c",
                                  "import sys, shmring\n"
                                  "for frame in shmring.Reader(sys.argv[1], policy=sys.argv[2], worker=sys.argv[3]):\n"
                                  "    seen = frame.array.copy()\n"
                                  "    assert frame.size == len(seen) and (frame.array == seen).all()",
                                  path(i), kPolicies[i % 3], name});
    return ChildProcess::spawn({RING_ACTOR, "read", path(i), "name=" + name, "size=" + std::to_string(kSize),
                                "policy=" + std::to_string(i % 3), "keep=" + std::to_string(1 + i % 3),
                                "work_us=" + std::to_string(i % 4 * 700), "wake=" + std::to_string(i / 3 % 2)});
  }
  ChildProcess victim(unsigned i) const { return reader(i, "victim", !python_.empty() && i % 8 == 3); }
  static void expect_no_fault(const ChildProcess& process) {
    const std::string said = process.output();
    expect(said.find("FAULT") == std::string::npos && said.find("Traceback") == std::string::npos, said);
  }
  std::vector<Footprint> footprints() const {
    std::vector<Footprint> all = {Footprint::of()};
    for (const auto& each : staying_) all.push_back(Footprint::of(std::to_string(each.pid())));
    return all;
  }
  static void leak() {
    static std::vector<std::unique_ptr<char[]>> kept;
    kept.push_back(std::make_unique<char[]>(8192));  // zeroed, so touched
    static_cast<void>(!::dup(0));
  }

  const std::string python_;
  const support::TempDir dir_;
  std::mt19937 random_{seed};
  std::vector<std::unique_ptr<InnerRing>> inner_;
  std::vector<ChildProcess> outer_, staying_, victims_;
};

void compare(const char* who, const Footprint& start, const Footprint& end) {
  std::cout << std::left << std::setw(20) << who << std::right;
  const auto column = [](std::size_t a, std::size_t b) {
    std::cout << std::setw(9) << a << " ->" << std::setw(6) << b;
  };
  column(start.resident / 1024, end.resident / 1024);
  column(start.descriptors, end.descriptors);
  column(start.mappings, end.mappings);
  column(start.threads, end.threads);
  std::cout << std::endl;
  const std::string name(who);
  expect(end.descriptors <= start.descriptors, name + ": more descriptors");
  expect(end.mappings <= start.mappings, name + ": more mappings of rings and lanes");
  expect(end.threads <= start.threads, name + ": more threads");
  expect(kSanitized || end.resident <= start.resident + kGrowth, name + ": more resident memory");
}

}  // namespace

int main(int argc, char** argv) {
  const double minutes = argc > 1 ? std::atof(argv[1]) : 0;
  if (minutes <= 0) {
    std::cerr << "usage: soak MINUTES [PYTHON]\n";
    return 2;
  }
  const auto duration = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(minutes * 60));
  const std::chrono::seconds warm_up(minutes < 2 ? 5 : 20);
  support::Watchdog watchdog;
  watchdog.watch("soak", std::chrono::duration_cast<std::chrono::seconds>(duration) + std::chrono::minutes(3));

  Soak soak(argc > 2 ? argv[2] : "");
  std::cout << "CHAOS_SEED=" << soak.seed << std::endl;
  soak.wreak(warm_up);
  const auto start = soak.watch();
  soak.wreak(duration);
  const auto end = soak.watch(&start);
  soak.check();

  std::cout << kRings << " rings for " << minutes << " min: " << soak.published() << " frames published here, "
            << soak.readers_killed << " readers and " << soak.publishers_killed << " publishers killed, " << soak.stops
            << " stopped\n"
            << std::left << std::setw(20) << "at start and end" << std::right << std::setw(18) << "resident KiB"
            << std::setw(18) << "descriptors" << std::setw(18) << "mappings" << std::setw(18) << "threads" << std::endl;
  compare("publishers", start.publishing, end.publishing);
  compare("readers", start.readers, end.readers);
  compare("readers in Python", start.python, end.python);
  std::cout << "page faults a frame  " << std::setprecision(4) << start.faults_per_frame << " -> "
            << end.faults_per_frame << std::endl;
  expect(kSanitized || end.faults_per_frame <= std::max(kFaultsPerFrame, start.faults_per_frame),
         "more page faults a frame");
  for (const auto& problem : problems) std::cout << "GREW OR BROKE: " << problem << std::endl;
  std::cout.flush();
  return problems.empty() ? 0 : 1;
}
