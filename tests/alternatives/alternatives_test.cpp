// SPDX-License-Identifier: LGPL-2.1-or-later
// The table in README, tested: the same situation for what GStreamer has and for what stands here. What is newer than
// this machine's GStreamer is skipped: tests/newest runs it.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "child_process.hpp"
#include "gst_fixture.hpp"
#include "temp_dir.hpp"

namespace support {
namespace {

using namespace std::chrono_literals;

class Alternatives : public GstFixture {};

// Counts the buffers that arrive at an element's sink pad; once shut, they wait there until it is opened.
class Gate {
 public:
  Gate(const Pipeline& pipeline, const std::string& element) {
    const auto owner = pipeline.find(element);
    pad_ = supplier::adopt(gst_element_get_static_pad(owner.get(), "sink"));
    probe_ = gst_pad_add_probe(
        pad_.get(), static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER),
        [](GstPad*, GstPadProbeInfo*, gpointer self) { return static_cast<Gate*>(self)->arrive(); }, this, nullptr);
  }
  ~Gate() {
    gst_pad_remove_probe(pad_.get(), probe_);
    open();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return inside_ == 0; });
  }
  void shut() { set(true); }
  void open() { set(false); }
  std::uint64_t count() const { return count_; }
  bool has_waiters() {
    std::lock_guard lock(mutex_);
    return shut_ && inside_ > 0;
  }
  // Tells whether anything at all arrives in the next second and a half.
  bool stands_still() const {
    const std::uint64_t before = count_;
    std::this_thread::sleep_for(1500ms);
    return count_ == before;
  }
  // Tells whether `more` arrive.
  bool goes_on(std::uint64_t more = 30) const {
    const std::uint64_t before = count_;
    return eventually([&] { return count_ >= before + more; });
  }

 private:
  GstPadProbeReturn arrive() {
    std::unique_lock lock(mutex_);
    ++count_;
    ++inside_;
    changed_.wait(lock, [&] { return !shut_; });
    --inside_;
    changed_.notify_all();
    return GST_PAD_PROBE_OK;
  }
  void set(bool shut) {
    std::lock_guard lock(mutex_);
    shut_ = shut;
    changed_.notify_all();
  }

  supplier::Owned<GstPad> pad_;
  gulong probe_;
  std::atomic<std::uint64_t> count_{0};
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  bool shut_ = false;
  int inside_ = 0;
};

const std::string kLiveSource =
    "videotestsrc is-live=true ! capsfilter name=caps caps=video/x-raw,width=320,height=240,framerate=60/1 ! ";

void change_caps(const Pipeline& pipeline) {
  const auto filter = pipeline.find("caps");
  gst_util_set_object_arg(G_OBJECT(filter.get()), "caps", "video/x-raw,width=640,height=480,framerate=60/1");
}

// One branch is stuck; then the caps change. What does the other one get?
void stick_one_branch_and_change_caps(Pipeline& pipeline, const std::function<void(Gate& other)>& look) {
  Gate stuck(pipeline, "stuck"), other(pipeline, "other");
  ASSERT_TRUE(pipeline.play());
  ASSERT_TRUE(other.goes_on());
  stuck.shut();
  ASSERT_TRUE(eventually([&] { return stuck.has_waiters(); }));
  ASSERT_TRUE(other.goes_on()) << "one stuck branch alone delays no other";
  change_caps(pipeline);
  std::this_thread::sleep_for(200ms);  // what is on its way arrives
  look(other);
}

TEST_F(Alternatives, TeeWithLeakyQueuesFreezesAllBranchesWhenCapsChangeBesideAStuckOne) {
  const std::string branch = " ! queue leaky=downstream max-size-buffers=1 ! fakesink sync=false async=false name=";
  Pipeline pipeline(kLiveSource + "tee name=t  t." + branch + "stuck  t." + branch + "other");
  stick_one_branch_and_change_caps(pipeline, [](Gate& other) { EXPECT_TRUE(other.stands_still()); });
}

TEST_F(Alternatives, LatestframeLosesNothingWhenCapsChangeBesideAStuckBranch) {
  const std::string branch = " ! fakesink sync=false async=false name=";
  Pipeline pipeline(kLiveSource + "latestframe name=t  t." + branch + "stuck  t." + branch + "other");
  stick_one_branch_and_change_caps(pipeline, [](Gate& other) { EXPECT_TRUE(other.goes_on()); });
}

// A publisher here, a reader in a process of its own.
struct TwoProcesses {
  TempDir folder;
  std::string path = folder.file("s");
  static constexpr const char* kCaps = "video/x-raw,format=I420,width=320,height=240,framerate=60/1";

  std::string publisher_line(const std::string& sink) const {
    return std::string("videotestsrc is-live=true ! ") + kCaps + " ! identity name=offered ! " + sink +
           " socket-path=" + path;
  }
  ChildProcess reader(const std::string& source) const {
    std::vector<std::string> argv = {"gst-launch-1.0", "-v", source, "socket-path=" + path};
    for (const char* word : {"!", "identity", "silent=false", "!", "fakesink", "sync=false"}) argv.emplace_back(word);
    return ChildProcess::spawn(argv, {{{"GST_DEBUG", "0"}}, {}});
  }
  static bool receives(ChildProcess& reader) { return reader.says("chain   ***"); }
  static bool receives_more(ChildProcess& reader) {
    const auto before = reader.output().size();
    return eventually([&] { return reader.output().find("chain   ***", before) != std::string::npos; });
  }
};

