// SPDX-License-Identifier: LGPL-2.1-or-later
// Metas of a buffer as bytes, and what a reader makes of bytes that are none.
#include "base/frame_metas.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <gst/video/video.h>
#include <gtest/gtest.h>

#include "abi/metas.hpp"
#include "base/owned.hpp"
#include "gst_fixture.hpp"

namespace {

using supplier::adopt;
using supplier::MetasReader;
using supplier::MetasWriter;
using supplier::Owned;

class FrameMetas : public support::GstFixture {
 protected:
  std::vector<std::byte> written() {
    const auto bytes = writer_.write(from_.get());
    return {bytes.begin(), bytes.end()};
  }
  void add_timestamp(const std::string& reference, GstClockTime time) {
    const auto caps = adopt(gst_caps_from_string(reference.c_str()));
    gst_buffer_add_reference_timestamp_meta(from_.get(), caps.get(), time, GST_CLOCK_TIME_NONE);
  }
  GstClockTime timestamp(const std::string& reference) const {
    const auto caps = adopt(gst_caps_from_string(reference.c_str()));
    const auto* meta = gst_buffer_get_reference_timestamp_meta(to_.get(), caps.get());
    return meta ? meta->timestamp : GST_CLOCK_TIME_NONE;
  }
  static guint count(GstBuffer* buffer) {
    guint metas = 0;
    gpointer state = nullptr;
    while (gst_buffer_iterate_meta(buffer, &state)) ++metas;
    return metas;
  }

