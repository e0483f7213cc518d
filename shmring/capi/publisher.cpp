// SPDX-License-Identifier: LGPL-2.1-or-later
// The publisher's functions of the C API.
#include "publisher/publisher.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include <shmring/publisher.h>

#include "abi/array.hpp"
#include "abi/video.hpp"
#include "capi/stats.hpp"
#include "capi/status.hpp"
#include "capi/times.hpp"
#include "os/spin_lock.hpp"

using namespace shmring;
using capi::fail;
using capi::guarded;
using capi::not_initialised;
using capi::status_of;

namespace {

Status forked() { return fail(SHMRING_FORKED, "this publisher belongs to the parent process"); }

}  // namespace

struct shmring_publisher {
  std::unique_ptr<Publisher> publisher;
  // Loans that are out, and their tickets: a C structure cannot own. Guarded by the spin lock. They are few, and their room is made at the
  // start: borrowing allocates nothing.
  SpinLock spin_lock;
  std::vector<std::pair<std::uint64_t, Loan>> loans;
  std::uint64_t next_ticket = 1;
  capi::Times times{};

  Loan take(shmring_loan& loan) {
    const std::uint64_t ticket = std::exchange(loan.ticket, 0);
    const std::lock_guard lock(spin_lock);
    const auto found =
        std::find_if(loans.begin(), loans.end(), [&](const auto& entry) { return entry.first == ticket; });
    if (found == loans.end()) return {};
    Loan taken = std::move(found->second);
    std::swap(*found, loans.back());
    loans.pop_back();
    return taken;
  }
};

namespace {

// Completes a program's frame info, which may be of a shorter structure than ours; the values that publishing adds go back to it.
template <class Publish>
shmring_status with_whole(shmring_publisher* p, shmring_frame_info* info, Publish publish) {
  shmring_frame_info whole = SHMRING_FRAME_INFO_INIT;
  std::memcpy(&whole, info, std::min(info->struct_size, sizeof whole));
  p->times.complete(whole);
  const shmring_status status = publish(whole);
  const auto told = [&](auto member) {
    const auto* end = reinterpret_cast<const std::byte*>(&(info->*member) + 1);
    if (end <= reinterpret_cast<const std::byte*>(info) + info->struct_size) info->*member = whole.*member;
  };
  told(&shmring_frame_info::sequence);
  told(&shmring_frame_info::size);
  told(&shmring_frame_info::published_at);
  if (status == SHMRING_OK)
    if (const std::uint64_t latency = p->times.new_latency(whole)) p->publisher->set_latency(latency);
  return status;
}

}  // namespace

