// SPDX-License-Identifier: LGPL-2.1-or-later
// Limits of single readers, as a launch line and as a program give them; what is wrong changes nothing.
#include "ring/lane_limits.hpp"

#include <gst/gst.h>
#include <gtest/gtest.h>

namespace {

using supplier::LaneLimits;
using supplier::Limits;

class LaneLimitsTest : public testing::Test {
 protected:
  LaneLimitsTest() { gst_init(nullptr, nullptr); }

  std::string set(const std::string& text) {
    GValue array = G_VALUE_INIT;
    g_value_init(&array, GST_TYPE_ARRAY);
    EXPECT_TRUE(gst_value_deserialize(&array, text.c_str())) << text;
    auto wrong = limits.set(&array);
    g_value_unset(&array);
    return wrong.value_or("");
  }
  std::string shown() const {
    GValue array = G_VALUE_INIT;
    g_value_init(&array, GST_TYPE_ARRAY);
    limits.get(&array);
    char* text = gst_value_serialize(&array);
    std::string copy = text;
    g_free(text);
    g_value_unset(&array);
    return copy;
  }

  LaneLimits limits;
  const Limits common;
};

TEST_F(LaneLimitsTest, change_what_they_name_for_the_worker_they_name) {
  EXPECT_EQ(
      set("<(structure)\"limits,worker=(string)a,max-drop-rate=0.5,max-frame-age=100,stall-timeout=(guint64)7\">"), "");
  const Limits a = limits.of("a", common);
  EXPECT_EQ(a.max_drop_rate, 0.5);
  EXPECT_EQ(a.max_frame_age, 100);
  EXPECT_EQ(a.stall_timeout, 7);
  EXPECT_EQ(a.interval, common.interval);
  const Limits b = limits.of("b", common);
  EXPECT_EQ(b.max_drop_rate, common.max_drop_rate);
  EXPECT_EQ(b.stall_timeout, common.stall_timeout);
}

TEST_F(LaneLimitsTest, of_0_switch_off) {
  EXPECT_EQ(set("<(structure)\"limits,worker=(string)a,stall-timeout=0,max-frame-age=(gint64)0\">"), "");
  EXPECT_EQ(limits.of("a", common).stall_timeout, 0u);
  EXPECT_NE(common.stall_timeout, 0u);
}

TEST_F(LaneLimitsTest, are_shown_as_they_were_set) {
  set("<(structure)\"limits,worker=(string)a,max-drop-rate=0.5\",(structure)\"limits,worker=(string)b,interval=9\">");
  const std::string first = shown();
  EXPECT_NE(first.find("max-drop-rate"), std::string::npos);
  EXPECT_EQ(set(first), "");
  EXPECT_EQ(shown(), first);
  EXPECT_EQ(limits.of("b", common).interval, 9);
}

TEST_F(LaneLimitsTest, which_are_wrong_are_told_and_change_nothing) {
  set("<(structure)\"limits,worker=(string)a,max-drop-rate=0.5\">");
  EXPECT_NE(set("<(structure)\"limits,max-drop-rate=0.1\">").find("worker"), std::string::npos);
  EXPECT_NE(set("<(structure)\"limits,worker=(string)a,max-drop-rate=1.5\">").find("max-drop-rate"), std::string::npos);
  EXPECT_NE(set("<(structure)\"limits,worker=(string)a,max-frame-age=-1\">").find("max-frame-age"), std::string::npos);
  EXPECT_NE(set("<(structure)\"limits,worker=(string)a,max-frame-age=(string)x\">").find("max-frame-age"),
            std::string::npos);
  EXPECT_NE(set("<(structure)\"limits,worker=(string)a,drops=1\">").find("drops"), std::string::npos);
  EXPECT_NE(set("<1>").find("structure"), std::string::npos);
  EXPECT_EQ(limits.of("a", common).max_drop_rate, 0.5);
  set("<>");
  EXPECT_EQ(limits.of("a", common).max_drop_rate, 1.0);
}

}  // namespace
