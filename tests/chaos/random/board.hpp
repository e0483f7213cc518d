// SPDX-License-Identifier: LGPL-2.1-or-later
// Memory that the checker shares with the publishers and readers of a round: plans, orders, what each did so far, the events of all, the
// first fault. It outlives whichever process is killed. All zero at first.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include <shmring/shmring.h>

namespace chaos {

inline constexpr std::uint32_t kMaxPublishers = 48, kMaxReaders = 8, kMaxPaths = 2;

enum class Order : std::uint32_t {
  go_on,   // at random
  steady,  // publisher: frames only; reader: as before
  finish,  // publisher: a last frame, then the end of the stream; reader: reads until the end, then holds nothing
  close,   // closes what it has and ends
  leave,   // ends without closing anything
  linger,  // reader: closes what it has, and lives on until it is killed
};

struct PublisherPlan {
  std::uint64_t seed;
  std::uint32_t path;
  std::uint32_t slot_size, slots, loans, max_readers, depth, max_held;
  std::uint32_t policy;
  std::uint32_t period_us;  // at most, between two actions
  std::uint32_t resizes;    // of 1,000 actions
  std::uint32_t threads;    // that publish in turn
  std::uint32_t one_cpu;
};

struct ReaderPlan {
  std::uint64_t seed;
  std::uint32_t path;
  std::uint32_t policy, wake, depth, max_held;
  std::uint32_t max_frame_age_ms;
  std::uint32_t reconnect;
  std::uint32_t work_us;  // at most, after a frame
  std::uint32_t one_cpu;
};

struct PublisherSlot {
  PublisherPlan plan;
  std::atomic<std::uint32_t> pid;
  std::atomic<std::uint32_t> open;    // 1: listening
  std::atomic<std::uint32_t> ending;  // set before it is killed, or closes
  std::atomic<Order> order, obeyed;
  std::atomic<std::uint64_t> begun;   // the newest sequence number that a call was begun with
  std::atomic<std::uint64_t> newest;  // packed(): the newest frame whose publish call has returned
  std::atomic<std::uint64_t> ends;    // calls of end()
  std::atomic<std::uint64_t>
      end_mark;  // packed(): the newest frame when the stream was ended last; 0: not of the present ring
  std::atomic<std::uint32_t> rings;  // made so far
  std::atomic<std::uint64_t> frames, no_slot, too_large;
  // As they were when this publisher began.
  std::uint32_t opens_before[kMaxReaders], deaths_before[kMaxReaders];
};

// Frames of a reader from one publisher, over all its processes.
struct Received {
  std::atomic<std::uint64_t> taken;    // by the reader's own figures
  std::atomic<std::int64_t> missed;    // numbers never seen between two frames of one ring
  std::atomic<std::uint64_t> ends;     // SHMRING_END
  std::atomic<std::uint64_t> lost;     // SHMRING_DISCONNECTED although it was not ending
  std::atomic<std::uint32_t> blurred;  // `taken` is not exact: killed in a call, or one call met two publishers
};

struct ReaderSlot {
  ReaderPlan plan;
  std::atomic<std::uint32_t> pid;
  std::atomic<std::uint32_t> opens;   // handles ever opened under this name
  std::atomic<std::uint32_t> deaths;  // ends that the publisher may tell of; counted before they happen
  std::atomic<std::uint32_t> in_call;
  std::atomic<Order> order, obeyed;
  std::atomic<std::uint32_t> attached;  // to this publisher + 1, as the reader's figures say
  std::atomic<std::int32_t> last_status;
  std::atomic<std::uint32_t> refusals{0};   // calls that came to REFUSED
  std::atomic<std::uint64_t> key_requests;  // sent for sure, or perhaps
  Received from[kMaxPublishers];
};

class Board {
 public:
  // A new one in the file, or the one that is there.
  static Board* make(const std::string& file);
  static Board* open(const std::string& file);
  static void unmap(Board* board);

  // The first fault counts; who finds one says what was expected and what was seen.
  void fail(const std::string& fault);
  std::optional<std::string> fault() const;
  // One line of what happened.
  void note(const std::string& who, const std::string& what);
  std::string last_events(std::size_t count) const;

  // Which publisher has this process number; kMaxPublishers: none.
  std::uint32_t publisher_of(std::uint32_t pid) const;

  std::uint64_t started_at;
  char folder[64];  // of the sockets
  std::uint32_t readers, paths;
  std::atomic<std::uint32_t> publishers;
  PublisherSlot publisher[kMaxPublishers];
  ReaderSlot reader[kMaxReaders];

  std::string path(std::uint32_t number) const { return std::string(folder) + "/ring-" + std::to_string(number); }

 private:
  static constexpr std::uint64_t kEvents = 4096;
  struct Event {
    std::uint64_t at;
    char text[120];
  };
  std::atomic<std::uint32_t> failing_, failed_;
  char fault_[4096];
  std::atomic<std::uint64_t> events_;
  Event event_[kEvents];
};

inline std::uint64_t packed(std::uint32_t ring, std::uint64_t sequence) { return std::uint64_t{ring} << 48 | sequence; }
inline std::uint32_t ring_of(std::uint64_t packed) { return static_cast<std::uint32_t>(packed >> 48); }
inline std::uint64_t sequence_of(std::uint64_t packed) { return packed & ((std::uint64_t{1} << 48) - 1); }

inline std::string reader_name(std::uint32_t number) { return "reader-" + std::to_string(number); }
inline std::string publisher_name(std::uint32_t number) { return "publisher-" + std::to_string(number); }

// The two child programs; each ends with 0, or 1 after a fault.
int run_publisher(Board& board, std::uint32_t number);
int run_reader(Board& board, std::uint32_t number);
void stay_on_one_cpu();

}  // namespace chaos
