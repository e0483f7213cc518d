// SPDX-License-Identifier: LGPL-2.1-or-later
// The two ends of a lane, the spin lock and the freed slots in every order that C++ allows, and a table of what would go wrong with any line of them
// changed.
#include <cstdio>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lane/freed_slots.hpp"
#include "lane/lane_reader.hpp"
#include "lane/lane_writer.hpp"
#include "os/spin_lock.hpp"
#include "thread_scenarios.hpp"
#include "watchdog.hpp"

namespace model {
namespace {

struct Mutant {
  const char* name;
  Verdict (*explore)(const Shape&, const Callers&);
};

}  // namespace
}  // namespace model

#include "mutants.hpp"

namespace model {
namespace {

std::string story(const Verdict& verdict) {
  std::string text = verdict.fault;
  for (const auto& line : verdict.story) text += "\n    " + line;
  return text;
}

class EveryOrder : public testing::TestWithParam<Shape> {};

TEST_P(EveryOrder, IsRight) {
  support::Watchdog::limit(std::chrono::seconds(120));
  const Verdict verdict = explore_lane<shmring::LaneWriter<Ops>, shmring::LaneReader<Ops>>(GetParam());
  EXPECT_EQ(verdict.fault, "") << story(verdict);
  EXPECT_GT(verdict.states, 1000u);  // else the scenario lost its point
  RecordProperty("states", std::to_string(verdict.states));
}

TEST(EveryOrderOfThreads, IsRightAtTheSpinLock) {
  const Verdict verdict = explore_spin_lock<shmring::BasicSpinLock<Ops>>({});
  EXPECT_EQ(verdict.fault, "") << story(verdict);
  EXPECT_GT(verdict.states, 20u);
}

TEST(EveryOrderOfThreads, IsRightWhenSlotsAreGivenBack) {
  const Verdict verdict = explore_freed_slots<shmring::FreedSlots<Ops>>({});
  EXPECT_EQ(verdict.fault, "") << story(verdict);
  EXPECT_GT(verdict.states, 20u);
}

INSTANTIATE_TEST_SUITE_P(Lane, EveryOrder, testing::ValuesIn(shapes()), [](const auto& param) {
  std::string name;
  for (const char c : std::string(param.param.name))
    if (std::isalpha(static_cast<unsigned char>(c))) name += c;
  return name;
});

// The first scenario that detects it, or nothing.
Verdict judge(const Mutant& mutant, const Callers& callers, const char*& scenario) {
  for (const Shape& shape : shapes()) {
    scenario = shape.name;
    if (Verdict verdict = mutant.explore(shape, callers); !verdict.fault.empty()) return verdict;
  }
  scenario = "-";
  return {};
}

void expect_detected(const Mutant& mutant, const Callers& callers = {}) {
  const char* scenario = nullptr;
  const Verdict verdict = judge(mutant, callers, scenario);
  std::printf("%-55s | %-30s | %s\n", mutant.name, scenario,
              verdict.fault.empty() ? "NOT CONVICTED" : verdict.fault.c_str());
  EXPECT_NE(verdict.fault, "") << mutant.name << ": nothing goes wrong with it; is the line stronger than it need be?";
}

TEST(MutationTable, EachWeakenedOrderAndEachStepLeftOutIsDetected) {
  support::Watchdog::limit(std::chrono::seconds(240));
  for (const Mutant& mutant : mutants) expect_detected(mutant);
}

TEST(MutationTable, ALostExchangeThatLoadsWithoutAcquireIsDetected) {
  using Weak = OpsWith<Order::relaxed>;
  expect_detected(
      {"a lost exchange loads without acquire", explore_lane<shmring::LaneWriter<Weak>, shmring::LaneReader<Weak>>});
}

TEST(MutationTable, EachMistakeOfTheCallersIsDetected) {
  const auto real = explore_lane<shmring::LaneWriter<Ops>, shmring::LaneReader<Ops>>;
  expect_detected({"no fence between the heads and the waiting flags", real}, {.publisher_fences = false});
  expect_detected({"bell drained after arming", real}, {.drains_after_arming = true});
}

}  // namespace
}  // namespace model
