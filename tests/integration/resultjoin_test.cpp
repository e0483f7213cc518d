// SPDX-License-Identifier: LGPL-2.1-or-later
// resultjoin: which frames get which results, and which wait.
#include <thread>

#include <gmock/gmock.h>

#include "resultjoin_rig.hpp"

namespace resultjoin_test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

TEST_F(ResultJoin, HoldsEachFrameForItsOwnResult) {
  open("exact");
  Results results(element());
  push(40);
  push(80);
  results.send(80);
  EXPECT_EQ(count("held"), 2u);
  results.send(40);
  EXPECT_THAT(pull_labels(), ElementsAre("40"));
  EXPECT_THAT(pull_labels(), ElementsAre("80"));
  EXPECT_EQ(results.count("joined"), 2u);
  EXPECT_TRUE(eventually([&] { return count("held") == 0 && count("joined") == 2; }));
}

TEST_F(ResultJoin, KeepsAResultThatComesBeforeItsFrame) {
  open("exact");
  Results results(element());
  results.send(40);
  push(40);
  EXPECT_THAT(pull_labels(), ElementsAre("40"));
}

TEST_F(ResultJoin, JoinsTheResultsOfSeveralWorkers) {
  open("exact");
  Results one(element());
  Results other(element());
  push(40);
  one.send(40);
  other.send(40);
  EXPECT_THAT(pull_labels(), ElementsAre("40", "40"));
}

TEST_F(ResultJoin, LetsAFrameGoWithoutItsResultAfterMaxWait) {
  open("exact", 20 * GST_MSECOND);
  Results results(element());
  push(40);
  EXPECT_THAT(pull_labels(), IsEmpty());
  EXPECT_TRUE(eventually([&] { return results.count("missing") == 1; }));
  results.send(40);
  EXPECT_EQ(results.count("late"), 1u);
  results.send(40);
  EXPECT_EQ(results.count("duplicates"), 1u);
}

TEST_F(ResultJoin, HoldsAtMostMaxFrames) {
  open("exact");
  g_object_set(element(), "max-frames", 3, nullptr);
  Results results(element());
  for (std::uint64_t ms = 1; ms <= 10; ++ms) push(ms);
  for (std::uint64_t ms = 1; ms <= 7; ++ms) EXPECT_EQ(GST_BUFFER_PTS(pull().get()), ms * GST_MSECOND);
  EXPECT_TRUE(eventually([&] { return count("held") == 3; }));
}

TEST_F(ResultJoin, JoinsNothingByASequenceOfAnotherLifeOfTheRing) {
  open("exact", kLong, true);
  Results results(element());
  push(40, 1);
  results.send(1000, 1);
  EXPECT_EQ(results.count("pending"), 1u);
  results.send(40, 2);
  EXPECT_EQ(results.count("pending"), 2u);
  results.send(40, 1);
  EXPECT_THAT(pull_labels(), ElementsAre("40"));
}

TEST_F(ResultJoin, TakesNothingOfAnotherRing) {
  for (const char* mode : {"latest", "exact"}) {
    SCOPED_TRACE(mode);
    open(mode, 10 * GST_MSECOND, true);
    Results results(element());
    results.send(result(40, 7, "/run/back.sock"));
    push(40, 7);
    EXPECT_THAT(pull_labels(), IsEmpty());
    results.send(result(80, 8, "/in/a/container/front.sock"));
    push(80, 8);
    EXPECT_THAT(pull_labels(), ElementsAre("80"));
    EXPECT_EQ(results.count("other-rings"), 1u);
    EXPECT_EQ(results.count("results"), 2u);
    results.release();
    close();
  }
}

TEST_F(ResultJoin, TakesNoNoticeOfAnOffsetThatIsNoSequence) {
  open("exact");
  Results results(element());
  push(40, 900);
  results.send(40, 1);
  EXPECT_THAT(pull_labels(), ElementsAre("40"));
}

TEST_F(ResultJoin, RefusesWhatIsNoResult) {
  open("exact");
  Results results(element());
  results.send(adopt(gst_buffer_new_memdup("{", 1)));
  auto garbage = adopt(gst_buffer_new_memdup("{}x", 3));
  GST_BUFFER_PTS(garbage.get()) = 0;
  results.send(std::move(garbage));
  auto huge = adopt(gst_buffer_new_allocate(nullptr, shmring::kResultSize + 1, nullptr));
  GST_BUFFER_PTS(huge.get()) = 0;
  results.send(std::move(huge));
  auto empty = adopt(gst_buffer_new());
  GST_BUFFER_PTS(empty.get()) = 0;
  results.send(std::move(empty));
  auto timeless = result(40);
  GST_BUFFER_PTS(timeless.get()) = GST_CLOCK_TIME_NONE;
  results.send(std::move(timeless));
  EXPECT_EQ(results.count("refused"), 5u);
}

