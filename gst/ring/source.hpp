// SPDX-License-Identifier: LGPL-2.1-or-later
// Behaviour of shmringsrc; gstshmringsrc.cpp is its GObject class.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>

#include <gst/base/gstpushsrc.h>
#include <gst/gst.h>

#include "base/frame_codec.hpp"
#include "base/frame_metas.hpp"
#include "base/log_limit.hpp"
#include "base/owned.hpp"
#include "reader/reader.hpp"
#include "ring/enums.hpp"
#include "ring/outage.hpp"
#include "ring/scheduled_keys.hpp"

namespace supplier {

class Source {
 public:
  explicit Source(GstBaseSrc* element) : element_(element) {}

  struct Settings {
    shmring::ReaderOptions reader;  // name: empty for the element's own
    OnDisconnect on_disconnect = OnDisconnect::wait;
  };
  Settings settings;  // as the properties say; guarded by the element's object lock

  bool start();
  void stop();
  // A flush or the end: create() returns at once, until it is over.
  void unlock(bool on) { interrupt(unlocked_, on); }
  // PAUSED: create() waits, and what is pending when that is over is dropped.
  void pause(bool on);
  GstFlowReturn create(GstBuffer** buffer);
  // Any thread: downstream asks for a key frame; without a running time, now. False: there is no publisher that hears of it.
  bool request_key_frame(GstClockTime running_time);
  bool negotiate();
  void decide_allocation(GstQuery* query);

  std::uint64_t latency() const;
  Owned<GstStructure> stats() const;

 private:
  void interrupt(bool& why, bool on);
  // Waits while PAUSED. False: create() is to return at once.
  bool may_go_on();
  bool tell(const shmring::Error& error);
  void tell_waiting(const std::string& why);
  void tell_latency();
  // A frame; nothing if `flow`, and repeated_ with it, is to be returned instead.
  shmring::Frame next(GstFlowReturn& flow);
  GstFlowReturn adopt_format(const shmring::Frame& frame);
  bool skip_gap(const shmring_frame_info& info);
  bool skip_early(const shmring_frame_info& info);
  void look_for_key(const shmring_frame_info& info);
  void ask_for_key(std::uint64_t now);
  bool fill_outage();
  void announce_rate(const shmring::Frame& first, GstCaps* caps);
  void limit_rate(GstCaps* caps);
  Owned<GstBuffer> buffer_of(shmring::Frame frame);
  Owned<GstBuffer> drop_malformed(const shmring_frame_info& info);
  Owned<GstBufferList> list_of_parts(GstBuffer* frame);
  bool push_headers(Owned<GstBuffer>& frame);
  void tell_missed(const shmring_frame_info& info);
  void log_copy(const char* why);
  Owned<GstBuffer> copy_of(const shmring::Frame& frame, Layout layout);

  GstBaseSrc* const element_;

  mutable std::shared_mutex
      life_;  // shared: to use reader_ from any other than the streaming thread; alone: to make or end it
  std::unique_ptr<shmring::Reader> reader_;

  std::mutex interrupts_;  // guards the two; before life_
  std::condition_variable interrupts_changed_;
  bool unlocked_ = false;
  bool paused_ = false;
  std::atomic<bool> drop_pending_{false};

  // The streaming thread's.
  std::string path_;
  OnDisconnect on_disconnect_ = OnDisconnect::wait;
  double max_rate_ = 0;
  StreamFormat format_;
  MetasReader metas_;
  TimeKeeper time_;
  Owned<GstCaps> caps_;
  Owned<GstBufferList> headers_;                          // of caps_, until the first frame
  bool skip_headers_ = false;                             // they were pushed
  std::string said_caps_;                                 // as the publisher gave them
  std::optional<shmring::Result<shmring::Frame>> ahead_;  // read, but not yet asked for
  Outage outage_;
  Owned<GstBuffer> repeated_;  // in the place of the next frame
  std::optional<std::uint64_t> format_id_;
  std::uint64_t last_sequence_ = 0;                 // of the last buffer made
  std::uint64_t taken_sequence_ = 0;                // of the last frame taken, 0: none that the next one must follow
  LogLimit missed_, copies_, refused_, bad_metas_;  // lines that could come with every frame
  bool told_waiting_ = false;
  bool told_early_ = false;
  bool told_missed_ = false;
  bool wait_for_key_ = false;  // frames before it were dropped
  bool needs_key_ = false;     // delta units come, of which frames before are missing
  std::uint64_t ask_again_at_ = 0;
  ScheduledKeys scheduled_keys_;
  bool takes_video_meta_ = false;
  std::atomic<std::uint64_t> told_latency_{0};
  std::atomic<std::uint64_t> copied_{0};
  std::atomic<std::uint64_t> early_{0};
  std::atomic<std::uint64_t> key_requests_{0};
  std::atomic<std::uint64_t> malformed_{0};
  std::atomic<std::uint64_t> metas_dropped_{0};
  std::atomic<std::uint64_t> repeated_count_{0};
};

}  // namespace supplier
