// SPDX-License-Identifier: LGPL-2.1-or-later
// Which result belongs to which frame, and how long a frame waits: no threads, no clock, no GStreamer.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "resultjoin/result_source.hpp"

namespace supplier::resultjoin {

inline constexpr unsigned kMostHeld = 512;

struct JoinLimits {
  unsigned max_frames = 32;              // held at once
  std::uint64_t max_wait = 500'000'000;  // ns that a frame waits for its results
  std::uint64_t expire = 1'000'000'000;  // ns after which a result is too old
  std::uint64_t tolerance = 0;           // see same_frame()
};

// A result for a frame, and the time of the frame that it was found in.
struct Joined {
  FindingRef finding;
  std::uint64_t found_at = kUnknown;
};

// Exact: hold() and release() are first in, first out. Latest: pass(). `now` is a clock that never goes back, in ns.
class JoinTable {
 public:
  using Outcome = ResultSource::Outcome;
  using SourceRef = std::shared_ptr<ResultSource>;

  JoinLimits limits;

  SourceRef add_source();
  void remove_source(const SourceRef& source, std::uint64_t now);
  void set_present(ResultSource& source, bool on, std::uint64_t now);

  // A frame that is to wait for its results. `awaited` is false for one that no worker can have seen.
  void hold(const FrameId& frame, bool awaited, std::uint64_t now);
  unsigned held() const { return static_cast<unsigned>(next_ - front_); }
  bool full() const { return held() > limits.max_frames; }
  // Tells whether the oldest held frame goes on: it has all its results, or need not wait, or has waited long enough.
  bool ready(std::uint64_t now);
  // Time at which it will be, if nothing else happens; kUnknown: no frame is held.
  std::uint64_t ready_at(std::uint64_t now);
  // Lets the oldest held frame go, with the results it has.
  std::vector<Joined> release(std::uint64_t now);

  // A frame that takes the newest result of each source.
  std::vector<Joined> pass(const FrameId& frame);

  Outcome add_exact(ResultSource& source, const FrameId& frame, FindingRef finding, std::uint64_t now);
  Outcome add_latest(ResultSource& source, const FrameId& frame, FindingRef finding);

  // What is known is of other frames than those that come now.
  void discard_results();
  // A stream begins anew, and times may come again: drops held frames and all results, forgets frames that are gone.
  // Returns how many frames were held.
  unsigned clear(std::uint64_t now);

 private:
  struct Frame {
    FrameId id;
    std::uint64_t arrived = 0;
    bool awaited = false;
  };

  Frame& frame(std::uint64_t number) { return frames_[number % kHistory]; }
  bool waits_for(const ResultSource& source, std::uint64_t number);
  void update(std::uint64_t now);
  // Tells whether times went back without a flush: what was of before them is of other frames.
  bool begins_anew(const FrameId& id);
  // The number of the one frame that a result is of; 0: none that is known, kUnknown: it may be several.
  std::uint64_t find(const FrameId& id);

  std::vector<SourceRef> sources_;
  std::array<Frame, kHistory> frames_;  // by number
  std::uint64_t front_ = 1;             // number of the oldest held frame
  std::uint64_t next_ = 1;              // number of the next frame; those from front_ on are held
  std::uint64_t first_ = 1;             // number of the first frame since clear(), or since times went back
  std::uint64_t reached_ = kUnknown;    // time of the last frame that came
};

}  // namespace supplier::resultjoin
