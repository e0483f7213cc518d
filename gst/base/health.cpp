// SPDX-License-Identifier: LGPL-2.1-or-later
// Derives a worker's state from its counters and the time.
#include "base/health.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace supplier {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kMessagesAtOnce = 20;
constexpr double kLeave = 0.8;  // slow ends only this far inside the limit, so that a worker on the edge does not flap

std::uint64_t since(std::uint64_t then, std::uint64_t now) { return now > then ? now - then : 0; }

std::string decimal(double value, int digits, const char* unit) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f %s", digits, value, unit);
  return text.data();
}

std::string duration(double ns) { return ns < kSecond ? decimal(ns / 1e6, 0, "ms") : decimal(ns / 1e9, 1, "s"); }
std::string duration(std::uint64_t ns) { return duration(static_cast<double>(ns)); }

// Time base of the drop window, the smoothing and the hysteresis; also where no worker can be stuck.
std::uint64_t window_length(const Limits& limits) { return limits.stall_timeout ? limits.stall_timeout : 30 * kSecond; }

bool base(WorkerState state) { return state == WorkerState::ok || state == WorkerState::slow; }

std::string why_well_again(WorkerState before, const Observation& seen, bool finished) {
  if (!seen.expecting) return "no frame is due";
  switch (before) {
    case WorkerState::waiting:
      return "the first frame is finished";
    case WorkerState::starved:
      return "frames come in again";
    case WorkerState::stuck:
      return finished ? "frames are finished again" : "nothing is pending or held any more";
    default:
      return "the worker is back";
  }
}

}  // namespace

const char* state_name(WorkerState state) {
  switch (state) {
    case WorkerState::waiting:
      return "waiting";
    case WorkerState::ok:
      return "ok";
    case WorkerState::slow:
      return "slow";
    case WorkerState::stuck:
      return "stuck";
    case WorkerState::starved:
      return "starved";
    case WorkerState::dead:
      return "dead";
  }
  return "unknown";
}

void DropWindow::add(std::uint64_t delivered, std::uint64_t dropped, std::uint64_t passed, std::uint64_t length) {
  parts_[current_].delivered += delivered;
  parts_[current_].dropped += dropped;
  const std::uint64_t part = std::max<std::uint64_t>(length / parts_.size(), 1);
  in_part_ = std::min(in_part_ + passed, part * parts_.size());
  for (; in_part_ >= part; in_part_ -= part) {
    current_ = (current_ + 1) % parts_.size();
    parts_[current_] = {};
  }
}

std::uint64_t DropWindow::decided() const {
  std::uint64_t sum = dropped();
  for (const Part& part : parts_) sum += part.delivered;
  return sum;
}

std::uint64_t DropWindow::dropped() const {
  std::uint64_t sum = 0;
  for (const Part& part : parts_) sum += part.dropped;
  return sum;
}

double DropWindow::rate() const {
  const std::uint64_t all = decided();
  return all ? static_cast<double>(dropped()) / static_cast<double>(all) : 0;
}

std::optional<Verdict> WorkerHealth::evaluate(const Observation& seen, const Limits& limits, std::uint64_t now) {
  const std::uint64_t step = look_at_ ? std::min(since(*look_at_, now), window_length(limits) / 4) : 0;
  if (seen.generation != last_.generation || (last_.gone && !seen.gone)) begin_again(seen);
  const Step since_last{step, seen.last_consumed_at != last_.last_consumed_at,
                        seen.offered != last_.offered || seen.last_offered_at != last_.last_offered_at};
  count_time(seen, now, since_last);
  judge(seen, limits, since_last);
  verdict_.at = now;
  verdict_.drop_rate = window_.rate();
  look_at_ = now;
  last_ = seen;
  if (!told_generation_) told_generation_ = seen.generation;

  if (!limits.post_messages) return std::nullopt;
  const bool changed = verdict_.state != told_ || seen.generation != told_generation_.value_or(seen.generation);
  const bool due = limits.interval && since(told_at_, now) >= limits.interval;
  if (!(changed && may_tell(now)) && !(due && !changed)) return std::nullopt;
  Verdict told = verdict_;
  told.previous = std::exchange(told_, verdict_.state);
  told_generation_ = seen.generation;
  told_at_ = now;
  return told;
}

void WorkerHealth::resume() {
  look_at_.reset();
  stuck_for_ = starved_for_ = 0;
  restart_limits();
}

void WorkerHealth::begin_again(const Observation& seen) {
  baseline_ = last_.last_consumed_at;  // not seen's: it may have finished a frame already
  last_.unfinished_since = 0;
  stuck_for_ = starved_for_ = 0;
  enter(WorkerState::waiting, seen.generation == last_.generation
                                  ? "the worker is back"
                                  : "generation " + std::to_string(seen.generation) + " begins");
}

