// SPDX-License-Identifier: LGPL-2.1-or-later
// The publisher's control thread: connections, messages, ends of processes, wake-ups of several readers. It touches the slot references only
// under the spin lock, and only while nothing is being published. A publisher never waits for it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "abi/wire.hpp"
#include "os/socket.hpp"
#include "os/spin_lock.hpp"
#include "publisher/key_requests.hpp"
#include "publisher/publisher.hpp"
#include "publisher/reader_registry.hpp"
#include "publisher/rings.hpp"

namespace shmring {

// State shared by the publishing threads and the control thread.
struct PublisherShared {
  explicit PublisherShared(Fd woken_by) : event(std::move(woken_by)) {}
  static Result<Fd> make_event();
  // Any thread, one system call, never waits: there are readers to notify, or the end to announce.
  void wake_control();

  SpinLock spin_lock;
  Counter last_published_at;
  std::atomic<std::uint64_t> ended_after{0};  // the stream ended after this sequence; 0: it goes on
  std::atomic<std::uint32_t> readers{0};      // attached now
  KeyRequests key_requests;                   // of readers
  const Fd event;
  // Any thread: follows what readers took and released; adds the publishing side's numbers.
  std::function<void()> collect;
  std::function<void(shmring_ring_stats&)> fill_ring_stats;
};

class ControlLoop {
 public:
  static Result<std::unique_ptr<ControlLoop>> start(const PublisherOptions& options, PublisherShared& shared,
                                                    std::shared_ptr<Ring> ring);
  // Says goodbye to all, removes the socket file.
  ~ControlLoop();
  // In a forked child, where the destructor must not run: closes what keeps the path busy, and touches nothing of the parent's.
  void abandon();

  // Readers of the present ring are sent to the new one; `publish_there` makes it the one that frames are published in, once they have their
  // places. Waits for what the control thread is doing, never for a reader.
  void replace_ring(std::shared_ptr<Ring> ring, const std::function<void()>& publish_there);
  // Takes back what readers released of former rings. Returns the names of the readers that still hold frames, for an error message.
  std::string holders_of_former_rings();
  // Drops the frames that wait in former rings for readers on their way, so that those rings may go. False: none did.
  bool give_up_former_places();
  // Notice about the socket's path, returned once.
  std::string take_notice();
  void add_stats(RingStats& stats) const;

 private:
  // Names a connection for as long as the publisher lives. A descriptor's number cannot: within one batch of events it is closed and
  // belongs to the next connection.
  using Serial = std::uint64_t;
  // The source of an event, as epoll keeps it: the publisher's own two descriptors, a connection's socket, the process at its other end.
  static constexpr std::uint64_t kWakeTag = 0, kListenerTag = 1;
  static constexpr std::uint64_t socket_tag(Serial serial) { return 2 * serial; }
  static constexpr std::uint64_t process_tag(Serial serial) { return 2 * serial + 1; }
  struct Connection {
    enum class Stage { greeting, mapping, reading, observing } stage = Stage::greeting;
    Serial serial = 0;
    UntrustedFd socket;
    Peer peer;
    std::uint64_t features = 0;     // in use
    std::uint64_t deadline = 0;     // of the handshake
    std::uint64_t rests_until = 0;  // what it asks meanwhile has to wait
    std::shared_ptr<Lane> lane;     // mapping, reading; it owns the socket then
    bool comes_on = false;          // it was sent here from a former ring: the same attachment goes on
    bool goes_on = false;           // it leaves for the new ring that it was told of
    bool told_offered = false;      // that every frame is offered to it from now on
    std::uint64_t told_end = 0;     // the end that it was told of
    int fd() const { return lane ? lane->socket.get() : socket.get(); }
  };
  // A reader that hung up without a goodbye: how its process ends decides whether it is reported as dead or as having left.
  struct Departure {
    std::string name;
    std::uint32_t generation;
    ProcessId process;
    Fd pidfd;
    std::uint64_t deadline;
  };
  using Departures = std::map<Serial, Departure>;  // by the serial of the connection that was
  static constexpr const char* kClosedUnexpectedly = "its connection closed unexpectedly";  // the reason then
  // Next step for a connection after a message.
  enum class Next { keep, close };
  // The result of serve(): perhaps more messages, none for now, or the connection's end.
  enum class Served { some, none, ended };

  ControlLoop(const PublisherOptions& options, PublisherShared& shared, std::shared_ptr<Ring> ring, Listener listener,
              Fd epoll);
  void run();
  void round();
  int next_timeout() const;
  void handle(std::uint64_t tag);
  bool watch(int fd, std::uint32_t events, std::uint64_t tag);
  void set_events(const Connection& connection, std::uint32_t events);

  // connections
  void accept_all();
  void rest_listener();
  void make_room_for_greeting();
  Served serve(Connection& connection);
  Next on_key(Connection& connection);
  void rest(Connection& connection);
  void disconnect(Connection& connection, const Violation& violation);
  void drop(Serial serial);
  void handle_deadlines();
  void check_path();

  // the handshake: handshake.cpp
  Next on_hello(Connection& connection, const wire::Hello& hello);
  Next welcome_reader(Connection& connection, const wire::Hello& hello, wire::Welcome welcome);
  Next on_mapped(Connection& connection);
  Next refuse(Connection& connection, Status status, const std::string& text);

  // ends of readers: reader_ends.cpp
  void end_lane(Connection& connection, const std::string& reason);
  void end_lost_lane(Connection& connection);
  void end_if_gone(Serial serial);
  void find_the_gone();
  void disconnect_violators();
  void judge(Departures::iterator departed);
  Departures::iterator forget(Departures::iterator departed);
  bool departs(const std::string& name, std::uint32_t generation) const;

  // what readers are told
  void notify_sleepers();
  void announce();
  bool has_first_frame(const Connection& connection) const;
  void follow_lanes();

  Next send_stats(Connection& connection);
  void fill_stats(RingStats& stats) const;

  const PublisherOptions options_;
  PublisherShared& shared_;
  Listener listener_;
  const Fd epoll_, own_pidfd_;
  std::atomic<bool> stop_{false};

  // Guards all below, which the control thread, stats and replace_ring share. Never taken while publishing.
  mutable std::mutex mutex_;
  ReaderRegistry registry_;
  Rings rings_;
  Serial last_serial_ = 0;
  std::map<Serial, Connection> connections_;
  Departures departures_;
  std::uint64_t listener_rests_until_ = 0;
  std::uint64_t path_looked_at_;
  bool path_taken_ = false;  // by another publisher
  std::string notice_;
  std::uint64_t refused_readers_ = 0;
  std::array<std::uint64_t, SHMRING_VIOLATIONS> violations_{};

  std::thread thread_;
};

}  // namespace shmring
