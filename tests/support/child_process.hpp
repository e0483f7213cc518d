// SPDX-License-Identifier: LGPL-2.1-or-later
// A real process of a test's own: started, stopped, continued, killed and waited for by its number. It never outlives
// the test.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace support {

// End of a process: its exit code, or the signal that killed it.
struct Ending {
  int code = 0;
  int signal = 0;
  bool success() const { return code == 0 && signal == 0; }
};

class ChildProcess {
 public:
  struct Options {
    std::vector<std::pair<std::string, std::string>> environment;  // added to ours
    std::string folder;                                            // its working folder; empty: ours
  };

  // Runs argv[0], looked up in PATH; standard output and error go to a file that output() reads. Throws
  // std::system_error when it cannot be started. Start children from a thread that lives as long as they do: they are
  // killed when it ends.
  static ChildProcess spawn(std::vector<std::string> argv, Options options);
  static ChildProcess spawn(std::vector<std::string> argv) { return spawn(std::move(argv), Options{}); }
  // Runs `body` in a fork of this process, without exec; its result is the exit code. For what only a fork shows.
  static ChildProcess fork(const std::function<int()>& body);

  ChildProcess() = default;
  ChildProcess(ChildProcess&& other) noexcept { swap(other); }
  ChildProcess& operator=(ChildProcess&& other) noexcept {
    swap(other);
    return *this;
  }
  ~ChildProcess();  // SIGKILL, and wait for it

  pid_t pid() const { return pid_; }
  bool running();

  void signal(int number);
  void kill();       // SIGKILL, and wait until it is gone
  void stop();       // SIGSTOP, and wait until it stands still
  void resume();     // SIGCONT
  void interrupt();  // SIGINT, what gst-launch-1.0 -e answers with EOS

  // End of the process; nothing if it still runs after `limit`.
  std::optional<Ending> wait(std::chrono::milliseconds limit = std::chrono::seconds(30));
  // Output so far.
  std::string output() const;
  // Tells whether it writes `text` within `limit`; false also if it ends without.
  bool says(const std::string& text, std::chrono::milliseconds limit = std::chrono::seconds(30));

 private:
  void swap(ChildProcess& other) noexcept;

  pid_t pid_ = -1;
  int output_ = -1;  // an unnamed file
  std::optional<Ending> ending_;
};

// The child of a process that was killed: it keeps copies of its parent's memory and descriptors until this object is destroyed.
class Orphan {
 public:
  // `parent` runs in a fork of this process and calls `leave_child` at its end.
  explicit Orphan(const std::function<void(void (*leave_child)())>& parent);
  ~Orphan();
  Orphan(const Orphan&) = delete;
  Orphan& operator=(const Orphan&) = delete;

 private:
  pid_t pid_;
};

}  // namespace support
