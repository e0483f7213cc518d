// SPDX-License-Identifier: LGPL-2.1-or-later
// A publisher in Python: copies any buffer into the ring, or lends a slot.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <pybind11/pybind11.h>

#include "loan.hpp"

namespace shmring::python {

class Publisher {
 public:
  Publisher(const std::filesystem::path& path, std::uint64_t slot_size, const std::optional<std::string>& format,
            std::uint32_t width, std::uint32_t height, const std::optional<std::string>& caps,
            const std::optional<std::string>& policy, std::uint32_t max_readers, std::uint32_t depth,
            std::uint32_t max_held, std::uint32_t slots, std::uint32_t loans, std::uint32_t perms);

  void set_format(const std::optional<std::string>& format, std::uint32_t width, std::uint32_t height,
                  const std::optional<std::string>& caps);
  // Makes a ring with other slots on the same path.
  void resize(std::uint64_t slot_size);
  Loan loan() const;
  // The frame's sequence number, or None where no slot was free.
  pybind11::object publish(const pybind11::object& data, const std::optional<std::uint64_t>& size,
                           shmring_frame_info info);
  void end();
  pybind11::dict stats() const;
  void close() { ring_.reset(); }
  bool closed() const { return ring_ == nullptr; }

  static void bind(pybind11::module_& module);

 private:
  Ring& get() const;
  void fit(shmring_frame_info& info) const;

  std::shared_ptr<Ring> ring_;
  std::shared_ptr<const Format> format_;
  std::uint64_t slot_size_ = 0;
};

}  // namespace shmring::python
