// SPDX-License-Identifier: LGPL-2.1-or-later
// The ring that a reader is attached to, the former ones that it still holds frames of, and its numbers over all of them. The reading thread
// attaches and detaches; any thread asks.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "reader/attachment.hpp"
#include "reader/former_rings.hpp"

namespace shmring {

class Attachments {
 public:
  Attachments() = default;
  Attachments(const Attachments&) = delete;
  Attachments& operator=(const Attachments&) = delete;
  ~Attachments() { detach(); }
  // In a forked child, where the destructor must not run: a thread that stayed in the parent may hold the lock.
  void abandon() {
    if (present_) present_->unref();
  }

  // The reading thread; none: it is not attached.
  Attachment* present() const { return present_; }
  // Takes over the reference. `counts`: it is an attachment of its own, not the same publisher's next ring.
  void attach(Attachment* made, bool counts) {
    const std::lock_guard lock(mutex_);
    present_ = made;
    if (counts) ++totals_.attachments;
  }
  void detach() {
    const std::lock_guard lock(mutex_);
    if (!present_) return;
    age_.add(present_->counters().age);
    hold_.add(present_->counters().hold);
    if (present_->held() != 0)
      former_.add(present_);
    else
      present_->unref();
    present_ = nullptr;
  }
  void count_violation() {
    const std::lock_guard lock(mutex_);
    ++totals_.protocol_violations;
  }
  bool ever_attached() const { return totals_.attachments != 0; }
  // Frames held of former rings, which are forgotten as soon as there are none.
  std::uint32_t held_of_former() { return former_.empty() ? 0 : former_.forget_released(mutex_); }
  std::uint32_t held_by_reading_thread() const { return (present_ ? present_->held() : 0) + former_.held(); }

  // Any thread.
  std::uint32_t held() const {
    const std::lock_guard lock(mutex_);
    return held_by_reading_thread();
  }
  // Result of `ask` for the present attachment; zero without one.
  template <class Ask>
  auto ask(Ask ask) const {
    using Answer = decltype(ask(*present_));
    const std::lock_guard lock(mutex_);
    return present_ ? ask(*present_) : Answer{};
  }
  shmring_reader_stats stats() const {
    const std::lock_guard lock(mutex_);
    shmring_reader_stats s = totals_;
    s.held = held_by_reading_thread();
    auto age = std::make_unique<Histogram>(), hold = std::make_unique<Histogram>();
    age->add(age_);
    hold->add(hold_);
    if (present_) present_->describe(s, *age, *hold);
    s.age = age->summary();
    s.hold = hold->summary();
    return s;
  }

 private:
  mutable std::mutex mutex_;  // the reading thread reads without it what only it writes
  Attachment* present_ = nullptr;
  FormerRings former_;
  shmring_reader_stats totals_{};  // of former attachments
  Histogram age_, hold_;
};

}  // namespace shmring
