// SPDX-License-Identifier: LGPL-2.1-or-later
// A publisher that does at random all that the API allows, and knows the number of each frame before it offers it.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "board.hpp"
#include "model.hpp"
#include "random.hpp"
#include "snapshot.hpp"

namespace chaos {
namespace {

class Publishing {
 public:
  Publishing(Board& board, std::uint32_t number)
      : board_(board), me_(board.publisher[number]), number_(number), random_(me_.plan.seed) {}

  int run() {
    const PublisherPlan& plan = me_.plan;
    if (plan.one_cpu) stay_on_one_cpu();
    const std::string path = board_.path(plan.path);
    shmring_publisher_options options = SHMRING_PUBLISHER_OPTIONS_INIT;
    options.socket_path = path.c_str();
    options.slot_size = capacity_ = plan.slot_size;
    options.slots = plan.slots;
    options.loans = plan.loans;
    options.max_readers = plan.max_readers;
    options.depth = plan.depth;
    options.max_held = plan.max_held;
    options.drop_policy = static_cast<shmring_policy>(plan.policy);
    me_.rings = 1;
    me_.pid = static_cast<std::uint32_t>(::getpid());
    if (const auto status = shmring_publisher_open(&options, &publisher_); status != SHMRING_OK)
      return fail("opening " + path, "success", status);
    note("open");
    me_.open = 1;
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < plan.threads; ++i)
      threads.emplace_back([this, r = random_.fork()]() mutable { publish_in_turn(r); });
    threads.emplace_back([this, r = random_.fork()]() mutable { discard_some(r); });
    threads.emplace_back([this, r = random_.fork()]() mutable { look_at_figures(r); });
    bool finished = false;
    for (Order order = Order::go_on; order < Order::close && !board_.fault(); ::usleep(1000)) {
      order = me_.order;
      if (order == Order::finish && !finished) {
        finished = true;
        finish();
      }
      me_.obeyed = order;
    }
    if (me_.order == Order::leave) ::_exit(0);
    stop_ = true;
    for (auto& thread : threads) thread.join();
    discard_all();
    note("closes");
    shmring_publisher_close(publisher_);
    return board_.fault() ? 1 : 0;
  }

 private:
  struct Kept {
    shmring_loan loan = SHMRING_LOAN_INIT;
    std::uint32_t ring;
  };

  void note(const std::string& what) { board_.note(publisher_name(number_), what); }
  int fail(const std::string& what, const std::string& expected, shmring_status status) {
    board_.fail(publisher_name(number_) + ": " + what + ": expected " + expected + ", seen " +
                shmring_status_name(status) + " (" + shmring_last_error() + ")");
    return 1;
  }

  // By several threads, one at a time.
  void publish_in_turn(Random random) {
    while (!stop_ && !board_.fault()) {
      {
        const std::lock_guard turn(turn_);
        if (me_.order == Order::steady)
          offer(random);
        else if (me_.order == Order::go_on)
          act(random);
      }
      const std::uint32_t period = me_.order == Order::go_on ? me_.plan.period_us : 1000;
      if (period != 0 && !random.chance(20)) ::usleep(random.below(period));
    }
  }

