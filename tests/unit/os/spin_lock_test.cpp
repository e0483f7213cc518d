// SPDX-License-Identifier: LGPL-2.1-or-later
// The spin lock lets one of the publisher's threads in at a time.
#include "os/spin_lock.hpp"

#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace shmring {
namespace {

TEST(SpinLock, LetsOneInAtATime) {
  SpinLock spin_lock;
  std::uint64_t count = 0;  // a plain number: two at once lose some (and ThreadSanitizer sees it)
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        const std::lock_guard lock(spin_lock);
        ++count;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(count, 80'000u);
}

TEST(SpinLock, RefusesATryWhileItIsHeld) {
  SpinLock spin_lock;
  spin_lock.lock();
  EXPECT_FALSE(spin_lock.try_lock());
  spin_lock.unlock();
  EXPECT_TRUE(spin_lock.try_lock());
}

}  // namespace
}  // namespace shmring
