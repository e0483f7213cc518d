// SPDX-License-Identifier: LGPL-2.1-or-later
// iceoryx 2: the writer loans and publishes chunks, the reader waits on a WaitSet. Its daemon, RouDi, is started by the benchmark.
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>

#include "iceoryx_posh/popo/untyped_publisher.hpp"
#include "iceoryx_posh/popo/untyped_subscriber.hpp"
#include "iceoryx_posh/popo/wait_set.hpp"
#include "iceoryx_posh/runtime/posh_runtime.hpp"

#include "bench.hpp"
#include "peers.hpp"

namespace bench {
namespace {

// Under names that stay: where a program comes again, the daemon clears up after the former one of that name. The ends of a case go
// without a goodbye, and it would go on delivering to the readers of all cases before.
class Iceoryx : public Transport {
 public:
  using Transport::Transport;
  void open_writer() override {
    iox::runtime::PoshRuntime::initRuntime("bench-writer");
    iox::popo::PublisherOptions options;
    options.historyCapacity = 0;
    publisher_.emplace(iox::capro::ServiceDescription{"bench", "frames", "all"}, options);
  }
  std::byte* room() override {
    loan_ = nullptr;
    publisher_->loan(static_cast<std::uint32_t>(size)).and_then([&](void* payload) { loan_ = payload; });
    return static_cast<std::byte*>(loan_);
  }
  void send() override { publisher_->publish(loan_); }

  void open_reader() override {
    iox::runtime::PoshRuntime::initRuntime("bench-reader");
    iox::popo::SubscriberOptions options;
    options.queueCapacity = 5;
    subscriber_.emplace(iox::capro::ServiceDescription{"bench", "frames", "all"}, options);
    waitset_.emplace();
    if (waitset_->attachState(*subscriber_, iox::popo::SubscriberState::HAS_DATA).has_error()) die("iceoryx: WaitSet");
  }
  const std::byte* receive() override {
    for (;;) {
      taken_ = nullptr;
      subscriber_->take().and_then([&](const void* payload) { taken_ = payload; });
      if (taken_) return static_cast<const std::byte*>(taken_);
      waitset_->wait();
    }
  }
  void release() override { subscriber_->release(taken_); }

 private:
  std::optional<iox::popo::UntypedPublisher> publisher_;
  std::optional<iox::popo::UntypedSubscriber> subscriber_;
  std::optional<iox::popo::WaitSet<>> waitset_;
  void* loan_ = nullptr;
  const void* taken_ = nullptr;
};

}  // namespace

std::unique_ptr<Transport> make_iceoryx(const std::string&, std::size_t size) {
  return std::make_unique<Iceoryx>(size);
}

Daemon::Daemon(const std::string& folder) {
  const std::string path = folder + "/roudi.toml";
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (!file) die("cannot write " + path);
  std::fputs(
      "[general]\nversion = 1\n[[segment]]\n[[segment.mempool]]\nsize = 128\ncount = 1000\n"
      "[[segment.mempool]]\nsize = 1114112\ncount = 20\n",
      file);
  std::fclose(file);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // it cleans up even if the benchmark dies
    const int log = ::open("/dev/null", O_WRONLY);
    ::dup2(log, 1);
    ::dup2(log, 2);
    ::execlp("iox-roudi", "iox-roudi", "-m", "off", "-c", path.c_str(), nullptr);
    ::_exit(1);
  }
  ::usleep(1'500'000);
  ::unlink(path.c_str());
  if (::waitpid(pid_, nullptr, WNOHANG) != 0) die("iceoryx: iox-roudi did not start");
}

Daemon::~Daemon() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
  // It tells every program it knows to end, and aborts, its memory left behind, where one has gone without a goodbye.
  ::shm_unlink("/iceoryx_mgmt");
  if (const group* own = ::getgrgid(::getegid())) ::shm_unlink(("/" + std::string(own->gr_name)).c_str());
  for (const char* left : {"roudi", "roudi.lock", "iox-unique-roudi.lock", "bench-writer.lock", "bench-reader.lock"})
    ::unlink(("/tmp/" + std::string(left)).c_str());
}

}  // namespace bench
