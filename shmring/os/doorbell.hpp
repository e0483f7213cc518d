// SPDX-License-Identifier: LGPL-2.1-or-later
// Wakes one sleeping reader: an eventfd inside an epoll instance. The publisher keeps the eventfd to itself, so no other process can fill it
// or make it blocking; the reader has the instance only, which it can poll together with other descriptors.
#pragma once

#include <cstdint>

#include "abi/result.hpp"
#include "os/fd.hpp"

namespace shmring {

class Doorbell {
 public:
  static Result<Doorbell> make();

  // Never blocks; has no effect while a notification is pending. Any thread.
  void notify() const;
  // The reader's end: readable from the next notification until drain_doorbell(). Kept here until it was sent.
  int reader_end() const { return poll_.get(); }
  void forget_reader_end() { poll_.reset(); }

 private:
  Fd event_, poll_;
};

// For the reader: drains the doorbell and returns whether it was notified. A notification that comes meanwhile is kept.
enum class Drained { nothing, notification, no_doorbell };
Drained drain_doorbell(int doorbell);

// Waits until an epoll instance has an event, at most `timeout` ns (SHMRING_WAIT_FOREVER). Faster to wake from than ppoll() on what is in it.
void wait_for_event(int epoll, std::uint64_t timeout);

}  // namespace shmring
