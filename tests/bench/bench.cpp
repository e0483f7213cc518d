// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bench.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>

namespace bench {
namespace {

pid_t parent_of_child = 0;  // in a Child: the benchmark

double seconds(const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; }

double cpu_of(int who) {
  rusage usage{};
  ::getrusage(who, &usage);
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

std::uint64_t now() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

void sleep_until(std::uint64_t at) {
  const timespec t{static_cast<time_t>(at / 1'000'000'000u), static_cast<long>(at % 1'000'000'000u)};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr) == EINTR) {
  }
}

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  const long cpus = ::sysconf(_SC_NPROCESSORS_ONLN);
  for (int c = 0; c < cpus; ++c)
    if (cpu < 0 || c == cpu % cpus) CPU_SET(static_cast<std::size_t>(c), &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void fill(std::byte* to, std::size_t size, std::uint64_t value) {
  std::memset(to, static_cast<int>(value & 0xFF), size);
}

std::uint64_t sum(const std::byte* from, std::size_t size) {
  std::uint64_t total = 0;
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, from + i, 8);
    total += word;
  }
  for (; i < size; ++i) total += static_cast<std::uint64_t>(from[i]);
  return total;
}

void keep(std::uint64_t value) { asm volatile("" : : "r"(value) : "memory"); }

void die(const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, why.c_str());
  if (parent_of_child != 0)
    ::kill(parent_of_child, SIGTERM);  // else the other end waits for us until the watchdog comes
  ::_exit(1);
}

Options parse(int argc, char** argv, unsigned seconds) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--quick") {
      options.quick = true;
      options.rounds = 1;
    } else if (argument == "--rounds" && i + 1 < argc) {
      options.rounds = static_cast<unsigned>(std::atoi(argv[++i]));
    } else if (argument == "--only" && i + 1 < argc) {
      options.only = argv[++i];
    } else {
      die("usage: " + std::string(argv[0]) + " [--quick] [--rounds N] [--only PART-OF-A-CASE'S-NAME,…]");
    }
  }
  ::alarm(options.quick ? std::min(seconds, 60u) : seconds);
  std::string folder = "/tmp/bench-XXXXXX";
  if (!::mkdtemp(folder.data())) die("mkdtemp failed");
  options.folder = folder;
  static std::string to_remove;
  static const pid_t owner = ::getpid();
  to_remove = folder;
  std::atexit([] {
    if (::getpid() == owner) ::rmdir(to_remove.c_str());
  });
  return options;
}

double Samples::at(double quantile) const {
  if (values_.empty()) return 0;
  std::vector<std::uint64_t> sorted = values_;
  const auto rank =
      std::min(sorted.size() - 1, static_cast<std::size_t>(quantile * static_cast<double>(sorted.size())));
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(rank), sorted.end());
  return static_cast<double>(sorted[rank]);
}

double Samples::mean_without_top(double part) const {
  if (values_.empty()) return 0;
  std::vector<std::uint64_t> sorted = values_;
  std::sort(sorted.begin(), sorted.end());
  sorted.resize(std::max<std::size_t>(1, static_cast<std::size_t>((1 - part) * static_cast<double>(sorted.size()))));
  return static_cast<double>(std::accumulate(sorted.begin(), sorted.end(), std::uint64_t{0})) /
         static_cast<double>(sorted.size());
}

Values figures(const std::string& prefix, const Samples& samples) {
  return {{prefix + "_p10", samples.at(0.1)},  {prefix + "_p25", samples.at(0.25)}, {prefix + "_p50", samples.at(0.5)},
          {prefix + "_p75", samples.at(0.75)}, {prefix + "_p90", samples.at(0.9)},  {prefix + "_p99", samples.at(0.99)},
          {prefix + "_max", samples.at(1)}};
}

Values operator+(Values a, const Values& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

void emit(std::string_view bench, std::string_view name, const Values& at, const Values& values) {
  const auto object = [](const Values& pairs) {
    std::string text = "{";
    for (const auto& [key, value] : pairs) {
      char number[32];
      std::snprintf(number, sizeof number, "%.6g", value);
      text += (text.size() > 1 ? ",\"" : "\"") + key + "\":" + number;
    }
    return text + "}";
  };
  std::printf("{\"bench\":\"%.*s\",\"case\":\"%.*s\",\"at\":%s,\"v\":%s}\n", static_cast<int>(bench.size()),
              bench.data(), static_cast<int>(name.size()), name.data(), object(at).c_str(), object(values).c_str());
  std::fflush(stdout);
}

namespace {

// Tells whether one of the parts, separated by commas, is in the name.
bool wanted(const std::string& only, const std::string& name) {
  for (std::size_t from = 0;;) {
    const std::size_t to = only.find(',', from);
    if (name.find(only.substr(from, to - from)) != std::string::npos) return true;
    if (to == std::string::npos) return false;
    from = to + 1;
  }
}

}  // namespace

void run_rounds(const Options& options, const std::vector<Case>& cases) {
  for (unsigned round = 0; round < options.rounds; ++round)
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const Case& c = cases[(i + round) % cases.size()];
      if (!wanted(options.only, c.name)) continue;
      c.run();
    }
}

void* share(std::size_t size) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) die("no memory");
  return memory;
}

Child::Child(const std::function<void()>& work) {
  std::fflush(stdout);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) die("fork failed");
  if (pid_ > 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  parent_of_child = parent;
  work();
  std::fflush(stdout);
  ::_exit(0);
}

Child::~Child() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Child::join() {
  rusage usage{};
  int status = 0;
  if (::wait4(pid_, &status, 0, &usage) != pid_ || status != 0) {
    pid_ = 0;
    die("a child process failed");
  }
  pid_ = 0;
  cpu_ = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  faults_ = static_cast<std::uint64_t>(usage.ru_minflt + usage.ru_majflt);
}

void Child::signal(int number) const { ::kill(pid_, number); }

double thread_cpu() { return cpu_of(RUSAGE_THREAD); }
double process_cpu() { return cpu_of(RUSAGE_SELF); }
std::uint64_t page_faults() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_minflt + usage.ru_majflt);
}

std::uint64_t resident() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  unsigned long long total = 0, pages = 0;
  if (!file || std::fscanf(file, "%llu %llu", &total, &pages) != 2) pages = 0;
  if (file) std::fclose(file);
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

double line_round_trip(const Options& options) {
  struct alignas(128) Line {
    std::atomic<std::uint64_t> there{0};
    alignas(128) std::atomic<std::uint64_t> back{0};
  };
  Line* line = share<Line>();
  const std::uint64_t count = options.scaled(200'000, 2'000);
  Child other([&] {
    pin(1);
    for (std::uint64_t i = 1; i <= count; ++i) {
      while (line->there.load(std::memory_order_acquire) != i) relax();
      line->back.store(i, std::memory_order_release);
    }
  });
  pin(0);
  Samples samples(count / 100);
  for (std::uint64_t i = 1, start = now(); i <= count; ++i) {
    line->there.store(i, std::memory_order_release);
    while (line->back.load(std::memory_order_acquire) != i) relax();
    if (i % 100 == 0) {
      const std::uint64_t t = now();
      samples.add(t - start);
      start = t;
    }
  }
  other.join();
  pin(-1);
  ::munmap(line, sizeof *line);
  return samples.at(0.5) / 100;
}

}  // namespace bench
