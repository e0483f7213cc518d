// SPDX-License-Identifier: LGPL-2.1-or-later
// Every element goes from every state to every other, again and again: alone, with its pads requested, in a pipeline
// that plays, and while its properties are set.
#include <gmock/gmock.h>

#include "elements.hpp"

namespace elements_test {
namespace {

// Posts no error and reaches what it is told to.
class Element : public support::GstFixture, public testing::WithParamInterface<std::string> {
 protected:
  Owned<GstElement> make() {
    auto made = adopt(GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make(GetParam().c_str(), nullptr))));
    if (g_object_class_find_property(G_OBJECT_GET_CLASS(made.get()), "socket-path"))
      g_object_set(made.get(), "socket-path", folder_.file("s").c_str(), nullptr);
    gst_element_set_bus(made.get(), bus_.get());
    return made;
  }
  void go(GstElement* element, GstState state) {
    ASSERT_NE(gst_element_set_state(element, state), GST_STATE_CHANGE_FAILURE) << gst_element_state_get_name(state);
    ASSERT_EQ(GST_STATE(element), state);
  }
  // A pad of each request template.
  static std::vector<Owned<GstPad>> request_all(GstElement* element, int of_each) {
    std::vector<Owned<GstPad>> pads;
    for (GList* at = gst_element_get_pad_template_list(element); at; at = at->next)
      if (GST_PAD_TEMPLATE_PRESENCE(GST_PAD_TEMPLATE(at->data)) == GST_PAD_REQUEST)
        for (int i = 0; i < of_each; ++i)
          pads.push_back(adopt(gst_element_request_pad(element, GST_PAD_TEMPLATE(at->data), nullptr, nullptr)));
    return pads;
  }
  std::string pipeline_line() const {
    const std::string path = " socket-path=" + folder_.file("s") + " ";
    const std::string live = "videotestsrc is-live=true ! video/x-raw,width=64,height=64,framerate=200/1 ! ";
    const std::string end = " ! fakesink sync=false async=false signal-handoffs=true name=end";
    const std::string name = GetParam();
    if (name == "latestframe") return live + "latestframe name=l  l. ! fakesink  l." + end;
    if (name == "shmringsink" || name == "shmringsrc")
      return live + "shmringsink forward-eos=always" + path + "shmringsrc" + path + end;
    return live + name + end;
  }
  void TearDown() override {
    EXPECT_FALSE(adopt(gst_bus_pop_filtered(bus_.get(), GST_MESSAGE_ERROR)));
    gst_bus_set_flushing(bus_.get(), TRUE);
    EXPECT_THAT(folder_.names(), testing::IsEmpty()) << "left behind";
  }

  support::TempDir folder_;
  Owned<GstBus> bus_ = adopt(gst_bus_new());
};

TEST(LiveObjects, AreSeen) {
  auto buffer = adopt(gst_buffer_new());
  EXPECT_THAT(support::live_objects(), testing::Contains(testing::HasSubstr("object=(buffer)")));
  buffer.reset();
  EXPECT_THAT(support::live_objects(), testing::IsEmpty());
}

TEST(Elements, AreAllThere) {
  EXPECT_THAT(our_elements(),
              testing::UnorderedElementsAre("latestframe", "framehealth", "shmringsink", "shmringsrc", "resultjoin"));
}

TEST_P(Element, GoesFromEveryStateToEveryOther) {
  const auto element = make();
  for (int round = 0; round < 3; ++round)
    for (const GstState state : every_way()) go(element.get(), state);
}

TEST_P(Element, GoesFromEveryStateToEveryOtherWithPadsRequestedInEachOfThem) {
  const auto element = make();
  const auto kept = request_all(element.get(), 2);
  for (const GstState state : every_way()) {
    go(element.get(), state);
    for (const auto& pad : request_all(element.get(), 3)) gst_element_release_request_pad(element.get(), pad.get());
  }
  for (const auto& pad : kept) gst_element_release_request_pad(element.get(), pad.get());
}

TEST_P(Element, TakesPropertiesInEveryState) {
  const auto element = make();
  const auto pads = request_all(element.get(), 1);
  for (const GstState state : every_way()) {
    go(element.get(), state);
    for (int i = 0; i < 2; ++i) {
      write_properties(element.get());
      read_properties(element.get());
      for (const auto& pad : pads) {
        write_properties(pad.get());
        read_properties(pad.get());
      }
    }
  }
  for (const auto& pad : pads) gst_element_release_request_pad(element.get(), pad.get());
}

TEST_P(Element, EndsInReadyAsWellAsInNull) {
  for (const GstState last : {GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING}) {
    const auto element = make();
    go(element.get(), last);
    go(element.get(), GST_STATE_NULL);
    go(element.get(), GST_STATE_READY);
    go(element.get(), GST_STATE_NULL);
  }
}

TEST_P(Element, PlaysInAPipelineAfterEveryWayThroughItsStates) {
  Pipeline pipeline(pipeline_line());
  std::atomic<int> frames{0};
  const auto end = pipeline.find("end");
  const gulong handoff = g_signal_connect(
      end.get(), "handoff", G_CALLBACK(+[](GstElement*, GstBuffer*, GstPad*, std::atomic<int>* count) { ++*count; }),
      &frames);
  for (int round = 0; round < 2; ++round) {
    for (const GstState state : every_way())
      ASSERT_NE(pipeline.set_state(state), GST_STATE_CHANGE_FAILURE) << gst_element_state_get_name(state);
    ASSERT_NE(pipeline.set_state(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
    const int before = frames;
    EXPECT_TRUE(eventually([&] { return frames > before + 5; }));
  }
  pipeline.set_state(GST_STATE_NULL);
  g_signal_handler_disconnect(end.get(), handoff);
  EXPECT_FALSE(adopt(gst_bus_pop_filtered(pipeline.bus(), GST_MESSAGE_ERROR)));
}

TEST_P(Element, EndsItsStreamAndStopsWithoutAnError) {
  std::string line = pipeline_line();
  line.insert(line.find(" is-live"), " num-buffers=30");
  for (int round = 0; round < 2; ++round) {
    Pipeline pipeline(line);
    ASSERT_TRUE(pipeline.play());
    EXPECT_EQ(pipeline.finish(), "");
    EXPECT_EQ(pipeline.set_state(GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
    EXPECT_FALSE(adopt(gst_bus_pop_filtered(pipeline.bus(), GST_MESSAGE_ERROR)));
  }
}

INSTANTIATE_TEST_SUITE_P(Each, Element, testing::ValuesIn(our_elements()),
                         [](const auto& which) { return which.param; });

}  // namespace
}  // namespace elements_test
