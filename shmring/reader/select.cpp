// SPDX-License-Identifier: LGPL-2.1-or-later
#include "reader/select.hpp"

#include <poll.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "os/clock.hpp"

namespace shmring {
namespace {

// ns between two looks at all readers: one whose stream has ended reports the next end without a sign at its descriptor.
constexpr std::uint64_t kLookAgain = 500'000'000;

void record(Result<Frame> got, Asked& asked) {
  asked.status = got.status();
  if (got)
    asked.frame = *std::move(got);
  else
    asked.text = got.error().text;
}

bool ended(const Asked& asked) { return asked.status == SHMRING_END || asked.status == SHMRING_DISCONNECTED; }

// Ends at `deadline`, or when a reader may have something to tell.
void wait_for_any(std::span<const pollfd> watched, std::uint64_t deadline) {
  const std::uint64_t t = now();
  const std::uint64_t left = std::min(kLookAgain, deadline > t ? deadline - t : 0);
  const timespec limit{0, static_cast<long>(left)};
  ::ppoll(const_cast<pollfd*>(watched.data()), watched.size(), &limit, nullptr);
}

std::uint64_t deadline_of(std::uint64_t timeout) {
  const std::uint64_t t = now();
  return timeout > UINT64_MAX - t ? UINT64_MAX : t + timeout;
}

}  // namespace

Status select(std::span<Reader* const> readers, std::uint64_t timeout, std::span<Asked> results) {
  const std::uint64_t deadline = deadline_of(timeout);
  std::vector<pollfd> watched;
  for (Reader* reader : readers) watched.push_back({reader->fileno(), POLLIN, 0});
  for (;;) {
    bool any = false;
    for (std::size_t i = 0; i < readers.size(); ++i) {
      record(readers[i]->read(0), results[i]);
      any = any || results[i].status != SHMRING_TIMEOUT;
    }
    if (any) return SHMRING_OK;
    if (now() >= deadline) return SHMRING_TIMEOUT;
    wait_for_any(watched, deadline);
  }
}

Status batch(std::span<Reader* const> readers, std::size_t size, std::uint64_t wait, std::uint64_t timeout,
             std::size_t& next, std::span<Asked> results) {
  std::uint64_t deadline = deadline_of(timeout);
  std::vector<bool> over(readers.size());  // not waited for
  for (std::size_t i = 0; i < readers.size(); ++i) over[i] = ended(results[i]);
  std::size_t taken = 0;
  Status failed = SHMRING_OK;
  const std::size_t first = next;
  for (;;) {
    for (std::size_t n = 0; n < readers.size() && taken < size; ++n) {
      const std::size_t i = (first + n) % readers.size();
      Asked& asked = results[i];
      if (asked.frame) continue;
      record(readers[i]->latest(0), asked);
      if (asked.status == SHMRING_TIMEOUT) continue;
      over[i] = ended(asked);
      if (asked.status != SHMRING_OK && !over[i]) failed = asked.status;
      if (!asked.frame) continue;
      if (taken++ == 0) deadline = std::min(deadline, deadline_of(wait));
      if (taken == size) next = (i + 1) % readers.size();
    }
    std::vector<pollfd> watched;
    for (std::size_t i = 0; i < readers.size(); ++i)
      if (!results[i].frame && !over[i]) watched.push_back({readers[i]->fileno(), POLLIN, 0});
    const bool done = taken == size || watched.empty() || failed != SHMRING_OK || now() >= deadline;
    if (!done) {
      wait_for_any(watched, deadline);
      continue;
    }
    // A stream that had ended, and tells nothing new, has still ended.
    for (std::size_t i = 0; i < readers.size(); ++i) {
      if (results[i].status == SHMRING_TIMEOUT && over[i]) results[i].status = SHMRING_END;
      if (results[i].status == SHMRING_OK && !results[i].frame) results[i].status = SHMRING_TIMEOUT;
    }
    if (taken != 0) return SHMRING_OK;
    if (failed != SHMRING_OK) return failed;
    return watched.empty() ? SHMRING_END : SHMRING_TIMEOUT;
  }
}

}  // namespace shmring
