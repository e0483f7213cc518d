// SPDX-License-Identifier: LGPL-2.1-or-later
// Knows each reader name over all its lanes and processes: how often it attached, why it ended, its account. Knows no socket.
// Guarded by the control thread's lock.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "abi/stats.hpp"
#include "publisher/lane.hpp"

namespace shmring {

class ReaderRegistry {
 public:
  // Its reader is sent on to a new ring. Takes a handle of its own of the process; times are ns.
  void sent_on(const Lane& lane, std::uint64_t now);
  // True if a process that greets under this name is the one that was sent on: its attachment goes on. A number is a process's own as long
  // as the process lives, so this is asked when it greets: by the time of what it says next it may have ended.
  bool was_sent_on(const std::string& name, std::uint32_t pid) const;
  // A reader that is let in before it attached, and is sent on at once.
  void count_attachment(const std::string& name) { ++of(name).generation; }
  // It has its lane in a former ring, whose frames it takes first.
  void on_its_way(const std::string& name);
  // It has its lane in the present ring. Returns how often the name has attached.
  std::uint32_t attached(const std::string& name, bool goes_on);
  // Its lane ended; an empty reason: by itself. `goes_on`: it leaves for the ring that it was sent on to.
  void ended(const std::string& name, const std::string& reason, bool goes_on, std::uint64_t now);
  // Since when it is between two rings, ns; 0: it is not.
  std::uint64_t on_its_way_since(const std::string& name) const;

  std::uint32_t generation(const std::string& name) const;
  // The reason of an attachment that ended, found later; a newer one has its own.
  void explain(const std::string& name, std::uint32_t generation, const std::string& reason);

  // Adds the account of a lane that is freed.
  void add(const Lane& lane);
  // The accounts of all names, those attached first. `lanes`: all that are not freed. `ending`: whether an attachment has hung up while its
  // process may live, and counts as attached until that is known.
  std::vector<shmring_reader_account> accounts(
      std::span<const Lane* const> lanes, std::uint64_t last_published_at,
      const std::function<bool(const std::string& name, std::uint32_t generation)>& ending) const;

 private:
  struct Entry {
    std::uint32_t generation = 0;
    std::uint32_t sent_on = 0;       // the process that is to come again, because its ring was replaced …
    Fd sent_on_process;              // … its handle, where there is one …
    std::uint64_t sent_on_at = 0;    // … and since when
    std::uint64_t left_at = 0;       // it left a ring for the next one then, and did not come there yet; 0: it did not
    std::uint64_t gone_at = 0;       // 0: it is attached
    shmring_reader_account total{};  // of lanes that are freed
    Histogram age, hold;
  };

  Entry& of(const std::string& name);
  const Entry* find(const std::string& name) const;

  std::map<std::string, Entry> entries_;
};

}  // namespace shmring
