// SPDX-License-Identifier: LGPL-2.1-or-later
// The main of every test program: GoogleTest, with a watchdog around each test.
#include <csignal>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "watchdog.hpp"

namespace {

class WatchEachTest : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo& test) override {
    watchdog_.watch(std::string(test.test_suite_name()) + "." + test.name(), support::kDefaultLimit);
  }
  void OnTestEnd(const testing::TestInfo&) override { watchdog_.rest(); }

  support::Watchdog watchdog_;
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  std::signal(SIGPIPE, SIG_IGN);  // a peer that dies must show as an error of the call that meets it
  testing::UnitTest::GetInstance()->listeners().Append(new WatchEachTest);
  return RUN_ALL_TESTS();
}
