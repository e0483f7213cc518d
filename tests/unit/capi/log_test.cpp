// SPDX-License-Identifier: LGPL-2.1-or-later
// shmring_set_log(): what a program is told of a ring's life, and when it is told nothing.
#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shmring/shmring.h>

#include "child_process.hpp"
#include "temp_dir.hpp"

namespace {

constexpr std::uint64_t kPatience = 20'000'000'000;

class Log : public testing::Test {
 protected:
  void TearDown() override { shmring_set_log(nullptr, nullptr, SHMRING_LOG_NONE); }
  void listen(shmring_log_level level) {
    shmring_set_log([](shmring_log_level of, const char* text, void* self) { static_cast<Log*>(self)->add(of, text); },
                    this, level);
  }
  void add(shmring_log_level level, const char* text) {
    const std::lock_guard lock(mutex_);
    lines_.emplace_back(level, text);
  }
  std::size_t count(const std::string& part) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count_if(
        lines_.begin(), lines_.end(), [&](const auto& line) { return line.second.find(part) != std::string::npos; }));
  }
  std::size_t count(shmring_log_level level) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(
        std::count_if(lines_.begin(), lines_.end(), [&](const auto& line) { return line.first == level; }));
  }
  // A publisher, one frame, one reader that takes it; one frame that does not fit; the end of both.
  void live() {
    shmring_publisher_options o = SHMRING_PUBLISHER_OPTIONS_INIT;
    o.socket_path = path_.c_str();
    o.slot_size = 1000;
    shmring_publisher* publisher = nullptr;
    ASSERT_EQ(shmring_publisher_open(&o, &publisher), SHMRING_OK) << shmring_last_error();
    shmring_reader_options r = SHMRING_READER_OPTIONS_INIT;
    r.socket_path = path_.c_str();
    r.worker = "watcher";
    shmring_reader* reader = nullptr;
    ASSERT_EQ(shmring_reader_open(&r, &reader), SHMRING_OK) << shmring_last_error();
    const std::vector<char> bytes(20'000);
    shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
    info.size = 10;
    ASSERT_EQ(shmring_publisher_write(publisher, bytes.data(), &info), SHMRING_OK) << shmring_last_error();
    shmring_frame* frame = nullptr;
    ASSERT_EQ(shmring_reader_read(reader, kPatience, &frame), SHMRING_OK) << shmring_last_error();
    shmring_frame_release(frame);
    info.size = bytes.size();
    EXPECT_EQ(shmring_publisher_write(publisher, bytes.data(), &info), SHMRING_TOO_LARGE);
    shmring_publisher_close(publisher);
    EXPECT_EQ(shmring_reader_read(reader, 0, &frame), SHMRING_TIMEOUT);
    shmring_reader_close(reader);
  }

 private:
  support::TempDir dir_;
  const std::string path_ = dir_.file("log.sock");
  std::mutex mutex_;
  std::vector<std::pair<shmring_log_level, std::string>> lines_;
};

TEST_F(Log, tells_who_comes_what_does_not_fit_and_who_is_lost) {
  listen(SHMRING_LOG_DEBUG);
  live();
  EXPECT_EQ(count("listening"), 1u);
  EXPECT_EQ(count("reader 'watcher'"), 1u) << "the publisher's line";
  EXPECT_EQ(count("'watcher' attached to process"), 1u) << "the reader's own";
  EXPECT_EQ(count("a frame of 20000 bytes does not fit a slot of"), 1u);
  EXPECT_EQ(count("'watcher' lost its publisher, last sequence 1"), 1u);
}

TEST_F(Log, keeps_to_its_level) {
  listen(SHMRING_LOG_WARNING);
  live();
  EXPECT_EQ(count(SHMRING_LOG_WARNING), 1u) << "the frame that does not fit";
  EXPECT_EQ(count(SHMRING_LOG_INFO), 0u);
}

TEST_F(Log, is_silent_when_it_is_off) {
  listen(SHMRING_LOG_NONE);
  live();
  EXPECT_EQ(count(""), 0u);
}

TEST_F(Log, calls_the_former_callback_no_more) {
  listen(SHMRING_LOG_DEBUG);
  shmring_set_log([](shmring_log_level, const char*, void*) {}, nullptr, SHMRING_LOG_DEBUG);
  live();
  EXPECT_EQ(count(""), 0u);
}

TEST_F(Log, goes_to_stderr_without_a_callback) {
  shmring_set_log(nullptr, nullptr, SHMRING_LOG_INFO);
  testing::internal::CaptureStderr();
  live();
  EXPECT_NE(testing::internal::GetCapturedStderr().find("shmring[info] "), std::string::npos);
}

// The environment counts from the library's start on: each level in a program of its own, in which nothing calls shmring_set_log() before.
TEST_F(Log, has_the_level_of_the_environment) {
  if (std::getenv("LIVE_ONLY")) return live();
  const auto said = [](const std::string& wanted) {
    auto program =
        support::ChildProcess::spawn({"/proc/self/exe", "--gtest_filter=Log.has_the_level_of_the_environment"},
                                     {{{"SHMRING_LOG", wanted}, {"LIVE_ONLY", "1"}}, ""});
    const auto ended = program.wait();
    EXPECT_TRUE(ended && ended->success()) << program.output();
    return program.output();
  };
  using testing::HasSubstr;
  using testing::Not;
  for (const char* const off : {"", "none", "error"})  // in that life no error is logged
    EXPECT_THAT(said(off), Not(HasSubstr("shmring"))) << off;
  EXPECT_THAT(said("warning"), AllOf(HasSubstr("shmring[warning] "), Not(HasSubstr("shmring[info] "))));
  EXPECT_THAT(said("info"),
              AllOf(HasSubstr("shmring[warning] "), HasSubstr("shmring[info] "), Not(HasSubstr("shmring[debug] "))));
  EXPECT_THAT(said("debug"), AllOf(HasSubstr("shmring[info] "), HasSubstr("shmring[debug] ")));
  EXPECT_THAT(said("loud"), AllOf(HasSubstr("SHMRING_LOG=loud is unknown: use none, error, warning, info or debug"),
                                  Not(HasSubstr("shmring["))));
}

}  // namespace
