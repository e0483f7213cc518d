// SPDX-License-Identifier: LGPL-2.1-or-later
// Each event and each query that GStreamer has, in each direction, beside a branch that is stuck: it passes, it is
// answered, and no thread waits.
#include <ostream>
#include <tuple>

#include "latestframe_stuck.hpp"

namespace latestframe_test {
namespace {

GstStructure* nothing(const char* name) { return gst_structure_new_empty(name); }

// Downstream.
struct Told {
  const char* name;
  GstEvent* (*make)();
  bool alone = false;  // it comes without a frame after it
};
void PrintTo(const Told& told, std::ostream* out) { *out << told.name; }

GstEvent* caps_event() {
  return gst_event_new_caps(adopt(gst_caps_from_string("video/x-raw,format=RGB,width=8,height=8")).get());
}
GstEvent* segment_event() {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = GST_SECOND;
  return gst_event_new_segment(&segment);
}
GstEvent* toc_event() {
  GstToc* toc = gst_toc_new(GST_TOC_SCOPE_GLOBAL);
  gst_toc_append_entry(toc, gst_toc_entry_new(GST_TOC_ENTRY_TYPE_CHAPTER, "one"));
  GstEvent* event = gst_event_new_toc(toc, FALSE);
  gst_toc_unref(toc);
  return event;
}
GstEvent* collection_event() {
  GstStreamCollection* collection = gst_stream_collection_new("stream");
  GstEvent* event = gst_event_new_stream_collection(collection);
  gst_object_unref(collection);
  return event;
}
GstEvent* sink_message_event() {
  const auto message = adopt(gst_message_new_application(nullptr, nothing("test")));
  return gst_event_new_sink_message("test", message.get());
}
GstEvent* custom(GstEventType type) { return gst_event_new_custom(type, nothing("test")); }

const Told kTold[] = {
    {"stream_start", [] { return gst_event_new_stream_start("next"); }},
    {"stream_collection", collection_event},
    {"caps", caps_event},
    {"segment", segment_event},
    {"tag", [] { return gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "title", nullptr)); }},
    {"buffer_size", [] { return gst_event_new_buffer_size(GST_FORMAT_TIME, 0, 1, FALSE); }},
    {"sink_message", sink_message_event},
    {"stream_group_done", [] { return gst_event_new_stream_group_done(1); }},
    {"toc", toc_event},
    {"protection",
     [] {
       return gst_event_new_protection("system", adopt(gst_buffer_new_allocate(nullptr, 4, nullptr)).get(), "test");
     }},
    {"instant_rate_change", [] { return gst_event_new_instant_rate_change(2, static_cast<GstSegmentFlags>(0)); }},
    {"custom_sticky", [] { return custom(GST_EVENT_CUSTOM_DOWNSTREAM_STICKY); }},
    {"segment_done", [] { return gst_event_new_segment_done(GST_FORMAT_TIME, GST_SECOND); }, true},
    {"gap", [] { return gst_event_new_gap(0, GST_SECOND); }, true},
    {"custom", [] { return custom(GST_EVENT_CUSTOM_DOWNSTREAM); }, true},
    {"custom_both", [] { return custom(GST_EVENT_CUSTOM_BOTH); }, true},
    {"custom_oob", [] { return custom(GST_EVENT_CUSTOM_DOWNSTREAM_OOB); }, true},
    {"custom_both_oob", [] { return custom(GST_EVENT_CUSTOM_BOTH_OOB); }, true},
    {"eos", [] { return gst_event_new_eos(); }, true},
};

// Upstream.
struct Asked {
  const char* name;
  GstEvent* (*make)();
  int arrive = 2;  // how many reach upstream if each of two branches sends it
};
void PrintTo(const Asked& asked, std::ostream* out) { *out << asked.name; }

const Asked kAsked[] = {
    {"seek",
     [] {
       return gst_event_new_seek(1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0);
     },
     1},
    {"qos", [] { return gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 0.1, GST_SECOND, 0); }, 0},
    {"reconfigure", [] { return gst_event_new_reconfigure(); }, 0},
    {"navigation", [] { return gst_event_new_navigation(nothing("test")); }},
    {"latency", [] { return gst_event_new_latency(GST_SECOND); }},
    {"step", [] { return gst_event_new_step(GST_FORMAT_BUFFERS, 1, 1, TRUE, FALSE); }},
    {"toc_select", [] { return gst_event_new_toc_select("one"); }},
    {"select_streams",
     [] {
       GList streams{const_cast<char*>("stream"), nullptr, nullptr};
       return gst_event_new_select_streams(&streams);
     }},
    {"instant_rate_sync_time", [] { return gst_event_new_instant_rate_sync_time(2, 0, 0); }},
    {"custom", [] { return custom(GST_EVENT_CUSTOM_UPSTREAM); }},
    {"custom_both", [] { return custom(GST_EVENT_CUSTOM_BOTH); }},
    {"custom_both_oob", [] { return custom(GST_EVENT_CUSTOM_BOTH_OOB); }},
};

struct Question {
  const char* name;
  GstQuery* (*make)();
};
void PrintTo(const Question& question, std::ostream* out) { *out << question.name; }

