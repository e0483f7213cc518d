// SPDX-License-Identifier: LGPL-2.1-or-later
// Scarce resources: descriptors, memory, room in the folder. Each time an error message says so, no other reader loses a frame, and all goes
// on when there is enough again. What needs rights that are not there (a control group, a mount) is skipped and says so.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include <gtest/gtest.h>

#include "child_process.hpp"
#include "footprint.hpp"
#include "os/fd.hpp"
#include "os/untrusted_fd.hpp"
#include "ring_fixture.hpp"

namespace shmring {
namespace {

using chaos::Footprint;
using support::ChildProcess;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Lets a process go on when it is told to.
struct Gate {
  Fd in, out;
  Gate() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    in = Fd(ends[0]);
    out = Fd(ends[1]);
  }
  void open() const { EXPECT_EQ(::write(out.get(), "x", 1), 1); }
  void pass() const {
    char byte;
    [[maybe_unused]] const auto got = ::read(in.get(), &byte, 1);
  }
};

class OutOfDescriptors : public RingFixture {
 protected:
  // Takes all that this process may have, but `left`.
  void take_all(std::size_t left = 0) {
    // A former reader's foreign descriptors are closed by a thread, perhaps still: they would be given back behind our back.
    ASSERT_TRUE(support::eventually([] { return UntrustedFd::closing() == 0; }));
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlimit low{std::min<rlim_t>(limit.rlim_cur, 256), limit.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    for (;;) {
      Fd one(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      if (!one) break;
      taken.push_back(std::move(one));
    }
    give_back(left);
  }
  void give_back(std::size_t count) {
    for (; count > 0 && !taken.empty(); --count) taken.pop_back();
  }
  void TearDown() override {
    taken.clear();
    if (limit.rlim_cur != 0) ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  rlimit limit{};
  std::vector<Fd> taken;
};

TEST_F(OutOfDescriptors, APublisherServesThoseItHasAndLetsOthersInLater) {
  const Gate gate;
  auto late = ChildProcess::fork([&] {
    gate.pass();
    const auto reader = open(reader_options("late"));
    auto frame = reader->read(kPatience);
    return frame && support::payload_intact(frame->bytes()) ? 0 : 1;
  });
  open_publisher();
  const auto witness = attach("witness");
  const Footprint before = Footprint::of();
  take_all();
  gate.open();
  timespec start, end;
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(publish(), SHMRING_OK);
    auto frame = witness->read(kPatience);
    ASSERT_TRUE(frame) << frame.error().text;
    EXPECT_EQ(checked(*frame), static_cast<std::uint64_t>(i + 1));
    ::usleep(1000);
  }
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
  EXPECT_TRUE(late.running());
  EXPECT_FALSE(active("late"));
  const auto used = (end.tv_sec - start.tv_sec) * 1'000'000'000 + end.tv_nsec - start.tv_nsec;
  EXPECT_LT(used, 250'000'000) << "ns of processor time in 300 ms: the listener does not rest";
  taken.clear();
  const auto ending = late.wait();
  ASSERT_TRUE(ending);
  EXPECT_EQ(ending->code, 0);
  EXPECT_TRUE(support::eventually([&] {
    publish();
    next(*witness);
    return Footprint::of().within(before);
  })) << Footprint::of();
  EXPECT_EQ(lane("witness").dropped, 0u);
}

// With every number of descriptors between none and enough: either it is let in whole, or not at all.
TEST_F(OutOfDescriptors, APublisherThatHasAlmostEnoughLetsNoReaderInByHalves) {
  for (std::size_t left = 1; left < 8; ++left) {
    const Gate gate;
    auto late = ChildProcess::fork([&] {
      gate.pass();
      const auto reader = open(reader_options("late"));
      for (;;) {
        auto frame = reader->read(kPatience);
        if (frame) return support::payload_intact(frame->bytes()) ? 0 : 1;
        if (frame.status() != SHMRING_SYSTEM && frame.status() != SHMRING_TIMEOUT) return 2;
      }
    });
    open_publisher();
    ASSERT_EQ(publish(), SHMRING_OK);
    take_all(left);
    gate.open();
    ::usleep(30'000);
    publish();
    give_back(SIZE_MAX);
    const auto ending = late.wait();
    ASSERT_TRUE(ending);
    EXPECT_EQ(ending->code, 0) << left;
    EXPECT_TRUE(all_slots_back());
    publisher.reset();
    TearDown();
  }
}

TEST_F(OutOfDescriptors, AReaderSaysSoAndReadsAsSoonAsItCan) {
  auto other = ChildProcess::spawn({RING_ACTOR, "publish", path});
  ASSERT_TRUE(other.says("publishing"));
  // One for the socket, and none to three for what comes by it.
  for (std::size_t left = 0; left < 4; ++left) {
    const auto reader = open(reader_options("reader"));
    take_all(left);
    auto frame = reader->read(200'000'000);
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.status(), SHMRING_SYSTEM) << left << ": " << frame.error().text;
    EXPECT_TRUE(has(frame.error().text, "ulimit -n")) << frame.error().text;
    TearDown();
    auto now = reader->read(kPatience);
    EXPECT_TRUE(now) << left << ": " << now.error().text;
  }
}

class OutOfMemory : public RingFixture {};

// A group that this process is put into, with a limit; in a child only.
bool enter_group(std::uint64_t limit) {
  const std::string name = "ring-test-" + std::to_string(::getpid());
  for (const auto& [folder, file] : {std::pair<std::string, std::string>{"/sys/fs/cgroup/", "memory.max"},
                                     {"/sys/fs/cgroup/memory/", "memory.limit_in_bytes"}}) {
    if (::mkdir((folder + name).c_str(), 0700) != 0) continue;
    // Else this is no mount of control groups.
    if (std::filesystem::exists(folder + name + "/cgroup.procs") && std::ofstream(folder + name + "/" + file)
                                                                        << limit << std::flush)
      if (std::ofstream(folder + name + "/cgroup.procs") << ::getpid() << std::flush) return true;
    ::rmdir((folder + name).c_str());
  }
  return false;
}
void remove_groups(pid_t pid) {
  for (const char* folder : {"/sys/fs/cgroup/", "/sys/fs/cgroup/memory/"})
    ::rmdir((folder + ("ring-test-" + std::to_string(pid))).c_str());
}
constexpr int kSkipped = 77;

TEST_F(OutOfMemory, OfItsControlGroupARingIsRefusedWithTheFiguresAndItsPublisherLives) {
  auto child = ChildProcess::fork([&] {
    if (!enter_group(64 << 20)) return kSkipped;
    auto o = publisher_options();
    o.slot_size = 8 << 20;
    auto large = Publisher::open(o);
    std::puts(large ? "it was made" : large.error().text.c_str());
    std::fflush(stdout);
    if (large.status() != SHMRING_NO_MEMORY || !has(large.error().text, "control group") ||
        !has(large.error().text, "MiB"))
      return 1;
    // The last byte that fits is used, and no process is killed.
    o.slot_size = 1 << 18;
    auto small = Publisher::open(o);
    if (!small) return 2;
    for (int i = 0; i < 20; ++i) {
      std::vector<std::byte> bytes(o.slot_size);
      const std::span<const std::byte> whole(bytes);
      shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
      if (!(*small)->write({&whole, 1}, info)) return 3;
    }
    // A larger format that does not fit: the old ring goes on.
    const auto larger = (*small)->resize(8 << 20);
    if (larger.status() != SHMRING_NO_MEMORY) return 4;
    return (*small)->loan() ? 0 : 5;
  });
  const auto ending = child.wait();
  remove_groups(child.pid());
  ASSERT_TRUE(ending);
  ASSERT_EQ(ending->signal, 0) << "killed";
  if (ending->code == kSkipped) GTEST_SKIP() << "no control group for memory can be made here";
  EXPECT_EQ(ending->code, 0) << child.output();
}

// Pages of files that were read count as used, but go when room is needed.
TEST_F(OutOfMemory, FilesThatWereReadTakeNoRoomFromARing) {
  auto child = ChildProcess::fork([&] {
    if (!enter_group(64 << 20)) return kSkipped;
    const std::string name = dir.file("read");
    std::vector<char> data(1 << 20);
    {
      std::ofstream file(name, std::ios::binary);
      for (int i = 0; i < 80; ++i) file.write(data.data(), static_cast<std::streamsize>(data.size()));
    }
    const Fd file(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
    ::fdatasync(file.get());
    while (::read(file.get(), data.data(), data.size()) > 0) {
    }
    auto o = publisher_options();
    o.slots = 20;
    o.slot_size = 1 << 20;
    auto ring = Publisher::open(o);
    if (!ring) std::printf("%s\n", ring.error().text.c_str());
    std::fflush(stdout);
    return ring ? 0 : 1;
  });
  const auto ending = child.wait();
  remove_groups(child.pid());
  ASSERT_TRUE(ending);
  ASSERT_EQ(ending->signal, 0) << "killed";
  if (ending->code == kSkipped) GTEST_SKIP() << "no control group for memory can be made here";
  EXPECT_EQ(ending->code, 0) << child.output();
}

TEST_F(OutOfMemory, OfTheFileSizeLimitIsASentenceForRingForNewRingAndForLane) {
  const Gate gate;
  auto child = ChildProcess::fork([&] {
    rlimit limit{4 << 20, RLIM_INFINITY};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto o = publisher_options();
    o.slot_size = 8 << 20;
    if (auto large = Publisher::open(o); large.status() != SHMRING_NO_MEMORY || !has(large.error().text, "ulimit -f") ||
                                         !has(large.error().text, "4 MiB"))
      return 1;
    o.slot_size = 1000;
    auto small = *Publisher::open(o);
    if (small->resize(8 << 20).status() != SHMRING_NO_MEMORY) return 2;
    limit.rlim_cur = 1000;  // not even a lane any more
    ::setrlimit(RLIMIT_FSIZE, &limit);
    gate.open();
    std::puts("publishing");
    std::fflush(stdout);
    for (;;) {
      const std::vector<std::byte> bytes(1000);
      const std::span<const std::byte> whole(bytes);
      shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
      if (!small->write({&whole, 1}, info)) return 3;
      ::usleep(1000);
    }
    return 0;
  });
  gate.pass();
  const auto reader = open(reader_options("reader"));
  auto frame = reader->read(kPatience);
  EXPECT_EQ(frame.status(), SHMRING_NO_MEMORY) << frame.error().text;
  EXPECT_TRUE(has(frame.error().text, "ulimit -f")) << frame.error().text;
  EXPECT_TRUE(child.running());
}

// A folder in a mount of its own, seen by this child only.
bool mount_folder(const std::string& folder, const char* options) {
  return ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("none", folder.c_str(), "tmpfs", 0, options) == 0;
}

class NoRoom : public RingFixture {
 protected:
  void expect_success(ChildProcess child) {
    const auto ending = child.wait();
    ASSERT_TRUE(ending) << child.output();
    if (ending->code == kSkipped && ending->signal == 0) GTEST_SKIP() << "mounting is not permitted here";
    EXPECT_EQ(ending->signal, 0);
    EXPECT_EQ(ending->code, 0) << child.output();
  }
  // Error of a publisher that finds no place for its socket.
  std::string complaint() const {
    auto opened = Publisher::open(publisher_options());
    if (opened) return "nothing";
    std::printf("%s\n", opened.error().text.c_str());
    return opened.status() == SHMRING_SYSTEM ? opened.error().text : "status " + std::to_string(opened.status());
  }
};

TEST_F(NoRoom, InAFullFolderAPublisherIsToldSo) {
  expect_success(ChildProcess::fork([&] {
    if (!mount_folder(dir.path().string(), "size=4k,nr_inodes=2")) return kSkipped;
    { const Fd filler(::open(dir.file("filler").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)); }
    const std::string said = complaint();
    if (!has(said, path) || !has(said, "full")) return 1;
    ::unlink(dir.file("filler").c_str());
    return Publisher::open(publisher_options()) ? 0 : 2;
  }));
}

TEST_F(NoRoom, InAReadOnlyFolderAPublisherIsToldSo) {
  expect_success(ChildProcess::fork([&] {
    if (!mount_folder(dir.path().string(), "size=4k,nr_inodes=2,ro")) return kSkipped;
    const std::string said = complaint();
    return has(said, path) && has(said, "Read-only") ? 0 : 1;
  }));
}

TEST_F(NoRoom, AFolderThatBecomesReadOnlyOrFullHarmsNoRingThatRuns) {
  expect_success(ChildProcess::fork([&] {
    if (!mount_folder(dir.path().string(), "size=4k,nr_inodes=2")) return kSkipped;
    open_publisher();
    const auto first = attach("first");
    if (::mount("none", dir.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, "size=4k,nr_inodes=2") != 0) return 1;
    const auto second = attach("second");
    for (int i = 0; i < 50; ++i)
      if (publish() != SHMRING_OK || next(*first) == 0 || next(*second) == 0) return 2;
    publisher.reset();  // its file has to stay
    if (first->read(0)) return 3;
    if (::mount("none", dir.path().c_str(), nullptr, MS_REMOUNT, "size=4k,nr_inodes=2") != 0) return 4;
    open_publisher();  // the file is replaced
    if (publish() != SHMRING_OK) return 5;
    return first->read(kPatience) && second->read(kPatience) ? 0 : 6;
  }));
}

}  // namespace
}  // namespace shmring
