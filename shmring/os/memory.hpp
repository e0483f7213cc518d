// SPDX-License-Identifier: LGPL-2.1-or-later
// Sealed memory that processes share: created by the publisher, checked and mapped by readers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "abi/result.hpp"
#include "os/fd.hpp"
#include "os/fork_guard.hpp"

namespace shmring {

// A mapping with an owner.
class Mapping {
 public:
  Mapping() = default;
  Mapping(std::byte* data, std::size_t size) : data_(data), size_(size) {}
  Mapping(Mapping&& other) noexcept { *this = std::move(other); }
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(not_in_child_, other.not_in_child_);
    return *this;
  }
  ~Mapping();

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  explicit operator bool() const { return data_ != nullptr; }
  // Children do not get these pages (and must not unmap whatever lies there in them).
  void keep_from_children();

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  bool not_in_child_ = false;
  ForkGuard guard_;
};

// Zeroed pages of this process alone. They go back to the kernel with the mapping, whatever the heap keeps. Throws std::bad_alloc.
Mapping private_memory(std::size_t size);

struct SharedMemory {
  Fd fd;
  Mapping mapping;
};

enum class Seal {
  size,        // the size can no longer change
  everything,  // and no new writable mappings, no more seals
};

// Allocates, maps writable and touches `size` zero bytes. A memory limit (cgroup, RLIMIT_FSIZE) that would kill the process later is an
// error now, with the sizes.
Result<SharedMemory> create_memory(const char* name, std::uint64_t size);
Result<void> seal(const Fd& fd, Seal how);
// Faults in every page again: the peer may have punched holes. Contents are kept.
void repopulate(const Mapping& mapping);

// For the side that receives a descriptor. PROTOCOL: it is not memory of just this size whose size is sealed, or (when `frozen`) it could
// still be mapped writable.
Result<Mapping> map_read_only(const Fd& fd, std::uint64_t size, bool frozen);
Result<Mapping> map_read_write(const Fd& fd, std::uint64_t size);

}  // namespace shmring
