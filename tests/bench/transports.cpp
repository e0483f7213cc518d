// SPDX-License-Identifier: LGPL-2.1-or-later
// The ring, the floors, and the rivals that need no library.
#include "transports.hpp"

#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>

#include <shmring/shmring.h>

#include "bench.hpp"
#include "peers.hpp"

namespace bench {
namespace {

void check(shmring_status status, const char* what) {
  if (status != SHMRING_OK) die(std::string(what) + ": " + shmring_last_error());
}

class RingTransport : public Transport {
 public:
  RingTransport(const std::string& folder, std::size_t frame_size, shmring_wake wake, bool copy,
                shmring_policy policy = SHMRING_POLICY_DEFAULT)
      : Transport(frame_size), path_(folder + "/ring.sock"), wake_(wake), copy_(copy), policy_(policy) {}
  ~RingTransport() override {
    shmring_reader_close(reader_);
    shmring_publisher_close(publisher_);
  }
  void open_writer() override {
    shmring_publisher_options options = SHMRING_PUBLISHER_OPTIONS_INIT;
    options.socket_path = path_.c_str();
    options.slot_size = size;
    check(shmring_publisher_open(&options, &publisher_), "publisher");
    if (copy_) own_.resize(size);
  }
  std::byte* room() override {
    // A frame for a full lane would be dropped: here every frame is to arrive, so room is asked for instead.
    if (copy_) return own_.data();
    if (shmring_publisher_loan(publisher_, &loan_) != SHMRING_OK) return nullptr;
    return static_cast<std::byte*>(loan_.data);
  }
  void send() override {
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.size = size;
    if (copy_)
      check(shmring_publisher_write(publisher_, own_.data(), &info), "write");
    else
      check(shmring_publisher_publish(publisher_, &loan_, &info), "publish");
  }
  void open_reader() override {
    shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    options.socket_path = path_.c_str();
    options.worker = "bench";
    options.wake = wake_;
    options.drop_policy = policy_;
    check(shmring_reader_open(&options, &reader_), "reader");
  }
  const std::byte* receive() override {
    check(shmring_reader_read(reader_, SHMRING_WAIT_FOREVER, &frame_), "read");
    return static_cast<const std::byte*>(shmring_frame_data(frame_));
  }
  void release() override { shmring_frame_release(frame_); }

 private:
  const std::string path_;
  const shmring_wake wake_;
  const bool copy_;
  const shmring_policy policy_;
  shmring_publisher* publisher_ = nullptr;
  shmring_reader* reader_ = nullptr;
  shmring_loan loan_ = SHMRING_LOAN_INIT;
  shmring_frame* frame_ = nullptr;
  std::vector<std::byte> own_;
};

// A plain shared mapping with one frame, and a wake-up: nothing can be faster that sleeps.
class BareWake : public Transport {
 public:
  BareWake(std::size_t frame_size, bool futex)
      : Transport(frame_size),
        word_(share<std::atomic<std::uint32_t>>()),
        frame_(static_cast<std::byte*>(share(frame_size))),
        futex_(futex) {}
  ~BareWake() override { ::close(event_); }
  std::byte* room() override { return frame_; }
  void send() override {
    if (futex_) {
      word_->fetch_add(1, std::memory_order_release);
      ::syscall(SYS_futex, word_, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
    } else {
      const std::uint64_t one = 1;
      if (::write(event_, &one, sizeof one) != sizeof one) die("eventfd");
    }
  }
  const std::byte* receive() override {
    if (futex_) {
      while (word_->load(std::memory_order_acquire) == seen_)
        ::syscall(SYS_futex, word_, FUTEX_WAIT, seen_, nullptr, nullptr, 0);
      seen_ = word_->load(std::memory_order_acquire);
    } else {
      std::uint64_t count;
      if (::read(event_, &count, sizeof count) != sizeof count) die("eventfd");
    }
    return frame_;
  }

 private:
  std::atomic<std::uint32_t>* word_;
  std::byte* frame_;
  const bool futex_;
  const int event_ = ::eventfd(0, 0);
  std::uint32_t seen_ = 0;
};

// A byte stream: pipe, unix socket, TCP over loopback. The payload is copied into the kernel and out of it.
class Stream : public Transport {
 public:
  Stream(std::size_t frame_size, int from, int to) : Transport(frame_size), from_(from), to_(to), frame_(frame_size) {}
  ~Stream() override {
    ::close(from_);
    ::close(to_);
  }
  std::byte* room() override { return frame_.data(); }
  void send() override {
    for (std::size_t done = 0; done < size;) {
      const ssize_t n = ::write(to_, frame_.data() + done, size - done);
      if (n <= 0) die("stream: write failed");
      done += static_cast<std::size_t>(n);
    }
  }
  const std::byte* receive() override {
    for (std::size_t done = 0; done < size;) {
      const ssize_t n = ::read(from_, frame_.data() + done, size - done);
      if (n <= 0) die("stream: read failed");
      done += static_cast<std::size_t>(n);
    }
    return frame_.data();
  }

 private:
  const int from_, to_;
  std::vector<std::byte> frame_;
};

std::unique_ptr<Transport> make_pipe(std::size_t size) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) die("pipe");
  return std::make_unique<Stream>(size, ends[0], ends[1]);
}

std::unique_ptr<Transport> make_unix_socket(std::size_t size) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) die("socketpair");
  return std::make_unique<Stream>(size, ends[0], ends[1]);
}

std::unique_ptr<Transport> make_tcp(std::size_t size) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(listener, 1) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0)
    die("tcp");
  const int to = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(to, reinterpret_cast<sockaddr*>(&address), length) != 0) die("tcp");
  const int from = ::accept(listener, nullptr, nullptr);
  ::close(listener);
  const int on = 1;
  ::setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return std::make_unique<Stream>(size, from, to);
}

}  // namespace

std::vector<TransportKind> our_rings() {
  const auto ring = [](shmring_wake wake, bool copy) {
    return [=](const std::string& folder, std::size_t size) {
      return std::make_unique<RingTransport>(folder, size, wake, copy);
    };
  };
  return {{"ring block", ring(SHMRING_WAKE_BLOCK, false)},
          {"ring adaptive", ring(SHMRING_WAKE_ADAPTIVE, false)},
          {"ring copying", ring(SHMRING_WAKE_BLOCK, true)}};
}

TransportKind latest_ring() {
  return {"ring latest", [](const std::string& folder, std::size_t size) {
            return std::make_unique<RingTransport>(folder, size, SHMRING_WAKE_BLOCK, false, SHMRING_LATEST);
          }};
}

std::vector<TransportKind> rivals() {
  std::vector<TransportKind> all = {
      {"unix socket", [](const std::string&, std::size_t size) { return make_unix_socket(size); }},
      {"pipe", [](const std::string&, std::size_t size) { return make_pipe(size); }},
      {"TCP", [](const std::string&, std::size_t size) { return make_tcp(size); }},
  };
#ifdef HAVE_ZEROMQ
  all.push_back({"ZeroMQ ipc", make_zeromq});
#endif
#ifdef HAVE_ICEORYX
  all.push_back({"iceoryx WaitSet", make_iceoryx});
#endif
  return all;
}

std::vector<TransportKind> bare_wakes() {
  return {{"eventfd", [](const std::string&, std::size_t size) { return std::make_unique<BareWake>(size, false); }},
          {"futex", [](const std::string&, std::size_t size) { return std::make_unique<BareWake>(size, true); }}};
}

}  // namespace bench
