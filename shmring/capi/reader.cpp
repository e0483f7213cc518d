// SPDX-License-Identifier: LGPL-2.1-or-later
// The functions of reader, frames and observer of the C API.
#include "reader/reader.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <shmring/inspect.h>
#include <shmring/reader.h>

#include "capi/stats.hpp"
#include "capi/status.hpp"
#include "reader/attachment.hpp"
#include "reader/observer.hpp"
#include "reader/publisher_locator.hpp"
#include "reader/select.hpp"

using namespace shmring;
using capi::fail;
using capi::guarded;
using capi::not_initialised;
using capi::status_of;

struct shmring_reader {
  std::unique_ptr<Reader> reader;
};
struct shmring_observer {
  std::unique_ptr<Observer> observer;
};

namespace {

Status hand_over(Result<Frame> frame, shmring_frame** out) {
  if (!frame) return status_of(frame);
  *out = frame->release();
  return SHMRING_OK;
}

// Calls `body` with the readers and what their reads came to, and tells the caller of these.
template <class Body>
Status with_readers(shmring_reader* const* readers, std::size_t count, shmring_frame** frames, Status* statuses,
                    Body body) {
  return guarded([&] {
    if (!readers || count == 0 || !frames || !statuses)
      return fail(SHMRING_INVALID, "there must be a reader, and the arrays must not be NULL");
    std::vector<Reader*> all;
    std::vector<Asked> results(count);
    for (std::size_t i = 0; i < count; ++i) {
      frames[i] = nullptr;
      if (!readers[i]) return fail(SHMRING_INVALID, "reader " + std::to_string(i) + " must not be NULL");
      if (std::find(all.begin(), all.end(), readers[i]->reader.get()) != all.end())
        return fail(SHMRING_INVALID, "reader " + std::to_string(i) + " is in the list twice: open one for each place");
      all.push_back(readers[i]->reader.get());
      results[i].status = statuses[i];
    }
    const Status status = body(std::span<Reader* const>(all), std::span(results));
    for (std::size_t i = 0; i < count; ++i) {
      frames[i] = results[i].frame.release();
      statuses[i] = results[i].status;
      if (!results[i].text.empty()) fail(results[i].status, results[i].text);
    }
    return status;
  });
}

}  // namespace

