// SPDX-License-Identifier: LGPL-2.1-or-later
#include "resultjoin/join_table.hpp"

#include <algorithm>
#include <utility>

namespace supplier::resultjoin {

JoinTable::SourceRef JoinTable::add_source() {
  sources_.push_back(std::make_shared<ResultSource>());
  return sources_.back();
}

void JoinTable::remove_source(const SourceRef& source, std::uint64_t now) {
  set_present(*source, false, now);
  source->discard();
  sources_.erase(std::remove(sources_.begin(), sources_.end(), source), sources_.end());
}

void JoinTable::set_present(ResultSource& source, bool on, std::uint64_t now) {
  if (source.present() == on) return;
  source.set_present(on);
  if (on) source.spoke(now);  // another worker may be behind it: it gets its time
  update(now);
}

bool JoinTable::waits_for(const ResultSource& source, std::uint64_t number) {
  return source.present() && !source.silent() && frame(number).awaited && !source.answered(number);
}

// Counts the silence of each source that a held frame waits for.
void JoinTable::update(std::uint64_t now) {
  for (const SourceRef& source : sources_) {
    bool waiting = false;
    for (std::uint64_t number = front_; number != next_ && !waiting; ++number) waiting = waits_for(*source, number);
    source->set_waiting(waiting, now);
  }
}

// Frames that came in the order of their decoding go back by less.
bool JoinTable::begins_anew(const FrameId& id) {
  constexpr std::uint64_t kLongest = 1'000'000'000;
  if (id.time == kUnknown) return false;
  const std::uint64_t before = std::exchange(reached_, id.time);
  return before != kUnknown && before > id.time && before - id.time > kLongest;
}

void JoinTable::hold(const FrameId& id, bool awaited, std::uint64_t now) {
  if (begins_anew(id)) first_ = front_;
  const std::uint64_t number = next_++;
  frame(number) = {id, now, awaited && id.time != kUnknown};
  for (const SourceRef& source : sources_) {
    source->expire(limits.expire, now);
    source->begin_frame(number, id, limits.tolerance);
  }
  update(now);
}

bool JoinTable::ready(std::uint64_t now) {
  if (front_ == next_) return false;
  bool waits = false;
  for (const SourceRef& source : sources_) {
    source->check_silence(2 * limits.max_wait, now);
    waits = waits || waits_for(*source, front_);
  }
  return !waits || full() || now - frame(front_).arrived >= limits.max_wait;
}

std::uint64_t JoinTable::ready_at(std::uint64_t now) {
  if (front_ == next_) return kUnknown;
  if (ready(now)) return now;
  std::uint64_t at = frame(front_).arrived + limits.max_wait;
  for (const SourceRef& source : sources_)
    if (waits_for(*source, front_)) at = std::min(at, source->silent_at(2 * limits.max_wait));
  return at;
}

std::vector<Joined> JoinTable::release(std::uint64_t now) {
  std::vector<Joined> joined;
  const std::uint64_t number = front_++;
  for (const SourceRef& source : sources_)
    if (auto finding = source->take(number)) joined.push_back({std::move(finding), frame(number).id.time});
  update(now);
  return joined;
}

std::vector<Joined> JoinTable::pass(const FrameId& id) {
  std::vector<Joined> joined;
  if (begins_anew(id)) discard_results();
  for (const SourceRef& source : sources_) {
    std::uint64_t found_at = kUnknown;
    if (auto finding = source->newest(id.time, limits.expire, limits.tolerance, found_at))
      joined.push_back({std::move(finding), found_at});
  }
  return joined;
}

std::uint64_t JoinTable::find(const FrameId& id) {
  const std::uint64_t oldest = std::max(first_, next_ > kHistory ? next_ - kHistory : 1);
  std::uint64_t found = 0;
  for (std::uint64_t number = next_; number-- > oldest;) {
    if (!same_frame(frame(number).id, id, limits.tolerance)) continue;
    if (found != 0) return kUnknown;
    found = number;
  }
  return found;
}

JoinTable::Outcome JoinTable::add_exact(ResultSource& source, const FrameId& id, FindingRef finding,
                                        std::uint64_t now) {
  source.spoke(now);
  source.expire(limits.expire, now);
  const std::uint64_t number = id.time == kUnknown ? kUnknown : find(id);
  Outcome outcome = Outcome::refused;
  if (number == kUnknown)
    source.refuse();
  else if (number == 0)
    outcome = source.add_early(id, std::move(finding), limits.tolerance, now);
  else
    outcome = source.add_for(number, number >= front_, std::move(finding), now);
  update(now);
  return outcome;
}

JoinTable::Outcome JoinTable::add_latest(ResultSource& source, const FrameId& id, FindingRef finding) {
  if (id.time == kUnknown) return source.refuse();
  return source.add_latest(id, std::move(finding), limits.expire, reached_);
}

void JoinTable::discard_results() {
  for (const SourceRef& source : sources_) source->discard();
}

unsigned JoinTable::clear(std::uint64_t now) {
  const unsigned held = this->held();
  front_ = first_ = next_;
  reached_ = kUnknown;
  discard_results();
  for (const SourceRef& source : sources_) source->forget_frames();
  update(now);
  return held;
}

}  // namespace supplier::resultjoin
