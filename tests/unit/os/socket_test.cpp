// SPDX-License-Identifier: LGPL-2.1-or-later
// The path, the messages with their descriptors, and who is at the other end.
#include "os/socket.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "abi/wire.hpp"
#include "child_process.hpp"
#include "os/path_lock.hpp"
#include "temp_dir.hpp"
#include "watchdog.hpp"

namespace shmring {
namespace {

struct Pair {
  Fd a, b;
  Pair() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    a = Fd(fds[0]);
    b = Fd(fds[1]);
  }
};

std::size_t open_descriptors() { return support::TempDir::names_in("/proc/self/fd").size(); }

TEST(Path, MustBeOneThatASocketTakes) {
  EXPECT_TRUE(check_path("a"));
  EXPECT_TRUE(check_path(std::string(107, 'x')));
  EXPECT_EQ(check_path("").status(), SHMRING_INVALID);
  EXPECT_EQ(check_path(std::string("a\0b", 3)).status(), SHMRING_INVALID);
  const auto too_long = check_path(std::string(108, 'x'));
  EXPECT_EQ(too_long.status(), SHMRING_INVALID);
  EXPECT_NE(too_long.error().text.find("has 108 bytes, a socket takes 107"), std::string::npos);
}

TEST(Path, KnowsItsFolder) {
  EXPECT_EQ(folder_of("/run/cam/a.sock"), "/run/cam");
  EXPECT_EQ(folder_of("/a.sock"), "/");
  EXPECT_EQ(folder_of("a.sock"), ".");
}

TEST(Listener, LeavesNothingBehind) {
  const support::TempDir dir;
  const std::size_t before = open_descriptors();
  {
    auto listener = Listener::bind(dir.file("s"), 0600);
    ASSERT_TRUE(listener) << listener.error().text;
    EXPECT_EQ(dir.names(), std::set<std::string>{"s"});
    listener->close();
  }
  EXPECT_TRUE(dir.names().empty());
  EXPECT_EQ(open_descriptors(), before);
}

TEST(Listener, HasItsPermissionsWhateverTheUmask) {
  const support::TempDir dir;
  for (const mode_t umask : {0000u, 0077u, 0777u}) {
    const mode_t before = ::umask(umask);
    auto listener = Listener::bind(dir.file("s"), 0660);
    ::umask(before);
    ASSERT_TRUE(listener);
    struct stat st;
    ASSERT_EQ(::stat(dir.file("s").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0660u);
    listener->close();
  }
}

TEST(Listener, ReplacesTheFileOfADeadPublisher) {
  const support::TempDir dir;
  {
    auto dead = Listener::bind(dir.file("s"), 0600);
    ASSERT_TRUE(dead);
  }  // not closed: the file stays, as after a kill
  ASSERT_EQ(dir.names().size(), 1u);
  auto next = Listener::bind(dir.file("s"), 0600);
  ASSERT_TRUE(next) << next.error().text;
  EXPECT_TRUE(connect_to(dir.file("s")));
  next->close();
}

TEST(Listener, DoesNotRemoveTheFileOfItsSuccessor) {
  const support::TempDir dir;
  auto first = Listener::bind(dir.file("s"), 0600);
  ASSERT_TRUE(first);
  ::unlink(dir.file("s").c_str());
  auto second = Listener::bind(dir.file("s"), 0600);
  ASSERT_TRUE(second);
  first->close();
  EXPECT_TRUE(connect_to(dir.file("s")));
  second->close();
}

TEST(Listener, RefusesAPathThatIsSomethingElse) {
  const support::TempDir dir;
  std::ofstream(dir.file("s")) << "precious";
  const auto refused = Listener::bind(dir.file("s"), 0600);
  EXPECT_EQ(refused.status(), SHMRING_IN_USE);
  EXPECT_NE(refused.error().text.find("is no socket"), std::string::npos);
  EXPECT_EQ(dir.names().size(), 1u);
}

TEST(Listener, NamesTheProcessThatHasThePathAlsoIfItDoesNotAnswer) {
  const support::TempDir dir;
  auto owner = Listener::bind(dir.file("s"), 0600);  // accepts no connection: as if stopped
  ASSERT_TRUE(owner);
  const auto refused = Listener::bind(dir.file("s"), 0600);
  EXPECT_EQ(refused.status(), SHMRING_IN_USE);
  EXPECT_NE(refused.error().text.find("process " + std::to_string(::getpid())), std::string::npos)
      << refused.error().text;
  EXPECT_TRUE(connect_to(dir.file("s")));
  owner->close();
}

// A forked child of a publisher that died keeps the listening socket open and never accepts.
TEST(Listener, ReplacesADeadPublisherWhoseChildKeepsItsSocket) {
  const support::TempDir dir;
  const support::Orphan child([&](auto leave_child) {
    const auto listener = Listener::bind(dir.file("s"), 0600);
    if (listener) leave_child();
  });
  EXPECT_TRUE(connect_to(dir.file("s")));
  auto next = Listener::bind(dir.file("s"), 0600);
  EXPECT_TRUE(next) << next.error().text;
  if (next) next->close();
}

TEST(Listener, SaysWhatIsWrongWithAFolder) {
  const support::TempDir dir;
  const auto missing = Listener::bind(dir.file("no/s"), 0600);
  EXPECT_EQ(missing.status(), SHMRING_SYSTEM);
  EXPECT_NE(missing.error().text.find(dir.file("no")), std::string::npos);
  EXPECT_NE(missing.error().text.find("create it first"), std::string::npos);
}

// Readers may read the folder, and whoever may read a folder may lock it.
TEST(Listener, DoesNotCareForALockOnItsFolder) {
  const support::TempDir dir;
  const Fd folder(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (const int lock : {LOCK_EX, LOCK_SH}) {
    ASSERT_EQ(::flock(folder.get(), lock), 0);
    { auto dead = Listener::bind(dir.file("s"), 0600); }
    auto next = Listener::bind(dir.file("s"), 0600);
    ASSERT_TRUE(next) << next.error().text;
    EXPECT_EQ(dir.names(), std::set<std::string>{"s"});
    next->close();
  }
}

TEST(Listener, SaysThatAnotherOneIsStartingThere) {
  const support::TempDir dir;
  auto other = PathLock::take(dir.file("s"), 0);
  ASSERT_TRUE(other) << other.error().text;
  const auto refused = Listener::bind(dir.file("s"), 0600);
  EXPECT_EQ(refused.status(), SHMRING_IN_USE);
  EXPECT_NE(refused.error().text.find(dir.file("s.lock")), std::string::npos) << refused.error().text;
}

TEST(Listener, RemovesTheLockThatADeadOneLeft) {
  const support::TempDir dir;
  std::ofstream(dir.file("s.lock")) << "";
  auto listener = Listener::bind(dir.file("s"), 0600);
  ASSERT_TRUE(listener) << listener.error().text;
  EXPECT_EQ(dir.names(), std::set<std::string>{"s"});
  listener->close();
}

TEST(Listener, NamesWhatIsInTheWayOfItsLockAndLeavesItAlone) {
  const support::TempDir dir;
  ASSERT_EQ(::symlink("/dev/null", dir.file("s.lock").c_str()), 0);
  const auto refused = Listener::bind(dir.file("s"), 0600);
  EXPECT_EQ(refused.status(), SHMRING_IN_USE);
  EXPECT_NE(refused.error().text.find(dir.file("s.lock") + " is in the way"), std::string::npos)
      << refused.error().text;
  EXPECT_EQ(dir.names(), std::set<std::string>{"s.lock"});
}

TEST(Listener, WaitsForOneThatIsJustClosing) {
  const support::TempDir dir;
  auto first = Listener::bind(dir.file("s"), 0600);
  ASSERT_TRUE(first);
  std::thread closing([&] {
    pollfd p{first->fd(), POLLIN, 0};
    ::poll(&p, 1, -1);  // until the other one asks who is there
    first->close();
  });
  auto second = Listener::bind(dir.file("s"), 0600);
  closing.join();
  ASSERT_TRUE(second) << second.error().text;
  EXPECT_TRUE(connect_to(dir.file("s")));
  second->close();
}

TEST(Listener, KnowsWhetherItStillHasThePath) {
  const support::TempDir dir;
  std::filesystem::create_directory(dir.file("d"));
  auto first = Listener::bind(dir.file("d/s"), 0600);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->place(), Listener::Place::kept);
  std::filesystem::rename(dir.file("d"), dir.file("e"));
  EXPECT_EQ(first->place(), Listener::Place::lost);
  std::filesystem::rename(dir.file("e"), dir.file("d"));
  EXPECT_EQ(first->place(), Listener::Place::kept);
  const auto refused = Listener::bind_at_once(dir.file("d/s"), 0600);
  EXPECT_EQ(refused.status(), SHMRING_IN_USE);
  ::unlink(dir.file("d/s").c_str());
  auto second = Listener::bind_at_once(dir.file("d/s"), 0600);
  ASSERT_TRUE(second) << second.error().text;
  EXPECT_EQ(first->place(), Listener::Place::lost);
  first->close();  // leaves the other one's file
  EXPECT_EQ(second->place(), Listener::Place::kept);
  second->close();
}

// Processes, not threads: each has locks of its own.
TEST(Listener, IsOneOfThoseThatReplaceADeadOneAtOnce) {
  const support::TempDir dir;
  for (int round = 0; round < 60; ++round) {
    { auto dead = Listener::bind(dir.file("s"), 0600); }
    int start[2], end[2];
    ASSERT_EQ(::pipe(start), 0);
    ASSERT_EQ(::pipe(end), 0);
    std::vector<support::ChildProcess> starters;
    for (int i = 0; i < 3; ++i)
      starters.push_back(support::ChildProcess::fork([&] {
        ::close(start[1]);
        ::close(end[1]);
        char byte;
        [[maybe_unused]] auto n = ::read(start[0], &byte, 1);
        auto listener = Listener::bind(dir.file("s"), 0600);
        std::puts("tried");
        std::fflush(stdout);
        for (pollfd p[] = {{end[0], POLLIN, 0}, {listener ? listener->fd() : -1, POLLIN, 0}};;) {
          ::poll(p, 2, -1);
          if (p[0].revents != 0) return listener ? 1 : 0;  // all have tried
          if (p[1].revents != 0) (void)listener->accept();
        }
      }));
    ::close(start[1]);
    for (auto& starter : starters) EXPECT_TRUE(starter.says("tried"));
    ::close(end[1]);
    int winners = 0;
    for (auto& starter : starters) winners += starter.wait()->code;
    ::close(start[0]);
    ::close(end[0]);
    ASSERT_EQ(winners, 1) << "round " << round;
  }
}

TEST(Connecting, SaysWhyItFailed) {
  const support::TempDir dir;
  EXPECT_EQ(connect_to(dir.file("s")).status(), SHMRING_DISCONNECTED);
  std::ofstream(dir.file("file")) << "";
  EXPECT_EQ(connect_to(dir.file("file")).status(), SHMRING_DISCONNECTED);
  const Fd stream(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, dir.file("stream").c_str());
  ASSERT_EQ(::bind(stream.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(stream.get(), 1), 0);
  const auto refused = connect_to(dir.file("stream"));
  EXPECT_EQ(refused.status(), SHMRING_SYSTEM);
  EXPECT_NE(refused.error().text.find("another type"), std::string::npos);
}

TEST(Messages, ArriveWholeWithTheirDescriptors) {
  Pair pair;
  const auto ask = wire::make<wire::Ask>();
  const int fds[] = {pair.a.get(), pair.b.get()};
  ASSERT_TRUE(send_message(pair.a.get(), ask, fds));
  std::array<std::byte, 64> buffer;
  const Received got = receive_message(pair.b.get(), buffer);
  EXPECT_EQ(got.kind, Received::Kind::message);
  EXPECT_EQ(got.size, sizeof ask);
  EXPECT_TRUE(got.descriptors[0]);
  EXPECT_TRUE(got.descriptors[1]);
  EXPECT_FALSE(got.descriptors[2]);
  EXPECT_TRUE(::fcntl(got.descriptors[0].get(), F_GETFD) & FD_CLOEXEC);
  EXPECT_EQ(receive_message(pair.b.get(), buffer).kind, Received::Kind::nothing);
}

TEST(Messages, ThatAreTooLongAreBroken) {
  Pair pair;
  const std::vector<std::byte> large(100);
  ASSERT_TRUE(send_message(pair.a.get(), large));
  std::array<std::byte, 64> buffer;
  EXPECT_EQ(receive_message(pair.b.get(), buffer).kind, Received::Kind::broken);
}

TEST(Messages, WithTooManyDescriptorsAreBrokenAndLeaveNoneOpen) {
  Pair pair;
  const std::size_t before = open_descriptors();
  char byte = 1;
  iovec part{&byte, 1};
  std::array<int, 200> fds;
  fds.fill(pair.a.get());
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fds)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof fds);
  std::memcpy(CMSG_DATA(head), fds.data(), sizeof fds);
  ASSERT_EQ(::sendmsg(pair.a.get(), &message, 0), 1);
  std::array<std::byte, 64> buffer;
  EXPECT_EQ(receive_message(pair.b.get(), buffer).kind, Received::Kind::broken);
  EXPECT_TRUE(support::eventually([&] { return open_descriptors() <= before; }))
      << open_descriptors() << " of " << before;  // threads of their own close them
}

TEST(Messages, NeverMakeTheSenderWait) {
  Pair pair;
  ASSERT_EQ(::fcntl(pair.a.get(), F_SETFL, 0), 0);  // even on a socket that was made blocking
  const auto ask = wire::make<wire::Ask>();
  int sent = 0;
  while (send_message(pair.a.get(), ask)) ++sent;
  EXPECT_GT(sent, 1);
}

TEST(Messages, EndWithTheOtherSide) {
  Pair pair;
  std::array<std::byte, 64> buffer;
  EXPECT_FALSE(hung_up(pair.b.get()));
  pair.a.reset();
  EXPECT_TRUE(hung_up(pair.b.get()));
  EXPECT_EQ(receive_message(pair.b.get(), buffer).kind, Received::Kind::closed);
  EXPECT_FALSE(send_message(pair.b.get(), wire::make<wire::Ask>()));
}

// The kernel reports the peer's unread messages before those that the peer sent.
TEST(Messages, ArriveFromAPeerThatClosedWithoutReadingOurs) {
  Pair pair;
  std::array<std::byte, 64> buffer;
  ASSERT_TRUE(send_message(pair.b.get(), wire::make<wire::Mapped>()));
  ASSERT_TRUE(send_message(pair.a.get(), wire::make<wire::Ask>()));
  pair.a.reset();
  EXPECT_EQ(receive_message(pair.b.get(), buffer).kind, Received::Kind::message);
  EXPECT_EQ(receive_message(pair.b.get(), buffer).kind, Received::Kind::closed);
}

class PeerOf : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override { force_pidfd_by_number(GetParam()); }
  void TearDown() override { force_pidfd_by_number(false); }
};

TEST_P(PeerOf, NamesTheProcessAndNoticesItsEnd) {
  const support::TempDir dir;
  auto listener = Listener::bind(dir.file("s"), 0600);
  ASSERT_TRUE(listener);
  auto child = support::ChildProcess::fork([&] {
    const auto connected = connect_to(dir.file("s"));
    ::pause();
    return connected ? 0 : 1;
  });
  pollfd p{listener->fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&p, 1, 20'000), 1);
  const UntrustedFd connection = listener->accept();
  const Peer peer = peer_of(connection.get());
  EXPECT_EQ(peer.process.pid, static_cast<std::uint32_t>(child.pid()));
  EXPECT_EQ(peer.process.uid, ::getuid());
  ASSERT_TRUE(peer.pidfd);
  EXPECT_FALSE(readable(peer.pidfd.get()));
  child.kill();
  EXPECT_TRUE(readable(peer.pidfd.get()));
  listener->close();
}

INSTANTIATE_TEST_SUITE_P(Kernels, PeerOf, testing::Bool(),
                         [](const auto& param) { return param.param ? "Before65" : "Since65"; });

}  // namespace
}  // namespace shmring
