// SPDX-License-Identifier: LGPL-2.1-or-later
// A source with few buffers goes on whatever the branches keep, and a branch that joins does not disturb it.
#include <filesystem>

#include <gst/video/video.h>

#include "latestframe_rig.hpp"
#include "temp_dir.hpp"

namespace latestframe_test {
namespace {

using Stuck = Worker::Stuck;

constexpr const char* kVideo = "video/x-raw,format=I420,width=16,height=16,framerate=30/1";
constexpr guint kSize = 16 * 16 * 3 / 2;

// A camera: a pool of so many buffers, each filled with the number of its frame.
class Camera {
 public:
  Camera(Rig& rig, guint buffers) : rig_(rig), pool_(adopt(gst_buffer_pool_new())) {
    const auto caps = adopt(gst_caps_from_string(kVideo));
    GstStructure* config = gst_buffer_pool_get_config(pool_.get());
    gst_buffer_pool_config_set_params(config, caps.get(), kSize, buffers, buffers);
    gst_buffer_pool_set_config(pool_.get(), config);
    gst_buffer_pool_set_active(pool_.get(), TRUE);
  }
  ~Camera() { gst_buffer_pool_set_active(pool_.get(), FALSE); }

  // Waits for a free buffer, as a camera does; the watchdog ends a wait for ever.
  Owned<GstBuffer> frame() {
    GstBuffer* buffer = nullptr;
    EXPECT_EQ(gst_buffer_pool_acquire_buffer(pool_.get(), &buffer, nullptr), GST_FLOW_OK);
    ++number_;
    gst_buffer_memset(buffer, 0, static_cast<guint8>(number_), kSize);
    GST_BUFFER_OFFSET(buffer) = number_;
    GST_BUFFER_PTS(buffer) = number_ * GST_MSECOND;
    return adopt(buffer);
  }
  std::uint64_t push() {
    EXPECT_EQ(rig_.push(frame()), GST_FLOW_OK);
    return number_;
  }
  void push_in_step(const Worker& worker, int frames) {
    for (int i = 0; i < frames; ++i) ASSERT_TRUE(worker.got(push()));
  }

