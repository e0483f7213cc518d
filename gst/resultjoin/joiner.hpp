// SPDX-License-Identifier: LGPL-2.1-or-later
// Behaviour of resultjoin: frames on their way from the sink pad to the source pad, and the results that they take with them.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gst/gst.h>

#include "base/owned.hpp"
#include "resultjoin/findings.hpp"
#include "resultjoin/join_table.hpp"

namespace supplier::resultjoin {

enum class Mode { latest, exact };

// received = pushed + held + discarded. joined: frames with a result, of the pushed.
struct FrameCounts {
  std::uint64_t received = 0;
  std::uint64_t pushed = 0;
  std::uint64_t held = 0;
  std::uint64_t discarded = 0;
  std::uint64_t joined = 0;
};

inline bool is_serialized(GstEvent* event) {
  return gst_event_type_get_flags(GST_EVENT_TYPE(event)) & GST_EVENT_TYPE_SERIALIZED;
}
inline bool is_serialized(GstQuery* query) {
  return gst_query_type_get_flags(GST_QUERY_TYPE(query)) & GST_QUERY_TYPE_SERIALIZED;
}

struct SourceState {
  ResultCounts counts;
  bool present = false;
  bool silent = false;
};

// latest: all happens in upstream's thread. exact: chain() hands over to the source pad's task, which waits and pushes.
class Joiner {
 public:
  Joiner(GstElement* element, GstPad* sink, GstPad* source) : element_(element), sink_(sink), source_(source) {}

  // Any thread. A change of `mode` holds from the next start.
  Mode mode() const;
  void set_mode(Mode mode);
  JoinLimits limits() const;
  void set_max_frames(unsigned frames);
  // Tells whether the latency of the pipeline changes.
  bool set_max_wait(std::uint64_t time);
  void set_expire(std::uint64_t time);
  FrameCounts counts() const;

  void start();
  // The element plays: its clock is known.
  void use_clock(GstClock* clock);

  // Sink pad.
  GstFlowReturn chain(Owned<GstMiniObject> frame);
  bool sink_event(Owned<GstEvent> event);
  bool sink_query(GstQuery* query);
  bool activate_sink(bool on);
  // Source pad.
  bool activate_source(bool on);
  bool source_query(GstQuery* query);

  // Results pads.
  JoinTable::SourceRef add_source();
  void remove_source(const JoinTable::SourceRef& source);
  void set_present(ResultSource& source, bool on);
  JoinTable::Outcome add_result(ResultSource& source, const FrameId& frame, FindingRef finding);
  void refuse_result(ResultSource& source);
  // Tells whether the frames may come from the ring that a result names, and counts it where they do not.
  bool is_of_this_ring(ResultSource& source, const std::string& ring);
  void discard_results(ResultSource& source);
  SourceState state_of(const ResultSource& source) const;

 private:
  // Upstream waits for its answer.
  struct Question {
    GstQuery* query;
    bool done = false;
    bool answer = false;
  };
  struct Item {
    Owned<GstMiniObject> object;  // frame or event
    Question* question = nullptr;
    std::uint64_t time = kUnknown;
    bool frame = false;
  };

  FrameId id_of(GstBuffer* buffer) const;
  GstFlowReturn hold(Owned<GstMiniObject> frame, const FrameId& id, bool awaited, std::unique_lock<std::mutex>& lock);
  GstFlowReturn push(Owned<GstMiniObject> frame, const std::vector<Joined>& joined, std::uint64_t time,
                     PictureSize size);
  void adopt_caps(GstEvent* event);
  bool push_event(Owned<GstEvent> event);
  void observe(GstEvent* event);
  bool enqueue(Owned<GstEvent> event);
  void report(GstFlowReturn failed);
  bool answer_in_turn(GstQuery* query);
  bool forward_query(GstQuery* query);
  guint frames_held_of(const GstCaps* caps) const;
  std::uint64_t latency() const;
  void loop();
  bool wait_for_item(std::unique_lock<std::mutex>& lock);
  bool refuses() const { return flushing_ || stopping_; }
  void drop_all();
  void flush(bool on);

  GstElement* const element_;
  GstPad* const sink_;
  GstPad* const source_;

  // Of the sink pad's streaming thread.
  GstSegment segment_{};
  bool from_ring_ = false;  // OFFSET is the sequence in a ring

  mutable std::mutex lock_;  // guards what follows; a leaf
  std::condition_variable changed_;
  Mode mode_ = Mode::latest;
  Mode running_ = Mode::latest;  // mode of this run
  std::string ring_;             // socket path of the ring that the frames come from; empty: not known
  JoinTable table_;
  FrameCounts counts_;
  PictureSize size_;  // of the frames that are pushed now
  std::deque<Item> items_;
  GstFlowReturn flow_ = GST_FLOW_OK;  // of the last push, until upstream was told
  bool ended_ = false;                // upstream has sent its end
  bool flushing_ = true;              // the sink pad takes nothing
  bool stopping_ = true;              // the task ends
  bool busy_ = false;                 // the task is outside the lock
  std::thread::id task_;
};

}  // namespace supplier::resultjoin
