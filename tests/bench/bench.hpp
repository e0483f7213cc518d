// SPDX-License-Identifier: LGPL-2.1-or-later
// The harness of all benchmarks: clock, pinning, percentiles, forked ends, shared results, one JSON line a result.
//
// A benchmark is a list of cases. Every case runs once a round, in an order that rotates, so that what disturbs the machine for a
// while disturbs all of them alike; report.py takes the median of the rounds.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

std::uint64_t now();
void sleep_until(std::uint64_t at);
void pin(int cpu);  // the calling thread; -1: anywhere
void relax();
// Writes and reads every byte, so that no payload is only pretended.
void fill(std::byte* to, std::size_t size, std::uint64_t value);
std::uint64_t sum(const std::byte* from, std::size_t size);
// Keeps the compiler from leaving out what is not used.
void keep(std::uint64_t value);
[[noreturn]] void die(const std::string& why);

struct Options {
  bool quick = false;
  unsigned rounds = 5;
  std::string only;    // cases whose name contains it, or one of several parts with commas between
  std::string folder;  // for sockets
  // A count or a duration: as given, or a small part of it for a smoke run.
  std::uint64_t scaled(std::uint64_t full, std::uint64_t least) const { return quick ? least : full; }
  // For what the neighbours of a virtual machine decide in a single round: who is ahead at p99, or at the speed of memory.
  Options patient() const {
    Options more = *this;
    if (!quick) more.rounds = std::max(rounds, 11u);
    return more;
  }
};
// Also starts the watchdog: a benchmark that takes longer than `seconds` ends with an error.
Options parse(int argc, char** argv, unsigned seconds);

class Samples {
 public:
  explicit Samples(std::size_t most = 0) { values_.reserve(most); }
  void add(std::uint64_t ns) { values_.push_back(ns); }
  void clear() { values_.clear(); }
  // So that adding touches no new page.
  void warm_up() {
    values_.assign(values_.capacity(), 1);
    values_.clear();
  }
  std::size_t count() const { return values_.size(); }
  double at(double quantile) const;  // sorts a copy
  double mean_without_top(double part) const;
  const std::vector<std::uint64_t>& values() const { return values_; }

 private:
  std::vector<std::uint64_t> values_;
};

using Values = std::vector<std::pair<std::string, double>>;
// p10, p25, p50, p75, p90, p99, max of `samples`, named with the prefix.
Values figures(const std::string& prefix, const Samples& samples);
Values operator+(Values a, const Values& b);
// One result: {"bench":…,"case":…,"at":{…},"v":{…}}. `at` tells results of one case apart (a rate, a size).
void emit(std::string_view bench, std::string_view name, const Values& at, const Values& values);

struct Case {
  std::string name;
  std::function<void()> run;
};
void run_rounds(const Options& options, const std::vector<Case>& cases);

// Memory that forked processes share.
void* share(std::size_t size);
template <class T>
T* share() {
  return new (share(sizeof(T))) T();
}

// A child process that runs `work` and ends; killed with its owner.
class Child {
 public:
  explicit Child(const std::function<void()>& work);
  ~Child();
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, 0)), cpu_(other.cpu_), faults_(other.faults_) {}
  Child& operator=(Child&&) = delete;
  void join();  // dies if the child failed
  void signal(int number) const;
  pid_t pid() const { return pid_; }
  double cpu_seconds() const { return cpu_; }
  std::uint64_t faults() const { return faults_; }

 private:
  pid_t pid_ = 0;
  double cpu_ = 0;
  std::uint64_t faults_ = 0;
};

// CPU time that this thread or process has used.
double thread_cpu();
double process_cpu();
std::uint64_t page_faults();
std::uint64_t resident();  // bytes

// A cache line that goes to another core and back, ns.
double line_round_trip(const Options& options);

}  // namespace bench
