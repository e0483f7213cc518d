// SPDX-License-Identifier: LGPL-2.1-or-later
// The ring that a reader is attached to, the former ones that it still holds frames of, and its numbers over all of them. The reading thread
// attaches and detaches; any thread asks. Former rings count against what the reader was granted: a frame of each size would keep a ring of
// each size.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "os/fork_guard.hpp"
#include "reader/attachment.hpp"

namespace shmring {

class Attachments {
 public:
  Attachments() = default;
  Attachments(const Attachments&) = delete;
  Attachments& operator=(const Attachments&) = delete;
  ~Attachments() {
    detach();
    for (Attachment* former : former_) former->unref();
  }
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
      former_.push_back(present_);
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
  std::uint32_t held_of_former() { return former_.empty() ? 0 : forget_released(); }
  std::uint32_t held_by_reading_thread() const { return (present_ ? present_->held() : 0) + sum_of_former(); }

  // Any thread; all zero in a forked child, where a thread that stayed in the parent may hold the lock.
  std::uint32_t held() const {
    return locked([&] { return held_by_reading_thread(); });
  }
  // How often a publisher was found.
  std::uint64_t count() const {
    return locked([&] { return totals_.attachments; });
  }
  // The answer of the present attachment; zero without one.
  template <class Ask>
  auto ask(Ask ask) const {
    return locked([&] { return present_ ? ask(*present_) : decltype(ask(*present_)){}; });
  }
  shmring_reader_stats stats() const {
    shmring_reader_stats stats = locked([&] {
      shmring_reader_stats s = totals_;
      s.held = held_by_reading_thread();
      auto age = std::make_unique<Histogram>(), hold = std::make_unique<Histogram>();
      age->add(age_);
      hold->add(hold_);
      if (present_) present_->describe(s, *age, *hold);
      s.age = age->summary();
      s.hold = hold->summary();
      return s;
    });
    stats.struct_size = sizeof stats;
    return stats;
  }

 private:
  template <class Body>
  auto locked(Body body) const -> decltype(body()) {
    if (guard_.in_child()) return {};
    const std::lock_guard lock(mutex_);
    return body();
  }
  std::uint32_t sum_of_former() const {
    std::uint32_t sum = 0;
    for (const Attachment* former : former_) sum += former->held();
    return sum;
  }
  [[gnu::cold, gnu::noinline]] std::uint32_t forget_released() {
    const std::lock_guard lock(mutex_);
    std::erase_if(former_, [](Attachment* former) {
      if (former->held() != 0) return false;
      former->unref();
      return true;
    });
    return sum_of_former();
  }

  const ForkGuard guard_;
  mutable std::mutex mutex_;  // the reading thread reads without it what only it writes
  Attachment* present_ = nullptr;
  std::vector<Attachment*> former_;  // each with the reader's own reference
  shmring_reader_stats totals_{};    // of former attachments
  Histogram age_, hold_;
};

}  // namespace shmring
