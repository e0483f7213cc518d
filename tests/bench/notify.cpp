// SPDX-License-Identifier: LGPL-2.1-or-later
// Four ways to wake n sleeping threads when there is something new for all of them: in turn, in turn up to 8 and batches of 8 by helpers
// beyond (the original's rule), chained (each wakes the next two), one broadcast. How long the notifier is busy, and how late the middle
// and the last thread are.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <memory>
#include <thread>

#include "bench.hpp"

using namespace bench;

namespace {

using Word = std::atomic<std::uint32_t>;

void wait(const Word& word, std::uint32_t seen) {
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}
void wake(const Word& word, int sleepers) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, sleepers, nullptr, nullptr, 0);
}

struct alignas(128) Sleeper {
  Word bell{0};
  std::uint64_t woke = 0;
  std::thread thread;
};

enum class Way { in_turn, batches, chained, broadcast };

class Crowd {
 public:
  Crowd(Way way, std::size_t count)
      : way_(way), sleepers_(count), helpers_(way == Way::batches && count > 8 ? (count + 7) / 8 : 0) {
    for (std::size_t i = 0; i < count; ++i) sleepers_[i].thread = std::thread([this, i] { sleep(i); });
    for (std::size_t i = 0; i < helpers_.size(); ++i) helpers_[i].thread = std::thread([this, i] { help(i); });
  }
  ~Crowd() {
    stop_ = true;
    notify();
    for (auto* group : {&sleepers_, &helpers_})
      for (Sleeper& sleeper : *group) sleeper.thread.join();
  }
  void notify() {
    if (way_ == Way::broadcast) {
      round_.fetch_add(1);
      wake(round_, INT_MAX);
      return;
    }
    round_.fetch_add(1);
    if (way_ == Way::chained) {
      ring(sleepers_[0]);
    } else if (helpers_.empty()) {
      for (Sleeper& sleeper : sleepers_) ring(sleeper);
    } else {
      for (Sleeper& helper : helpers_) ring(helper);
    }
  }
  std::size_t awake() const { return awake_.load(std::memory_order_acquire); }
  void clear() { awake_ = 0; }
  const std::vector<Sleeper>& sleepers() const { return sleepers_; }

 private:
  void sleep(std::size_t i) {
    Sleeper& self = sleepers_[i];
    for (std::uint32_t seen = 0;; ++seen) {
      const Word& word = way_ == Way::broadcast ? round_ : self.bell;
      while (word.load(std::memory_order_acquire) == seen) wait(word, seen);
      self.woke = now();
      if (way_ == Way::chained)
        for (std::size_t next = 2 * i + 1; next <= 2 * i + 2 && next < sleepers_.size(); ++next) ring(sleepers_[next]);
      if (stop_) return;
      awake_.fetch_add(1, std::memory_order_release);
    }
  }
  void help(std::size_t i) {
    for (std::uint32_t seen = 0;; ++seen) {
      while (helpers_[i].bell.load(std::memory_order_acquire) == seen) wait(helpers_[i].bell, seen);
      for (std::size_t j = 8 * i; j < std::min(8 * i + 8, sleepers_.size()); ++j) ring(sleepers_[j]);
      if (stop_) return;
    }
  }
  static void ring(Sleeper& sleeper) {
    sleeper.bell.fetch_add(1, std::memory_order_release);
    wake(sleeper.bell, 1);
  }

  const Way way_;
  Word round_{0};
  std::atomic<bool> stop_{false};
  std::atomic<std::size_t> awake_{0};
  std::vector<Sleeper> sleepers_, helpers_;
};

void run(const Options& options, const char* name, Way way, std::size_t count) {
  Crowd crowd(way, count);
  ::usleep(50'000);
  const std::uint64_t rounds = options.scaled(100, 5);
  Samples busy, middle, last;
  for (std::uint64_t i = 0; i < rounds; ++i) {
    crowd.clear();
    ::usleep(5'000);
    const std::uint64_t start = now();
    crowd.notify();
    busy.add(now() - start);
    while (crowd.awake() < count) ::usleep(200);
    Samples late;
    for (const Sleeper& sleeper : crowd.sleepers()) late.add(sleeper.woke - start);
    middle.add(static_cast<std::uint64_t>(late.at(0.5)));
    last.add(static_cast<std::uint64_t>(late.at(1)));
  }
  emit("notify", name, {{"branches", static_cast<double>(count)}},
       {{"busy_p50", busy.at(0.5)}, {"middle_p50", middle.at(0.5)}, {"last_p50", last.at(0.5)}});
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv, 200);
  std::vector<Case> cases;
  constexpr std::pair<const char*, Way> kWays[] = {{"in turn", Way::in_turn},
                                                   {"batches of 8", Way::batches},
                                                   {"chained", Way::chained},
                                                   {"broadcast", Way::broadcast}};
  for (std::size_t count : {1u, 8u, 9u, 16u, 64u})
    for (const auto& [name, way] : kWays) {
      const char* const called = name;
      const Way how = way;
      cases.push_back({called, [&options, called, how, count] { run(options, called, how, count); }});
    }
  run_rounds(options, cases);
}
