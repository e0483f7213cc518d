// SPDX-License-Identifier: LGPL-2.1-or-later
#include "round.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>

#include "watchdog.hpp"

namespace chaos {
namespace {

constexpr auto kPatience = std::chrono::seconds(120);
constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::size_t kEventsShown = 60;

// Exception of a fault; it ends the round.
struct Fault {};

}  // namespace

Round::Round(std::string program, std::uint64_t seed, double seconds)
    : program_(std::move(program)), seconds_(seconds), random_(seed), board_(Board::make(memory_.file("board"))) {
  board_->started_at = shmring_now();
  std::strncpy(board_->folder, sockets_.path().c_str(), sizeof board_->folder - 1);
  plan();
}

Round::~Round() {
  for (Path& path : paths_) stop_looking(path);
  paths_.clear();
  workers_.clear();
  Board::unmap(board_);
}

std::string Round::run() {
  try {
    for (std::uint32_t i = 0; i < paths_.size(); ++i)
      if (random_.chance(80)) start_publisher(i);
    for (std::uint32_t i = 0; i < workers_.size(); ++i) start_reader(i);
    const auto end = shmring_now() + static_cast<std::uint64_t>(seconds_ * 1e9);
    while (shmring_now() < end) {
      ::usleep(random_.below(40'000));
      disturb();
      check_children();
    }
    come_to_rest();
  } catch (const Fault&) {
    ::usleep(100'000);  // the publishers add what they see
  }
  const auto fault = board_->fault();
  return fault ? "the last events:\n" + board_->last_events(kEventsShown) + "FAULT: " + *fault : "";
}

std::string Round::summary() const {
  std::uint64_t frames = 0, taken = 0, rings = 0, opens = 0;
  for (std::uint32_t i = 0; i < board_->publishers; ++i) {
    frames += board_->publisher[i].frames;
    rings += board_->publisher[i].rings;
  }
  for (const ReaderSlot& reader : board_->reader) {
    opens += reader.opens;
    for (const Received& from : reader.from) taken += from.taken;
  }
  return std::to_string(board_->publishers) + " publishers, " + std::to_string(rings) + " rings, " +
         std::to_string(opens) + " reader handles, " + std::to_string(frames) + " frames published, " +
         std::to_string(taken) + " taken, " + std::to_string(looks_) + " looks" + (jitter_.empty() ? "" : ", delays") +
         (one_cpu_ ? ", one processor" : "");
}

void Round::plan() {
  paths_.resize(random_.chance(70) ? 1 : 2);
  workers_.resize(random_.between(1, kMaxReaders));
  board_->paths = static_cast<std::uint32_t>(paths_.size());
  board_->readers = static_cast<std::uint32_t>(workers_.size());
  one_cpu_ = random_.chance(30);
  if (random_.chance(70)) {
    constexpr std::uint32_t often[] = {2, 20, 100}, long_us[] = {300, 3000, 3000};
    const std::uint32_t which = random_.below(3);
    jitter_ = std::to_string(random_.next()) + ":" + std::to_string(often[which]) + ":" +
              std::to_string(long_us[random_.below(3)]);
  }
  for (std::uint32_t i = 0; i < paths_.size(); ++i) {
    PublisherPlan& p = paths_[i].plan;
    p.path = i;
    p.depth = random_.between(1, 6);
    p.max_held = random_.between(1, 6);
    p.loans = random_.between(1, 4);
    p.max_readers = board_->readers + random_.below(3);
    // Too few slots now and then: frames are dropped for all, readers get a smaller share or are refused for a while.
    p.slots = random_.chance(75) ? 0 : random_.between(3 + p.loans + 2 * board_->readers, 60);
    p.policy = random_.below(3);
    constexpr std::uint32_t periods[] = {0, 300, 2000, 5000};
    p.period_us = periods[random_.below(4)];
    constexpr std::uint32_t resizes[] = {0, 1, 10, 50};
    p.resizes = resizes[random_.below(4)];
    p.threads = random_.between(1, 2);
    p.one_cpu = one_cpu_;
  }
}

support::ChildProcess Round::spawn(const char* role, std::uint32_t number) {
  support::ChildProcess::Options options;
  if (!jitter_.empty()) options.environment.emplace_back("JITTER", jitter_);
  return support::ChildProcess::spawn({program_, role, memory_.file("board"), std::to_string(number)},
                                      std::move(options));
}

void Round::await(const std::string& what, const std::function<bool()>& holds, const std::string* seen) {
  do {
    const bool held = support::eventually(
        [&] {
          check_children();
          return holds();
        },
        kPatience);
    if (held) return;
  } while (kernel_keeps_one());
  board_->fail("expected in the end: " + what + "; not so after " + std::to_string(kPatience.count()) + " s" +
               (seen ? ": " + *seen : ""));
  throw Fault{};
}

// A machine under load may keep a process in the kernel for minutes (closing an inotify instance was seen to): no fault here.
bool Round::kernel_keeps_one() const {
  const auto kept = [](const support::ChildProcess& process) {
    std::ifstream file("/proc/" + std::to_string(process.pid()) + "/stat");
    std::string stat;
    std::getline(file, stat);
    const auto name_ends = stat.rfind(')');
    return name_ends != std::string::npos && stat.compare(name_ends, 3, ") D") == 0;
  };
  return std::any_of(paths_.begin(), paths_.end(), [&](const Path& path) { return kept(path.process); }) ||
         std::any_of(workers_.begin(), workers_.end(), [&](const Worker& worker) { return kept(worker.process); });
}

// A child that ended although nothing ended it, or one that found a fault.
void Round::check_children() {
  const auto check = [&](support::ChildProcess& process, const std::string& name) {
    if (!process.running() && !board_->fault()) board_->fail(name + " ended by itself: " + process.output());
  };
  for (Path& path : paths_)
    if (path.publisher != kMaxPublishers) check(path.process, publisher_name(path.publisher));
  for (std::uint32_t i = 0; i < workers_.size(); ++i)
    if (workers_[i].there) check(workers_[i].process, reader_name(i));
  if (board_->fault()) throw Fault{};
}

void Round::disturb() {
  const std::uint32_t number = random_.below(board_->readers);
  Worker& worker = workers_[number];
  const std::uint32_t which = random_.below(board_->paths);
  Path& path = paths_[which];
  const bool there = path.publisher != kMaxPublishers;
  switch (random_.below(34)) {
    case 0:
    case 1:
    case 2:
      if (worker.there) kill_reader(number);
      if (random_.chance(70)) start_reader(number);
      return;
    case 3:
    case 4:
    case 5:
    case 6:
      if (!worker.there || worker.stopped) return;
      note("stops " + reader_name(number));
      worker.process.stop();
      worker.stopped = true;
      return;
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
      if (!worker.stopped) return;
      note("continues " + reader_name(number));
      worker.process.resume();
      worker.stopped = false;
      return;
    case 12:
    case 13:
      if (worker.there && !worker.stopped) send_reader_off(number, Order::close);
      return;
    case 14:
      if (worker.there && !worker.stopped) send_reader_off(number, Order::leave);
      return;
    case 15:
    case 16:
    case 17:
      if (!worker.there) start_reader(number);
      return;
    case 18:
      if (there) kill_publisher(path);
      if (random_.chance(70)) start_publisher(which);
      return;
    case 19:
      if (there && !path.stopped) close_publisher(path);
      if (path.publisher == kMaxPublishers && random_.chance(70)) start_publisher(which);
      return;
    case 20:
    case 21:
      if (!there) start_publisher(which);
      return;
    case 22:
      if (!there || path.stopped) return;
      note("stops " + publisher_name(path.publisher));
      path.process.stop();
      path.stopped = true;
      return;
    case 23:
    case 24:
    case 25:
      if (!path.stopped) return;
      note("continues " + publisher_name(path.publisher));
      path.process.resume();
      path.stopped = false;
      return;
    case 32:
    case 33:
      if (there && !path.stopped && board_->publisher[path.publisher].open) crowd(which);
      return;
    case 26:
      if (there && board_->publisher[path.publisher].open) rival(which);
      return;
    default:
      if (there) look(path);
      return;
  }
}

void Round::start_publisher(std::uint32_t number) {
  Path& path = paths_[number];
  const std::uint32_t mine = board_->publishers;
  if (path.publisher != kMaxPublishers || mine == kMaxPublishers) return;
  PublisherSlot& slot = board_->publisher[mine];
  path.plan.seed = random_.next();
  path.plan.slot_size = random_.between(sizeof(std::uint64_t) * 5, 8192);
  slot.plan = path.plan;
  for (std::uint32_t i = 0; i < board_->readers; ++i) {
    slot.opens_before[i] = board_->reader[i].opens;
    slot.deaths_before[i] = board_->reader[i].deaths;
  }
  ++board_->publishers;
  note("starts " + publisher_name(mine) + " on path " + std::to_string(number) + ": slots " +
       std::to_string(slot.plan.slots) + ", loans " + std::to_string(slot.plan.loans) + ", depth " +
       std::to_string(slot.plan.depth) + ", max held " + std::to_string(slot.plan.max_held));
  path.process = spawn("publisher", mine);
  path.publisher = mine;
  path.stopped = false;
  path.seen = std::make_unique<Snapshots>(*board_, mine, "seen by an observer");
}

void Round::kill_publisher(Path& path) {
  note("kills " + publisher_name(path.publisher));
  board_->publisher[path.publisher].ending = 1;
  path.process.kill();
  stop_looking(path);
  path.publisher = kMaxPublishers;
}

void Round::close_publisher(Path& path) {
  const std::uint32_t number = path.publisher;
  await(publisher_name(number) + " opens", [&] { return board_->publisher[number].open != 0; });
  note("closes " + publisher_name(number));
  board_->publisher[number].ending = 1;
  board_->publisher[number].order = Order::close;
  path.publisher = kMaxPublishers;
  await(publisher_name(number) + " closes and ends", [&] {
    const auto ended = path.process.wait(std::chrono::milliseconds(0));
    if (!ended) return false;
    if (!ended->success()) board_->fail(publisher_name(number) + " did not close well: " + path.process.output());
    return true;
  });
  stop_looking(path);
}

// A second publisher for a path whose first one lives, stopped or not.
void Round::rival(std::uint32_t number) {
  const std::string path = board_->path(number);
  shmring_publisher_options options = SHMRING_PUBLISHER_OPTIONS_INIT;
  options.socket_path = path.c_str();
  options.slot_size = 64;
  shmring_publisher* publisher = nullptr;
  const auto status = shmring_publisher_open(&options, &publisher);
  note("a second publisher on path " + std::to_string(number) + ": " + shmring_status_name(status));
  if (status == SHMRING_OK) shmring_publisher_close(publisher);
  if (status != SHMRING_IN_USE)
    board_->fail("a second publisher on the path of " + publisher_name(paths_[number].publisher) +
                 ", which lives: expected in-use, seen " + shmring_status_name(status) + " " + shmring_last_error());
}

void Round::start_reader(std::uint32_t number) {
  Worker& worker = workers_[number];
  if (worker.there) return;
  ReaderSlot& slot = board_->reader[number];
  ReaderPlan& p = slot.plan;
  p.seed = random_.next();
  p.path = number % board_->paths;
  p.policy = random_.chance(20) ? std::uint32_t{SHMRING_POLICY_DEFAULT} : random_.below(3);
  p.wake = random_.below(2);
  p.depth = random_.below(8);
  p.max_held = random_.below(8);
  p.max_frame_age_ms = random_.chance(20) ? random_.between(1, 50) : 0;
  p.reconnect = random_.chance(80);
  constexpr std::uint32_t work[] = {0, 500, 5000, 30'000};
  p.work_us = work[random_.below(4)];
  p.one_cpu = one_cpu_;
  slot.order = Order::go_on;
  slot.obeyed = Order::go_on;
  slot.in_call = 0;
  note("starts " + reader_name(number) + ": policy " + std::to_string(p.policy) + ", wake " + std::to_string(p.wake) +
       ", depth " + std::to_string(p.depth) + ", max held " + std::to_string(p.max_held) + ", age " +
       std::to_string(p.max_frame_age_ms) + ", reconnect " + std::to_string(p.reconnect));
  worker.process = spawn("reader", number);
  worker.there = true;
  worker.stopped = false;
}

void Round::kill_reader(std::uint32_t number) {
  Worker& worker = workers_[number];
  ReaderSlot& slot = board_->reader[number];
  note("kills " + reader_name(number) + (worker.stopped ? ", which is stopped" : ""));
  ++slot.deaths;
  worker.process.signal(SIGKILL);
  worker.process.kill();
  if (slot.in_call)
    for (Received& from : slot.from) from.blurred = 1;
  worker.there = worker.stopped = false;
}

void Round::send_reader_off(std::uint32_t number, Order order) {
  Worker& worker = workers_[number];
  note("sends " + reader_name(number) + " off");
  board_->reader[number].order = order;
  worker.there = false;
  await(reader_name(number) + " ends when it is told to", [&] {
    const auto ended = worker.process.wait(std::chrono::milliseconds(0));
    if (!ended) return false;
    if (!ended->success() && !board_->fault())
      board_->fail(reader_name(number) + " ended with an error: " + worker.process.output());
    return true;
  });
}

// While a publisher stands still, readers leave it, others come, and the processes of the first end: it finds all that at once. A number that
// one of them had, of a descriptor or a lane, is then another one's before the last is heard of the first.
void Round::crowd(std::uint32_t number) {
  Path& path = paths_[number];
  note("stops " + publisher_name(path.publisher) + ", for a crowd");
  path.process.stop();
  std::vector<std::uint32_t> leaving, coming;
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    if (board_->reader[i].plan.path != number || workers_[i].stopped) continue;
    if (workers_[i].there && random_.chance(50)) leaving.push_back(i);
    if (!workers_[i].there) coming.push_back(i);
  }
  for (const std::uint32_t i : leaving) {
    board_->reader[i].order = Order::linger;
    await(reader_name(i) + " closes", [&] { return board_->reader[i].obeyed == Order::linger; });
  }
  for (const std::uint32_t i : coming) start_reader(i);
  ::usleep(random_.between(60'000, 120'000));  // they greet; and the publisher counts as idle
  for (const std::uint32_t i : leaving) kill_reader(i);
  if (random_.chance(50))
    for (const std::uint32_t i : leaving) start_reader(i);
  path.process.resume();
}

void Round::stop_looking(Path& path) { shmring_observer_close(std::exchange(path.observer, nullptr)); }

bool Round::look(Path& path) {
  const std::string at = board_->path(path.plan.path);
  const PublisherSlot& slot = board_->publisher[path.publisher];
  if (!path.observer && shmring_observer_open(at.c_str(), 100 * kMillisecond, &path.observer) != SHMRING_OK)
    return false;
  shmring_ring_stats ring = SHMRING_RING_STATS_INIT;
  std::vector<shmring_reader_account> lanes(SHMRING_MAX_READERS);
  std::size_t count = 0;
  const auto status = shmring_observer_stats(path.observer, 100 * kMillisecond, &ring, lanes.data(), sizeof lanes[0],
                                             lanes.size(), &count);
  if (status != SHMRING_OK) {  // perhaps it is stopped; an answer that comes late must not be taken for the next one's
    stop_looking(path);
    if (status != SHMRING_TIMEOUT && status != SHMRING_DISCONNECTED)
      board_->fail(std::string("an observer: ") + shmring_status_name(status) + " " + shmring_last_error());
    return false;
  }
  if (ring.publisher_pid != slot.pid) return false;
  lanes.resize(std::min(count, lanes.size()));
  path.seen->check(ring, lanes);
  ++looks_;
  return true;
}

}  // namespace chaos