 private:
  Rig& rig_;
  Owned<GstBufferPool> pool_;
  std::uint64_t number_ = 0;
};

// Keeps every buffer that comes to a pad, as a long queue does.
class Hoard {
 public:
  explicit Hoard(GstPad* pad) : pad_(share(pad)) {
    probe_ = gst_pad_add_probe(
        pad, GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad*, GstPadProbeInfo* info, gpointer self) {
          auto& hoard = *static_cast<Hoard*>(self);
          std::lock_guard hold(hoard.lock_);
          hoard.kept_.push_back(share(GST_PAD_PROBE_INFO_BUFFER(info)));
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
  }
  ~Hoard() { gst_pad_remove_probe(pad_.get(), probe_); }
  std::vector<Owned<GstBuffer>> take() {
    std::lock_guard hold(lock_);
    return std::move(kept_);
  }

 private:
  Owned<GstPad> pad_;
  gulong probe_;
  std::mutex lock_;
  std::vector<Owned<GstBuffer>> kept_;
};

class LatestFrameBuffers : public LatestFrame {};

TEST_F(LatestFrameBuffers, ASourceWithFewGoesOnWhateverBranchesGetStuck) {
  for (const guint buffers : {1u, 2u, 3u, 4u, 5u, 8u}) {
    SCOPED_TRACE(buffers);
    Rig rig;
    Camera camera(rig, buffers);
    Worker good, stuck[6];
    good.join(rig.element());
    rig.start(kVideo);
    camera.push_in_step(good, 3);
    for (Worker& worker : stuck) {
      worker.stick_at(Stuck::frame);
      worker.join(rig.element());
      camera.push_in_step(good, 1);
      ASSERT_TRUE(worker.await_stuck());
      camera.push_in_step(good, 10);
    }
    EXPECT_GT(rig.figure("copied"), 0u);
    EXPECT_EQ(rig.figure("published"), rig.figure("received") - rig.figure("mailbox-drops"));
    for (Worker& worker : stuck) worker.free();
    for (Worker& worker : stuck) EXPECT_TRUE(worker.got(camera.push()));
    rig.stop();
  }
}

TEST_F(LatestFrameBuffers, ASourceWithFewGoesOnWhenAQueueOrASinkKeepsThem) {
  Rig rig;
  Camera camera(rig, 6);
  Worker good, keeper;
  good.join(rig.element());
  keeper.join(rig.element());
  rig.start(kVideo);
  Hoard hoard(keeper.pad());
  for (int i = 0; i < 50; ++i) {
    camera.push_in_step(good, 1);
    ASSERT_TRUE(keeper.got(good.frames().back()));
  }
  const auto kept = hoard.take();
  EXPECT_GE(kept.size(), 50u);
  for (const auto& buffer : kept) {
    guint8 first = 0;
    gst_buffer_extract(buffer.get(), 0, &first, 1);
    EXPECT_EQ(first, static_cast<guint8>(GST_BUFFER_OFFSET(buffer.get()))) << "a kept frame has changed";
  }
  rig.stop();
}

TEST_F(LatestFrameBuffers, ABuffersReturnEndsTheCopying) {
  Rig rig;
  Camera camera(rig, 5);
  Worker good, stuck[3];
  good.join(rig.element());
  rig.start(kVideo);
  camera.push_in_step(good, 20);
  EXPECT_EQ(rig.figure("copied"), 0u) << "no branch keeps anything";
  for (Worker& worker : stuck) {
    worker.stick_at(Stuck::frame);
    worker.join(rig.element());
    camera.push_in_step(good, 2);
    ASSERT_TRUE(worker.await_stuck());
  }
  const auto before = rig.figure("copied");
  camera.push_in_step(good, 20);
  EXPECT_GE(rig.figure("copied"), before + 9) << "every other frame at least";
  for (Worker& worker : stuck) {
    worker.free();
    ASSERT_TRUE(worker.got(camera.push()));
  }
  EXPECT_TRUE(eventually([&] {
    const auto copied = rig.figure("copied");
    camera.push_in_step(good, 1);
    return rig.figure("copied") == copied;
  }));
  rig.stop();
}

TEST_F(LatestFrameBuffers, ASourcesShortageIsToldOnceAndNamesTheBranchesThatKeepFrames) {
  Rig rig;
  Camera camera(rig, 4);
  Worker good, stuck[2];
  good.join(rig.element(), "src_0");
  rig.start(kVideo);
  for (int i = 0; i < 2; ++i) {
    stuck[i].stick_at(Stuck::frame);
    stuck[i].join(rig.element(), i == 0 ? "src_5" : "src_6");
    camera.push_in_step(good, 2);
    ASSERT_TRUE(stuck[i].await_stuck());
  }
  camera.push_in_step(good, 200);
  const std::string warning = rig.warning();
  EXPECT_NE(warning.find("4 buffers"), std::string::npos) << warning;
  EXPECT_NE(warning.find("src_5, src_6"), std::string::npos) << warning;
  EXPECT_NE(warning.find("copied"), std::string::npos) << warning;
  camera.push_in_step(good, 200);
  EXPECT_EQ(rig.warning(std::chrono::milliseconds(0)), "");
  rig.stop();
}

TEST_F(LatestFrameBuffers, APoolThatHasNoLimitIsNeverCopied) {
  Rig rig;
  Camera camera(rig, 0);
  Worker good, stuck[6];
  good.join(rig.element());
  rig.start(kVideo);
  for (Worker& worker : stuck) {
    worker.stick_at(Stuck::frame);
    worker.join(rig.element());
    camera.push_in_step(good, 5);
    ASSERT_TRUE(worker.await_stuck());
  }
  EXPECT_EQ(rig.figure("copied"), 0u);
  for (Worker& worker : stuck) worker.free();
  rig.stop();
}

// Four branches have their buffers from the beginning, see the answer to ALLOCATION.
TEST_F(LatestFrameBuffers, ABranchThatJoinsAndTakesThingsAsTheyAreIsNotHeardOfUpstream) {
  Rig rig;
  Worker first, more[6];
  const auto meta = [](GstQuery* query) { gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr); };
  const auto ask = [&] {
    const auto caps = adopt(gst_caps_from_string(kVideo));
    const auto query = adopt(gst_query_new_allocation(caps.get(), TRUE));
    EXPECT_TRUE(rig.query(query.get()));
  };
  first.propose(meta);
  first.join(rig.element());
  rig.start(kVideo);
  ask();
  rig.push_in_step(first, 1);
  ASSERT_TRUE(eventually([&] { return rig.upstream(GST_EVENT_RECONFIGURE) == 1; }));
  ask();
  for (Worker& worker : more) {
    worker.propose(meta);
    worker.join(rig.element());
    ASSERT_TRUE(eventually([&] { return worker.allocations() == 1; }));
    rig.push_in_step(worker, 2);
  }
  EXPECT_EQ(rig.upstream(GST_EVENT_RECONFIGURE), 1);
}

std::uint64_t figure_of(const support::Pipeline& pipeline, const char* element, const char* field) {
  GstStructure* stats = nullptr;
  g_object_get(pipeline.find(element).get(), "stats", &stats, nullptr);
  const auto owned = adopt(stats);
  guint64 value = 0;
  EXPECT_TRUE(gst_structure_get_uint64(stats, field, &value)) << field;
  return value;
}

TEST_F(LatestFrameBuffers, ARingIsWrittenInPlaceAlsoAfterBranchesJoined) {
  const support::TempDir folder;
  support::Pipeline pipeline(
      "videotestsrc is-live=true ! video/x-raw,format=BGR,width=64,height=64,framerate=100/1 ! latestframe name=l "
      "l. ! shmringsink name=ring socket-path=" +
      (folder.path() / "ring.sock").string());
  ASSERT_TRUE(pipeline.play());
  const auto more = [&](std::uint64_t frames) {
    const auto before = figure_of(pipeline, "ring", "published");
    return eventually([&] { return figure_of(pipeline, "ring", "published") >= before + frames; });
  };
  ASSERT_TRUE(more(20));
  const auto in_place = [&] {
    const auto copied = figure_of(pipeline, "ring", "copied");
    const bool flows = more(5);
    return flows && figure_of(pipeline, "ring", "copied") == copied;
  };
  ASSERT_TRUE(eventually(in_place));
  const std::string other = "shmringsink socket-path=" + (folder.path() / "other.sock").string();
  for (const std::string& joins : {std::string("fakesink sync=false async=false"), other,
                                   std::string("identity sleep-time=30000 ! fakesink sync=false async=false")}) {
    GstElement* branch = gst_parse_bin_from_description(joins.c_str(), TRUE, nullptr);
    gst_bin_add(GST_BIN(pipeline.get()), branch);
    gst_element_sync_state_with_parent(branch);
    ASSERT_TRUE(gst_element_link(pipeline.find("l").get(), branch));
    ASSERT_TRUE(more(10));
    EXPECT_TRUE(eventually(in_place)) << joins;
  }
}

}  // namespace
}  // namespace latestframe_test
