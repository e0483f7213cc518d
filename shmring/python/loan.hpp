// SPDX-License-Identifier: LGPL-2.1-or-later
// A slot of the ring in Python's hands, to be filled in place. Arrays on it are counted: while one lives the slot
// cannot be published, so a published frame has no writer, and it is not given back, so no array ever writes into
// another frame.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <pybind11/pybind11.h>

#include <shmring/publisher.h>

#include "fork_guard.hpp"

namespace shmring::python {

// The C handle; closed with its last user, which may be an array on a loan.
struct Ring {
  Ring() = default;
  ~Ring() { shmring_publisher_close(handle); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  shmring_publisher* handle = nullptr;
  ForkGuard fork;
};

// Format of frames, with the text that it points to.
struct Format {
  shmring_format format = SHMRING_FORMAT_INIT;
  std::uint64_t size = 0;  // of a frame of raw video, bytes; 0: frames of any size
  std::string caps;
  std::string array;  // type and shape of a frame that is an array of numbers, as numpy says them: "int16 (16, 4096)"

  // The frame that info describes, as the publisher sees it before it is published.
  shmring_frame_info info() const;
};

class Loan {
 public:
  Loan(std::shared_ptr<Ring> ring, std::shared_ptr<const Format> format);

  pybind11::object array() const;
  pybind11::tuple planes() const;
  std::uint64_t capacity() const { return get().loan.capacity; }
  // Default frame info of this loan.
  std::uint64_t default_size() const { return format_->size != 0 ? format_->size : capacity(); }
  // Ends the loan by publishing it. The GIL is held.
  shmring_status publish(const Ring& ring, shmring_frame_info& info);
  void discard() { slot_.reset(); }
  bool ended() const { return slot_ == nullptr; }

  static void bind(pybind11::module_& module);

 private:
  struct Slot {
    explicit Slot(std::shared_ptr<Ring> of) : ring(std::move(of)) {}
    ~Slot() {
      if (loan.ticket != 0) shmring_publisher_discard(ring->handle, &loan);
    }
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;

    std::shared_ptr<Ring> ring;
    shmring_loan loan = SHMRING_LOAN_INIT;
    int arrays = 0;  // guarded by the GIL
  };

  Slot& get() const;
  static pybind11::object keeper(const std::shared_ptr<Slot>& slot);

  std::shared_ptr<Slot> slot_;  // null once published or discarded
  std::shared_ptr<const Format> format_;
};

}  // namespace shmring::python
