// SPDX-License-Identifier: LGPL-2.1-or-later
// The rings of one publisher: the present one, and former ones for as long as frames of theirs are held or wait for readers. And the places of
// readers in them. Knows no socket. Guarded by the control thread's lock.
//
// A reader that is on its way to a new ring has its lane there before it is told, so that no frame is lost to it meanwhile; when the ring is
// replaced again before it came, what waits for it stays there, and it takes every ring in turn.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "publisher/admission.hpp"
#include "publisher/reader_registry.hpp"
#include "publisher/ring.hpp"

namespace shmring {

class Rings {
 public:
  // Keeps `readers` at the number of readers of the present ring, those on their way to it included.
  Rings(const PublisherOptions& options, std::shared_ptr<Ring> first, ReaderRegistry& registry,
        std::atomic<std::uint32_t>& readers);

  Ring& present() const { return *present_; }
  std::size_t former() const { return former_.size(); }
  bool in_present(const Lane& lane) const { return lane.ring_id == present_->id(); }
  // The ring that the lane is of; none once that is forgotten.
  Ring* of(const Lane& lane) const;
  // All lanes that are not freed.
  std::vector<const Lane*> lanes() const;

  // The place that is kept for a reader, or a lane of the present ring that is not offered anything yet; that one takes the handle. Or why
  // there is none.
  Result<std::shared_ptr<Lane>> let_in(const std::string& name, const Lane::Ask& asked, ProcessId process, Fd& pidfd);
  // Its reader has mapped the lane, of the present ring: it is offered frames from now on.
  void begin(const std::shared_ptr<Lane>& lane);
  // Its reader takes what waits in a ring that was replaced, and comes again.
  void drain(Lane& lane) const;
  // Its reader left, or will not come: what waits is taken back.
  void end(Lane& lane) const;
  // Its process is gone: what it held comes back, too.
  void free(Lane& lane) const;

  // Readers get their places in the new ring; then `publish_there` makes it the one that frames are published in. Lanes whose reader has not
  // mapped them yet are of no ring any more: retired.
  void replace(std::shared_ptr<Ring> ring, const std::function<void()>& publish_there);
  // Drops the frames that wait in former rings. False: none did.
  bool give_up_former_places() const;
  // The places of a reader that will not come.
  void give_up_places(const std::string& name, std::uint32_t pid) const;

  // Frees lanes whose process is gone, gives up places whose reader does not come, forgets rings that are not held any more. `now` in ns. What
  // it wants of the present ring's lanes is carried out by the publishing side.
  void follow(std::uint64_t now);
  // Tells whether follow() has something to look at now and then.
  bool to_follow() const;
  void forget_freed_lanes() { forget_freed(*present_); }
  // Stats of former rings are current then.
  void collect_former() const;

  // Frames.
  std::uint64_t held_of_former(const std::string& name, std::uint32_t pid) const;
  // "3 frames by 'a' (process 7), 1 frames by 'b' (process 9)", or empty.
  std::string holders_of_former() const;

 private:
  template <class Each>
  void each_place(Each each) const;
  std::shared_ptr<Lane> kept_place(const std::string& name, const Lane::Ask& asked, std::uint32_t pid);
  Result<std::shared_ptr<Lane>> make_lane(const std::string& name, const Lane::Ask& asked, ProcessId process,
                                          Fd pidfd) const;
  void keep_places(const Ring& former);
  void look_at_place(Lane& lane, std::uint64_t now);
  void forget_freed(Ring& ring);
  void count_readers() const;

  const PublisherOptions& options_;
  ReaderRegistry& registry_;
  std::atomic<std::uint32_t>& readers_;
  std::shared_ptr<Ring> present_;
  std::vector<std::shared_ptr<Ring>> former_;  // the oldest first; only this side uses them: no spin lock
  std::vector<std::weak_ptr<Lane>> coming_;    // lanes of the present ring whose reader has not mapped them yet
};

}  // namespace shmring
