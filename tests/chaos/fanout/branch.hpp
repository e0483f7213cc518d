// SPDX-License-Identifier: LGPL-2.1-or-later
// Worker on a branch in the random checker: it looks at all that comes to it, and knows what must not.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include <gst/gst.h>

#include "base/owned.hpp"

namespace fanout_chaos {

// The first thing that was wrong in a round; later ones may follow from it.
class Fault {
 public:
  void report(const std::string& what);
  bool seen() const { return seen_.load(); }
  std::string text() const;

  // The element is stopped; it plays again after that frame. One that was on its way may come then, as it is.
  void stopped() { pardoned_ = UINT64_MAX; }
  void plays_after(std::uint64_t number) { pardoned_ = number; }
  std::uint64_t pardoned() const { return pardoned_; }

 private:
  std::atomic<std::uint64_t> pardoned_{0};
  mutable std::mutex lock_;
  std::atomic<bool> seen_{false};
  std::string text_;
};

// Contents of a frame, so that a branch can judge it alone.
struct Mark {
  std::uint64_t number = 0;      // from 1, over the whole round
  std::uint32_t caps = 0;        // the number in the caps it was sent with
  std::uint32_t generation = 0;  // how many flushes were before it

  void put_on(GstBuffer* buffer) const;
  static Mark of(GstBuffer* buffer);
};

constexpr int kFramesOfAList = 3;

// The end of flush number `generation` says so by its sequence number.
constexpr std::uint32_t kFlushSeqnums = 0x40000000;

// Their numbers never go back.
supplier::Owned<GstCaps> caps_number(std::uint32_t number);
std::string stream_name(std::uint32_t number);

// By itself a pad without a template takes only the caps that it has, and reads them without a lock (GStreamer 1.22).
gboolean answer_with_any_caps(GstPad* pad, GstObject* parent, GstQuery* query);

class Branch {
 public:
  Branch(Fault& fault, std::string name);
  ~Branch();
  Branch(const Branch&) = delete;
  Branch& operator=(const Branch&) = delete;

  // Each is called by the one thread that has the branch.
  bool join(GstElement* latestframe);
  void leave();
  void unlink();
  void link();
  void restart();  // what is behind the branch is unlinked, stopped, started and linked again
  void block();    // by a probe, until unblock()
  void unblock();
  bool linked() const { return linked_; }
  void ask_upstream(std::uint64_t random);
  void set_pause(unsigned microseconds) { pause_ = microseconds; }

  std::uint64_t last() const { return last_.load(); }
  int ends() const { return ends_.load(); }
  const std::string& name() const { return name_; }
  // offered = delivered + dropped + pending; "" if so.
  std::string balance() const;
  std::string story() const;  // what came last

 private:
  static Branch& of(GstPad* pad);
  void judge(GstBuffer* buffer, bool first);
  void judge(GstEvent* event);
  void note(std::string what);
  void wrong(const std::string& what);

  Fault& fault_;
  const std::string name_;
  supplier::Owned<GstPad> pad_, source_;
  supplier::Owned<GstElement> element_;
  bool linked_ = false;
  gulong probe_ = 0;
  std::atomic<unsigned> pause_{0};
  std::atomic<std::uint64_t> last_{0};
  std::atomic<int> ends_{0};

  mutable std::mutex lock_;  // guards what follows
  std::deque<std::string> story_;
  bool segment_ = false, ended_ = false;
  bool leaving_ =
      false;  // GStreamer forgets the events of a pad that is released in the middle of a push, not the frame
  // After a link: one that was on its way already, without what belongs before it, and the newest one again.
  int again_ = 2;
  bool bare_ = false;                           // so is this one
  std::optional<std::uint32_t> stream_, caps_;  // which
  std::uint32_t generation_ = 0;                // frames of earlier ones must not come
};

}  // namespace fanout_chaos
