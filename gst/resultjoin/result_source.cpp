// SPDX-License-Identifier: LGPL-2.1-or-later
#include "resultjoin/result_source.hpp"

#include <algorithm>
#include <utility>

namespace supplier::resultjoin {

bool same_frame(const FrameId& one, const FrameId& other, std::uint64_t tolerance) {
  if (one.time == kUnknown || other.time == kUnknown) return false;
  if (one.sequence == kUnknown || other.sequence == kUnknown) return one.time == other.time;
  const std::uint64_t apart = one.time > other.time ? one.time - other.time : other.time - one.time;
  return one.sequence == other.sequence && apart <= tolerance;
}

void Silence::set_waiting(bool on, std::uint64_t now) {
  if (on == waiting_) return;
  if (!on) sum_ += now - since_;
  since_ = now;
  waiting_ = on;
}

void Silence::end(std::uint64_t now) {
  sum_ = 0;
  since_ = now;
}

std::uint64_t Silence::reaches(std::uint64_t limit) const {
  if (!waiting_) return kUnknown;
  return since_ + (limit > sum_ ? limit - sum_ : 0);
}

void ResultSource::drop(std::size_t at, std::uint64_t& count) {
  if (!stored_[at].used) ++count;
  stored_.erase(stored_.begin() + static_cast<std::ptrdiff_t>(at));
}

// The first that belongs to no held frame goes: a held frame's result is what is waited for.
void ResultSource::make_room() {
  if (stored_.size() < kMostStored) return;
  const auto loose = std::find_if(stored_.begin(), stored_.end(), [](const Stored& each) { return each.number == 0; });
  if (loose != stored_.end()) drop(static_cast<std::size_t>(loose - stored_.begin()), counts_.expired);
}

void ResultSource::update_pending() {
  counts_.pending = static_cast<std::uint64_t>(
      std::count_if(stored_.begin(), stored_.end(), [](const Stored& each) { return !each.used; }));
}

void ResultSource::begin_frame(std::uint64_t number, const FrameId& frame, std::uint64_t tolerance) {
  answered_[number % kHistory] = false;
  for (Stored& each : stored_) {
    if (each.number != 0 || !same_frame(each.frame, frame, tolerance)) continue;
    each.number = number;
    answered_[number % kHistory] = true;
    return;
  }
}

ResultSource::Outcome ResultSource::add_for(std::uint64_t number, bool held, FindingRef finding, std::uint64_t now) {
  ++counts_.results;
  if (answered(number)) {
    ++counts_.duplicates;
    return Outcome::duplicate;
  }
  answered_[number % kHistory] = true;
  if (!held) {
    ++counts_.late;
    return Outcome::late;
  }
  make_room();
  stored_.push_back({{}, std::move(finding), now, number, false});
  update_pending();
  return Outcome::joined;
}

ResultSource::Outcome ResultSource::add_early(const FrameId& frame, FindingRef finding, std::uint64_t tolerance,
                                              std::uint64_t now) {
  ++counts_.results;
  for (const Stored& each : stored_) {
    if (each.number != 0 || !same_frame(each.frame, frame, tolerance)) continue;
    ++counts_.duplicates;
    return Outcome::duplicate;
  }
  make_room();
  stored_.push_back({frame, std::move(finding), now, 0, false});
  update_pending();
  return Outcome::stored;
}

ResultSource::Outcome ResultSource::refuse() {
  ++counts_.results;
  ++counts_.refused;
  return Outcome::refused;
}

void ResultSource::pass_over() {
  ++counts_.results;
  ++counts_.other_rings;
}

FindingRef ResultSource::take(std::uint64_t number) {
  ++counts_.frames;
  const auto own =
      std::find_if(stored_.begin(), stored_.end(), [number](const Stored& each) { return each.number == number; });
  if (own == stored_.end()) {
    ++counts_.missing;
    return nullptr;
  }
  ++counts_.joined;
  FindingRef finding = std::move(own->finding);
  stored_.erase(own);
  update_pending();
  return finding;
}

ResultSource::Outcome ResultSource::add_latest(const FrameId& frame, FindingRef finding, std::uint64_t expire,
                                               std::uint64_t reached) {
  ++counts_.results;
  if (reached != kUnknown && frame.time < reached && reached - frame.time > expire) {
    ++counts_.expired;
    return Outcome::expired;
  }
  const auto place =
      std::find_if(stored_.rbegin(), stored_.rend(), [&](const Stored& each) { return each.frame.time <= frame.time; });
  if (place != stored_.rend() && same_frame(place->frame, frame, 0)) {
    ++counts_.duplicates;
    return Outcome::duplicate;
  }
  const auto at = stored_.insert(place.base(), {frame, std::move(finding), counts_.results, 0, false});
  const bool newest = std::next(at) == stored_.end();
  // That which came first, not the one of the lowest time: results of frames that never come would take all places for ever.
  if (stored_.size() > kMostStored) {
    const auto first = std::min_element(stored_.begin(), stored_.end(), [](const Stored& one, const Stored& other) {
      return one.arrived < other.arrived;
    });
    drop(static_cast<std::size_t>(first - stored_.begin()), counts_.expired);
  }
  update_pending();
  return newest ? Outcome::stored : Outcome::late;
}

FindingRef ResultSource::newest(std::uint64_t frame_time, std::uint64_t expire, std::uint64_t tolerance,
                                std::uint64_t& found_at) {
  ++counts_.frames;
  if (frame_time != kUnknown)
    while (!stored_.empty() && stored_.front().frame.time < frame_time &&
           frame_time - stored_.front().frame.time > expire)
      drop(0, counts_.expired);
  FindingRef finding;
  if (frame_time != kUnknown)
    for (auto each = stored_.rbegin(); each != stored_.rend(); ++each) {
      if (each->frame.time > frame_time && each->frame.time - frame_time > tolerance) continue;
      if (!std::exchange(each->used, true)) ++counts_.joined;
      found_at = each->frame.time;
      finding = each->finding;
      break;
    }
  if (!finding) ++counts_.missing;
  update_pending();
  return finding;
}

void ResultSource::expire(std::uint64_t limit, std::uint64_t now) {
  for (std::size_t at = 0; at < stored_.size();) {
    if (stored_[at].number == 0 && now - stored_[at].arrived > limit)
      drop(at, counts_.expired);
    else
      ++at;
  }
  update_pending();
}

void ResultSource::discard() {
  while (!stored_.empty()) drop(0, counts_.discarded);
  update_pending();
}

bool ResultSource::check_silence(std::uint64_t limit, std::uint64_t now) {
  if (!silent_ && present_ && now >= silence_.reaches(limit)) silent_ = true;
  return silent_;
}

void ResultSource::spoke(std::uint64_t now) {
  silence_.end(now);
  silent_ = false;
}

const char* name_of(ResultSource::Outcome outcome) {
  switch (outcome) {
    case ResultSource::Outcome::stored:
      return "kept for it";
    case ResultSource::Outcome::joined:
      return "joined";
    case ResultSource::Outcome::late:
      return "late";
    case ResultSource::Outcome::duplicate:
      return "there was one before";
    case ResultSource::Outcome::refused:
      return "refused: several frames have its time and no sequence tells which";
    case ResultSource::Outcome::expired:
      return "too old";
  }
  return "";
}

}  // namespace supplier::resultjoin
