// SPDX-License-Identifier: LGPL-2.1-or-later
// One round of the schedule: publishers and readers are started, ordered about, stopped and killed at random; then all comes to rest and
// the accounts are compared. A round's seed decides its whole plan.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "board.hpp"
#include "child_process.hpp"
#include "random.hpp"
#include "snapshot.hpp"
#include "temp_dir.hpp"

namespace chaos {

class Round {
 public:
  Round(std::string program, std::uint64_t seed, double seconds);
  ~Round();

  // The fault, with the last events; empty: none.
  std::string run();
  std::string summary() const;

 private:
  struct Path {
    std::uint32_t publisher = kMaxPublishers;  // the present one's number
    support::ChildProcess process;
    bool stopped = false;
    PublisherPlan plan{};
    shmring_observer* observer = nullptr;
    std::unique_ptr<Snapshots> seen;
  };
  struct Worker {
    support::ChildProcess process;
    bool there = false, stopped = false;
  };

  void plan();
  void disturb();
  void come_to_rest();

  // publishers
  void start_publisher(std::uint32_t path);
  void kill_publisher(Path& path);
  void close_publisher(Path& path);
  void rival(std::uint32_t path);
  void obey(Path& path, Order order);
  // readers
  void start_reader(std::uint32_t number);
  void kill_reader(std::uint32_t number);
  void send_reader_off(std::uint32_t number, Order order);
  void crowd(std::uint32_t path);
  void await_frames();
  std::string state_of(std::uint32_t number) const;
  void await_the_end();

  // Looks at the publisher's figures through an observer; false: there was no answer.
  bool look(Path& path);
  void stop_looking(Path& path);
  void check_account(Path& path);
  // Why it is not at rest; empty: it is.
  std::string unsettled(Path& path) const;
  void check_children();
  // Waits for as long as a machine under any load may need; a fault of any process ends it.
  void await(const std::string& what, const std::function<bool()>& holds, const std::string* seen = nullptr);
  bool kernel_keeps_one() const;
  void note(const std::string& what) { board_->note("schedule", what); }
  support::ChildProcess spawn(const char* role, std::uint32_t number);

  const std::string program_;
  const double seconds_;
  Random random_;
  support::TempDir sockets_, memory_;
  Board* const board_;
  std::vector<Path> paths_;
  std::vector<Worker> workers_;
  std::string jitter_;
  bool one_cpu_ = false;
  std::uint64_t looks_ = 0;
};

}  // namespace chaos