// An accumulator runs on while nothing moves, and restarts where something did.
void WorkerHealth::count_time(const Observation& seen, std::uint64_t now, const Step& step) {
  const bool busy = seen.unfinished_since != 0;
  if (!busy)
    stuck_for_ = 0;
  else if (step.finished || !last_.unfinished_since)
    stuck_for_ = std::min(since(std::max(seen.unfinished_since, seen.last_consumed_at), now), step.time);
  else
    stuck_for_ += step.time;

  if (busy)
    starved_for_ = 0;
  else if (step.finished || step.came || !last_.expecting)
    starved_for_ = std::min(since(std::max(seen.last_offered_at, seen.last_consumed_at), now), step.time);
  else
    starved_for_ += step.time;
}

void WorkerHealth::judge(const Observation& seen, const Limits& limits, const Step& step) {
  const WorkerState before = verdict_.state;
  const std::uint64_t timeout = limits.stall_timeout;
  const bool busy = seen.unfinished_since != 0;
  // A state once reached holds until something moves, also over a pause.
  const bool stuck = timeout && busy && (stuck_for_ >= timeout || (before == WorkerState::stuck && !step.finished));
  const bool starved = timeout && seen.expecting &&
                       (starved_for_ >= timeout || (before == WorkerState::starved && !step.finished && !step.came));

  if (seen.gone)
    enter(WorkerState::dead, seen.reason.empty() ? "the worker is gone" : seen.reason);
  else if (stuck)
    enter(WorkerState::stuck, "nothing finished for " + duration(stuck_for_) + ": " + std::to_string(seen.pending) +
                                  " pending, " + std::to_string(seen.held) + " held, last finished frame " +
                                  std::to_string(seen.last_consumed_sequence));
  else if (starved)
    enter(WorkerState::starved, "no frame came in for " + duration(starved_for_));
  else if (seen.last_consumed_at == baseline_)
    enter(WorkerState::waiting, why_well_again(before, seen, step.finished));
  else if (base(before))
    judge_limits(seen, limits, step.time);
  else
    enter(WorkerState::ok, why_well_again(before, seen, step.finished));
}

void WorkerHealth::judge_limits(const Observation& seen, const Limits& limits, std::uint64_t time) {
  const std::uint64_t length = window_length(limits);
  const std::uint64_t delivered = since(last_.delivered, seen.delivered);
  const std::uint64_t discarded = since(last_.discarded, seen.discarded);
  window_.add(delivered, since(discarded, since(last_.dropped, seen.dropped)), time, length);

  const auto age_limit = static_cast<double>(limits.max_frame_age);
  const auto late = static_cast<std::uint64_t>(std::max<std::int64_t>(seen.lateness.value_or(0), 0));
  const auto age = static_cast<double>(std::max(seen.age, late));
  // Cut at twice the limit, so that a single frame, however old, is no trend.
  if (seen.offered != last_.offered) age_ += (std::min(age, 2 * age_limit) - age_) / 4;
  const bool old = age_ > age_limit && limits.max_frame_age;
  const bool fresh = age_ <= kLeave * age_limit || !limits.max_frame_age;

  const auto dropped = static_cast<double>(window_.dropped()), decided = static_cast<double>(window_.decided());
  const bool drops = dropped > limits.max_drop_rate * decided + 1;  // one lost frame is no rate
  const bool keeps = dropped <= kLeave * limits.max_drop_rate * decided || limits.max_drop_rate >= 1;

  const bool slow = verdict_.state == WorkerState::slow;
  turning_for_ = (slow ? fresh && keeps : old || drops) ? turning_for_ + time : 0;
  // Losses may come in bursts, as frames of a network camera do: between two of them nothing is better.
  if (turning_for_ < length / (slow ? 2 : 10)) return;
  if (slow)
    enter(WorkerState::ok, "within its limits again");
  else if (drops)
    enter(WorkerState::slow, std::to_string(window_.dropped()) + " of the last " + std::to_string(window_.decided()) +
                                 " frames dropped, the limit is " + decimal(100 * limits.max_drop_rate, 1, "%"));
  else
    enter(WorkerState::slow,
          "frames are too old: the last one " + duration(age) + ", the limit is " + duration(age_limit));
}

void WorkerHealth::enter(WorkerState state, std::string reason) {
  if (state == verdict_.state) return;
  // Frames from before the limits are no evidence about them.
  if (!base(state) || !base(verdict_.state)) restart_limits();
  turning_for_ = 0;
  verdict_.previous = std::exchange(verdict_.state, state);
  verdict_.reason = std::move(reason);
}

void WorkerHealth::restart_limits() {
  window_ = {};
  age_ = 0;
  turning_for_ = 0;
}

bool WorkerHealth::may_tell(std::uint64_t now) {
  const std::uint64_t earned = token_at_ ? since(token_at_, now) / kSecond : kMessagesAtOnce;
  if (tokens_ + earned >= kMessagesAtOnce) {
    tokens_ = kMessagesAtOnce;
    token_at_ = now;
  } else {
    tokens_ += earned;
    token_at_ += earned * kSecond;
  }
  if (tokens_ == 0) return false;
  --tokens_;
  return true;
}

}  // namespace supplier
