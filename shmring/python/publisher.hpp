// SPDX-License-Identifier: LGPL-2.1-or-later
// A publisher in Python: copies any buffer into the ring, or lends a slot.
#pragma once

#include <cstdint>
#include <memory>

#include <pybind11/pybind11.h>

#include "arguments.hpp"
#include "loan.hpp"

namespace shmring::python {

class Publisher {
 public:
  // All of them by name: shmring/_publisher.py has the defaults.
  explicit Publisher(const pybind11::kwargs& given);

  void set_format(const pybind11::object& format, const pybind11::object& width, const pybind11::object& height,
                  const pybind11::object& caps, const pybind11::object& framerate, const pybind11::object& array);
  // Makes a ring with other slots on the same path.
  pybind11::object resize(const Arguments& arguments);
  pybind11::object set_latency(const Arguments& arguments);
  Loan loan() const;
  // The frame's sequence number, or None where no slot was free.
  pybind11::object publish(const Arguments& arguments);
  bool key_frame_requested() const;
  void end();
  pybind11::dict stats() const;
  void close() { ring_.reset(); }
  bool closed() const { return ring_ == nullptr; }

  static void bind(pybind11::module_& module);

 private:
  std::shared_ptr<Ring> get() const;
  void make_ring(std::uint64_t slot_size);
  void fit(shmring_frame_info& info, const pybind11::handle& data) const;

  std::shared_ptr<Ring> ring_;
  std::shared_ptr<const Format> format_;
  std::uint64_t slot_size_ = 0;
  bool warned_ = false;  // of a time of the wall clock
};

}  // namespace shmring::python
