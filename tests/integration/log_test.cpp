// SPDX-License-Identifier: LGPL-2.1-or-later
// Log that a maintainer reads with GST_DEBUG=latestframe:5,shmring*:5 when something is odd.
#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include "gst_fixture.hpp"
#include "temp_dir.hpp"

namespace {

using support::eventually;
using support::Pipeline;

class Log : public support::GstFixture {
 protected:
  void SetUp() override {
    gst_debug_remove_log_function(gst_debug_log_default);
    gst_debug_add_log_function(keep, this, nullptr);
    for (const char* category : {"latestframe", "shmring*"})
      gst_debug_set_threshold_for_name(category, GST_LEVEL_DEBUG);
  }
  void TearDown() override {
    for (const char* category : {"latestframe", "shmring*"}) gst_debug_unset_threshold_for_name(category);
    gst_debug_remove_log_function(keep);
    gst_debug_add_log_function(gst_debug_log_default, nullptr, nullptr);
  }
  // Number of lines of the category that have all of these parts.
  std::size_t count(const std::string& category, const std::vector<std::string>& parts) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count_if(lines_.begin(), lines_.end(), [&](const Line& line) {
      return line.category == category && std::all_of(parts.begin(), parts.end(), [&](const std::string& part) {
               return line.text.find(part) != std::string::npos;
             });
    }));
  }
  bool tells(const std::string& category, const std::vector<std::string>& parts) {
    return eventually([&] { return count(category, parts) != 0; });
  }
  std::size_t above_debug(const std::string& part) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count_if(lines_.begin(), lines_.end(), [&](const Line& line) {
      return line.level > GST_LEVEL_DEBUG && line.text.find(part) != std::string::npos;
    }));
  }
  std::string path() const { return dir_.file("log.sock"); }
  std::string camera(const std::string& size) const {
    return "videotestsrc is-live=true ! video/x-raw,format=GRAY8,framerate=100/1," + size;
  }

 private:
  struct Line {
    GstDebugLevel level;
    std::string category, text;
  };
  static void keep(GstDebugCategory* category, GstDebugLevel level, const gchar*, const gchar*, gint, GObject*,
                   GstDebugMessage* message, gpointer self) {
    auto& log = *static_cast<Log*>(self);
    if (level > gst_debug_category_get_threshold(category)) return;
    const std::lock_guard lock(log.mutex_);
    log.lines_.push_back({level, gst_debug_category_get_name(category), gst_debug_message_get(message)});
  }

  support::TempDir dir_;
  std::mutex mutex_;
  std::vector<Line> lines_;
};

TEST_F(Log, tells_the_life_of_a_slow_reader) {
  Pipeline publisher(camera("width=64,height=48") + " ! shmringsink socket-path=" + path());
  ASSERT_TRUE(publisher.play());
  EXPECT_TRUE(tells("shmring", {path(), "listening"}));
  {
    Pipeline reader("shmringsrc worker=slow drop-policy=latest socket-path=" + path() +
                    " ! identity sleep-time=100000 ! fakesink sync=false");
    ASSERT_TRUE(reader.play());
    EXPECT_TRUE(tells("shmring", {"reader 'slow'", "attached"})) << "the publisher's end";
    EXPECT_TRUE(tells("shmring", {"'slow' attached to process"})) << "the reader's end";
    EXPECT_TRUE(tells("shmringsrc", {"missed frames", "newer ones came while downstream was busy"}));
  }
  EXPECT_TRUE(tells("shmring", {"reader 'slow'", "left: it closed its connection"}));
  EXPECT_TRUE(tells("shmringsrc", {"stops reading"}));
  EXPECT_EQ(above_debug(""), 0u) << "nothing for single frames";
}

TEST_F(Log, tells_why_a_reader_is_refused) {
  Pipeline publisher(camera("width=64,height=48") + " ! shmringsink max-readers=1 socket-path=" + path());
  ASSERT_TRUE(publisher.play());
  Pipeline first("shmringsrc worker=first socket-path=" + path() + " ! fakesink sync=false");
  ASSERT_TRUE(first.play());
  ASSERT_TRUE(tells("shmring", {"reader 'first'", "attached"}));
  Pipeline second("shmringsrc worker=second socket-path=" + path() + " ! fakesink sync=false");
  second.play();
  EXPECT_TRUE(tells("shmring", {"is refused", "this ring takes 1 reader"}));
}

TEST_F(Log, tells_why_a_branch_rests) {
  Pipeline pipeline(camera("width=64,height=48") + " ! latestframe name=f f. ! fakesink sync=false f. ! identity");
  ASSERT_TRUE(pipeline.play());
  EXPECT_TRUE(tells("latestframe", {"rests: nothing is linked further down (not-linked)"}));
}

TEST_F(Log, tells_why_a_branch_drops_frames) {
  Pipeline pipeline(camera("width=64,height=48") +
                    " ! latestframe name=f f. ! identity sleep-time=100000 ! fakesink sync=false");
  ASSERT_TRUE(pipeline.play());
  EXPECT_TRUE(tells("latestframe", {"dropped frames", "newer ones came while the branch was busy"}));
}

TEST_F(Log, tells_why_a_ring_is_replaced) {
  Pipeline publisher("concat name=c ! shmringsink socket-path=" + path() + " " + camera("width=64,height=48") +
                     " ! identity eos-after=5 ! c. " + camera("width=640,height=480") + " ! c.");
  ASSERT_TRUE(publisher.play());
  EXPECT_TRUE(tells("shmring", {path(), "the ring is replaced", "by slots of 307200"}));
}

}  // namespace
