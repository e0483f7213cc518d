// SPDX-License-Identifier: LGPL-2.1-or-later
#include "transport/fork_guard.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <mutex>

namespace shmring {
namespace {

volatile std::uint64_t* wiped_word() {
  static volatile std::uint64_t* const word = [] {
    void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || ::madvise(page, 4096, MADV_WIPEONFORK) != 0) std::abort();  // one page; Linux 4.14
    return static_cast<volatile std::uint64_t*>(page);
  }();
  return word;
}

}  // namespace

ForkGuard::ForkGuard() : word_(wiped_word()) {
  // The counter is ordinary memory: a child goes on counting where its parent was, so its handles never look like the parent's.
  static std::mutex mutex;
  static std::uint64_t counter = 0;
  const std::lock_guard lock(mutex);
  volatile std::uint64_t* word = wiped_word();
  if (*word == 0) *word = ++counter;
  generation_ = *word;
}

}  // namespace shmring
