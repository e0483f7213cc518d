// SPDX-License-Identifier: LGPL-2.1-or-later
// Every state of a branch with every input: what is allowed leads where it must, and everything else is ignored.
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "latestframe/branch_state.hpp"

namespace supplier::latestframe {
namespace {

using enum BranchState;
using Input = BranchInput;

constexpr auto kStates =
    std::to_array({inactive, unlinked, waiting, offered, resting, refused, ending, ended, flushing, released});
constexpr auto kInputs = std::to_array({Input::activate, Input::deactivate, Input::release, Input::link, Input::unlink,
                                        Input::flush, Input::unflush, Input::ready, Input::unready, Input::no_consumer,
                                        Input::refuse, Input::end, Input::warned, Input::retry});

bool is_in(BranchState state, const std::set<BranchState>& set) { return set.contains(state); }

std::set<BranchState> reachable(BranchState from) {
  std::set<BranchState> found{from};
  for (std::size_t before = 0; before != found.size();) {
    before = found.size();
    for (const BranchTransition& transition : kBranchTransitions)
      if (found.contains(transition.from)) found.insert(transition.to);
  }
  return found;
}

// Where each input leads from the states in its set; from all others nowhere.
struct Rule {
  BranchState to;
  std::set<BranchState> from;
};
const std::map<Input, Rule> kRules{
    {Input::activate, {unlinked, {inactive}}},
    {Input::deactivate, {inactive, {unlinked, waiting, offered, resting, refused, ending, ended, flushing}}},
    {Input::release, {released, {inactive, unlinked, waiting, offered, resting, refused, ending, ended, flushing}}},
    {Input::link, {waiting, {unlinked, offered, resting, refused, ending, ended}}},
    {Input::unlink, {unlinked, {waiting, offered, resting, refused}}},
    {Input::flush, {flushing, {unlinked, waiting, offered, resting, refused, ending, ended}}},
    {Input::unflush, {unlinked, {flushing}}},
    {Input::ready, {offered, {waiting}}},
    {Input::unready, {waiting, {offered}}},
    {Input::no_consumer, {resting, {offered}}},
    {Input::refuse, {refused, {offered}}},
    {Input::end, {ending, {unlinked, offered, refused}}},
    {Input::warned, {ended, {ending}}},
    {Input::retry, {waiting, {resting, refused, ending, ended}}},
};

TEST(LatestFrameBranchState, LeadsWhereEachInputMustFromEveryState) {
  std::size_t allowed = 0, ignored = 0;
  ASSERT_EQ(kRules.size(), kInputs.size());
  for (const BranchState state : kStates)
    for (const Input input : kInputs) {
      SCOPED_TRACE(std::string(name_of(state)) + " with input " + std::to_string(static_cast<int>(input)));
      const Rule& rule = kRules.at(input);
      const auto to = next(state, input);
      if (is_in(state, rule.from)) {
        ++allowed;
        ASSERT_TRUE(to);
        EXPECT_STREQ(name_of(*to), name_of(rule.to));
      } else {
        ++ignored;
        EXPECT_FALSE(to);
      }
    }
  EXPECT_EQ(allowed, kBranchTransitions.size());  // the table has no line twice
  EXPECT_EQ(allowed + ignored, kStates.size() * kInputs.size());
}

TEST(LatestFrameBranchState, EachStateIsReachedAndOnlyReleasedIsForGood) {
  EXPECT_EQ(reachable(inactive).size(), kStates.size());
  EXPECT_EQ(reachable(released).size(), 1u);
  for (const BranchState state : kStates) {
    if (state == released) continue;
    const auto from_here = reachable(state);
    EXPECT_TRUE(is_in(inactive, from_here) && is_in(offered, from_here)) << name_of(state);
  }
}

TEST(LatestFrameBranchState, AnEndIsWarnedAboutOnce) {
  std::vector<BranchTransition> into_ended;
  for (const BranchTransition& transition : kBranchTransitions)
    if (transition.to == ended) into_ended.push_back(transition);
  ASSERT_EQ(into_ended.size(), 1u);
  EXPECT_TRUE(into_ended[0].from == ending && into_ended[0].input == Input::warned);
}

TEST(LatestFrameBranchState, FramesAreOfferedOnlyAfterWaitingForThePeer) {
  for (const BranchTransition& transition : kBranchTransitions) {
    EXPECT_TRUE(transition.to != offered || transition.from == waiting) << name_of(transition.from);
    EXPECT_NE(transition.from, transition.to) << name_of(transition.from);
  }
}

TEST(LatestFrameBranchState, IsActiveUnlessThePadIsNot) {
  for (const BranchState state : kStates) EXPECT_EQ(is_active(state), state != inactive && state != released);
}

TEST(LatestFrameBranchState, EveryStateHasANameOfItsOwn) {
  std::set<std::string> names;
  for (const BranchState state : kStates) names.insert(name_of(state));
  EXPECT_EQ(names.size(), kStates.size());
}

}  // namespace
}  // namespace supplier::latestframe
