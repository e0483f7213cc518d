// SPDX-License-Identifier: LGPL-2.1-or-later
// Brings a branch's steps downstream, in the branch's own thread and without a lock: sticky events, stream headers,
// frames. Remembers what was sent.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/log_limit.hpp"
#include "latestframe/cursor.hpp"
#include "latestframe/negotiation.hpp"

namespace supplier::latestframe {

class Delivery {
 public:
  // True if a step belongs to the present activation of the pad. Called right before each thing that is sent, for a branch
  // may be stuck while its stream ends and the next one begins.
  using Enter = std::function<bool(const Step&)>;

  // `pad` is borrowed.
  Delivery(GstPad* pad, Enter enter) : pad_(pad), enter_(std::move(enter)) {}

  // Sends what comes before the step's own event or frame. Anything but OK: the step is over.
  GstFlowReturn prepare(const Step& step);
  GstFlowReturn push(const Step& step);
  // Asks what downstream wishes, if that may have changed.
  std::optional<Wishes> ask(const StreamState& stream_state);
  // Logs which frames do not reach downstream, and why: each at LOG, at most one line a second at DEBUG.
  void log_lost(const Step& step);

 private:
  bool send_stream_state(const Step& step);
  GstFlowReturn push_headers(const Step& step);

  GstPad* const pad_;
  const Enter enter_;
  StreamStateRef sent_;
  bool copies_ = false;           // send copies of the sticky events
  std::uint64_t generation_ = 0;  // of the branch, that the headers up to this serial were sent to
  std::uint64_t header_ = 0;
  Owned<GstCaps> asked_;  // the caps that downstream's wishes are for
  LogLimit refused_, missed_;
};

}  // namespace supplier::latestframe
