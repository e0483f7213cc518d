// SPDX-License-Identifier: LGPL-2.1-or-later
// Heap memory that is used again and again, so that a frame that cannot be in the ring costs no page fault.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <utility>
#include <vector>

namespace supplier {

class Blocks;

// Some bytes; goes back to where it came from, on any thread. Move-only.
class Block {
 public:
  std::span<std::byte> bytes() const { return {data_.get(), size_}; }

  Block(Block&& other) noexcept = default;
  Block& operator=(Block&& other) = delete;
  inline ~Block();

 private:
  friend class Blocks;
  struct Free {
    void operator()(std::byte* data) const { ::operator delete(data, kAlignment); }
  };
  using Data = std::unique_ptr<std::byte, Free>;
  static constexpr std::align_val_t kAlignment{64};

  Block(std::shared_ptr<Blocks> home, Data data, std::size_t size)
      : home_(std::move(home)), data_(std::move(data)), size_(size) {}

  std::shared_ptr<Blocks> home_;
  Data data_;
  std::size_t size_;
};

// Keeps what came back for the next one of the same size. Any thread.
class Blocks : public std::enable_shared_from_this<Blocks> {
 public:
  Block take(std::size_t size) {
    Block::Data data;
    {
      const std::lock_guard lock(lock_);
      if (size != size_) idle_.clear();
      size_ = size;
      if (!idle_.empty()) {
        data = std::move(idle_.back());
        idle_.pop_back();
      }
    }
    if (!data) data.reset(static_cast<std::byte*>(::operator new(size ? size : 1, Block::kAlignment)));
    return Block(shared_from_this(), std::move(data), size);
  }

 private:
  friend class Block;
  static constexpr std::size_t kMostIdle = 16;

  void give_back(Block::Data data, std::size_t size) {
    const std::lock_guard lock(lock_);
    if (size == size_ && idle_.size() < kMostIdle) idle_.push_back(std::move(data));
  }

  std::mutex lock_;  // guards what follows
  std::size_t size_ = 0;
  std::vector<Block::Data> idle_;
};

Block::~Block() {
  if (data_) home_->give_back(std::move(data_), size_);
}

}  // namespace supplier