  void act(Random& random) {
    const std::uint32_t what = random.below(1000);
    if (what < me_.plan.resizes) return resize(random);
    switch (random.below(100)) {
      case 0:
        return end();
      case 1:
        return set_format();
      case 2:
        return write_too_large();
      case 3:
        return shmring_publisher_set_latency(publisher_, random.below(1000000));
      case 4:
        return compare_figures("at a random moment");
      case 5:
        if (random.chance(10)) ::usleep(random.below(150'000));  // long enough for the publisher to count as idle
        return;
      case 14:
        return look_for_key_requests();
      case 6:
      case 7:
      case 8:
      case 9:
        return keep_a_loan();
      case 10:
      case 11:
      case 12:
      case 13:
        return publish_a_kept_loan(random);
      default:
        return offer(random);
    }
  }

  void offer(Random& random) { random.chance(50) ? write() : lend_and_publish(); }

  Origin next_origin() {
    const std::uint64_t sequence = me_.begun + 1;
    me_.begun = sequence;
    return make_origin(sequence, number_, ring_, format_, capacity_);
  }

  void write() {
    const Origin origin = next_origin();
    const Content content(origin);
    buffer_.resize(content.info.size);
    fill(buffer_, origin);
    shmring_frame_info info = content.info;
    info.sequence = 0;
    const auto status = shmring_publisher_write(publisher_, buffer_.data(), &info);
    if (status == SHMRING_OK) return published(origin, info);
    if (status != SHMRING_FULL) {
      fail("write", "success or full", status);
      return;
    }
    ++me_.no_slot;
  }

  void write_too_large() {
    const std::uint64_t sequence = me_.begun + 1;
    me_.begun = sequence;
    buffer_.resize(capacity_ + 1);
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.size = buffer_.size();
    const auto status = shmring_publisher_write(publisher_, buffer_.data(), &info);
    if (status == SHMRING_TOO_LARGE)
      ++me_.too_large;
    else if (status == SHMRING_FULL)
      ++me_.no_slot;
    else
      fail("write of a byte more than a slot has", "too-large or full", status);
  }

  void lend_and_publish() {
    shmring_loan loan = SHMRING_LOAN_INIT;
    const auto status = shmring_publisher_loan(publisher_, &loan);
    if (status == SHMRING_OK) return publish(loan, ring_);
    if (status != SHMRING_FULL) fail("loan", "success or full", status);
  }

  void publish(shmring_loan loan, std::uint32_t ring) {
    if (ring == ring_ && loan.capacity != capacity_) {
      board_.fail(publisher_name(number_) + ": a loan has " + std::to_string(loan.capacity) + " bytes, expected " +
                  std::to_string(capacity_));
      return;
    }
    const std::uint64_t before = me_.begun;
    const Origin origin = next_origin();
    const Content content(origin);
    shmring_frame_info info = content.info;
    info.sequence = 0;
    if (info.size <= loan.capacity)
      fill({static_cast<std::byte*>(loan.data), info.size}, origin);
    else
      info.size = loan.capacity;  // a loan of a former ring, which is refused
    const auto status = shmring_publisher_publish(publisher_, &loan, &info);
    if (status == SHMRING_OK) return published(origin, info);
    me_.begun = before;
    if (ring == ring_) fail("publish", "success", status);
  }

  void published(const Origin& origin, const shmring_frame_info& info) {
    if (info.sequence != origin.sequence)
      board_.fail(publisher_name(number_) + ": the ring gave number " + std::to_string(info.sequence) + ", expected " +
                  std::to_string(origin.sequence));
    ++me_.frames;
    me_.newest = packed(ring_, origin.sequence);
  }

  // At most once in 500 ms, and no more often than readers asked.
  void look_for_key_requests() {
    const std::uint64_t before = shmring_now();
    if (!shmring_publisher_key_frame_requested(publisher_)) return;
    std::uint64_t sent = 0;
    for (std::uint32_t i = 0; i < board_.readers; ++i)
      if (board_.reader[i].plan.path == me_.plan.path) sent += board_.reader[i].key_requests;
    if (++told_ > sent)
      board_.fail(publisher_name(number_) + " was told of " + std::to_string(told_) + " requests for key frames, of " +
                  std::to_string(sent) + " that readers sent");
    const std::uint64_t after = shmring_now();
    if (told_at_ != 0 && after - told_at_ < 500'000'000)
      board_.fail(publisher_name(number_) + " was told of two requests for key frames within " +
                  std::to_string((after - told_at_) / 1000) + " us");
    told_at_ = before;
  }

  void keep_a_loan() {
    shmring_loan loan = SHMRING_LOAN_INIT;
    if (shmring_publisher_loan(publisher_, &loan) != SHMRING_OK) return;
    const std::lock_guard lock(kept_mutex_);
    kept_.push_back({loan, ring_});
  }

  std::optional<Kept> take_kept(Random& random) {
    const std::lock_guard lock(kept_mutex_);
    if (kept_.empty()) return {};
    std::swap(kept_[random.below(static_cast<std::uint32_t>(kept_.size()))], kept_.back());
    const Kept kept = kept_.back();
    kept_.pop_back();
    return kept;
  }

  void publish_a_kept_loan(Random& random) {
    if (const auto kept = take_kept(random)) publish(kept->loan, kept->ring);
  }

  // "by any thread at any time"
  void discard_some(Random random) {
    while (!stop_) {
      ::usleep(random.below(40'000));
      if (auto kept = take_kept(random)) shmring_publisher_discard(publisher_, &kept->loan);
    }
  }
  void discard_all() {
    const std::lock_guard lock(kept_mutex_);
    for (auto& kept : kept_) shmring_publisher_discard(publisher_, &kept.loan);
    kept_.clear();
  }

  void set_format() {
    const Format format(number_, format_ + 1);
    const auto status = shmring_publisher_set_format(publisher_, &format.format);
    if (status != SHMRING_OK) {
      fail("set_format", "success", status);
      return;
    }
    ++format_;
  }

  void resize(Random& random) {
    const std::uint32_t size = random.between(sizeof(Origin), random.chance(10) ? 100'000 : 8192);
    me_.end_mark = 0;  // readers that come to an empty ring find the end and no frame
    const auto status = shmring_publisher_resize(publisher_, size);
    note("resized to " + std::to_string(size) + ": " + shmring_status_name(status));
    if (status != SHMRING_OK) {  // too little memory, or too many rings whose frames are still held
      if (status == SHMRING_INVALID || status == SHMRING_PROTOCOL || status == SHMRING_FORKED)
        fail("resize", "success, or why not now", status);
      return;
    }
    capacity_ = size;
    me_.rings = ++ring_;
  }

  void end() {
    const std::uint64_t newest = me_.newest;
    me_.end_mark = ring_of(newest) == ring_ ? newest : 0;
    ++me_.ends;
    note("ends the stream after " + std::to_string(me_.begun));
    if (const auto status = shmring_publisher_end(publisher_); status != SHMRING_OK) fail("end", "success", status);
  }

  // All that is offered is counted: between two calls the figures are exact.
  void compare_figures(const std::string& when) {
    shmring_ring_stats ring = SHMRING_RING_STATS_INIT;
    if (const auto status = shmring_publisher_stats(publisher_, &ring, nullptr, 0, 0, nullptr); status != SHMRING_OK) {
      fail("stats", "success", status);
      return;
    }
    const auto compare = [&](const char* what, std::uint64_t expected, std::uint64_t seen) {
      if (expected != seen)
        board_.fail(publisher_name(number_) + ": its figures " + when + ": expected " + what + " " +
                    std::to_string(expected) + ", seen " + std::to_string(seen));
    };
    compare("offered", me_.begun, ring.offered);
    compare("published", me_.frames, ring.published);
    compare("dropped_no_slot", me_.no_slot, ring.dropped_no_slot);
    compare("dropped_too_large", me_.too_large, ring.dropped_too_large);
    compare("slot_size", capacity_, ring.slot_size);
  }

  void look_at_figures(Random random) {
    Snapshots snapshots(board_, number_, "its own figures");
    while (!stop_) {
      const bool last = board_.fault().has_value();
      if (!last) ::usleep(random.below(30'000));
      shmring_ring_stats ring = SHMRING_RING_STATS_INIT;
      std::vector<shmring_reader_account> lanes(SHMRING_MAX_READERS);
      std::size_t count = 0;
      if (shmring_publisher_stats(publisher_, &ring, lanes.data(), sizeof lanes[0], lanes.size(), &count) != SHMRING_OK)
        continue;
      lanes.resize(std::min(count, lanes.size()));
      snapshots.check(ring, lanes);
      if (last) break;
    }
    if (!board_.fault()) return;
    // For those who look for the reason.
    for (const auto& [name, lane] : snapshots.lanes())
      note(name + " " + std::to_string(lane.state) + ": offered " + std::to_string(lane.offered) + ", delivered " +
           std::to_string(lane.delivered) + ", dropped " + std::to_string(lane.dropped) + ", held " +
           std::to_string(lane.held) + ", last taken " + std::to_string(lane.last_taken_sequence) + " " + lane.reason);
  }

  // A last frame and the end, with nothing lent.
  void finish() {
    const std::lock_guard turn(turn_);
    discard_all();
    for (const auto had = me_.frames.load(); me_.frames == had && !board_.fault(); ::usleep(1000)) write();
    end();
    compare_figures("at the end");
  }

  Board& board_;
  PublisherSlot& me_;
  const std::uint32_t number_;
  Random random_;
  shmring_publisher* publisher_ = nullptr;
  std::atomic<bool> stop_{false};
  std::mutex turn_;  // guards what follows
  std::uint32_t ring_ = 1, format_ = 0, capacity_ = 0;
  std::vector<std::byte> buffer_;
  std::uint64_t told_ = 0, told_at_ = 0;  // of requests for key frames
  std::mutex kept_mutex_;                 // guards kept_
  std::vector<Kept> kept_;
};

}  // namespace

int run_publisher(Board& board, std::uint32_t number) { return Publishing(board, number).run(); }

}  // namespace chaos
