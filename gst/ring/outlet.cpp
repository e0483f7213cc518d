// SPDX-License-Identifier: LGPL-2.1-or-later
// The publisher of a sink, shared with the pools it gave away.
#include "ring/outlet.hpp"

#include <utility>

namespace supplier {
namespace {

constexpr std::uint32_t kForWrite = 1;

shmring::Error closed() { return {SHMRING_DISCONNECTED, "The ring is not open."}; }

}  // namespace

shmring::Result<void> Outlet::open(shmring::PublisherOptions options) {
  const std::unique_lock alone(life_);
  size_given_ = options.slot_size != 0;
  count_given_ = options.slots != 0;
  loans_ = options.loans;
  if (!size_given_) options.slot_size = 1;  // so that the path is ours, and readers are counted, before the first frame
  auto publisher = shmring::Publisher::open(options);
  if (!publisher) return publisher.error();
  publisher_ = *std::move(publisher);
  return {};
}

void Outlet::close() {
  const std::unique_lock alone(life_);
  publisher_.reset();
}

shmring::Result<void> Outlet::set_format(const shmring_format& format) {
  const std::shared_lock alive(life_);
  if (!publisher_) return closed();
  const std::lock_guard turn(turn_);
  return publisher_->set_format(format);
}

shmring::Result<void> Outlet::require(std::uint64_t size, std::uint32_t buffers) {
  const std::shared_lock alive(life_);
  if (!publisher_) return closed();
  const std::lock_guard turn(turn_);
  const std::uint64_t now = publisher_->slot_size();
  if (size_given_ || size < now) size = now;
  std::uint32_t loans = buffers + kForWrite;
  if (count_given_ || loans < loans_) loans = loans_;
  if (size == now && loans == loans_) return {};
  auto resized = publisher_->resize(size, loans);
  if (resized) loans_ = loans;
  return resized;
}

std::uint64_t Outlet::largest() const {
  const std::shared_lock alive(life_);
  return publisher_ && size_given_ ? publisher_->slot_size() : UINT64_MAX;
}

std::uint64_t Outlet::slot_size() const {
  const std::shared_lock alive(life_);
  return publisher_ ? publisher_->slot_size() : 0;
}

shmring::Result<shmring::Loan> Outlet::loan(std::uint64_t size) {
  const std::shared_lock alive(life_);
  if (!publisher_ || size > publisher_->slot_size()) return {SHMRING_FULL};
  auto loan = publisher_->loan(loans_ > kForWrite ? kForWrite : 0);
  if (loan && loan->bytes().size() < size) return {SHMRING_FULL};  // resized meanwhile
  return loan;
}

shmring::Result<void> Outlet::publish(shmring::Loan& loan, shmring_frame_info& info) {
  const std::shared_lock alive(life_);
  if (!publisher_) return closed();
  const std::lock_guard turn(turn_);
  return publisher_->publish(loan, info);
}

shmring::Result<void> Outlet::write(std::span<const std::span<const std::byte>> parts, shmring_frame_info& info) {
  const std::shared_lock alive(life_);
  if (!publisher_) return closed();
  const std::lock_guard turn(turn_);
  return publisher_->write(parts, info);
}

void Outlet::count_malformed() {
  const std::shared_lock alive(life_);
  if (!publisher_) return;
  const std::lock_guard turn(turn_);
  publisher_->count_malformed();
}

void Outlet::end() {
  const std::shared_lock alive(life_);
  if (!publisher_) return;
  const std::lock_guard turn(turn_);
  publisher_->end();
}

void Outlet::set_latency(std::uint64_t latency) {
  const std::shared_lock alive(life_);
  if (publisher_) publisher_->set_latency(latency);
}

std::uint32_t Outlet::readers() const {
  const std::shared_lock alive(life_);
  return publisher_ ? publisher_->readers() : 0;
}

std::string Outlet::take_notice() const {
  const std::shared_lock alive(life_);
  return publisher_ ? publisher_->take_notice() : std::string();
}

std::optional<shmring::RingStats> Outlet::stats() const {
  const std::shared_lock alive(life_);
  if (!publisher_) return std::nullopt;
  return publisher_->stats();
}

}  // namespace supplier
