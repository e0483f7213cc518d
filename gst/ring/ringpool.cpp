// SPDX-License-Identifier: LGPL-2.1-or-later
// The pool that shmringsink proposes.
#include "ring/ringpool.hpp"

#include <optional>
#include <utility>

#include <gst/video/video.h>

#include "ring/ringmemory.hpp"

GST_DEBUG_CATEGORY_EXTERN(gst_shm_ring_sink_debug);
#define GST_CAT_DEFAULT gst_shm_ring_sink_debug

namespace supplier {
namespace {

// Values of a pool's configuration.
struct Wish {
  gsize size = 0;                      // of a frame, with the padding around its picture
  GstAllocationParams params{};        // bytes before and after a frame, alignment
  guint buffers = 0;                   // that are out at the same time, and more
  std::optional<GstVideoInfo> planes;  // to tell in a GstVideoMeta
  GstVideoAlignment alignment{};

  // A slot's first byte is a frame's first byte.
  bool fits_a_slot() const { return params.prefix == 0; }
  gsize capacity() const { return params.prefix + size + params.padding; }
};

class RingPool {
 public:
  explicit RingPool(std::shared_ptr<shmring::Publisher> publisher) : publisher_(std::move(publisher)) {}

  // Changes what cannot be had, and says false then.
  bool configure(GstStructure* config) {
    GstCaps* caps = nullptr;
    guint size = 0;
    guint least = 0;
    guint most = 0;
    GstAllocationParams params;
    if (!gst_buffer_pool_config_get_params(config, &caps, &size, &least, &most)) return false;
    if (!gst_buffer_pool_config_get_allocator(config, nullptr, &params)) return false;

    Wish wish;
    GstVideoInfo video;
    const bool is_video = caps && gst_video_info_from_caps(&video, caps) && GST_VIDEO_INFO_N_PLANES(&video) > 0;
    bool as_asked = true;
    if (is_video && gst_buffer_pool_config_has_option(config, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT))
      as_asked = align(config, wish.alignment, video);
    if (is_video) size = MAX(size, static_cast<guint>(GST_VIDEO_INFO_SIZE(&video)));
    if (is_video && gst_buffer_pool_config_has_option(config, GST_BUFFER_POOL_OPTION_VIDEO_META)) wish.planes = video;
    wish.size = size;
    wish.buffers = least;
    wish.params = params;
    wish.params.flags = GstMemoryFlags{};

    wish_ = wish;
    GST_DEBUG("%u buffers of %" G_GSIZE_FORMAT " bytes, %s", least, wish.capacity(),
              wish.fits_a_slot() ? "in slots" : "not in slots: bytes are wanted before each frame");
    gst_buffer_pool_config_set_params(config, caps, size, least, most);
    return as_asked;
  }

  // The ring is made here, if its size was still open, so that the first buffer is in it. A failure shows when a frame
  // is published.
  void start() {
    if (!wish_.fits_a_slot()) return;
    if (const auto made = publisher_->require(wish_.capacity(), wish_.buffers + kLoansForCopies); !made)
      GST_DEBUG("no ring yet for buffers of %" G_GSIZE_FORMAT " bytes: %s", wish_.capacity(),
                made.error().text.c_str());
  }

  GstBuffer* acquire() {
    GstBuffer* buffer = gst_buffer_new();
    gst_buffer_append_memory(buffer, memory());
    if (wish_.planes) {
      GstVideoInfo& info = *wish_.planes;
      GstVideoMeta* meta = gst_buffer_add_video_meta_full(
          buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT(&info),
          static_cast<guint>(GST_VIDEO_INFO_WIDTH(&info)), static_cast<guint>(GST_VIDEO_INFO_HEIGHT(&info)),
          GST_VIDEO_INFO_N_PLANES(&info), info.offset, info.stride);
      gst_video_meta_set_alignment(meta, wish_.alignment);
    }
    GST_BUFFER_FLAG_UNSET(buffer, GST_BUFFER_FLAG_TAG_MEMORY);  // it is as it came from the pool
    return buffer;
  }

