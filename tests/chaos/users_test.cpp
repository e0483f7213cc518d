// SPDX-License-Identifier: LGPL-2.1-or-later
// Publisher and readers of different users, as docs/security.md advises: the folder belongs to the publisher, its group may read. Needs
// root. Each test runs with the kernel's own way of knowing a peer's process and with the one from before Linux 6.5.
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "child_process.hpp"
#include "os/path_lock.hpp"
#include "os/socket.hpp"
#include "ring_fixture.hpp"

namespace shmring {
namespace {

using support::ChildProcess;

constexpr uid_t kCamera = 61001, kWorker = 61002, kStranger = 61003;
constexpr gid_t kCameraOnly = 62001, kVision = 62002, kOther = 62003;

// This process as another user, and back.
class As {
 public:
  As(uid_t user, gid_t group) {
    EXPECT_EQ(::setresgid(group, group, 0), 0);
    EXPECT_EQ(::setresuid(user, user, 0), 0);
  }
  ~As() {
    EXPECT_EQ(::setresuid(0, 0, 0), 0);
    EXPECT_EQ(::setresgid(0, 0, 0), 0);
  }
};

bool become(uid_t user, gid_t group) {
  return ::setgroups(0, nullptr) == 0 && ::setresgid(group, group, group) == 0 && ::setresuid(user, user, user) == 0;
}

class TwoUsers : public RingFixture, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "not root: cannot become other users";
    force_pidfd_by_number(GetParam());
    ASSERT_EQ(::setgroups(0, nullptr), 0);
    ASSERT_EQ(::chown(dir.path().c_str(), kCamera, kVision), 0);
    ASSERT_EQ(::chmod(dir.path().c_str(), 02750), 0);
    const As camera(kCamera, kCameraOnly);
    auto o = publisher_options();
    o.perms = 0660;
    publisher = open(o);
    ASSERT_TRUE(publisher);
  }
  void TearDown() override { force_pidfd_by_number(false); }

  // A reader of another user: reads `frames`, then keeps the last one until it is killed. Ends with 0 if all were whole.
  ChildProcess reader(int frames, bool stays) {
    return ChildProcess::fork([=, this] {
      if (!become(kWorker, kVision)) return 10;
      const auto r = open(reader_options("worker"));
      for (int i = 0; i < frames;) {
        auto frame = r->read(kPatience);
        if (frame.status() == SHMRING_END) continue;
        if (!frame || support::payload_fault(frame->bytes(), frame->info().sequence)) {
          std::puts(frame ? "a torn frame" : frame.error().text.c_str());
          std::fflush(stdout);
          return 1;
        }
        if (++i < frames) continue;
        std::puts("all read");
        std::fflush(stdout);
        if (stays) ::pause();
      }
      return 0;
    });
  }
  void publish_until(const std::function<bool()>& done) {
    EXPECT_TRUE(support::eventually([&] {
      EXPECT_EQ(publish(), SHMRING_OK);
      return done();
    }));
  }
};

TEST_P(TwoUsers, AReaderOfTheGroupReadsEveryFrameWhole) {
  auto worker = reader(50, false);
  std::optional<support::Ending> ending;
  publish_until([&] { return (ending = worker.wait(std::chrono::milliseconds(5))).has_value(); });
  EXPECT_TRUE(ending && ending->success()) << worker.output();
  EXPECT_TRUE(all_slots_back());
  expect_balance();
}

