// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/fork_guard.hpp"

#include <pthread.h>
#include <sys/mman.h>

#include <new>

namespace shmring {
namespace {

// No lock in here, nor a static that is initialised under one: another thread might have it just when the process forks, and in the child
// it would never be unlocked.
std::atomic<Word64*> page{nullptr};
// Ordinary memory: a child goes on counting where its parent was, so its handles never look like the parent's.
Word64 counter{0};

// Where the kernel wipes no page (before Linux 4.14, in gVisor, forbidden by a filter): wiped by fork() itself, not by a bare clone().
Word64 ordinary{0};
[[maybe_unused]] const int at_fork =
    ::pthread_atfork(nullptr, nullptr, [] { ordinary.store(0, std::memory_order_relaxed); });

// Memory that is zero in every child; nullptr: there is none.
void* make_page() {
  void* made = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) return nullptr;
  if (::madvise(made, 4096, MADV_WIPEONFORK) == 0) return made;
  ::munmap(made, 4096);
  return nullptr;
}

Word64& wiped_word() {
  Word64* word = page.load(std::memory_order_acquire);  // pairs with the release below
  if (word) return *word;
  void* const made = make_page();
  auto* const fresh = made ? new (made) Word64(0) : &ordinary;
  if (page.compare_exchange_strong(word, fresh, std::memory_order_acq_rel)) return *fresh;
  if (made) ::munmap(made, 4096);
  return *word;
}

}  // namespace

ForkGuard::ForkGuard() : word_(&wiped_word()), generation_(word_->load(std::memory_order_relaxed)) {
  if (generation_ != 0) return;
  // The first of this process. Counted before it is stored: what a child counts on from is never behind what its parent's handles have.
  const std::uint64_t next = counter.fetch_add(1) + 1;
  if (word_->compare_exchange_strong(generation_, next)) generation_ = next;
}

}  // namespace shmring
