// SPDX-License-Identifier: LGPL-2.1-or-later
// A publisher and a reader on one lane, two or three operations a side, for model::explore(). Written as
// publisher/ring.cpp and reader/reader.cpp use the two ends; built with the real ends and with mutated ones.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "abi/layout.hpp"
#include "lane/slot_refs.hpp"
#include "memory_model.hpp"

namespace model {

struct Shape {
  const char* name;
  std::uint32_t depth, held;
  bool evicts;
  std::uint32_t frames;     // published
  std::uint32_t polls;      // looks of the reader that may find nothing; it does not sleep
  bool sleeps = false;      // it sleeps instead, until it has the last frame
  bool hoards = false;      // it releases nothing before its end, and then the newest first
  bool retires = false;     // the publisher ends the lane after its frames
  bool rushes = false;      // the publisher looks at the reader's side only when the lane seems full
  std::uint32_t waits = 0;  // frames that waited in the publisher's own memory before the reader could see any
};

// Each catches mutants that the others do not.
inline const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all = {
      {"first in, first out", 2, 1, false, 3, 2},
      {"latest", 1, 1, true, 3, 2},
      {"drop-oldest", 2, 1, true, 3, 2},
      {"latest, hoarding", 1, 1, true, 4, 2, false, true},
      {"slots used again", 1, 1, false, 5, 2},
      {"latest, asleep", 1, 1, true, 2, 0, true},
      {"first in, first out, asleep", 2, 1, false, 2, 0, true},
      {"ended meanwhile", 2, 1, false, 2, 2, false, false, true},
      {"in a rush", 2, 1, false, 3, 2, false, false, false, true},
      {"drop-oldest in a rush", 2, 1, true, 3, 2, false, false, false, true},
      {"waited for", 2, 1, true, 3, 2, false, false, false, false, 2},
  };
  return all;
}

// Mistakes of the callers of the two ends.
struct Callers {
  bool publisher_fences = true;
  bool drains_after_arming = false;
};

class Lane {
 public:
  static constexpr std::uint32_t kMaxDepth = 2, kMaxSlots = 4;

  shmring::LaneBlock& block() { return *reinterpret_cast<shmring::LaneBlock*>(block_); }
  shmring::LanePage& page() { return *reinterpret_cast<shmring::LanePage*>(page_); }

  void name_words(Scenario& s) {
    const auto add = [&](const void* address, const std::string& name) {
      s.words.push_back(address);
      s.names.push_back(name);
      s.initial.push_back(0);
    };
    add(&block().head, "head");
    add(&page().tail, "tail");
    add(&page().waiting, "waiting");
    s.initial.back() = 1;  // the first frame rings
    s.bell = static_cast<std::uint8_t>(s.words.size());
    add(&bell_, "bell");
    for (std::uint32_t i = 0; i < kMaxDepth; ++i) {
      s.entries.push_back(static_cast<std::uint8_t>(s.words.size()));
      add(&block().entry[i], "entry " + std::to_string(i));
    }
    for (std::uint32_t i = 0; i < kMaxSlots; ++i) add(&page().ack[i], "ack " + std::to_string(i));
  }
  // State that only the publisher reads.
  void name_own_words(Scenario& s) {
    for (const void* word :
         {static_cast<const void*>(&block().head), static_cast<const void*>(&page().tail),
          static_cast<const void*>(&block().entry[0]), static_cast<const void*>(&block().entry[1])}) {
      s.words.push_back(word);
      s.names.push_back("own " + std::to_string(s.words.size()));
      s.initial.push_back(0);
    }
  }

 private:
  alignas(shmring::kLine) unsigned char block_[shmring::kLine] = {};
  alignas(shmring::kLine) unsigned char page_[2 * shmring::kLine] = {};
  unsigned char bell_ = 0;
};

// As Ring::publish, Ring::lend and Ring::collect_all.
template <class Writer>
void publish_frames(Lane& lane, Lane& own, const Shape& shape, const Callers& callers) {
  const std::uint32_t slots = shape.depth + shape.held + 1;  // the lane's share, and one to write in
  shmring::SlotRefs slot_refs(slots);
  Lane& first = shape.waits == 0 ? lane : own;
  Writer writer(first.block(), first.page(), shape.depth, shape.held, shape.evicts);
  for (std::uint32_t sequence = 1; sequence <= shape.frames; ++sequence) {
    if (!slot_refs.any_free() && writer.absorb_taken()) writer.collect(slot_refs);
    if (!slot_refs.any_free()) fail("no slot is free, though the lane may not have them all");
    const std::uint32_t slot = slot_refs.acquire();
    write_data(slot, sequence);
    if (writer.offer(slot, sequence, slot_refs, !shape.rushes) == Writer::Offer::violation)
      fail("a correct reader is taken for one that broke the protocol");
    slot_refs.unref(slot);
    if (sequence == shape.waits) writer.move_to(lane.block(), lane.page());
    if (!shape.sleeps) continue;
    if (callers.publisher_fences) Ops::fence();
    if (writer.claim_wakeup()) ring();
  }
  if (shape.retires) writer.retire(slot_refs);
  join();  // with the reader: all that it took it has released
  writer.absorb_taken();
  writer.collect(slot_refs);
  writer.retire(slot_refs);
  if (!writer.owns_nothing()) fail("a released frame is not taken back");
  std::set<std::uint32_t> free;
  while (slot_refs.any_free()) free.insert(slot_refs.acquire());
  if (free.size() != slots) fail("a slot is lost, or free twice");
}

// As Attachment::take and release, Connection::nothing_there and Reader::Impl::wait.
template <class Reader>
void read_frames(Lane& lane, const Shape& shape, const Callers& callers) {
  Reader reader(lane.block(), lane.page(), shape.depth);
  struct Held {
    std::uint32_t slot, sequence;
  };
  std::vector<Held> held;
  const auto release_all = [&] {
    for (; !held.empty(); held.pop_back()) reader.release(held.back().slot, held.back().sequence);
  };
  std::uint32_t last = 0;
  for (std::uint32_t nothing = 0; shape.sleeps ? last != shape.frames : nothing < shape.polls;) {
    const std::uint32_t slot = reader.take();
    if (slot != Reader::kEmpty) {
      rely();
      const std::uint32_t sequence = read_data(slot);
      if (sequence <= last) fail("a frame comes again, or after a newer one");
      last = sequence;
      held.push_back({slot, sequence});
      if (!shape.hoards) release_all();
      continue;
    }
    if (last != 0 && last < shape.waits) fail("of the frames that waited an older one is found alone");
    if (!shape.sleeps) {
      ++nothing;
      continue;
    }
    if (!callers.drains_after_arming) drain();
    if (!reader.empty()) continue;
    if (!reader.arm()) {
      reader.disarm();
      continue;
    }
    if (callers.drains_after_arming) drain();
    sleep();
  }
  release_all();
}

template <class Writer, class Reader>
Verdict explore_lane(const Shape& shape, const Callers& callers = {}) {
  Lane lane, own;
  Scenario scenario;
  lane.name_words(scenario);
  if (shape.waits != 0) own.name_own_words(scenario);
  scenario.bodies = {[&] { publish_frames<Writer>(lane, own, shape, callers); },
                     [&] { read_frames<Reader>(lane, shape, callers); }};
  return explore(scenario);
}

}  // namespace model