  Owned<GstBuffer> from_ = adopt(gst_buffer_new());
  Owned<GstBuffer> to_ = adopt(gst_buffer_new());
  MetasWriter writer_;
  MetasReader reader_;
};

TEST_F(FrameMetas, OfABufferWithoutAnyAreNoBytes) {
  EXPECT_TRUE(written().empty());
  EXPECT_TRUE(reader_.add_to(to_.get(), {}));
  EXPECT_EQ(count(to_.get()), 0u);
}

TEST_F(FrameMetas, SeveralTimestampsArriveEachWithItsReference) {
  add_timestamp("timestamp/x-ntp", 5);
  add_timestamp("timestamp/x-unix", 6);
  add_timestamp("timestamp/x-ptp,version=(string)\"IEEE1588-2008\",domain=(uint)7", 7);
  EXPECT_TRUE(reader_.add_to(to_.get(), written()));
  EXPECT_EQ(timestamp("timestamp/x-ntp"), 5u);
  EXPECT_EQ(timestamp("timestamp/x-unix"), 6u);
  EXPECT_EQ(timestamp("timestamp/x-ptp"), 7u);
  EXPECT_EQ(count(to_.get()), 3u);
}

TEST_F(FrameMetas, TheOnesThatArePlanesStayOut) {
  gst_buffer_add_video_meta(from_.get(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, 8, 8);
  gst_buffer_add_video_crop_meta(from_.get());
  EXPECT_TRUE(written().empty());
}

TEST_F(FrameMetas, ThatFindNoRoomAreLeftOutAndTheOthersArrive) {
  const std::string tail(1500, 'x');
  for (const char* name : {"a", "b", "c"}) add_timestamp("timestamp/x-" + (name + tail), 1);
  add_timestamp("timestamp/x-small", 2);
  EXPECT_LE(written().size(), std::size_t{SHMRING_METADATA_SIZE});
  EXPECT_TRUE(reader_.add_to(to_.get(), written()));
  EXPECT_EQ(count(to_.get()), 3u);
  EXPECT_EQ(timestamp("timestamp/x-small"), 2u);
}

TEST_F(FrameMetas, regions_of_interest_arrive_with_their_parameters) {
  auto* region = gst_buffer_add_video_region_of_interest_meta(from_.get(), "person", 1, 2, 30, 40);
  region->id = 7;
  region->parent_id = 3;
  for (const char* name : {"detection", "pose"})
    gst_video_region_of_interest_meta_add_param(
        region, gst_structure_new(name, "confidence", G_TYPE_DOUBLE, 0.5, "label", G_TYPE_STRING, "a\nb", nullptr));
  EXPECT_TRUE(reader_.add_to(to_.get(), written()));
  const auto* got = reinterpret_cast<GstVideoRegionOfInterestMeta*>(
      gst_buffer_get_meta(to_.get(), GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE));
  ASSERT_TRUE(got);
  EXPECT_STREQ(g_quark_to_string(got->roi_type), "person");
  EXPECT_EQ(got->x + got->y + got->w + got->h, 73u);
  EXPECT_EQ(got->id, 7);
  EXPECT_EQ(got->parent_id, 3);
  ASSERT_EQ(g_list_length(got->params), 2u);
  const auto* pose = static_cast<GstStructure*>(g_list_last(got->params)->data);
  EXPECT_TRUE(gst_structure_has_name(pose, "pose"));
  EXPECT_STREQ(gst_structure_get_string(pose, "label"), "a\nb");
}

TEST_F(FrameMetas, many_regions_with_odd_text_and_structures_in_structures_arrive) {
  const std::vector<std::string> types = {"",           "person", "a b", "\xc3\xa4\xe2\x82\xac", "x;y,z=\"q\"",
                                          "two\nlines", "(int)3", "\\"};
  for (int i = 0; i < 24; ++i) {
    const std::string& type = types[i % types.size()];
    auto* region =
        gst_buffer_add_video_region_of_interest_meta(from_.get(), type.c_str(), i, G_MAXUINT - i, 0, G_MAXUINT);
    region->id = i == 0 ? G_MININT : i;
    region->parent_id = i - 1;
    if (i >= static_cast<int>(types.size())) continue;
    const auto inner =
        adopt(gst_structure_new("inner", "label", G_TYPE_STRING, type.c_str(), "n", G_TYPE_INT, i, nullptr));
    const auto outer = adopt(gst_structure_new("outer", "inner", GST_TYPE_STRUCTURE, inner.get(), nullptr));
    gst_video_region_of_interest_meta_add_param(
        region, gst_structure_new("detection", "outer", GST_TYPE_STRUCTURE, outer.get(), "label", G_TYPE_STRING,
                                  type.c_str(), nullptr));
  }
  EXPECT_TRUE(reader_.add_to(to_.get(), written()));
  EXPECT_EQ(writer_.dropped(), 0u);
  ASSERT_EQ(count(to_.get()), 24u);
  int i = 0;
  for (gpointer state = nullptr; const GstMeta* meta = gst_buffer_iterate_meta(to_.get(), &state); ++i) {
    const auto* got = reinterpret_cast<const GstVideoRegionOfInterestMeta*>(meta);
    const std::string& type = types[i % types.size()];
    EXPECT_EQ(g_quark_to_string(got->roi_type), type);
    EXPECT_EQ(got->x, guint(i));
    EXPECT_EQ(got->y, G_MAXUINT - i);
    EXPECT_EQ(got->h, G_MAXUINT);
    EXPECT_EQ(got->id, i == 0 ? G_MININT : i);
    EXPECT_EQ(got->parent_id, i - 1);
    if (i >= static_cast<int>(types.size())) continue;
    ASSERT_EQ(g_list_length(got->params), 1u) << type;
    const auto* parameters = static_cast<GstStructure*>(got->params->data);
    EXPECT_EQ(gst_structure_get_string(parameters, "label"), type);
    Owned<GstStructure> outer, inner;
    GstStructure* found = nullptr;
    ASSERT_TRUE(gst_structure_get(parameters, "outer", GST_TYPE_STRUCTURE, &found, nullptr)) << type;
    outer = adopt(found);
    ASSERT_TRUE(gst_structure_get(outer.get(), "inner", GST_TYPE_STRUCTURE, &found, nullptr)) << type;
    inner = adopt(found);
    EXPECT_EQ(gst_structure_get_string(inner.get(), "label"), type);
  }
}

TEST_F(FrameMetas, text_that_goes_on_behind_a_structure_is_left_out) {
  shmring_meta meta = SHMRING_META_INIT;
  meta.kind = SHMRING_META_REGION;
  const std::string_view lines = "detection;\npose; and more\npose;";
  meta.data = lines.data();
  meta.data_size = lines.size();
  std::array<std::byte, 100> room;
  EXPECT_FALSE(reader_.add_to(to_.get(), std::span(room).first(shmring::put_meta(room, meta))));
  const auto* got = reinterpret_cast<GstVideoRegionOfInterestMeta*>(
      gst_buffer_get_meta(to_.get(), GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE));
  ASSERT_TRUE(got);
  EXPECT_EQ(g_list_length(got->params), 2u);
}

TEST_F(FrameMetas, custom_ones_arrive_where_they_are_registered) {
  static const gchar* no_tags[] = {nullptr};
  gst_meta_register_custom("lens", no_tags, nullptr, nullptr, nullptr);
  gst_structure_set(gst_custom_meta_get_structure(gst_buffer_add_custom_meta(from_.get(), "lens")), "zoom", G_TYPE_INT,
                    3, nullptr);
  auto bytes = written();
  EXPECT_TRUE(reader_.add_to(to_.get(), bytes));
  GstCustomMeta* meta = gst_buffer_get_custom_meta(to_.get(), "lens");
  ASSERT_TRUE(meta);
  int zoom = 0;
  EXPECT_TRUE(gst_structure_get_int(gst_custom_meta_get_structure(meta), "zoom", &zoom));
  EXPECT_EQ(zoom, 3);
  const std::string_view name = "lens";
  const auto at = std::search(bytes.begin(), bytes.end(), name.begin(), name.end(),
                              [](std::byte a, char b) { return a == static_cast<std::byte>(b); });
  *at = std::byte{'x'};
  to_ = adopt(gst_buffer_new());
  EXPECT_TRUE(reader_.add_to(to_.get(), bytes)) << "one that is not registered is no error";
  EXPECT_EQ(count(to_.get()), 0u);
}

// A publisher may name any type that this process has, and a buffer must not get a GstVideoMeta by it.
TEST_F(FrameMetas, a_custom_one_by_the_name_of_another_meta_stays_away) {
  for (const char* name : {"GstVideoMeta", "GstReferenceTimestampMeta", "GstCustomMeta"}) {
    shmring_meta meta = SHMRING_META_INIT;
    meta.kind = SHMRING_META_CUSTOM;
    meta.name = name;
    meta.name_size = std::strlen(name);
    meta.data = "x;";
    meta.data_size = 2;
    std::array<std::byte, 100> room;
    EXPECT_TRUE(reader_.add_to(to_.get(), std::span(room).first(shmring::put_meta(room, meta))));
  }
  EXPECT_EQ(count(to_.get()), 0u);
}

TEST_F(FrameMetas, an_applications_bytes_arrive_and_go_on) {
  const std::string own("lens=3\0\xff", 8);
  shmring_meta meta = SHMRING_META_INIT;
  meta.kind = SHMRING_META_BYTES;
  meta.data = own.data();
  meta.data_size = own.size();
  std::array<std::byte, 100> room;
  const auto sent = std::span(room).first(shmring::put_meta(room, meta));
  EXPECT_TRUE(reader_.add_to(from_.get(), sent));
  EXPECT_TRUE(gst_buffer_get_custom_meta(from_.get(), "ShmRingMetadata"));
  const auto again = written();
  EXPECT_TRUE(std::equal(again.begin(), again.end(), sent.begin(), sent.end()));
}

TEST_F(FrameMetas, that_stay_behind_are_counted_and_those_of_memory_are_not) {
  const auto parent = adopt(gst_buffer_new());
  gst_buffer_add_parent_buffer_meta(from_.get(), parent.get());
  gst_buffer_add_video_meta(from_.get(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, 8, 8);
  gst_buffer_add_video_region_of_interest_meta(from_.get(), std::string(5000, 'x').c_str(), 0, 0, 1, 1);
  written();
  EXPECT_EQ(writer_.dropped(), 1u);
  add_timestamp("timestamp/x-unix", 1);
  EXPECT_TRUE(reader_.add_to(to_.get(), written()));
  EXPECT_EQ(writer_.dropped(), 2u);
  EXPECT_EQ(timestamp("timestamp/x-unix"), 1u);
}

#if GST_CHECK_VERSION(1, 24, 0)
TEST_F(FrameMetas, ASerialisedOneThatFindsNoRoomIsLeftOut) {
  gst_meta_register_custom_simple("notes");
  const auto add = [&](std::size_t size) {
    GstCustomMeta* meta = gst_buffer_add_custom_meta(from_.get(), "notes");
    gst_structure_set(gst_custom_meta_get_structure(meta), "text", G_TYPE_STRING, std::string(size, 'x').c_str(),
                      nullptr);
  };
  add(2 * SHMRING_METADATA_SIZE);
  add(10);
  EXPECT_TRUE(reader_.add_to(to_.get(), written()));
  EXPECT_EQ(count(to_.get()), 1u);
  GstCustomMeta* meta = gst_buffer_get_custom_meta(to_.get(), "notes");
  ASSERT_TRUE(meta);
  EXPECT_STREQ(gst_structure_get_string(gst_custom_meta_get_structure(meta), "text"), "xxxxxxxxxx");
}
#endif

TEST_F(FrameMetas, BytesThatAreNoneAreLeftOutHoweverTheyAreCutOrChanged) {
  add_timestamp("timestamp/x-ntp", 5);
  auto* region = gst_buffer_add_video_region_of_interest_meta(from_.get(), "person", 1, 2, 30, 40);
  gst_video_region_of_interest_meta_add_param(region, gst_structure_new("pose", "label", G_TYPE_STRING, "x", nullptr));
  static const gchar* no_tags[] = {nullptr};
  gst_meta_register_custom("note", no_tags, nullptr, nullptr, nullptr);
  gst_buffer_add_custom_meta(from_.get(), "note");
  const auto whole = written();
  EXPECT_TRUE(reader_.add_to(to_.get(), whole));
  for (std::size_t size = 1; size < whole.size(); ++size) {
    const std::vector<std::byte> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    to_ = adopt(gst_buffer_new());
    reader_.add_to(to_.get(), part);
    EXPECT_LE(count(to_.get()), 2u) << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (const int with : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      auto changed = whole;
      changed[at] = static_cast<std::byte>(with);
      to_ = adopt(gst_buffer_new());
      reader_.add_to(to_.get(), changed);
    }
}

TEST_F(FrameMetas, the_buffers_of_a_frame_pass_with_its_metas) {
  add_timestamp("timestamp/x-ntp", 5);
  const std::vector<supplier::FramePart> parts = {{100, 0}, {0, SHMRING_FRAME_HEADER}, {7, SHMRING_FRAME_MARKER}};
  const auto span = writer_.write(from_.get(), parts);
  const std::vector<std::byte> bytes(span.begin(), span.end());
  MetasReader reader;
  EXPECT_TRUE(reader.add_to(to_.get(), bytes));
  EXPECT_EQ(timestamp("timestamp/x-ntp"), 5u);
  ASSERT_EQ(reader.parts().size(), 3u);
  EXPECT_EQ(reader.parts()[2].size, 7u);
  EXPECT_EQ(reader.parts()[2].flags, SHMRING_FRAME_MARKER);
  EXPECT_TRUE(reader.add_to(to_.get(), {}));
  EXPECT_TRUE(reader.parts().empty()) << "those of the last frame only";
}

TEST_F(FrameMetas, parts_that_are_not_the_whole_frame_are_refused) {
  const auto frame = adopt(gst_buffer_new_allocate(nullptr, 10, nullptr));
  const auto refused = [&](std::vector<supplier::FramePart> parts) {
    return list_of(frame.get(), parts, supplier::StreamFormat()) == nullptr;
  };
  EXPECT_FALSE(refused({{4, 0}, {0, 0}, {6, 0}}));
  EXPECT_TRUE(refused({{4, 0}, {5, 0}}));
  EXPECT_TRUE(refused({{4, 0}, {7, 0}}));
  EXPECT_TRUE(refused({{UINT32_MAX, 0}, {UINT32_MAX, 0}}));
}

}  // namespace