 private:
  // Padding around the picture is for speed: only where it fits into a slot.
  bool align(GstStructure* config, GstVideoAlignment& alignment, GstVideoInfo& video) const {
    GstVideoInfo aligned = video;
    gst_buffer_pool_config_get_video_alignment(config, &alignment);
    const bool fits =
        gst_video_info_align(&aligned, &alignment) && GST_VIDEO_INFO_SIZE(&aligned) <= publisher_->largest_slot_size();
    if (fits)
      video = aligned;
    else
      gst_video_alignment_reset(&alignment);
    gst_buffer_pool_config_set_video_alignment(config, &alignment);
    return fits;
  }

  GstMemory* memory() {
    if (wish_.fits_a_slot()) {
      auto loan = publisher_->loan(kLoansForCopies);
      if (loan && loan->bytes().size() >= wish_.capacity()) return memory_of(*std::move(loan), wish_.size);
      GST_LOG("no free slot of %" G_GSIZE_FORMAT " bytes: the next frame is on the heap", wish_.capacity());
    }
    return gst_allocator_alloc(nullptr, wish_.size, &wish_.params);
  }

  const std::shared_ptr<shmring::Publisher> publisher_;
  Wish wish_;  // changes only while no buffer is out
};

}  // namespace
}  // namespace supplier

namespace {

struct GstShmRingPool {
  GstBufferPool parent;
  supplier::RingPool* impl;
};
struct GstShmRingPoolClass {
  GstBufferPoolClass parent_class;
};

G_DEFINE_TYPE(GstShmRingPool, gst_shm_ring_pool, GST_TYPE_BUFFER_POOL)

supplier::RingPool& impl(gpointer pool) { return *static_cast<GstShmRingPool*>(pool)->impl; }

void gst_shm_ring_pool_class_init(GstShmRingPoolClass* klass) {
  G_OBJECT_CLASS(klass)->finalize = [](GObject* object) {
    delete reinterpret_cast<GstShmRingPool*>(object)->impl;
    G_OBJECT_CLASS(gst_shm_ring_pool_parent_class)->finalize(object);
  };
  auto* pool = GST_BUFFER_POOL_CLASS(klass);
  pool->get_options = [](GstBufferPool*) -> const gchar** {
    static const gchar* options[] = {GST_BUFFER_POOL_OPTION_VIDEO_META, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT,
                                     nullptr};
    return options;
  };
  pool->set_config = [](GstBufferPool* self, GstStructure* config) -> gboolean {
    const bool as_asked = impl(self).configure(config);
    return GST_BUFFER_POOL_CLASS(gst_shm_ring_pool_parent_class)->set_config(self, config) && as_asked;
  };
  pool->start = [](GstBufferPool* self) -> gboolean {
    impl(self).start();
    return TRUE;
  };
  pool->acquire_buffer = [](GstBufferPool* self, GstBuffer** buffer, GstBufferPoolAcquireParams*) {
    if (GST_BUFFER_POOL_IS_FLUSHING(self)) return GST_FLOW_FLUSHING;
    *buffer = impl(self).acquire();
    return GST_FLOW_OK;
  };
  pool->reset_buffer = nullptr;  // buffers are not used again, only what they lie in
  pool->release_buffer = [](GstBufferPool*, GstBuffer* buffer) { gst_buffer_unref(buffer); };
}

void gst_shm_ring_pool_init(GstShmRingPool*) {}

}  // namespace

GstBufferPool* supplier::ring_pool_new(std::shared_ptr<shmring::Publisher> publisher) {
  auto* pool = static_cast<GstShmRingPool*>(g_object_new(gst_shm_ring_pool_get_type(), nullptr));
  gst_object_ref_sink(pool);
  pool->impl = new RingPool(std::move(publisher));
  return GST_BUFFER_POOL(pool);
}
