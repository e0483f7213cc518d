// SPDX-License-Identifier: LGPL-2.1-or-later
// Names of the enumerations' values, the same in properties, messages, Python and the command.
#pragma once

#include <shmring/types.h>

namespace shmring {

constexpr const char* kUnknown = "unknown";  // a value of a newer library

constexpr const char* policy_name(shmring_policy policy) {
  switch (policy) {
    case SHMRING_DROP_NEWEST:
      return "drop-newest";
    case SHMRING_DROP_OLDEST:
      return "drop-oldest";
    case SHMRING_LATEST:
      return "latest";
    case SHMRING_POLICY_DEFAULT:
      return "publisher";
  }
  return kUnknown;
}

constexpr const char* wake_name(shmring_wake wake) {
  switch (wake) {
    case SHMRING_WAKE_BLOCK:
      return "block";
    case SHMRING_WAKE_ADAPTIVE:
      return "adaptive";
  }
  return kUnknown;
}

constexpr const char* reader_state_name(shmring_reader_state state) {
  switch (state) {
    case SHMRING_READER_ACTIVE:
      return "active";
    case SHMRING_READER_RETIRED:
      return "retired";
    case SHMRING_READER_GONE:
      return "gone";
  }
  return kUnknown;
}

// nullptr for a place of the table that is free.
constexpr const char* violation_name(shmring_violation violation) {
  switch (violation) {
    case SHMRING_VIOLATION_MESSAGE:
      return "message";
    case SHMRING_VIOLATION_DESCRIPTORS:
      return "descriptors";
    case SHMRING_VIOLATION_SILENCE:
      return "silence";
    case SHMRING_VIOLATION_SEALS:
      return "seals";
    case SHMRING_VIOLATION_TAIL:
      return "tail";
    case SHMRING_VIOLATION_WAKEUPS:
      return "wakeups";
  }
  return nullptr;
}

constexpr const char* status_name(shmring_status status) {
  switch (status) {
    case SHMRING_OK:
      return "ok";
    case SHMRING_TIMEOUT:
      return "timeout";
    case SHMRING_END:
      return "end";
    case SHMRING_DISCONNECTED:
      return "disconnected";
    case SHMRING_INTERRUPTED:
      return "interrupted";
    case SHMRING_FULL:
      return "full";
    case SHMRING_TOO_LARGE:
      return "too-large";
    case SHMRING_TOO_MANY_HELD:
      return "too-many-held";
    case SHMRING_IN_USE:
      return "in-use";
    case SHMRING_REFUSED:
      return "refused";
    case SHMRING_INVALID:
      return "invalid";
    case SHMRING_PROTOCOL:
      return "protocol";
    case SHMRING_NO_MEMORY:
      return "no-memory";
    case SHMRING_SYSTEM:
      return "system";
    case SHMRING_FORKED:
      return "forked";
  }
  return kUnknown;
}

}  // namespace shmring
