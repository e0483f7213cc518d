// SPDX-License-Identifier: LGPL-2.1-or-later
// Decides whether the EOS that reaches a sink is the end of the stream, or only the end of a pipeline that is stopped or has failed.
#pragma once

#include <atomic>
#include <memory>

#include <gst/gst.h>

#include "base/owned.hpp"
#include "ring/enums.hpp"

namespace supplier {

// GStreamer sends the same event for the end of a file, for `gst-launch-1.0 -e` that is interrupted, and after an ERROR of the source.
class EosForwarding {
 public:
  explicit EosForwarding(GstElement* sink, GstPad* pad) : sink_(sink), pad_(pad) {}
  ~EosForwarding() { stop(); }
  EosForwarding(const EosForwarding&) = delete;
  EosForwarding& operator=(const EosForwarding&) = delete;

  // Begins to note the ERROR messages of the whole pipeline, as far as they come to its bus.
  void start();
  void stop();
  // Asks upstream whether it is live. Keeps the former answer where upstream gives none.
  void ask_upstream();
  bool is_stream_end(ForwardEos rule);
  bool upstream_is_live() const { return live_; }

 private:
  struct Errors {
    std::atomic<bool> seen{false};
  };

  GstElement* const sink_;
  GstPad* const pad_;
  std::atomic<bool> live_{false};
  std::shared_ptr<Errors> errors_ =
      std::make_shared<Errors>();  // shared with a handler that may still run in another thread
  Owned<GstBus> bus_;
  gulong handler_ = 0;
};

}  // namespace supplier