TEST_F(ResultJoin, WaitsNotForAFrameThatNoWorkerHasSeen) {
  open("exact");
  Results results(element());
  auto repeated = frame(40);
  GST_BUFFER_FLAG_SET(repeated.get(), GST_BUFFER_FLAG_GAP);
  push(std::move(repeated));
  pull();
  auto timeless = frame(0);
  GST_BUFFER_PTS(timeless.get()) = GST_CLOCK_TIME_NONE;
  push(std::move(timeless));
  pull();
}

TEST_F(ResultJoin, TakesTheMetasOfABranchOfThisProcess) {
  open("exact");
  Results branch(element(), "video/x-raw,format=GRAY8,width=32,height=24");
  push(40);
  auto inferred = frame(40);
  gst_buffer_add_video_region_of_interest_meta(inferred.get(), "dog", 8, 8, 16, 8);
  branch.send(std::move(inferred));
  const auto joined = pull();
  const auto* region = gst_buffer_get_video_region_of_interest_meta_id(joined.get(), 1);
  ASSERT_NE(region, nullptr);
  EXPECT_STREQ(g_quark_to_string(region->roi_type), "dog");
  EXPECT_EQ(region->x, 16u);
  EXPECT_EQ(region->w, 32u);
}

TEST_F(ResultJoin, KeepsNoBufferOfABranch) {
  open("exact");
  Results branch(element(), kCaps);
  auto inferred = frame(40);
  const auto kept = share(inferred.get());
  branch.send(std::move(inferred));
  EXPECT_EQ(GST_MINI_OBJECT_REFCOUNT_VALUE(kept.get()), 1);
}

TEST_F(ResultJoin, ChangesNoBufferThatOthersHaveAndCopiesNoPixels) {
  open("exact");
  Results results(element());
  const auto shared = frame(40);
  GstMapInfo theirs;
  ASSERT_TRUE(gst_buffer_map(shared.get(), &theirs, GST_MAP_READ));
  push(share(shared.get()));
  results.send(40);
  const auto joined = pull();
  GstMapInfo ours;
  ASSERT_TRUE(gst_buffer_map(joined.get(), &ours, GST_MAP_READ));
  EXPECT_EQ(ours.data, theirs.data);
  gst_buffer_unmap(joined.get(), &ours);
  gst_buffer_unmap(shared.get(), &theirs);
  EXPECT_THAT(labels(shared.get()), IsEmpty());
  EXPECT_THAT(labels(joined.get()), ElementsAre("40"));
}

TEST_F(ResultJoin, TreatsABufferListAsOneFrame) {
  open("exact");
  Results results(element());
  GstBufferList* list = gst_buffer_list_new();
  for (int i = 0; i < 3; ++i) gst_buffer_list_add(list, frame(40).release());
  ASSERT_EQ(gst_pad_push_list(harness_->srcpad, list), GST_FLOW_OK);
  results.send(40);
  EXPECT_THAT(pull_labels(), ElementsAre("40"));
  EXPECT_THAT(pull_labels(), IsEmpty());
  EXPECT_THAT(pull_labels(), IsEmpty());
  EXPECT_EQ(count("received"), 1u);
}

TEST_F(ResultJoin, LatestHoldsNothingAndTakesTheNewestResult) {
  open("latest");
  Results results(element());
  push(40);
  EXPECT_EQ(arrived(), 1u);
  EXPECT_THAT(pull_labels(), IsEmpty());
  results.send(40);
  results.send(20);
  push(80);
  EXPECT_EQ(arrived(), 1u);
  EXPECT_THAT(pull_labels(), ElementsAre("40"));
  results.send(120);
  push(100);
  EXPECT_THAT(pull_labels(), ElementsAre("40"));
  push(120);
  EXPECT_THAT(pull_labels(), ElementsAre("120"));
}

TEST_F(ResultJoin, LatestTakesNoResultOlderThanExpire) {
  open("latest");
  g_object_set(element(), "expire", 100 * GST_MSECOND, nullptr);
  Results results(element());
  results.send(40);
  push(140);
  EXPECT_THAT(pull_labels(), ElementsAre("40"));
  push(141);
  EXPECT_THAT(pull_labels(), IsEmpty());
}

