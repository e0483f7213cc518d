// SPDX-License-Identifier: LGPL-2.1-or-later
// GStreamer for the benchmarks: a pad that pushes by hand, pads that consume and note each buffer's age.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "bench.hpp"

namespace bench {

// A lone source pad; what is pushed into it goes to whatever it is linked to, from the calling thread.
class Pusher {
 public:
  explicit Pusher(GstElement* into, const char* caps = "application/x-bench");
  ~Pusher();
  GstPad* pad() const { return pad_; }
  // Pushes one buffer whose time is now; answers how long the push took.
  std::uint64_t push(GstBuffer* buffer);

 private:
  GstPad* pad_;
};

// Takes the buffers of a source pad, notes the age of each (now minus its time stamp, which is CLOCK_MONOTONIC) and lets go of it.
class Consumer {
 public:
  explicit Consumer(GstPad* from, std::size_t most = 100'000);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;
  // The age is that of the Head in the payload: for elements that give buffers times of their own, and repeat them.
  void age_of_payload() { age_of_payload_ = true; }
  std::uint64_t count() const { return count_.load(std::memory_order_acquire); }
  void clear() { count_.store(0); }
  void add_to(Samples& samples, std::uint64_t from = 0) const;

 private:
  static GstFlowReturn chain(GstPad* pad, GstObject* parent, GstBuffer* buffer);
  GstPad* pad_;
  std::vector<std::uint64_t> ages_;
  std::atomic<std::uint64_t> count_{0};
  bool age_of_payload_ = false;
  std::uint64_t last_ = 0;
};

GstElement* make(const char* factory);
// The source pad of an element, owned by the caller.
GstPad* source_pad(GstElement* element);
// A pipeline from a launch line; dies with GStreamer's sentence if it is wrong.
GstElement* launch(const std::string& line);
void play(GstElement* pipeline);
void stop(GstElement* pipeline);
GstElement* child(GstElement* pipeline, const char* name);  // borrowed

}  // namespace bench
