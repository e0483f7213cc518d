// SPDX-License-Identifier: LGPL-2.1-or-later
// A reader's connection: finds a publisher, greets it, maps its ring, hears what it says, leaves. Belongs to the reading thread; never waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "abi/wire.hpp"
#include "os/socket.hpp"
#include "reader/attachments.hpp"
#include "reader/end_of_stream.hpp"
#include "reader/publisher_locator.hpp"
#include "reader/reader.hpp"

namespace shmring {

// Result of a step that found no frame. OK: look again.
struct Outcome {
  Status status = SHMRING_OK;
  std::string text{};
};

class Connection {
 public:
  // Its descriptors are watched by `epoll`. Options and attachments outlive it.
  Connection(const ReaderOptions& options, const Fd& epoll, Attachments& attachments)
      : options_(options), epoll_(epoll), attachments_(attachments), locator_(options.socket_path) {}
  ~Connection() { detach(wire::Goodbye::closing); }
  // In a forked child, where the destructor must not run.
  void abandon();
  // Begins to look for a publisher.
  Result<void> start();

  bool attached() const { return phase_ == Phase::attached; }
  // One step towards a publisher.
  Outcome search();
  // ns that a search may wait for something to happen.
  std::uint64_t pause() const { return phase_ == Phase::searching ? locator_.pause() : UINT64_MAX; }
  // Why the last try to find a publisher failed; empty: one was found.
  const std::string& reason() const { return locator_.reason(); }

  // A frame is there that cannot be taken now.
  void frame_is_there() { spurious_wakeups_ = 0; }
  void took(std::uint64_t sequence) {
    spurious_wakeups_ = 0;
    offered_.store(true, std::memory_order_relaxed);
    if (newest_ == 0) locator_.worked();
    newest_ = sequence;
    end_.passed(sequence);
  }
  // The lane is empty: why, and what next. OK: look again; TIMEOUT: it is armed, and the next frame wakes.
  Outcome nothing_there();
  Outcome leave_violator(std::string text);
  // The ring holds what no publisher writes.
  Outcome leave_wrecked();

  EndOfStream& end() { return end_; }
  Outcome report_end();

  // Any thread: a frame came, or the publisher said that all that come are offered to this reader.
  bool offered() const { return offered_.load(std::memory_order_relaxed); }
  // Any thread: asks the publisher for a key frame. DISCONNECTED: there is none; REFUSED: its version knows no such request.
  Result<void> request_key_frame();

 private:
  enum class Phase { searching, greeting, attached };

  Outcome connect();
  Outcome attach(const wire::Welcome& welcome, Received& got);
  Outcome refusal(Status status, std::string text);
  void hear();
  void take_requests(int socket);
  void detach(std::optional<wire::Goodbye> goodbye = {});
  Outcome gone();
  bool watch(int fd, std::uint32_t events) const;
  Outcome not_watched();
  Outcome try_later(Outcome outcome = {SHMRING_TIMEOUT});

  const ReaderOptions& options_;
  const Fd& epoll_;
  Attachments& attachments_;
  PublisherLocator locator_;
  std::atomic<bool> offered_{false};

  Phase phase_ = Phase::searching;
  UntrustedFd socket_, doorbell_;
  Fd publisher_;  // its process, where the kernel can tell
  EndOfStream end_;
  bool leaving_ = false, moving_ = false;  // the publisher says goodbye; for a new ring of its own
  const char* violation_ = nullptr;        // text of the protocol violation, or NULL
  std::uint32_t spurious_wakeups_ = 0;     // in a row, without a frame
  std::uint64_t newest_ = 0;               // the last one taken from this publisher
  std::uint32_t former_pid_ = 0;           // the publisher that was left last
  std::uint64_t refused_since_ = 0;

  // For threads that ask for key frames.
  static constexpr int kNoPublisher = -1, kUnknownThere = -2;
  std::mutex requests_mutex_;
  int requests_ = kNoPublisher;  // the socket, where the publisher takes requests; guarded by the mutex
};

}  // namespace shmring
