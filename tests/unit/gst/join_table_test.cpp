// SPDX-License-Identifier: LGPL-2.1-or-later
// Which result gets onto which frame, and how long a frame waits: with a clock of the test's own.
#include "resultjoin/join_table.hpp"

#include <random>
#include <string>

#include <gmock/gmock.h>

namespace supplier::resultjoin {
namespace {

using Outcome = JoinTable::Outcome;

constexpr std::uint64_t kMs = 1'000'000;

struct Named : Finding {
  explicit Named(FrameId of) : frame(of) {}
  FrameId frame;
};

class JoinTableTest : public testing::Test {
 protected:
  JoinTableTest() {
    table_.limits = {4, 100 * kMs, 1000 * kMs, 0};
    a_ = add();
  }
  JoinTable::SourceRef add() {
    auto source = table_.add_source();
    table_.set_present(*source, true, now_);
    return source;
  }
  static FrameId id(std::uint64_t time, std::uint64_t sequence = kUnknown) { return {time * kMs, sequence}; }
  void hold(std::uint64_t time, std::uint64_t sequence = kUnknown) { table_.hold(id(time, sequence), true, now_); }
  Outcome exact(std::uint64_t time, std::uint64_t sequence = kUnknown) { return exact(a_, time, sequence); }
  Outcome exact(const JoinTable::SourceRef& source, std::uint64_t time, std::uint64_t sequence = kUnknown) {
    const FrameId frame = id(time, sequence);
    return table_.add_exact(*source, frame, std::make_shared<Named>(frame), now_);
  }
  Outcome latest(std::uint64_t time) { return table_.add_latest(*a_, id(time), std::make_shared<Named>(id(time))); }
  bool ready() { return table_.ready(now_); }
  // Times of the results, in ms, that the oldest frame goes with.
  std::vector<std::uint64_t> release() { return times(table_.release(now_)); }
  std::vector<std::uint64_t> pass(std::uint64_t time) { return times(table_.pass(id(time))); }
  static std::vector<std::uint64_t> times(const std::vector<Joined>& joined) {
    std::vector<std::uint64_t> found;
    for (const Joined& each : joined) found.push_back(dynamic_cast<const Named&>(*each.finding).frame.time / kMs);
    return found;
  }
  void expect_exact_account(const JoinTable::SourceRef& source) {
    const ResultCounts& n = source->counts();
    EXPECT_EQ(n.results,
              n.joined + n.late + n.duplicates + n.expired + n.refused + n.other_rings + n.discarded + n.pending);
  }
  void TearDown() override { expect_exact_account(a_); }

