// SPDX-License-Identifier: LGPL-2.1-or-later
// The other ways in which a process ends or multiplies: a core dump, a fork that stays, a child that keeps its dead parent's socket, a close
// with frames in hand. What a plain kill does is the crash matrix's.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "child_process.hpp"
#include "footprint.hpp"
#include "hostile_peer.hpp"
#include "os/socket.hpp"
#include "reader/observer.hpp"
#include "ring_fixture.hpp"

namespace shmring {
namespace {

using chaos::Footprint;
using support::ChildProcess;

class Ends : public RingFixture {
 protected:
  void SetUp() override {
    open_publisher();
    witness = attach("witness");
    ASSERT_EQ(publish(), SHMRING_OK);
    EXPECT_EQ(next(*witness), 1u);
  }
  void expect_service(int frames = 50) {
    for (int i = 0; i < frames && !HasFailure(); ++i) {
      ASSERT_EQ(publish(), SHMRING_OK);
      auto frame = witness->read(kPatience);
      ASSERT_TRUE(frame) << frame.error().text;
      EXPECT_EQ(checked(*frame), publisher->stats().ring.offered);
    }
    expect_balance();
    EXPECT_EQ(lane("witness").dropped, 0u);
  }
  std::unique_ptr<Reader> witness;
};

TEST_F(Ends, AReaderThatDumpsItsCoreGivesItsPlaceBackAndNoFrameIsInTheDump) {
  constexpr std::uint64_t kSlot = 8 << 20;
  witness.reset();
  publisher.reset();
  auto o = publisher_options();
  o.slot_size = kSlot;
  o.loans = o.depth = o.max_held = 1;
  o.max_readers = 1;
  publisher = open(o);
  const std::string mark = "bytes of a frame that belong in no core dump";
  std::vector<std::byte> bytes(kSlot);
  for (std::size_t at = 0; at + mark.size() < kSlot; at += 4096)
    std::memcpy(bytes.data() + at, mark.data(), mark.size());
  ASSERT_EQ(write(bytes), SHMRING_OK);
  const std::string folder = dir.file("dumps");
  std::filesystem::create_directory(folder);
  std::vector<std::byte>().swap(bytes);  // an empty list would only clear it
  auto reader = ChildProcess::fork([&] {
    // A sanitizer's own memory would take hours to write.
    const rlim_t largest = support::kSanitized ? 0 : RLIM_INFINITY;
    const rlimit all{largest, largest};
    ::setrlimit(RLIMIT_CORE, &all);
    ::prctl(PR_SET_DUMPABLE, 1);
    if (::chdir(folder.c_str()) != 0) return 1;
    std::signal(SIGSEGV, SIG_DFL);
    const auto r = open(reader_options("first"));
    auto frame = r->read(kPatience);
    if (!frame) return 2;
    std::raise(SIGSEGV);
    return 3;
  });
  const auto ending = reader.wait(std::chrono::seconds(60));
  ASSERT_TRUE(ending);
  EXPECT_EQ(ending->signal, SIGSEGV) << ending->code;
  const auto second = open(reader_options("second"));
  const auto frame = second->read(kPatience);
  EXPECT_TRUE(frame) << frame.error().text;
  const auto dumps = support::TempDir::names_in(folder);
  if (dumps.empty()) std::cout << "no core is written to files here: its contents were not looked at" << std::endl;
  for (const auto& name : dumps) {
    std::ifstream dump(folder + "/" + name, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(dump)), {});
    // Its own constant is in there, and the text of this program: a few times at most, and not once a page.
    std::size_t found = 0;
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) ++found;
    EXPECT_LT(found, 10u) << "in a dump of " << text.size() << " bytes";
    EXPECT_GT(text.size(), 10'000u);
  }
}

TEST_F(Ends, AReaderThatClosesWithFramesInHandKeepsThemAndNoOtherWaits) {
  auto o = reader_options("holder");
  o.max_held = 3;
  auto holder = attach(o);
  std::vector<Frame> held;
  for (int i = 0; i < 3; ++i) {
    expect_service(1);
    held.push_back(*holder->read(kPatience));
  }
  const Footprint before = Footprint::of();
  holder.reset();
  EXPECT_TRUE(support::eventually([&] { return !active("holder"); }));
  expect_service();
  for (const Frame& frame : held) checked(frame);
  // Its name and its place are free at once, what it holds is not.
  {
    const auto again = attach("holder");
    expect_service();
    for (const Frame& frame : held) checked(frame);
  }
  held.clear();
  EXPECT_TRUE(all_slots_back());
  EXPECT_TRUE(support::eventually([&] { return Footprint::of().within(before); })) << Footprint::of();
}

TEST_F(Ends, AForkThatDropsItsViewsWhileItsParentReadsOnTakesNothingAway) {
  auto parent = ChildProcess::fork([&] {
    const auto reader = open(reader_options("parent"));
    std::vector<Frame> held;
    for (int i = 0; i < 2; ++i) {
      auto frame = reader->read(kPatience);
      if (!frame) return 1;
      held.push_back(*std::move(frame));
    }
    for (int forks = 0; forks < 20; ++forks) {
      auto child = ChildProcess::fork([&] {
        for (const Frame& frame : held)
          if (!support::payload_intact(frame.bytes())) return 1;
        held.clear();
        return reader->read(0).status() == SHMRING_FORKED ? 0 : 2;
      });
      for (int i = 0; i < 5; ++i) {
        auto frame = reader->read(kPatience);
        if (!frame || !support::payload_intact(frame->bytes())) return 3;
        for (const Frame& kept : held)
          if (!support::payload_intact(kept.bytes())) return 4;
      }
      const auto ending = child.wait();
      if (!ending || !ending->success()) return 5;
    }
    return reader->held() == 2 ? 0 : 6;
  });
  while (parent.running()) expect_service(1), ::usleep(300);
  EXPECT_EQ(parent.wait()->code, 0);
  EXPECT_TRUE(all_slots_back());
}

// Ends a reader's process: by `end`, with a frame in hand, without closing the reader.
class EndsWithoutAGoodbye : public Ends {
 protected:
  template <class End>
  std::string reason_after(End end) {
    const std::string name = "worker-" + std::to_string(++workers);  // one of the same name is not given the same frame
    auto worker = ChildProcess::fork([&] {
      const auto reader = open(reader_options(name));
      const auto frame = reader->read(kPatience);
      if (frame) end();
      return 99;
    });
    const auto ending = worker.wait(std::chrono::seconds(60));
    EXPECT_TRUE(ending && ending->code != 99) << "it got no frame";
    EXPECT_TRUE(support::eventually([&] { return !active(name); }));
    const std::string reason = lane(name).reason;
    EXPECT_TRUE(all_slots_back());
    return reason;
  }
  int workers = 0;
};

TEST_F(EndsWithoutAGoodbye, AProgramThatEndsByItselfHasLeft) {
  EXPECT_EQ(reason_after([] { ::_exit(0); }), "");
  EXPECT_EQ(reason_after([] { ::_exit(3); }), "");
}

TEST_F(EndsWithoutAGoodbye, AProcessThatIsKilledIsDeadAndItsSignalIsNamed) {
  EXPECT_EQ(reason_after([] { ::raise(SIGKILL); }), "its process was killed by signal 9 (SIGKILL)");
  EXPECT_EQ(reason_after([] {
              std::signal(SIGTERM, SIG_DFL);
              ::raise(SIGTERM);
            }),
            "its process was killed by signal 15 (SIGTERM)");
}

// While its publisher stands still a reader is closed and its process killed, and another one comes: the publisher finds the goodbye, the
// hang-up, the process's end and a greeting, which asks who is gone, at once.
TEST_F(Ends, AGoodbyeThatWaitsInTheQueueIsHeardBeforeTheEndIsJudged) {
  witness.reset();
  publisher.reset();
  auto process = ChildProcess::spawn({RING_ACTOR, "publish", path, "max_readers=4"});
  ASSERT_TRUE(process.says("publishing"));
  auto leaving = ChildProcess::fork([&] {
    auto reader = open(reader_options("leaving"));
    if (!reader->read(kPatience)) return 1;
    ::raise(SIGSTOP);
    reader.reset();
    ::raise(SIGKILL);
    return 2;
  });
  int stopped = 0;
  ASSERT_EQ(::waitpid(leaving.pid(), &stopped, WUNTRACED), leaving.pid());
  process.stop();
  const auto coming = open(reader_options("coming"));
  EXPECT_EQ(coming->read(0).status(), SHMRING_TIMEOUT);  // its greeting is sent
  leaving.resume();
  EXPECT_EQ(leaving.wait()->signal, SIGKILL);
  process.resume();
  ASSERT_TRUE(coming->read(kPatience));
  auto observer = Observer::open(path, kPatience);
  ASSERT_TRUE(observer) << observer.error().text;
  auto stats = (*observer)->stats(kPatience);
  ASSERT_TRUE(stats) << stats.error().text;
  ASSERT_EQ(stats->accounts.size(), 2u);
  for (const auto& lane : stats->accounts) EXPECT_STREQ(lane.reason, "") << lane.worker;
}

// The publisher keeps the handle of a process that it has sent on to a new ring, and must not be woken by it again and again.
TEST_F(Ends, AReaderThatIsKilledOnItsWayToANewRingKeepsNoThreadBusy) {
  const auto processor_time = [] {
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1'000'000'000 + t.tv_nsec;
  };
  constexpr long kLook = 300'000'000;  // ns
  // Freeing its pages keeps a process that was killed for some milliseconds between the hang-up and its end.
  const auto make_end_slow = [] { return ::posix_fallocate(::memfd_create("slow to close", 0), 0, 32 << 20) == 0; };
  for (int round = 0; round < 6 && !HasFailure(); ++round) {
    auto worker = ChildProcess::fork([&] {
      bool slow = make_end_slow();
      const auto reader = open(reader_options("worker"));
      while (!reader->connected()) (void)reader->read(1'000'000);
      slow = make_end_slow() && slow;
      if (slow) ::raise(SIGSTOP);
      return 0;
    });
    int stopped = 0;
    ASSERT_EQ(::waitpid(worker.pid(), &stopped, WUNTRACED), worker.pid());
    ASSERT_TRUE(WIFSTOPPED(stopped)) << "there is no memory for this test";
    ASSERT_TRUE(publisher->resize(publisher->slot_size()));
    worker.kill();
    EXPECT_TRUE(support::eventually([&] { return !active("worker"); }));
    expect_service(5);
    const auto before = processor_time();
    ::usleep(kLook / 1000);
    EXPECT_LT(processor_time() - before, kLook / 2);
  }
}

// Its second greeting was heard while it lived, and what it said after the welcome is found when it is gone.
TEST_F(Ends, AReaderThatComesToANewRingAndEndsAtOnceWasAttachedOnce) {
  witness.reset();
  publisher.reset();
  sigset_t told;
  sigemptyset(&told);
  sigaddset(&told, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &told, nullptr);  // in the children, too
  const auto says = [](const char* text) {
    std::puts(text);
    std::fflush(stdout);
  };
  const auto await_order = [&] {
    int signal = 0;
    ::sigwait(&told, &signal);
  };
  auto publishing = ChildProcess::fork([&] {
    const auto p = open(publisher_options());
    says("publishing");
    await_order();
    if (!p->resize(2 * p->slot_size())) return 1;
    says("resized");
    await_order();
    return 0;
  });
  ASSERT_TRUE(publishing.says("publishing"));
  auto reading = ChildProcess::fork([&] {
    for (const char* const come : {"came", "came again"}) {
      auto peer = HostilePeer::connect(path);
      if (!send_message(peer.socket.get(), HostilePeer::hello("worker")) || !peer.await_welcome()) return 1;
      says(come);
      await_order();
      if (!send_message(peer.socket.get(), wire::make<wire::Mapped>())) return 2;
      if (come == std::string("came again")) break;
      if (!peer.is_sent_away()) return 3;
    }
    ::_exit(0);
  });
  ASSERT_TRUE(reading.says("came\n"));
  publishing.signal(SIGUSR1);
  ASSERT_TRUE(publishing.says("resized"));
  reading.signal(SIGUSR1);
  ASSERT_TRUE(reading.says("came again")) << reading.output();
  publishing.stop();
  reading.signal(SIGUSR1);
  const auto ending = reading.wait();
  ASSERT_TRUE(ending && ending->success()) << reading.output();
  publishing.resume();
  auto observer = Observer::open(path, kPatience);
  ASSERT_TRUE(observer) << observer.error().text;
  auto stats = (*observer)->stats(kPatience);
  ASSERT_TRUE(stats) << stats.error().text;
  ASSERT_EQ(stats->accounts.size(), 1u);
  EXPECT_EQ(stats->accounts[0].generation, 1u);
}

// As Python's multiprocessing leaves one: the child has the listening socket and never accepts.
TEST_F(Ends, ReadersThatGreetADeadPublishersChildFindTheNextPublisher) {
  witness.reset();
  publisher.reset();
  const support::Orphan child([&](auto leave_child) {
    const auto p = open(publisher_options());
    leave_child();
  });
  const auto reader = open(reader_options("reader"));
  EXPECT_EQ(reader->read(300'000'000).status(), SHMRING_TIMEOUT);
  open_publisher();
  ASSERT_EQ(publish(), SHMRING_OK);
  auto frame = reader->read(kPatience);
  EXPECT_TRUE(frame) << frame.error().text;
}

// A full queue at a publisher that stands still is no reason to take its path.
TEST_F(Ends, ASecondPublisherDoesNotTakeThePathOfAStoppedOneWhoseQueueIsFull) {
  witness.reset();
  publisher.reset();
  auto stopped = ChildProcess::spawn({RING_ACTOR, "publish", path});
  ASSERT_TRUE(stopped.says("publishing"));
  stopped.stop();
  std::vector<Fd> crowd;
  for (;;) {
    auto one = connect_to(path);
    if (!one) {
      EXPECT_EQ(one.status(), SHMRING_IN_USE) << one.error().text;
      break;
    }
    crowd.push_back(*std::move(one));
  }
  auto second = Publisher::open(publisher_options());
  EXPECT_EQ(second.status(), SHMRING_IN_USE);
  crowd.clear();
  stopped.resume();
  const auto reader = open(reader_options("reader"));
  EXPECT_TRUE(reader->read(kPatience));
}

}  // namespace
}  // namespace shmring
