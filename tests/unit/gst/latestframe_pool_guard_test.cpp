// SPDX-License-Identifier: LGPL-2.1-or-later
// Which frames of a limited pool are lent, which are copied, and what a copy is.
#include <algorithm>

#include <gst/video/video.h>

#include "gst_fixture.hpp"
#include "latestframe/pool_guard.hpp"

// Memory that can be mapped, but is copied into another kind.
struct OddAllocator {
  GstAllocator parent;
};
struct OddAllocatorClass {
  GstAllocatorClass parent_class;
};
G_DEFINE_TYPE(OddAllocator, odd_allocator, GST_TYPE_ALLOCATOR)
static void odd_allocator_class_init(OddAllocatorClass* klass) {
  GST_ALLOCATOR_CLASS(klass)->alloc = [](GstAllocator*, gsize, GstAllocationParams*) -> GstMemory* { return nullptr; };
  GST_ALLOCATOR_CLASS(klass)->free = [](GstAllocator*, GstMemory* memory) { delete memory; };
}
static void odd_allocator_init(OddAllocator* self) {
  auto* allocator = GST_ALLOCATOR(self);
  allocator->mem_type = "Odd";
  allocator->mem_map = [](GstMemory*, gsize, GstMapFlags) -> gpointer {
    static char bytes[64];
    return bytes;
  };
  allocator->mem_unmap = [](GstMemory*) {};
  GST_OBJECT_FLAG_SET(allocator, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
}

namespace supplier::latestframe {
namespace {

class LatestFramePoolGuard : public support::GstFixture {
 protected:
  static constexpr guint kSize = 320 * 240 * 3 / 2;

  static Owned<GstBufferPool> pool_of(guint buffers) {
    auto pool = adopt(gst_buffer_pool_new());
    GstStructure* config = gst_buffer_pool_get_config(pool.get());
    gst_buffer_pool_config_set_params(config, nullptr, kSize, buffers, buffers);
    gst_buffer_pool_set_config(pool.get(), config);
    gst_buffer_pool_set_active(pool.get(), TRUE);
    return pool;
  }
  static Owned<GstBuffer> acquire(const Owned<GstBufferPool>& pool) {
    GstBuffer* buffer = nullptr;
    GstBufferPoolAcquireParams params{};
    params.flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT;
    EXPECT_EQ(gst_buffer_pool_acquire_buffer(pool.get(), &buffer, &params), GST_FLOW_OK) << "the pool is empty";
    return adopt(buffer);
  }
  static Owned<GstMiniObject> as_frame(Owned<GstBuffer> buffer) {
    return Owned<GstMiniObject>(GST_MINI_OBJECT_CAST(buffer.release()));
  }
  Owned<GstMiniObject> admit(Owned<GstBuffer> buffer) {
    return sut.admit(as_frame(std::move(buffer)), stream_state).frame;
  }
  void set_caps(const char* text) {
    const auto caps = adopt(gst_caps_from_string(text));
    stream_state.events.push_back(adopt(gst_event_new_caps(caps.get())));
    stream_state.caps = stream_state.events.back().get();
  }

  StreamState stream_state;
  PoolGuard sut;
};

TEST_F(LatestFramePoolGuard, LeavesUpstreamABufferOfEveryPoolWhateverIsKept) {
  for (guint buffers = 1; buffers <= 8; ++buffers) {
    SCOPED_TRACE(buffers);
    const auto pool = pool_of(buffers);
    std::vector<Owned<GstMiniObject>> kept;
    for (int i = 0; i < 20; ++i) kept.push_back(admit(acquire(pool)));
    EXPECT_EQ(std::count_if(kept.begin(), kept.end(),
                            [&](const auto& frame) { return GST_BUFFER_CAST(frame.get())->pool == pool.get(); }),
              static_cast<std::ptrdiff_t>(PoolGuard::room_of(buffers)));
    kept.clear();
    sut.give_back();
    gst_buffer_pool_set_active(pool.get(), FALSE);
  }
  sut.forget();
}

TEST_F(LatestFramePoolGuard, LendsAgainWhatHasComeBack) {
  const auto pool = pool_of(4);
  auto a = admit(acquire(pool)), b = admit(acquire(pool));
  EXPECT_TRUE(sut.watching());
  EXPECT_NE(GST_BUFFER_CAST(admit(acquire(pool)).get())->pool, pool.get());
  EXPECT_EQ(sut.copied(), 1u);
  a.reset();
  EXPECT_EQ(GST_BUFFER_CAST(admit(acquire(pool)).get())->pool, pool.get());
  b.reset();
  sut.give_back();
  EXPECT_FALSE(sut.watching());
  gst_buffer_pool_set_active(pool.get(), FALSE);
}

TEST_F(LatestFramePoolGuard, LendsABufferOnceThatComesTwice) {
  const auto pool = pool_of(4);
  auto buffer = acquire(pool);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(admit(share(buffer.get())).get(), GST_MINI_OBJECT_CAST(buffer.get()));
  auto other = admit(acquire(pool));
  EXPECT_EQ(GST_BUFFER_CAST(other.get())->pool, pool.get());
  buffer.reset();
  other.reset();
  sut.give_back();
  EXPECT_FALSE(sut.watching());
  gst_buffer_pool_set_active(pool.get(), FALSE);
}

TEST_F(LatestFramePoolGuard, MakesACopyThatDiffersInNothingButItsMemory) {
  const auto pool = pool_of(1);
  auto original = acquire(pool);
  for (guint8 i = 0; i < 100; ++i) gst_buffer_fill(original.get(), i, &i, 1);
  GST_BUFFER_PTS(original.get()) = 7;
  GST_BUFFER_DTS(original.get()) = 6;
  GST_BUFFER_DURATION(original.get()) = 5;
  GST_BUFFER_OFFSET(original.get()) = 4;
  GST_BUFFER_FLAG_SET(original.get(), GST_BUFFER_FLAG_DELTA_UNIT | GST_BUFFER_FLAG_CORRUPTED);
  gst_buffer_add_video_meta(original.get(), GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_I420, 320, 240);
  const auto frame = admit(std::move(original));
  GstBuffer* copy = GST_BUFFER_CAST(frame.get());
  ASSERT_EQ(gst_buffer_get_size(copy), kSize);
  guint8 bytes[100];
  gst_buffer_extract(copy, 0, bytes, sizeof bytes);
  for (guint8 i = 0; i < 100; ++i) EXPECT_EQ(bytes[i], i);
  EXPECT_EQ(GST_BUFFER_PTS(copy), 7u);
  EXPECT_EQ(GST_BUFFER_DTS(copy), 6u);
  EXPECT_EQ(GST_BUFFER_DURATION(copy), 5u);
  EXPECT_EQ(GST_BUFFER_OFFSET(copy), 4u);
  EXPECT_TRUE(GST_BUFFER_FLAG_IS_SET(copy, GST_BUFFER_FLAG_DELTA_UNIT));
  EXPECT_TRUE(GST_BUFFER_FLAG_IS_SET(copy, GST_BUFFER_FLAG_CORRUPTED));
  EXPECT_TRUE(gst_buffer_get_video_meta(copy));
  gst_buffer_pool_set_active(pool.get(), FALSE);
}

TEST_F(LatestFramePoolGuard, UsesTheMemoryOfCopiesAgain) {
  const auto pool = pool_of(1);
  const GstMemory* memory = nullptr;
  for (int i = 0; i < 10; ++i) {
    const auto copy = admit(acquire(pool));
    const GstMemory* now = gst_buffer_peek_memory(GST_BUFFER_CAST(copy.get()), 0);
    if (memory) {
      EXPECT_EQ(now, memory);
    }
    memory = now;
  }
  gst_buffer_pool_set_active(pool.get(), FALSE);
}

TEST_F(LatestFramePoolGuard, KnowsABufferThatWasMadeFromAnotherAndKeepsIt) {
  const auto pool = pool_of(4);
  std::vector<Owned<GstMiniObject>> kept;
  for (int i = 0; i < 10; ++i) {
    const auto original = acquire(pool);
    auto made = adopt(gst_buffer_copy(original.get()));
    gst_buffer_add_parent_buffer_meta(made.get(), original.get());
    kept.push_back(admit(std::move(made)));
  }
  EXPECT_EQ(sut.copied(), 10u - PoolGuard::room_of(4));
  EXPECT_FALSE(gst_buffer_get_parent_buffer_meta(GST_BUFFER_CAST(kept.back().get()))) << "the copy keeps it too";
  kept.clear();
  sut.give_back();
  gst_buffer_pool_set_active(pool.get(), FALSE);
}

TEST_F(LatestFramePoolGuard, CopiesAListAsAWhole) {
  const auto pool = pool_of(6);
  const auto list_of_two = [&] {
    auto list = adopt(gst_buffer_list_new());
    for (int i = 0; i < 2; ++i) gst_buffer_list_insert(list.get(), -1, acquire(pool).release());
    return Owned<GstMiniObject>(GST_MINI_OBJECT_CAST(list.release()));
  };
  std::vector<Owned<GstMiniObject>> kept;
  for (int i = 0; i < 10; ++i) {
    kept.push_back(sut.admit(list_of_two(), stream_state).frame);
    EXPECT_EQ(gst_buffer_list_length(GST_BUFFER_LIST_CAST(kept.back().get())), 2u);
  }
  EXPECT_EQ(sut.copied(), 8u);
  kept.clear();
  sut.give_back();
  gst_buffer_pool_set_active(pool.get(), FALSE);
}

TEST_F(LatestFramePoolGuard, LetsEverythingPassThatComesFromNoLimitedPool) {
  const auto endless = pool_of(0);
  std::vector<Owned<GstMiniObject>> kept;
  for (int i = 0; i < 20; ++i) {
    kept.push_back(admit(acquire(endless)));
    kept.push_back(admit(adopt(gst_buffer_new_allocate(nullptr, 10, nullptr))));
    kept.push_back(admit(adopt(gst_buffer_new())));
  }
  EXPECT_EQ(sut.copied(), 0u);
  EXPECT_FALSE(sut.watching());
  kept.clear();
  gst_buffer_pool_set_active(endless.get(), FALSE);
}

// libcamera's pool overrides how buffers are acquired and is never configured.
TEST_F(LatestFramePoolGuard, CountsOnFourBuffersOfAPoolThatDoesNotSay) {
  const auto silent = adopt(gst_buffer_pool_new());
  std::vector<Owned<GstBuffer>> originals;
  for (int i = 0; i < 5; ++i) {
    auto buffer = adopt(gst_buffer_new_allocate(nullptr, 10, nullptr));
    buffer->pool = share(silent.get()).release();
    originals.push_back(share(buffer.get()));
    EXPECT_TRUE(admit(std::move(buffer)));
  }
  EXPECT_EQ(sut.copied(), 5u - PoolGuard::room_of(4));
  sut.forget();
  for (auto& buffer : originals) adopt(std::exchange(buffer->pool, nullptr));
}

TEST_F(LatestFramePoolGuard, DropsAFrameWhoseMemoryIsOfAKindThatCannotBeCopied) {
  set_caps("video/x-raw(memory:DMABuf),format=DMA_DRM");
  const auto pool = pool_of(1);
  const auto allocator = adopt(GST_ALLOCATOR(gst_object_ref_sink(g_object_new(odd_allocator_get_type(), nullptr))));
  auto* memory = new GstMemory{};
  gst_memory_init(memory, GstMemoryFlags{}, allocator.get(), nullptr, 64, 0, 0, 64);
  auto buffer = acquire(pool);
  gst_buffer_replace_all_memory(buffer.get(), memory);
  EXPECT_FALSE(admit(std::move(buffer)));
  EXPECT_EQ(sut.copied(), 0u);
  gst_buffer_pool_set_active(pool.get(), FALSE);
}

TEST_F(LatestFramePoolGuard, AsksToTellAfterAWhileAndOnce) {
  const auto pool = pool_of(1);
  int told = 0;
  for (int i = 0; i < 200; ++i) {
    told += sut.admit(as_frame(acquire(pool)), stream_state).tell;
    if (i == 10) {
      EXPECT_EQ(told, 0) << "a hiccup is not worth it";
    }
  }
  EXPECT_EQ(told, 1);
  EXPECT_EQ(sut.buffers(), 1u);
  gst_buffer_pool_set_active(pool.get(), FALSE);
}

}  // namespace
}  // namespace supplier::latestframe