TEST_P(TwoUsers, WhoIsNotInTheGroupIsToldThatTheModeDecides) {
  // Twice: stopped by the folder, and by the socket in a folder that all may enter.
  for (const mode_t folder : {02750, 02755}) {
    ASSERT_EQ(::chmod(dir.path().c_str(), folder), 0);
    auto stranger = ChildProcess::fork([&] {
      if (!become(kStranger, kOther)) return 10;
      auto r = Reader::open(reader_options("stranger"));
      if (!r) return 2;
      const auto frame = (*r)->read(1'000'000'000);
      std::puts(frame.error().text.c_str());
      std::fflush(stdout);
      return frame.status() == SHMRING_REFUSED ? 0 : 1;
    });
    const auto ending = stranger.wait();
    EXPECT_TRUE(ending && ending->success()) << stranger.output();
    EXPECT_NE(stranger.output().find("is not permitted: check the publisher's perms"), std::string::npos)
        << stranger.output();
  }
}

TEST_P(TwoUsers, AReaderThatIsKilledIsNoticedAndItsSlotsComeBack) {
  auto worker = reader(3, true);
  publish_until([&] { return worker.says("all read", std::chrono::milliseconds(5)); });
  EXPECT_EQ(lane("worker").pid, static_cast<std::uint32_t>(worker.pid()));
  worker.kill();
  EXPECT_TRUE(support::eventually([&] { return !active("worker"); }));
  EXPECT_STRNE(lane("worker").reason, "");  // it hung up, or its process ended, whichever was seen first
  EXPECT_TRUE(all_slots_back());
}

TEST_P(TwoUsers, AReaderGoesOnWithTheNextPublisherOfTheOtherUser) {
  auto worker = reader(40, false);
  publish_until([&] { return active("worker") && lane("worker").delivered >= 5; });
  publisher.reset();
  {
    const As camera(kCamera, kCameraOnly);
    auto o = publisher_options();
    o.perms = 0660;
    publisher = open(o);
  }
  std::optional<support::Ending> ending;
  publish_until([&] { return (ending = worker.wait(std::chrono::milliseconds(5))).has_value(); });
  EXPECT_TRUE(ending && ending->success()) << worker.output();
}

TEST_P(TwoUsers, AReaderWaitsForAFolderThatIsClosedToItForAWhileAndSaysWhy) {
  auto worker = ChildProcess::fork([&] {
    if (!become(kWorker, kVision)) return 10;
    const auto r = open(reader_options("worker"));
    for (std::string told; r->stats().attachments < 2;) {
      auto frame = r->read(50'000'000);
      if (frame) std::puts("reads");
      if (!frame && frame.status() != SHMRING_TIMEOUT) {
        std::puts(frame.error().text.c_str());
        return 1;
      }
      if (!frame && !frame.error().text.empty() && std::exchange(told, frame.error().text) != frame.error().text)
        std::puts(told.c_str());
      std::fflush(stdout);
    }
    return 0;
  });
  publish_until([&] { return worker.says("reads", std::chrono::milliseconds(5)); });
  ASSERT_EQ(::chmod(dir.path().c_str(), 02700), 0);
  publisher.reset();
  {
    const As camera(kCamera, kCameraOnly);
    auto o = publisher_options();
    o.perms = 0660;
    publisher = open(o);
  }
  EXPECT_TRUE(worker.says("is not permitted")) << worker.output();
  ::poll(nullptr, 0, 400);  // longer than a refusal is taken for a passing one
  ASSERT_EQ(::chmod(dir.path().c_str(), 02750), 0);
  std::optional<support::Ending> ending;
  publish_until([&] { return (ending = worker.wait(std::chrono::milliseconds(5))).has_value(); });
  EXPECT_TRUE(ending && ending->success()) << worker.output();
}

TEST_P(TwoUsers, AReaderOfTheGroupCannotKeepAPublisherFromStarting) {
  publisher.reset();
  auto reader = ChildProcess::fork([&] {
    if (!become(kWorker, kVision)) return 10;
    const Fd folder(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (::flock(folder.get(), LOCK_EX) != 0) return 11;
    if (PathLock::take(path, 0).status() == SHMRING_IN_USE) return 12;
    if (Fd(::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600))) return 13;
    std::puts("locked");
    std::fflush(stdout);
    ::pause();
    return 0;
  });
  ASSERT_TRUE(reader.says("locked"));
  const As camera(kCamera, kCameraOnly);
  auto opened = Publisher::open(publisher_options());
  EXPECT_TRUE(opened) << opened.error().text;
}

TEST_P(TwoUsers, AReaderOfTheGroupCanNeitherTakeThePathNorRemoveIt) {
  auto thief = ChildProcess::fork([&] {
    if (!become(kWorker, kVision)) return 10;
    const auto mine = Publisher::open(publisher_options());
    std::puts(mine.error().text.c_str());
    std::fflush(stdout);
    return !mine && ::unlink(path.c_str()) != 0 ? 0 : 1;
  });
  const auto ending = thief.wait();
  EXPECT_TRUE(ending && ending->success()) << thief.output();
  auto worker = reader(5, false);
  std::optional<support::Ending> read;
  publish_until([&] { return (read = worker.wait(std::chrono::milliseconds(5))).has_value(); });
  EXPECT_TRUE(read && read->success()) << worker.output();
}

TEST_P(TwoUsers, AStoppedPublisherOfAnotherUserKeepsItsPath) {
  publisher.reset();
  ASSERT_EQ(::chmod(dir.path().c_str(), 02770), 0);  // where the group could take it
  auto camera = ChildProcess::fork([&] {
    if (!become(kCamera, kCameraOnly)) return 10;
    auto o = publisher_options();
    o.perms = 0660;
    const auto mine = open(o);
    std::puts("listening");
    std::fflush(stdout);
    return ::pause();
  });
  ASSERT_TRUE(camera.says("listening"));
  camera.stop();
  auto thief = ChildProcess::fork([&] {
    if (!become(kWorker, kVision)) return 10;
    const auto mine = Publisher::open(publisher_options());
    std::puts(mine.error().text.c_str());
    std::fflush(stdout);
    return mine.status() == SHMRING_IN_USE ? 0 : 1;
  });
  const auto ending = thief.wait();
  EXPECT_TRUE(ending && ending->success()) << thief.output();
}

INSTANTIATE_TEST_SUITE_P(Kernels, TwoUsers, testing::Bool(),
                         [](const auto& kernel) { return kernel.param ? "Before65" : "Here"; });

}  // namespace
}  // namespace shmring
