// SPDX-License-Identifier: LGPL-2.1-or-later
// The order of a branch's steps.
#include "latestframe/cursor.hpp"

#include <algorithm>
#include <utility>

namespace supplier::latestframe {

void Cursor::open(const Newest& newest, bool anew) {
  const std::uint64_t before = newest.item ? newest.number - 1 : newest.number;
  account_.open(anew ? before : std::max(before, account_.seen()));
  broken_ = !anew;
  announced_ = 0;
  if (anew) {
    sequence_ = 0;
    end_told_ = 0;
  }
  events_.clear();
  question_ = {};
  needs_key_ = false;
}

void Cursor::close(const Newest& newest) {
  account_.close(newest.number);
  events_.clear();
  question_ = {};
  needs_key_ = false;
}

void Cursor::flush(const Newest& newest) {
  account_.discard(newest.number);
  broken_ = true;
  end_told_ = 0;
  events_.clear();
  question_ = {};
  needs_key_ = false;
}

void Cursor::post(OneShot event) {
  if (!account_.is_open()) return;
  if (events_.size() == kMostEvents) {
    events_.pop_front();
    ++events_dropped_;
  }
  event.serial = ++serial_;
  events_.push_back(std::move(event));
}

void Cursor::ask(StreamStateRef stream_state, std::uint64_t position) {
  if (account_.is_open()) question_ = {nullptr, std::move(stream_state), position, ++serial_};
}

Step Cursor::next(Newest& newest, std::uint64_t now, std::uint64_t max_age) {
  Step step;
  for (;;) {
    const bool unseen = newest.item && newest.item->number > account_.seen();
    // Events that came before the next frame come before it here too, whether or not the frames in between are seen.
    const std::uint64_t before = unseen ? newest.item->sequence - 1 : newest.reached;
    // In the order they came: each brings the sticky events of its time, and those must not come after newer ones.
    const bool question_first = events_.empty() || question_.serial < events_.front().serial;
    if (question_.stream_state && question_first && question_.position <= before) {
      step.kind = Step::Kind::ask;
      step.stream_state = std::exchange(question_, {}).stream_state;
      return step;
    }
    if (!events_.empty() && events_.front().position <= before) {
      step.kind = Step::Kind::event;
      step.event = std::move(events_.front().event);
      step.stream_state = std::move(events_.front().stream_state);
      events_.pop_front();
      return step;
    }
    const Announced& last = newest.announced;
    if (last.stream_state && last.serial != announced_ && last.position <= before) {
      announced_ = last.serial;
      step.kind = Step::Kind::stream_state;
      step.stream_state = last.stream_state;
      return step;
    }
    if (!unseen) break;
    if (take(newest, now, max_age, step)) return step;
  }
  if (newest.end.serial != 0 && newest.end.serial != end_told_ && newest.reached >= newest.end.position) {
    end_told_ = newest.end.serial;
    step.kind = Step::Kind::end;
    step.event = share(newest.end.event.get());
    step.stream_state = newest.end.stream_state;
    return step;
  }
  if (needs_key_ || newest.keys.has_kept()) rest(newest, now, step);
  return step;
}

void Cursor::rest(Newest& newest, std::uint64_t now, Step& step) {
  if (!newest.keys.ask(now)) {
    step.until = newest.keys.next_at();
    return;
  }
  needs_key_ = false;
  step.kind = Step::Kind::ask_key;
}

bool Cursor::take(Newest& newest, std::uint64_t now, std::uint64_t max_age, Step& step) {
  const Item& item = *newest.item.get();
  if (item.sequence != sequence_ + 1) broken_ = true;
  sequence_ = item.sequence;
  if (broken_ && item.delta) {
    account_.drop(item.number);
    needs_key_ = true;  // again with each of them: the request may be lost, and so may the frame that answers it
    return false;
  }
  account_.take(item.number);
  if (max_age != 0 && now > item.at && now - item.at > max_age) {
    account_.refuse_stale();
    step.refused = item.number;
    broken_ = true;
    return false;
  }
  step.kind = Step::Kind::frame;
  step.item = newest.item;
  step.stream_state = item.stream_state;
  step.gap = broken_;
  if (item.stream_state == newest.announced.stream_state) announced_ = newest.announced.serial;
  if (!item.is_event()) broken_ = needs_key_ = false;
  return true;
}

}  // namespace supplier::latestframe
