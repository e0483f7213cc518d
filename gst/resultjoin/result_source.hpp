// SPDX-License-Identifier: LGPL-2.1-or-later
// Results of one results pad: those that wait for their frame, their account, and for how long frames waited in vain.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

namespace supplier::resultjoin {

inline constexpr std::uint64_t kUnknown = UINT64_MAX;  // a time or a sequence that is not known
inline constexpr std::size_t kHistory = 1024;          // frames that are remembered, held or gone
inline constexpr std::size_t kMostStored = 64;         // results of one pad that are kept

// Names a frame: its running time, and its sequence in the ring that it comes from.
struct FrameId {
  std::uint64_t time = kUnknown;
  std::uint64_t sequence = kUnknown;
};

// Tells whether both name one frame. A ring that is made anew counts from 1 again, so equal sequences alone say nothing; sequences that are
// known and differ say that these are two frames of one time. `tolerance`: by which times of one frame may differ, where sequences are equal.
bool same_frame(const FrameId& one, const FrameId& other, std::uint64_t tolerance);

// Content of a result; what it is, is not looked at here.
struct Finding {
  virtual ~Finding() = default;
};
using FindingRef = std::shared_ptr<const Finding>;

// results = joined + late + duplicates + expired + refused + other_rings + discarded + pending. frames: those that went on, missing: of these,
// without a result of this pad.
struct ResultCounts {
  std::uint64_t results = 0;
  std::uint64_t joined = 0;
  std::uint64_t late = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t expired = 0;
  std::uint64_t refused = 0;
  std::uint64_t other_rings = 0;
  std::uint64_t discarded = 0;
  std::uint64_t pending = 0;
  std::uint64_t frames = 0;
  std::uint64_t missing = 0;
};

// Time that frames waited for a pad without a word from it, summed up.
class Silence {
 public:
  // Says whether frames wait from now on.
  void set_waiting(bool on, std::uint64_t now);
  void end(std::uint64_t now);  // the pad spoke
  std::uint64_t passed(std::uint64_t now) const { return sum_ + (waiting_ ? now - since_ : 0); }
  // Time at which the sum reaches `limit` if frames go on to wait; kUnknown: never.
  std::uint64_t reaches(std::uint64_t limit) const;

 private:
  std::uint64_t sum_ = 0;
  std::uint64_t since_ = 0;
  bool waiting_ = false;
};

// Not thread-safe. Frames have numbers from 1 on, given by the JoinTable.
class ResultSource {
 public:
  enum class Outcome { stored, joined, late, duplicate, refused, expired };

  // A pad is present while a result may come from it: it is linked, active and has not ended.
  void set_present(bool on) { present_ = on; }
  bool present() const { return present_; }
  bool silent() const { return silent_; }
  const ResultCounts& counts() const { return counts_; }

  // A frame with this number comes; a result that waits for it is its own from now on.
  void begin_frame(std::uint64_t number, const FrameId& frame, std::uint64_t tolerance);
  bool answered(std::uint64_t number) const { return answered_[number % kHistory]; }
  // A result for the frame with that number, held or gone.
  Outcome add_for(std::uint64_t number, bool held, FindingRef finding, std::uint64_t now);
  // A result for a frame that may yet come.
  Outcome add_early(const FrameId& frame, FindingRef finding, std::uint64_t tolerance, std::uint64_t now);
  Outcome refuse();
  // A result for a frame of another ring. Frames of this one need not wait for a pad that has only such.
  void pass_over();
  // The result of the frame with that number, which goes on; nothing: it has none.
  FindingRef take(std::uint64_t number);

  // A result, where frames take the newest one that is not older than `expire`; `reached`: time of the newest frame so far.
  Outcome add_latest(const FrameId& frame, FindingRef finding, std::uint64_t expire, std::uint64_t reached);
  // The newest one for a frame of that time, and its own time.
  FindingRef newest(std::uint64_t frame_time, std::uint64_t expire, std::uint64_t tolerance, std::uint64_t& found_at);

  // Drops results that have waited for their frame for longer than `limit`.
  void expire(std::uint64_t limit, std::uint64_t now);
  // Drops all results.
  void discard();
  // Forgets which frames have had a result.
  void forget_frames() { answered_.reset(); }

  void set_waiting(bool on, std::uint64_t now) { silence_.set_waiting(on, now); }
  // Frames no longer wait for a pad that was silent for `limit`, until it speaks.
  bool check_silence(std::uint64_t limit, std::uint64_t now);
  std::uint64_t silent_at(std::uint64_t limit) const { return silence_.reaches(limit); }
  void spoke(std::uint64_t now);

 private:
  struct Stored {
    FrameId frame;
    FindingRef finding;
    std::uint64_t arrived = 0;  // when; where frames take the newest: its place among the results
    std::uint64_t number = 0;   // of the held frame it belongs to; 0: none yet
    bool used = false;          // attached to a frame already
  };

  void make_room();
  void drop(std::size_t at, std::uint64_t& count);
  void update_pending();

  bool present_ = false;
  bool silent_ = false;
  Silence silence_;
  std::deque<Stored> stored_;  // in the order of their arrival, or of their times where frames take the newest
  std::bitset<kHistory> answered_;
  ResultCounts counts_;
};

const char* name_of(ResultSource::Outcome outcome);

}  // namespace supplier::resultjoin