TEST_F(ResultJoin, LatestTellsTheAgeOfAResult) {
  open("latest");
  Results results(element());
  results.send(40);
  push(100);
  const auto joined = pull();
  auto* region = gst_buffer_get_video_region_of_interest_meta_id(joined.get(), 1);
  ASSERT_NE(region, nullptr);
  gint64 age = 0;
  EXPECT_TRUE(gst_structure_get_int64(gst_video_region_of_interest_meta_get_param(region, "detection"), "age", &age));
  EXPECT_EQ(age, 60 * GST_MSECOND);
}

class ResultJoinPads : public ResultJoin {};

TEST_F(ResultJoinPads, AreNotWaitedForWithoutAny) {
  open("exact");
  push(40);
  pull();
}

TEST_F(ResultJoinPads, AreNotWaitedForWhenUnlinked) {
  open("exact");
  Results results(element());
  push(40);
  results.unlink();
  EXPECT_EQ(results.state(), "absent");
  pull();
  results.link();
  push(80);
  EXPECT_EQ(results.state(), "awaited");
  results.send(80);
  EXPECT_THAT(pull_labels(), ElementsAre("80"));
}

TEST_F(ResultJoinPads, AreNotWaitedForWhenTheyWereNeverLinked) {
  open("exact");
  const auto pad = adopt(gst_element_request_pad_simple(element(), "results_%u"));
  push(40);
  pull();
  gst_element_release_request_pad(element(), pad.get());
}

TEST_F(ResultJoinPads, AreNotWaitedForAfterTheirEnd) {
  open("exact");
  Results results(element());
  push(40);
  results.send(gst_event_new_eos());
  pull();
  results.send(gst_event_new_stream_start("next"));
  gst_harness_set_src_caps_str(results.harness(), shmring::kResultCaps);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  results.send(gst_event_new_segment(&segment));
  push(80);
  EXPECT_EQ(results.state(), "awaited");
  results.send(80);
  EXPECT_THAT(pull_labels(), ElementsAre("80"));
}

TEST_F(ResultJoinPads, AreNotWaitedForWhenReleased) {
  open("exact");
  Results results(element());
  push(40);
  results.release();
  pull();
}

TEST_F(ResultJoinPads, AreNotWaitedForWhileTheyFlush) {
  open("exact");
  Results results(element());
  results.send(40);
  push(80);
  results.send(gst_event_new_flush_start());
  pull();
  results.send(gst_event_new_flush_stop(TRUE));
  EXPECT_EQ(results.count("discarded"), 1u);
}

TEST_F(ResultJoinPads, AreNotWaitedForWhileSilentUntilTheySpeak) {
  open("exact", 10 * GST_MSECOND);
  Results results(element());
  for (std::uint64_t ms = 1; results.state() != "silent"; ++ms) {
    push(ms);
    pull();
  }
  g_object_set(element(), "max-wait", kLong, nullptr);
  results.send(1);
  EXPECT_EQ(results.state(), "awaited");
  push(5000);
  results.send(5000);
  EXPECT_THAT(pull_labels(), ElementsAre("5000"));
}

TEST_F(ResultJoinPads, ComeAndGoWhileFramesFlow) {
  open("exact", 5 * GST_MSECOND);
  std::atomic<bool> over{false};
  std::thread frames([&] {
    for (std::uint64_t ms = 1; !over; ++ms) {
      push(ms);
      pull();
    }
  });
  for (int i = 0; i < 30; ++i) {
    Results one(element());
    Results other(element());
    one.send(static_cast<std::uint64_t>(i));
  }
  over = true;
  frames.join();
  EXPECT_EQ(GST_ELEMENT(element())->numsinkpads, 1);
}

TEST_F(ResultJoinPads, TakeWhatIsOnItsWayWhileTheyAreReleased) {
  open("exact");
  Results results(element());
  const auto pad = share(results.pad());
  const auto upstream = share(results.harness()->srcpad);
  gst_element_release_request_pad(element(), pad.get());
  EXPECT_FALSE(gst_pad_is_linked(upstream.get()));
  // A push that found the pad before it was released: "flushing" would end the other branches of a tee, too.
  EXPECT_EQ(gst_pad_chain(pad.get(), result(40).release()), GST_FLOW_OK);
  push(40);
  EXPECT_THAT(pull_labels(), IsEmpty());
}

TEST_F(ResultJoinPads, AreNamedAsAsked) {
  open("latest");
  const auto seventh = adopt(gst_element_request_pad_simple(element(), "results_7"));
  const auto next = adopt(gst_element_request_pad_simple(element(), "results_%u"));
  EXPECT_STREQ(GST_OBJECT_NAME(seventh.get()), "results_7");
  EXPECT_STREQ(GST_OBJECT_NAME(next.get()), "results_8");
  for (const auto& pad : {seventh.get(), next.get()}) gst_element_release_request_pad(element(), pad);
}

}  // namespace
}  // namespace resultjoin_test
