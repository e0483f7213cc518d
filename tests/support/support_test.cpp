// SPDX-License-Identifier: LGPL-2.1-or-later
// The tests' own tools, tested: a tool that finds nothing proves nothing.
#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "child_process.hpp"
#include "payload.hpp"
#include "temp_dir.hpp"
#include "watchdog.hpp"

namespace support {
namespace {

using namespace std::chrono_literals;

TEST(Payload, FindsOneWrongByteAnywhere) {
  for (const std::size_t size : {1u, 7u, 8u, 13u, 64u}) {
    std::vector<std::byte> frame(size);
    fill_payload(frame, 42);
    ASSERT_FALSE(payload_fault(frame, 42)) << size;
    for (auto& byte : frame) {
      byte ^= std::byte{1};
      EXPECT_TRUE(payload_fault(frame, 42)) << size;
      byte ^= std::byte{1};
    }
  }
}

TEST(Payload, FindsAFrameMadeOfTwo) {
  std::array<std::byte, 4096> frame, next;
  fill_payload(frame, 7);
  fill_payload(next, 8);
  std::copy(next.begin() + 2048, next.end(), frame.begin() + 2048);
  EXPECT_FALSE(payload_intact(frame));
  EXPECT_EQ(payload_fault(frame, 7), 2048u);
  EXPECT_EQ(payload_sequence(frame), 7u);
}

TEST(TempDir, LeavesNothing) {
  std::filesystem::path path;
  {
    TempDir folder;
    path = folder.path();
    ChildProcess::spawn({"touch", folder.file("a")}).wait();
    EXPECT_EQ(folder.names(), std::set<std::string>{"a"});
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ChildProcess, ReportsCodeAndOutput) {
  auto child =
      ChildProcess::spawn({"sh", "-c", "echo $GREETING; pwd; echo no >&2; exit 3"}, {{{"GREETING", "good day"}}, "/"});
  const auto ending = child.wait();
  ASSERT_TRUE(ending);
  EXPECT_EQ(ending->code, 3);
  EXPECT_EQ(child.output(), "good day\n/\nno\n");
}

TEST(ChildProcess, ThatCannotStartThrows) { EXPECT_THROW(ChildProcess::spawn({"/nowhere/at-all"}), std::system_error); }

TEST(ChildProcess, StandsStillWhileStopped) {
  auto child = ChildProcess::spawn({"sh", "-c", "while :; do echo x; done"});
  ASSERT_TRUE(child.says("x"));
  child.stop();
  const auto before = child.output().size();
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(child.output().size(), before);
  child.resume();
  EXPECT_TRUE(eventually([&] { return child.output().size() > before; }));
  child.kill();
  EXPECT_EQ(child.wait()->signal, SIGKILL);
}

TEST(ChildProcess, DiesWithItsHandle) {
  pid_t pid;
  {
    auto child = ChildProcess::spawn({"sleep", "1000"});
    pid = child.pid();
    EXPECT_TRUE(child.running());
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(ChildProcess, ForkRunsAFunction) {
  auto child = ChildProcess::fork([] { return 9; });
  EXPECT_EQ(child.wait()->code, 9);
}

TEST(WatchdogDeathTest, EndsAHungTestAndShowsItsThreads) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_DEATH(
      {
        Watchdog watchdog;
        watchdog.watch("the test", 0s);
        std::this_thread::sleep_for(10min);
      },
      "the test hangs(.|\n)*--- thread");
}

}  // namespace
}  // namespace support