extern "C" {

shmring_status shmring_reader_open(const shmring_reader_options* given, shmring_reader** out) {
  return guarded([&] {
    shmring_reader_options o = SHMRING_READER_OPTIONS_INIT;
    if (given && given->struct_size == 0)
      return not_initialised("shmring_reader_options", "SHMRING_READER_OPTIONS_INIT");
    if (given) std::memcpy(&o, given, std::min(given->struct_size, sizeof o));
    if (!o.socket_path || !out)
      return fail(SHMRING_INVALID, "options, their path and the place for the reader must not be NULL");
    *out = nullptr;
    auto opened = Reader::open({o.socket_path, o.worker ? o.worker : "", o.drop_policy, o.wake, o.depth, o.max_held,
                                o.max_frame_age, o.reconnect, o.max_rate});
    if (!opened) return status_of(opened);
    *out = new shmring_reader{*std::move(opened)};
    return SHMRING_OK;
  });
}

shmring_status shmring_reader_check_path(const char* path) {
  return guarded([&] {
    return path ? status_of(PublisherLocator::check_place(path)) : fail(SHMRING_INVALID, "path must not be NULL");
  });
}

void shmring_reader_close(shmring_reader* reader) { delete reader; }

shmring_status shmring_reader_read(shmring_reader* r, uint64_t timeout, shmring_frame** frame) {
  return guarded([&] {
    if (!r || !frame) return fail(SHMRING_INVALID, "reader and the place for the frame must not be NULL");
    *frame = nullptr;
    return hand_over(r->reader->read(timeout), frame);
  });
}

shmring_status shmring_reader_latest(shmring_reader* r, uint64_t timeout, shmring_frame** frame) {
  return guarded([&] {
    if (!r || !frame) return fail(SHMRING_INVALID, "reader and the place for the frame must not be NULL");
    *frame = nullptr;
    return hand_over(r->reader->latest(timeout), frame);
  });
}

void shmring_reader_interrupt(shmring_reader* r, bool on) {
  if (r) r->reader->interrupt(on);
}
void shmring_reader_flush(shmring_reader* r) {
  guarded([&] {
    if (r) r->reader->flush();
    return SHMRING_OK;
  });
}
int shmring_reader_fileno(shmring_reader* r) { return r ? r->reader->fileno() : -1; }
bool shmring_reader_connected(shmring_reader* r) { return r && r->reader->connected(); }
uint64_t shmring_reader_latency(shmring_reader* r) { return r ? r->reader->latency() : 0; }

shmring_status shmring_reader_request_key_frame(shmring_reader* r) {
  return guarded(
      [&] { return r ? status_of(r->reader->request_key_frame()) : fail(SHMRING_INVALID, "reader must not be NULL"); });
}
uint64_t shmring_reader_attachments(shmring_reader* r) { return r ? r->reader->attachments() : 0; }

shmring_status shmring_reader_stats_get(shmring_reader* r, shmring_reader_stats* stats) {
  return guarded([&] {
    if (!r || !stats) return fail(SHMRING_INVALID, "reader and stats must not be NULL");
    return capi::fill(stats, r->reader->stats(), "shmring_reader_stats", "SHMRING_READER_STATS_INIT");
  });
}

shmring_status shmring_select(shmring_reader* const* readers, size_t count, uint64_t timeout, shmring_frame** frames,
                              shmring_status* statuses) {
  return with_readers(readers, count, frames, statuses,
                      [&](auto all, auto results) { return select(all, timeout, results); });
}

shmring_status shmring_batch(shmring_reader* const* readers, size_t count, size_t size, uint64_t wait, uint64_t timeout,
                             size_t* next, shmring_frame** frames, shmring_status* statuses) {
  if (!next || size == 0)
    return fail(SHMRING_INVALID, "a batch has a size of 1 or more, and the place for next must not be NULL");
  return with_readers(readers, count, frames, statuses,
                      [&](auto all, auto results) { return batch(all, size, wait, timeout, *next, results); });
}

shmring_status shmring_reader_memory(shmring_reader* r, shmring_memory* out) {
  return guarded([&] {
    if (!r || !out) return fail(SHMRING_INVALID, "reader and memory must not be NULL");
    const RingMemory memory = r->reader->memory();
    shmring_memory found = SHMRING_MEMORY_INIT;
    if (!memory.mapping) return fail(SHMRING_DISCONNECTED, "this reader is attached to no publisher: read first");
    if (out->struct_size < sizeof *out) return not_initialised("shmring_memory", "SHMRING_MEMORY_INIT");
    found.data = memory.mapping->data();
    found.size = memory.mapping->size();
    found.generation = memory.generation;
    found.owner = new std::shared_ptr<const Mapping>(memory.mapping);
    *out = found;
    return SHMRING_OK;
  });
}

void shmring_memory_release(shmring_memory* memory) {
  if (!memory) return;
  delete static_cast<std::shared_ptr<const Mapping>*>(std::exchange(memory->owner, nullptr));
  memory->data = nullptr;
  memory->size = 0;
}

const void* shmring_frame_data(const shmring_frame* frame) { return frame ? frame->owner->payload(*frame) : nullptr; }

uint64_t shmring_frame_taken_at(const shmring_frame* frame) { return frame ? frame->taken_at : 0; }

shmring_status shmring_frame_info_get(const shmring_frame* frame, shmring_frame_info* info) {
  return guarded([&] {
    if (!frame || !info) return fail(SHMRING_INVALID, "frame and info must not be NULL");
    return capi::fill(info, frame->info, "shmring_frame_info", "SHMRING_FRAME_INFO_INIT");
  });
}

shmring_status shmring_frame_format(const shmring_frame* frame, shmring_format* out) {
  return guarded([&] {
    if (!frame || !out) return fail(SHMRING_INVALID, "frame and format must not be NULL");
    Frame borrowed(const_cast<shmring_frame*>(frame));
    const shmring_format f = borrowed.format();
    (void)borrowed.release();
    return capi::fill(out, f, "shmring_format", "SHMRING_FORMAT_INIT");
  });
}

void shmring_frame_release(shmring_frame* frame) { [[maybe_unused]] const Frame ends(frame); }

shmring_status shmring_observer_open(const char* path, uint64_t timeout, shmring_observer** out) {
  return guarded([&] {
    if (!path || !out) return fail(SHMRING_INVALID, "path and the place for the observer must not be NULL");
    *out = nullptr;
    auto opened = Observer::open(path, timeout);
    if (!opened) return status_of(opened);
    *out = new shmring_observer{*std::move(opened)};
    return SHMRING_OK;
  });
}

void shmring_observer_close(shmring_observer* observer) { delete observer; }

shmring_status shmring_observer_stats(shmring_observer* o, uint64_t timeout, shmring_ring_stats* ring,
                                      shmring_reader_account* accounts, size_t account_size, size_t capacity,
                                      size_t* count) {
  return guarded([&] {
    if (!o) return fail(SHMRING_INVALID, "observer must not be NULL");
    const capi::StatsPlace place{ring, accounts, account_size, capacity, count};
    if (const Status status = place.check(); status != SHMRING_OK) return status;
    auto stats = o->observer->stats(timeout);
    return stats ? place.fill(*stats) : status_of(stats);
  });
}

}  // extern "C"