  JoinTable table_;
  JoinTable::SourceRef a_;
  std::uint64_t now_ = 5000 * kMs;
};

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(JoinTableTest, HoldsAFrameUntilItsOwnResultIsThere) {
  hold(10);
  hold(20);
  EXPECT_EQ(exact(20), Outcome::joined);
  EXPECT_FALSE(ready());
  EXPECT_EQ(exact(10), Outcome::joined);
  EXPECT_TRUE(ready());
  EXPECT_THAT(release(), ElementsAre(10));
  EXPECT_THAT(release(), ElementsAre(20));
}

TEST_F(JoinTableTest, LetsAFrameGoAfterMaxWait) {
  hold(10);
  EXPECT_EQ(table_.ready_at(now_), now_ + 100 * kMs);
  now_ += 99 * kMs;
  EXPECT_FALSE(ready());
  now_ += kMs;
  EXPECT_TRUE(ready());
  EXPECT_THAT(release(), IsEmpty());
  EXPECT_EQ(a_->counts().missing, 1u);
}

TEST_F(JoinTableTest, WaitsForEachPresentSource) {
  const auto b = add();
  hold(10);
  exact(10);
  EXPECT_FALSE(ready());
  exact(b, 10);
  EXPECT_TRUE(ready());
  EXPECT_THAT(release(), ElementsAre(10, 10));
}

TEST_F(JoinTableTest, WaitsForNoSourceThatIsAbsent) {
  hold(10);
  table_.set_present(*a_, false, now_);
  EXPECT_TRUE(ready());
}

TEST_F(JoinTableTest, WaitsForNoSourceThatWasRemoved) {
  const auto b = add();
  hold(10);
  exact(10);
  table_.remove_source(b, now_);
  EXPECT_TRUE(ready());
}

TEST_F(JoinTableTest, WaitsNotAtAllWithoutSources) {
  table_.remove_source(a_, now_);
  hold(10);
  EXPECT_TRUE(ready());
}

TEST_F(JoinTableTest, WaitsNotForAFrameThatNoWorkerCanHaveSeen) {
  table_.hold(id(10), false, now_);
  EXPECT_TRUE(ready());
  release();
  table_.hold({}, true, now_);
  EXPECT_TRUE(ready());
}

TEST_F(JoinTableTest, OneFrameTooManyMakesTheOldestGo) {
  for (std::uint64_t time = 1; time <= 4; ++time) hold(time);
  EXPECT_FALSE(ready());
  EXPECT_FALSE(table_.full());
  hold(5);
  EXPECT_TRUE(table_.full());
  EXPECT_TRUE(ready());
  release();
  EXPECT_FALSE(ready());
}

TEST_F(JoinTableTest, CallsASourceSilentAfterTwiceMaxWaitOfWaiting) {
  hold(1);  // one frame after the other, with pauses in which none waits
  now_ += 100 * kMs;
  ASSERT_TRUE(ready());
  release();
  now_ += 5000 * kMs;
  EXPECT_FALSE(a_->silent());
  hold(2);
  EXPECT_FALSE(ready());
  now_ += 100 * kMs;
  EXPECT_TRUE(ready());
  EXPECT_TRUE(a_->silent());
  release();
  hold(3);
  EXPECT_TRUE(ready());
}

TEST_F(JoinTableTest, CallsASourceSilentAtThatTimeAlsoWhileManyFramesWait) {
  table_.limits.max_frames = 100;
  const std::uint64_t begin = now_;
  for (std::uint64_t time = 1; !a_->silent() && time < 100; ++time) {
    hold(time);
    now_ += 10 * kMs;
    while (ready()) release();
  }
  EXPECT_EQ(now_ - begin, 200 * kMs);
  EXPECT_EQ(table_.held(), 0u);
}

TEST_F(JoinTableTest, WakesUpForTheMomentWhenASourceBecomesSilent) {
  hold(1);
  now_ += 100 * kMs;
  ASSERT_TRUE(ready());
  release();
  now_ += 1000 * kMs;
  hold(2);
  now_ += 40 * kMs;
  hold(3);
  now_ += 60 * kMs;  // silent now: frame 3 has waited for 60 ms only
  EXPECT_TRUE(ready());
  release();
  EXPECT_EQ(table_.ready_at(now_), now_);
}

TEST_F(JoinTableTest, WaitsAgainForASourceThatSpeaks) {
  for (std::uint64_t time = 1; time <= 2; ++time) {
    hold(time);
    now_ += 100 * kMs;
    ready();
    release();
  }
  ASSERT_TRUE(a_->silent());
  EXPECT_EQ(exact(1), Outcome::late);
  EXPECT_FALSE(a_->silent());
  hold(3);
  EXPECT_FALSE(ready());
}

TEST_F(JoinTableTest, GivesASourceThatIsLinkedAgainItsTime) {
  hold(1);
  now_ += 100 * kMs;
  ready();
  release();
  table_.set_present(*a_, false, now_);
  table_.set_present(*a_, true, now_);
  hold(2);
  now_ += 100 * kMs;
  ready();
  release();
  EXPECT_FALSE(a_->silent());
}

TEST_F(JoinTableTest, KeepsAResultForAFrameYetToCome) {
  EXPECT_EQ(exact(10), Outcome::stored);
  EXPECT_EQ(a_->counts().pending, 1u);
  hold(10);
  EXPECT_TRUE(ready());
  EXPECT_THAT(release(), ElementsAre(10));
}

TEST_F(JoinTableTest, DropsAResultWhoseFrameDoesNotCome) {
  exact(10);
  now_ += 1001 * kMs;
  hold(20);
  EXPECT_EQ(a_->counts().expired, 1u);
  EXPECT_EQ(a_->counts().pending, 0u);
}

TEST_F(JoinTableTest, KeepsABoundedNumberOfResults) {
  for (std::uint64_t time = 1; time <= 10 * kMostStored; ++time) exact(time);
  EXPECT_EQ(a_->counts().pending, kMostStored);
  EXPECT_EQ(a_->counts().expired, 9 * kMostStored);
}

TEST_F(JoinTableTest, ARingMadeAnewDoesNotMixItsFrameOneWithTheFormerOnes) {
  hold(10, 1);
  EXPECT_EQ(exact(500, 1), Outcome::stored);  // of the next life of the ring
  EXPECT_FALSE(ready());
  hold(500, 1);
  EXPECT_EQ(exact(10, 1), Outcome::joined);
  EXPECT_THAT(release(), ElementsAre(10));
  EXPECT_THAT(release(), ElementsAre(500));
}

TEST_F(JoinTableTest, SequencesTellFramesOfOneTimeApart) {
  hold(10, 1);
  hold(10, 2);
  EXPECT_EQ(exact(10, 2), Outcome::joined);
  EXPECT_FALSE(ready());
  EXPECT_EQ(exact(10, 3), Outcome::stored);
  EXPECT_EQ(exact(10, 1), Outcome::joined);
  EXPECT_THAT(release(), ElementsAre(10));
  EXPECT_THAT(release(), ElementsAre(10));
}

TEST_F(JoinTableTest, RefusesAResultThatMayBeOfEitherOfTwoFrames) {
  hold(10);
  hold(10);
  EXPECT_EQ(exact(10), Outcome::refused);
  EXPECT_EQ(a_->counts().refused, 1u);
}

TEST_F(JoinTableTest, NeverTakesATimeThatIsAlmostEqual) {
  hold(10);
  const FrameId almost{10 * kMs + 1, kUnknown};
  EXPECT_EQ(table_.add_exact(*a_, almost, std::make_shared<Named>(almost), now_), Outcome::stored);
  EXPECT_FALSE(ready());
}

TEST_F(JoinTableTest, UnderAForeignClockTakesAlmostEqualTimesWithEqualSequencesOnly) {
  table_.limits.tolerance = 5 * kMs;
  hold(10, 1);
  hold(12, 2);
  EXPECT_EQ(exact(13, 2), Outcome::joined);
  EXPECT_EQ(exact(11, 1), Outcome::joined);
  EXPECT_EQ(exact(16, 1), Outcome::stored);
  hold(20);
  EXPECT_EQ(exact(21), Outcome::stored);
}

TEST_F(JoinTableTest, TellsLateResultsFromDuplicates) {
  hold(10);
  exact(10);
  EXPECT_EQ(exact(10), Outcome::duplicate);
  release();
  EXPECT_EQ(exact(10), Outcome::duplicate);
  hold(20);
  now_ += 100 * kMs;
  ready();
  release();
  EXPECT_EQ(exact(20), Outcome::late);
  EXPECT_EQ(exact(20), Outcome::duplicate);
  EXPECT_EQ(exact(30), Outcome::stored);
  EXPECT_EQ(exact(30), Outcome::duplicate);
}

TEST_F(JoinTableTest, TakesNothingOfBeforeAFlushAfterIt) {
  hold(10);
  exact(10);
  exact(20);
  EXPECT_EQ(table_.clear(now_), 1u);
  hold(20);
  EXPECT_FALSE(ready());
  hold(10);
  exact(10);
  EXPECT_EQ(a_->counts().discarded, 2u);
  EXPECT_EQ(a_->counts().duplicates, 0u);
}

TEST_F(JoinTableTest, LatestTakesTheNewestThatIsNotOfALaterFrame) {
  latest(10);
  latest(20);
  latest(30);
  EXPECT_THAT(pass(25), ElementsAre(20));
  EXPECT_THAT(pass(40), ElementsAre(30));
  EXPECT_THAT(pass(50), ElementsAre(30));
  EXPECT_EQ(a_->counts().joined, 2u);
}

TEST_F(JoinTableTest, LatestTakesNoneThatIsOlderThanExpire) {
  latest(10);
  EXPECT_THAT(pass(1010), ElementsAre(10));
  EXPECT_THAT(pass(1011), IsEmpty());
  EXPECT_EQ(latest(5), Outcome::expired);
  EXPECT_EQ(a_->counts().missing, 1u);
}

TEST_F(JoinTableTest, LatestSortsWhatComesOutOfOrder) {
  latest(30);
  EXPECT_EQ(latest(10), Outcome::late);
  EXPECT_EQ(latest(30), Outcome::duplicate);
  EXPECT_THAT(pass(20), ElementsAre(10));
  EXPECT_THAT(pass(31), ElementsAre(30));
}

TEST_F(JoinTableTest, LatestIsNotFilledByResultsOfFramesThatNeverCome) {
  for (std::uint64_t i = 0; i < 2 * kMostStored; ++i) latest(1'000'000 + i);
  latest(10);
  EXPECT_THAT(pass(10), ElementsAre(10));
}

TEST_F(JoinTableTest, LatestGoesOnWhereTimesBeginAnew) {
  latest(59'000);
  pass(60'000);
  EXPECT_THAT(pass(0), IsEmpty());
  EXPECT_NE(latest(0), Outcome::expired);
  EXPECT_THAT(pass(40), ElementsAre(0));
  for (std::uint64_t time = 80; time <= 60'000; time += 40) pass(time);
  EXPECT_THAT(pass(60'000), IsEmpty());  // not that of the former frame of 59 s
}

TEST_F(JoinTableTest, LatestKeepsResultsOfFramesThatComeInTheOrderOfTheirDecoding) {
  latest(120);
  pass(120);
  EXPECT_EQ(latest(40), Outcome::late);
  EXPECT_THAT(pass(40), ElementsAre(40));
  EXPECT_THAT(pass(160), ElementsAre(120));
}

TEST_F(JoinTableTest, GoesOnWhereTimesBeginAnew) {
  for (const std::uint64_t time : {0, 40, 2000}) {
    hold(time);
    release();
  }
  for (const std::uint64_t time : {0, 40}) {
    hold(time);
    EXPECT_EQ(exact(time), Outcome::joined);
    EXPECT_THAT(release(), ElementsAre(time));
  }
}

// Every interleaving of frames and results, many sources, lives and duplicates: none gets onto another's frame, all are accounted for.
TEST_F(JoinTableTest, JoinsNoResultToAnotherFrameWhateverTheOrder) {
  std::mt19937 random(20261129);
  const auto dice = [&random](unsigned sides) { return static_cast<unsigned>(random() % sides); };
  for (int round = 0; round < 50; ++round) {
    JoinTable table;
    table.limits = {1 + dice(40), dice(50) * kMs, dice(200) * kMs, 0};
    std::vector<JoinTable::SourceRef> sources;
    std::vector<FrameId> frames, held;
    std::uint64_t time = 1, sequence = 0;
    for (int step = 0; step < 3000; ++step) {
      now_ += dice(5) * kMs;
      while (sources.size() < 1 || (sources.size() < 4 && dice(200) == 0)) {
        sources.push_back(table.add_source());
        table.set_present(*sources.back(), true, now_);
      }
      if (dice(300) == 0) {
        table.remove_source(sources.back(), now_);
        sources.pop_back();
        continue;
      }
      if (dice(100) == 0) sequence = 0;  // the ring was made anew
      if (dice(200) == 0) {
        table.clear(now_);
        held.clear();
      }
      if (dice(3) == 0) {
        frames.push_back({time += dice(2), ++sequence});
        table.hold(frames.back(), dice(20) != 0, now_);
        held.push_back(frames.back());
      } else if (!frames.empty()) {
        const FrameId frame =
            frames[frames.size() - 1 - dice(std::min<unsigned>(30, static_cast<unsigned>(frames.size())))];
        const FrameId said = dice(30) == 0 ? FrameId{frame.time + 1, frame.sequence} : frame;
        table.add_exact(*sources[dice(static_cast<unsigned>(sources.size()))], said, std::make_shared<Named>(said),
                        now_);
      }
      while (table.full() || table.ready(now_)) {
        for (const Joined& each : table.release(now_)) {
          const FrameId& of = dynamic_cast<const Named&>(*each.finding).frame;
          ASSERT_EQ(of.time, held.front().time);
          ASSERT_EQ(of.sequence, held.front().sequence);
        }
        held.erase(held.begin());
      }
      ASSERT_EQ(table.held(), held.size());
    }
    for (const auto& source : sources) expect_exact_account(source);
  }
}

}  // namespace
}  // namespace supplier::resultjoin