TEST_F(Alternatives, ShmsinkStopsWithOneStoppedReader) {
  TwoProcesses two;
  Pipeline publisher(two.publisher_line("shmsink wait-for-connection=false sync=false shm-size=4000000"));
  Gate offered(publisher, "offered");
  ASSERT_TRUE(publisher.play());
  auto reader = two.reader("shmsrc");
  ASSERT_TRUE(two.receives(reader));
  reader.stop();
  EXPECT_TRUE(eventually([&] { return offered.stands_still(); }));
  reader.kill();  // or the publisher could not be stopped
}

// Since GStreamer 1.24.
bool has_unixfdsink() {
  return supplier::adopt(GST_ELEMENT_CAST(gst_element_factory_make("unixfdsink", nullptr))) != nullptr;
}

TEST_F(Alternatives, UnixfdsinkStopsWithOneStoppedReader) {
  if (!has_unixfdsink()) GTEST_SKIP() << "this GStreamer has no unixfdsink";
  TwoProcesses two;
  Pipeline publisher(two.publisher_line("unixfdsink"));
  Gate offered(publisher, "offered");
  ASSERT_TRUE(publisher.play());
  auto reader = two.reader("unixfdsrc");
  ASSERT_TRUE(two.receives(reader));
  reader.stop();
  EXPECT_TRUE(eventually([&] { return offered.stands_still(); }));
  reader.kill();  // or the publisher could not be stopped
}

TEST_F(Alternatives, ShmringsinkGoesOnWithOneStoppedReader) {
  TwoProcesses two;
  Pipeline publisher(two.publisher_line("shmringsink"));
  Gate offered(publisher, "offered");
  ASSERT_TRUE(publisher.play());
  auto reader = two.reader("shmringsrc");
  ASSERT_TRUE(two.receives(reader));
  reader.stop();
  EXPECT_TRUE(offered.goes_on(180));
  reader.resume();
  EXPECT_TRUE(two.receives_more(reader));
}

std::vector<std::string> words(const std::string& line) {
  std::vector<std::string> found;
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    if (end > at) found.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  return found;
}

// shmsink calls its memory "shmpipe.PID.N", each number at least five wide: a small one has spaces in front of it.
bool was_made_by_shmsink(const std::string& name, pid_t pid) {
  const std::string prefix = "shmpipe.";
  return name.starts_with(prefix) && std::strtol(name.c_str() + prefix.size(), nullptr, 10) == pid;
}

TEST_F(Alternatives, ShmsrcEndsAndSharedMemoryStaysWhenShmsinkIsKilled) {
  TwoProcesses two;
  auto publisher =
      ChildProcess::spawn(words("gst-launch-1.0 " + two.publisher_line("shmsink wait-for-connection=false")));
  ASSERT_TRUE(eventually([&] { return two.folder.names().contains("s"); }));
  auto reader = two.reader("shmsrc");
  ASSERT_TRUE(two.receives(reader));
  publisher.kill();
  EXPECT_TRUE(reader.wait());
  bool found = false;
  for (const auto& name : shared_memory_names()) {
    if (!was_made_by_shmsink(name, publisher.pid())) continue;
    found = true;
    std::filesystem::remove("/dev/shm/" + name);
  }
  EXPECT_TRUE(found) << "nothing was left behind";
}

TEST_F(Alternatives, UnixfdsrcEndsAndTheNextUnixfdsinkCannotStartWhenOneIsKilled) {
  if (!has_unixfdsink()) GTEST_SKIP() << "this GStreamer has no unixfdsink";
  TwoProcesses two;
  const auto start = [&] { return ChildProcess::spawn(words("gst-launch-1.0 " + two.publisher_line("unixfdsink"))); };
  auto publisher = start();
  ASSERT_TRUE(eventually([&] { return two.folder.names().contains("s"); }));
  auto reader = two.reader("unixfdsrc");
  ASSERT_TRUE(two.receives(reader));
  publisher.kill();
  EXPECT_TRUE(reader.wait());
  auto next = start();
  const auto ending = next.wait();
  EXPECT_TRUE(ending && !ending->success()) << next.output();
}

TEST_F(Alternatives, ShmringsrcGoesOnWithTheNextPublisherAndNothingStays) {
  TwoProcesses two;
  const auto before = shared_memory_names();
  const auto start = [&] { return ChildProcess::spawn(words("gst-launch-1.0 " + two.publisher_line("shmringsink"))); };
  auto publisher = start();
  auto reader = two.reader("shmringsrc");
  ASSERT_TRUE(two.receives(reader));
  publisher.kill();
  publisher = start();
  ASSERT_TRUE(publisher.says("Setting pipeline to PLAYING"));  // what the reader takes before is the first one's
  EXPECT_TRUE(two.receives_more(reader));
  EXPECT_TRUE(reader.running());
  reader.interrupt();
  publisher.interrupt();
  EXPECT_TRUE(reader.wait());
  EXPECT_TRUE(publisher.wait());
  EXPECT_EQ(two.folder.names(), std::set<std::string>{});
  EXPECT_EQ(shared_memory_names(), before);
}

}  // namespace
}  // namespace support
