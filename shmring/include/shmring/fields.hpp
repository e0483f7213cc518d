// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The fields of the accounts by name, for programs that show or export all of them (C++17). The command `shmring`, the Python module and
// the elements take their fields from here.
//
//   shmring::for_each_field(account, [](const char* name, const auto& value) { … });
//
// A value is a number, an enumeration (shmring_policy_name() and its like name it), text (an array of char), shmring_times, or the table of
// violations (SHMRING_VIOLATIONS numbers).
#ifndef SHMRING_FIELDS_HPP
#define SHMRING_FIELDS_HPP

#include <shmring/reader.h>
#include <shmring/types.h>

namespace shmring {

template <class Visit>
constexpr void for_each_field(const shmring_times& times, Visit&& visit) {
  visit("count", times.count);
  visit("p50", times.p50);
  visit("p99", times.p99);
  visit("max", times.max);
}

// Violations of each kind that there is; programs that link the library.
template <class Visit>
void for_each_field(const uint64_t (&violations)[SHMRING_VIOLATIONS], Visit&& visit) {
  for (int i = 0; i < SHMRING_VIOLATIONS; ++i)
    if (const char* name = shmring_violation_name(static_cast<shmring_violation>(i))) visit(name, violations[i]);
}

template <class Visit>
constexpr void for_each_field(const shmring_ring_stats& ring, Visit&& visit) {
  visit("publisher_pid", ring.publisher_pid);
  visit("slots", ring.slots);
  visit("free_slots", ring.free_slots);
  visit("owned", ring.owned);
  visit("loaned", ring.loaned);
  visit("max_readers", ring.max_readers);
  visit("readers", ring.readers);
  visit("rings", ring.rings);
  visit("slot_size", ring.slot_size);
  visit("memory", ring.memory);
  visit("offered", ring.offered);
  visit("published", ring.published);
  visit("dropped_no_slot", ring.dropped_no_slot);
  visit("dropped_too_large", ring.dropped_too_large);
  visit("dropped_malformed", ring.dropped_malformed);
  visit("copied", ring.copied);
  visit("streamed", ring.streamed);
  visit("refused_readers", ring.refused_readers);
  visit("protocol_violations", ring.protocol_violations);
  visit("violations", ring.violations);
  visit("last_published_at", ring.last_published_at);
  visit("caps", ring.caps);
}

template <class Visit>
constexpr void for_each_field(const shmring_reader_account& account, Visit&& visit) {
  visit("worker", account.worker);
  visit("state", account.state);
  visit("drop_policy", account.drop_policy);
  visit("wake", account.wake);
  visit("pid", account.pid);
  visit("depth", account.depth);
  visit("max_held", account.max_held);
  visit("held", account.held);
  visit("generation", account.generation);
  visit("offered", account.offered);
  visit("delivered", account.delivered);
  visit("dropped", account.dropped);
  visit("pending", account.pending);
  visit("stale", account.stale);
  visit("consecutive_drops", account.consecutive_drops);
  visit("wakeups", account.wakeups);
  visit("last_offered_at", account.last_offered_at);
  visit("last_taken_at", account.last_taken_at);
  visit("last_released_at", account.last_released_at);
  visit("last_taken_sequence", account.last_taken_sequence);
  visit("unfinished_since", account.unfinished_since);
  visit("age", account.age);
  visit("hold", account.hold);
  visit("reason", account.reason);
}

template <class Visit>
constexpr void for_each_field(const shmring_reader_stats& stats, Visit&& visit) {
  visit("taken", stats.taken);
  visit("stale", stats.stale);
  visit("missed", stats.missed);
  visit("attachments", stats.attachments);
  visit("held", stats.held);
  visit("publisher_pid", stats.publisher_pid);
  visit("drop_policy", stats.drop_policy);
  visit("wake", stats.wake);
  visit("depth", stats.depth);
  visit("max_held", stats.max_held);
  visit("last_sequence", stats.last_sequence);
  visit("age", stats.age);
  visit("hold", stats.hold);
  visit("protocol_violations", stats.protocol_violations);
}

}  // namespace shmring

#endif
