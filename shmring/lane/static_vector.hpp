// SPDX-License-Identifier: LGPL-2.1-or-later
// A list whose room is made once. Unlike a vector's, its push_back carries no code that grows it into the path of every frame.
#pragma once

#include <cassert>
#include <cstdint>
#include <memory>

namespace shmring {

template <class T>
class StaticVector {
 public:
  explicit StaticVector(std::uint32_t capacity) : items_(std::make_unique<T[]>(capacity)), capacity_(capacity) {}

  // Only while there is room.
  void push_back(T item) {
    assert(size_ < capacity_);
    items_[size_++] = item;
  }
  void pop_back() { --size_; }
  T& back() { return items_[size_ - 1]; }
  T& operator[](std::uint32_t i) { return items_[i]; }
  void clear() { size_ = 0; }
  std::uint32_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* begin() { return items_.get(); }
  T* end() { return items_.get() + size_; }

 private:
  const std::unique_ptr<T[]> items_;
  const std::uint32_t capacity_;
  std::uint32_t size_ = 0;
};

}  // namespace shmring