extern "C" {

shmring_status shmring_publisher_open(const shmring_publisher_options* given, shmring_publisher** out) {
  return guarded([&] {
    shmring_publisher_options o = SHMRING_PUBLISHER_OPTIONS_INIT;
    if (given && given->struct_size == 0)
      return not_initialised("shmring_publisher_options", "SHMRING_PUBLISHER_OPTIONS_INIT");
    if (given) std::memcpy(&o, given, std::min(given->struct_size, sizeof o));
    if (!o.socket_path || !out)
      return fail(SHMRING_INVALID, "options, their path and the place for the publisher must not be NULL");
    *out = nullptr;
    if (static_cast<unsigned>(o.drop_policy) > SHMRING_LATEST)
      return fail(SHMRING_INVALID, "policy " + std::to_string(static_cast<unsigned>(o.drop_policy)) +
                                       " is unknown: use SHMRING_DROP_NEWEST, SHMRING_DROP_OLDEST or SHMRING_LATEST");
    auto opened = Publisher::open({.socket_path = o.socket_path,
                                   .perms = o.perms,
                                   .slot_size = o.slot_size,
                                   .slots = o.slots,
                                   .loans = o.loans,
                                   .max_readers = o.max_readers,
                                   .depth = o.depth,
                                   .max_held = o.max_held,
                                   .drop_policy = o.drop_policy});
    if (!opened) return status_of(opened);
    *out = new shmring_publisher{.publisher = *std::move(opened), .spin_lock = {}, .loans = {}, .times = {}};
    (*out)->loans.reserve(o.loans);
    return SHMRING_OK;
  });
}

void shmring_publisher_close(shmring_publisher* p) {
  if (p && p->publisher->in_child())
    p->publisher.reset();  // the rest stays: a thread of the parent may have been changing the list of loans
  else
    delete p;
}

shmring_status shmring_publisher_set_format(shmring_publisher* p, const shmring_format* format) {
  return guarded([&] {
    if (!p || !format) return fail(SHMRING_INVALID, "publisher and format must not be NULL");
    if (format->struct_size == 0) return not_initialised("shmring_format", "SHMRING_FORMAT_INIT");
    shmring_format f = SHMRING_FORMAT_INIT;
    std::memcpy(&f, format, std::min(format->struct_size, sizeof f));
    return status_of(p->publisher->set_format(f));
  });
}

void shmring_publisher_set_latency(shmring_publisher* p, uint64_t latency) {
  if (!p) return;
  p->times.latency_given();
  p->publisher->set_latency(latency);
}

shmring_status shmring_publisher_resize(shmring_publisher* p, uint64_t slot_size) {
  return guarded([&] {
    return p ? status_of(p->publisher->resize(slot_size)) : fail(SHMRING_INVALID, "publisher must not be NULL");
  });
}

[[gnu::hot]] shmring_status shmring_publisher_loan(shmring_publisher* p, shmring_loan* loan) {
  return guarded([&] {
    if (!p || !loan) return fail(SHMRING_INVALID, "publisher and loan must not be NULL");
    if (loan->struct_size < sizeof *loan) return not_initialised("shmring_loan", "SHMRING_LOAN_INIT");
    auto lent = p->publisher->loan();
    if (!lent) return status_of(lent);
    const auto bytes = lent->bytes();
    const std::lock_guard lock(p->spin_lock);
    *loan = {sizeof *loan, bytes.data(), bytes.size(), p->next_ticket++};
    p->loans.emplace_back(loan->ticket, *std::move(lent));
    return SHMRING_OK;
  });
}

[[gnu::hot]] shmring_status shmring_publisher_publish(shmring_publisher* p, shmring_loan* loan,
                                                      shmring_frame_info* info) {
  return guarded([&] {
    if (!p || !loan || !info) return fail(SHMRING_INVALID, "publisher, loan and info must not be NULL");
    if (p->publisher->in_child()) return forked();
    if (info->struct_size == 0) return not_initialised("shmring_frame_info", "SHMRING_FRAME_INFO_INIT");
    Loan taken = p->take(*loan);
    if (!taken) return fail(SHMRING_INVALID, "this loan was published or discarded before");
    return with_whole(p, info, [&](auto& whole) { return status_of(p->publisher->publish(taken, whole)); });
  });
}

void shmring_publisher_discard(shmring_publisher* p, shmring_loan* loan) {
  if (p && loan && !p->publisher->in_child()) p->take(*loan);
}

shmring_status shmring_publisher_write(shmring_publisher* p, const void* data, shmring_frame_info* info) {
  return guarded([&] {
    if (!p || !info) return fail(SHMRING_INVALID, "publisher, data and info must not be NULL");
    if (info->struct_size == 0) return not_initialised("shmring_frame_info", "SHMRING_FRAME_INFO_INIT");
    return with_whole(p, info, [&](auto& whole) {
      if (!data && whole.size) return fail(SHMRING_INVALID, "publisher, data and info must not be NULL");
      const std::span<const std::byte> part(static_cast<const std::byte*>(data), whole.size);
      return status_of(p->publisher->write({&part, 1}, whole));
    });
  });
}

shmring_status shmring_publisher_end(shmring_publisher* p) {
  if (!p) return fail(SHMRING_INVALID, "publisher must not be NULL");
  if (p->publisher->in_child()) return forked();
  p->publisher->end();
  return SHMRING_OK;
}

bool shmring_publisher_key_frame_requested(shmring_publisher* p) { return p && p->publisher->key_frame_requested(); }

shmring_status shmring_publisher_stats(shmring_publisher* p, shmring_ring_stats* ring, shmring_reader_account* accounts,
                                       size_t account_size, size_t capacity, size_t* count) {
  return guarded([&] {
    if (!p) return fail(SHMRING_INVALID, "publisher must not be NULL");
    if (p->publisher->in_child()) return forked();
    const capi::StatsPlace place{ring, accounts, account_size, capacity, count};
    if (const Status status = place.check(); status != SHMRING_OK) return status;
    return place.fill(p->publisher->stats());
  });
}

uint64_t shmring_format_array(shmring_format* format, shmring_array* array, char* caps, size_t caps_size) {
  std::uint64_t size = 0;
  guarded([&] {
    if (!format || !array || !caps)
      return fail(SHMRING_INVALID, "the places for the format and its caps, and the array, must not be NULL");
    if (format->struct_size == 0) return not_initialised("shmring_format", "SHMRING_FORMAT_INIT");
    if (array->struct_size < sizeof *array) return not_initialised("shmring_array", "SHMRING_ARRAY_INIT");
    if (caps_size < 256) return fail(SHMRING_INVALID, "the place for the caps has less than 256 bytes");
    std::uint64_t found = 0;
    auto text = describe_array(*array, found);
    if (!text) return status_of(text);
    std::memcpy(caps, text->c_str(), text->size() + 1);
    shmring_format whole = SHMRING_FORMAT_INIT;
    whole.caps = caps;
    size = found;
    return capi::fill(format, whole, "shmring_format", "SHMRING_FORMAT_INIT");
  });
  return size;
}

uint64_t shmring_format_video(shmring_format* format, shmring_pixel_format pixel_format, uint32_t width,
                              uint32_t height, char* caps, size_t caps_size) {
  std::uint64_t size = 0;
  guarded([&] {
    std::string text;
    shmring_format whole = SHMRING_FORMAT_INIT;
    if (!format || !caps) return fail(SHMRING_INVALID, "the places for the format and its caps must not be NULL");
    if (format->struct_size == 0) return not_initialised("shmring_format", "SHMRING_FORMAT_INIT");
    if (caps_size < 256) return fail(SHMRING_INVALID, "the place for the caps has less than 256 bytes");
    const std::uint64_t found = describe_video(whole, text, pixel_format, width, height);
    if (found == 0)
      return fail(SHMRING_INVALID, "no video has pixel format " + std::to_string(pixel_format) + " and " +
                                       std::to_string(width) + " × " + std::to_string(height) + " pixels");
    std::memcpy(caps, text.c_str(), text.size() + 1);
    whole.caps = caps;
    size = found;
    return capi::fill(format, whole, "shmring_format", "SHMRING_FORMAT_INIT");
  });
  return size;
}

}  // extern "C"