GstQuery* with_caps(GstQuery* (*make)(GstCaps*)) {
  return make(adopt(gst_caps_from_string("video/x-raw,format=GRAY8,width=8,height=8")).get());
}
template <int kNumber, unsigned kFlags>
GstQuery* of_unknown_type() {
  return gst_query_new_custom(static_cast<GstQueryType>(GST_QUERY_MAKE_TYPE(kNumber, kFlags)), nothing("test"));
}
constexpr unsigned kSerialized = GST_QUERY_TYPE_BOTH | GST_QUERY_TYPE_SERIALIZED;

const Question kBothWays[] = {
    {"position", [] { return gst_query_new_position(GST_FORMAT_TIME); }},
    {"duration", [] { return gst_query_new_duration(GST_FORMAT_TIME); }},
    {"latency", [] { return gst_query_new_latency(); }},
    {"seeking", [] { return gst_query_new_seeking(GST_FORMAT_TIME); }},
    {"segment", [] { return gst_query_new_segment(GST_FORMAT_TIME); }},
    {"convert", [] { return gst_query_new_convert(GST_FORMAT_TIME, GST_SECOND, GST_FORMAT_DEFAULT); }},
    {"formats", [] { return gst_query_new_formats(); }},
    {"buffering", [] { return gst_query_new_buffering(GST_FORMAT_PERCENT); }},
    {"uri", [] { return gst_query_new_uri(); }},
    {"caps", [] { return gst_query_new_caps(nullptr); }},
    {"accept_caps", [] { return with_caps(gst_query_new_accept_caps); }},
    {"context", [] { return gst_query_new_context("test"); }},
    {"custom", [] { return of_unknown_type<241, GST_QUERY_TYPE_BOTH>(); }},
    {"custom_serialized", [] { return of_unknown_type<240, kSerialized>(); }},
};
const Question kDown[] = {
    {"allocation", [] { return with_caps([](GstCaps* caps) { return gst_query_new_allocation(caps, TRUE); }); }},
    {"drain", [] { return gst_query_new_drain(); }},
    {"bitrate", [] { return gst_query_new_bitrate(); }},
};
const Question kUp[] = {{"scheduling", [] { return gst_query_new_scheduling(); }}};

template <class What>
class Situation : public BesideAStuckBranch, public testing::WithParamInterface<std::tuple<Stuck, What>> {
 protected:
  Stuck where() const override { return std::get<0>(this->GetParam()); }
  const What& what() const { return std::get<1>(this->GetParam()); }
};
template <class What>
std::string name(const testing::TestParamInfo<std::tuple<Stuck, What>>& info) {
  return name_of(std::get<0>(info.param)) + "_" + std::get<1>(info.param).name;
}

using LatestFrameTells = Situation<Told>;
TEST_P(LatestFrameTells, EachOtherBranchOnceAndInItsPlace) {
  const auto event = adopt(what().make());
  const GstEventType type = GST_EVENT_TYPE(event.get());
  const int before = other_.count(type);
  EXPECT_TRUE(rig_.event(share(event.get()).release()));
  if (!what().alone) rig_.push_in_step(other_, 1);
  ASSERT_TRUE(other_.got(type, before + 1));
  if (type == GST_EVENT_EOS) return;
  expect_unharmed();
  EXPECT_EQ(other_.count(type), before + 1);
  const auto story = other_.seen();
  const auto place =
      std::find_if(story.begin(), story.end(), [&](const Seen& seen) { return seen.event == event.get(); });
  ASSERT_NE(place, story.end()) << "not the very event";
  EXPECT_EQ((place + 1)->frame, 2u);
}
INSTANTIATE_TEST_SUITE_P(In, LatestFrameTells, testing::Combine(kEverywhere, testing::ValuesIn(kTold)), name<Told>);

using LatestFrameIsTold = Situation<Asked>;
TEST_P(LatestFrameIsTold, ByEachBranchAndPassesItUpstream) {
  const auto event = adopt(what().make());
  const int before = rig_.upstream(GST_EVENT_TYPE(event.get()));
  for (Worker* worker : {&stuck_, &other_}) gst_pad_push_event(worker->pad(), share(event.get()).release());
  EXPECT_EQ(rig_.upstream(GST_EVENT_TYPE(event.get())), before + what().arrive);
  expect_unharmed();
}
INSTANTIATE_TEST_SUITE_P(In, LatestFrameIsTold, testing::Combine(kEverywhere, testing::ValuesIn(kAsked)), name<Asked>);

using LatestFrameIsAsked = Situation<Question>;
TEST_P(LatestFrameIsAsked, ByUpstreamAndByEachBranch) {
  const GstQueryType type = GST_QUERY_TYPE(adopt(what().make()).get());
  const auto flags = gst_query_type_get_flags(type);
  if (flags & GST_QUERY_TYPE_DOWNSTREAM) rig_.query(adopt(what().make()).get());
  if (flags & GST_QUERY_TYPE_UPSTREAM)
    for (Worker* worker : {&stuck_, &other_}) gst_pad_peer_query(worker->pad(), adopt(what().make()).get());
  expect_unharmed();
}
INSTANTIATE_TEST_SUITE_P(BothWays, LatestFrameIsAsked, testing::Combine(kEverywhere, testing::ValuesIn(kBothWays)),
                         name<Question>);
INSTANTIATE_TEST_SUITE_P(Down, LatestFrameIsAsked, testing::Combine(kEverywhere, testing::ValuesIn(kDown)),
                         name<Question>);
INSTANTIATE_TEST_SUITE_P(Up, LatestFrameIsAsked, testing::Combine(kEverywhere, testing::ValuesIn(kUp)), name<Question>);

}  // namespace
}  // namespace latestframe_test
