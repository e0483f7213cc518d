// SPDX-License-Identifier: LGPL-2.1-or-later
// The frames that a reader holds: each is compared with what it was when it was taken, now and then, and before it is let go of.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "board.hpp"
#include "model.hpp"
#include "random.hpp"

namespace chaos {

class Hand {
 public:
  Hand(Board& board, std::string whose) : board_(board), whose_(std::move(whose)), thread_([this] { let_go(); }) {}
  ~Hand() {
    release_all();
    {
      const std::lock_guard lock(mutex_);
      quit_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  Hand(const Hand&) = delete;

  // Takes the frame over, wholly checked.
  void take(shmring_frame* frame, const Origin& origin) {
    held_.push_back({frame, origin});
    verify(held_.back());
  }
  // Those that another thread is about to release are still held.
  std::size_t size() {
    const std::lock_guard lock(mutex_);
    return held_.size() + leaving_.size() + releasing_;
  }
  void verify_one(Random& random) {
    if (!held_.empty()) verify(held_[random.below(static_cast<std::uint32_t>(held_.size()))]);
  }
  // Any of them, by this thread or by another one.
  void release_one(Random& random) {
    if (held_.empty()) return;
    std::swap(held_[random.chance(50) ? 0 : random.below(static_cast<std::uint32_t>(held_.size()))], held_.front());
    const Held held = held_.front();
    held_.pop_front();
    if (random.chance(75)) return release(held);
    {
      const std::lock_guard lock(mutex_);
      leaving_.push_back(held);
    }
    changed_.notify_one();
  }
  void release_all() {
    for (const Held& held : held_) release(held);
    held_.clear();
  }

 private:
  struct Held {
    shmring_frame* frame;
    Origin origin;
  };

  void verify(const Held& held) {
    if (const auto fault = fault_of(held.frame, &held.origin)) board_.fail(whose_ + ": " + *fault);
  }
  void release(const Held& held) {
    verify(held);
    shmring_frame_release(held.frame);
  }
  void let_go() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return quit_ || !leaving_.empty(); });
      if (leaving_.empty()) return;
      const Held held = leaving_.front();
      leaving_.pop_front();
      ++releasing_;
      lock.unlock();
      release(held);
      lock.lock();
      --releasing_;
    }
  }

  Board& board_;
  const std::string whose_;
  std::deque<Held> held_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Held> leaving_;
  std::size_t releasing_ = 0;
  bool quit_ = false;
  std::thread thread_;
};

}  // namespace chaos
