// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rhythm.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "text.hpp"

namespace shmring::tools {

void Rhythm::add(const shmring_frame_info& frame, std::uint64_t age) {
  ++frames_;
  bytes_ += frame.size;
  age_sum_ += age;
  age_most_ = std::max(age_most_, age);
  // A frame number that goes back is another publisher's: there is no interval between the two.
  if (sequence_ != 0 && frame.sequence > sequence_ && frame.published_at >= published_at_) {
    missed_ += frame.sequence - sequence_ - 1;
    const std::uint64_t interval = frame.published_at - published_at_;
    shortest_ = intervals_ == 0 ? interval : std::min(shortest_, interval);
    longest_ = std::max(longest_, interval);
    const double from_mean = static_cast<double>(interval) - mean_;
    mean_ += from_mean / static_cast<double>(++intervals_);
    squares_ += from_mean * (static_cast<double>(interval) - mean_);
  }
  sequence_ = frame.sequence;
  published_at_ = frame.published_at;
}

void Rhythm::restart() {
  const Rhythm last = *this;
  *this = Rhythm();
  sequence_ = last.sequence_;
  published_at_ = last.published_at_;
}

double Rhythm::rate() const { return mean_ > 0 ? 1e9 / mean_ : 0; }
double Rhythm::jitter() const { return intervals_ > 1 ? std::sqrt(squares_ / static_cast<double>(intervals_ - 1)) : 0; }

std::string Rhythm::text() const {
  if (intervals_ == 0) return fmt::format("{} frames", frames_);
  const auto shown = [](double ns) { return duration(static_cast<std::uint64_t>(ns)); };
  return fmt::format(
      "{:.2f} Hz  interval {} ± {} ({} to {})  age {}, at most {}  missed {} of {}  {}/s", rate(), shown(mean_),
      shown(jitter()), duration(shortest_), duration(longest_), duration(age_sum_ / frames_), duration(age_most_),
      missed_, missed_ + frames_,
      size(static_cast<std::uint64_t>(static_cast<double>(bytes_) / static_cast<double>(frames_) * rate())));
}

std::string Rhythm::json(const char* span) const {
  return nlohmann::ordered_json{{"of", span},
                                {"frames", frames_},
                                {"rate", rate()},
                                {"interval", mean_},
                                {"jitter", jitter()},
                                {"shortest", shortest_},
                                {"longest", longest_},
                                {"age", frames_ == 0 ? 0 : age_sum_ / frames_},
                                {"age_most", age_most_},
                                {"missed", missed_},
                                {"bytes", bytes_}}
      .dump();
}

}  // namespace shmring::tools
