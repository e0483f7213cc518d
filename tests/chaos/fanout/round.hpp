// SPDX-License-Identifier: LGPL-2.1-or-later
// One round: a latestframe, upstream, branches that come and go, and threads that do all of it at once.
#pragma once

#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "branch.hpp"

namespace fanout_chaos {

class Round {
 public:
  explicit Round(std::uint64_t seed);
  ~Round();
  Round(const Round&) = delete;
  Round& operator=(const Round&) = delete;

  // For so long; the first fault, or "".
  std::string run(double seconds);
  std::string summary() const;

 private:
  using Random = std::mt19937_64;

  // Of upstream's streaming thread and of whoever flushes or restarts; under stream_.
  void prepare();
  void frames(Random& random);
  void flush(Random& random);
  void state(Random& random);
  void restart(Random& random, std::unique_lock<std::mutex>& hold);
  void ask_in_turn(const supplier::Owned<GstQuery>& query);
  void ask(Random& random);
  void branch(Random& random, const std::string& name);
  void finish();
  void expect_the_end();
  GstBuffer* frame();
  std::uint64_t figure(const char* field) const;

  const std::uint64_t seed_;
  Fault fault_;
  std::atomic<bool> over_{false};
  supplier::Owned<GstElement> element_;
  supplier::Owned<GstBus> bus_;
  supplier::Owned<GstPad> source_;
  std::vector<std::unique_ptr<Branch>> staying_;

  bool states_ = false;  // the element's state changes
  std::mutex turn_;      // by one thread at a time; before stream_
  std::mutex stream_;    // as a source's streaming thread has it for what it sends; guards what follows
  bool begin_ = true;    // stream-start, caps and segment are due
  bool segment_ = false;
  std::uint32_t caps_ = 1;
  std::uint32_t generation_ = 0;
  std::uint64_t number_ = 0;
  std::uint32_t streams_ = 0;

  std::atomic<unsigned> flushes_{0}, restarts_{0}, joined_{0};
};

}  // namespace fanout_chaos
