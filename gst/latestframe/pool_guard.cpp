// SPDX-License-Identifier: LGPL-2.1-or-later
// Counting what is out, and copying.
#include "latestframe/pool_guard.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>

GST_DEBUG_CATEGORY_EXTERN(gst_latest_frame_debug);
#define GST_CAT_DEFAULT gst_latest_frame_debug

namespace supplier::latestframe {
namespace {

template <class Each>
void for_each_buffer(GstMiniObject* frame, Each each) {
  if (GST_IS_BUFFER(frame)) {
    each(GST_BUFFER_CAST(frame));
  } else if (GST_IS_BUFFER_LIST(frame)) {
    GstBufferList* list = GST_BUFFER_LIST_CAST(frame);
    for (guint i = 0; i < gst_buffer_list_length(list); ++i) each(gst_buffer_list_get(list, i));
  }
}

GstBuffer* first_of(GstMiniObject* frame) {
  if (GST_IS_BUFFER(frame)) return GST_BUFFER_CAST(frame);
  if (!GST_IS_BUFFER_LIST(frame) || gst_buffer_list_length(GST_BUFFER_LIST_CAST(frame)) == 0) return nullptr;
  return gst_buffer_list_get(GST_BUFFER_LIST_CAST(frame), 0);
}

// The buffer of a pool that this one is, or that it was made from and keeps.
GstBuffer* origin_of(GstBuffer* buffer) {
  while (!buffer->pool) {
    const auto* meta = gst_buffer_get_parent_buffer_meta(buffer);
    if (!meta) break;
    buffer = meta->buffer;
  }
  return buffer;
}

bool in_system_memory(const GstCaps* caps) {
  if (!caps || gst_caps_get_size(caps) == 0) return true;
  const GstCapsFeatures* features = gst_caps_get_features(caps, 0);
  for (guint i = 0; features && i < gst_caps_features_get_size(features); ++i) {
    const gchar* feature = gst_caps_features_get_nth(features, i);
    if (g_str_has_prefix(feature, "memory:") && !g_str_equal(feature, GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY))
      return false;
  }
  return true;
}

// Everything but the memory, and but what would keep the original. Metas one by one: without the memory GStreamer does
// not copy those that describe it, such as GstVideoMeta.
void describe_as(GstBuffer* copy, GstBuffer* original) {
  constexpr auto kWhat = static_cast<GstBufferCopyFlags>(GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS);
  gst_buffer_copy_into(copy, original, kWhat, 0, static_cast<gsize>(-1));
  static const GQuark keeps = g_quark_from_static_string(GST_META_TAG_MEMORY_REFERENCE_STR);
  GstMetaTransformCopy whole{FALSE, 0, static_cast<gsize>(-1)};
  gpointer state = nullptr;
  while (GstMeta* meta = gst_buffer_iterate_meta(original, &state))
    if (meta->info->transform_func && !gst_meta_api_type_has_tag(meta->info->api, keeps))
      meta->info->transform_func(copy, meta, original, _gst_meta_transform_copy, &whole);
}

// By the allocator that the memory comes from; the copy must be of the same kind.
Owned<GstBuffer> copy_in_kind(GstBuffer* buffer) {
  auto copy = adopt(gst_buffer_new());
  for (guint i = 0; i < gst_buffer_n_memory(buffer); ++i) {
    GstMemory* memory = gst_buffer_peek_memory(buffer, i);
    GstMemory* copied = gst_memory_copy(memory, 0, -1);
    if (!copied) return nullptr;
    gst_buffer_append_memory(copy.get(), copied);
    if (!copied->allocator || !memory->allocator ||
        g_strcmp0(copied->allocator->mem_type, memory->allocator->mem_type) != 0)
      return nullptr;
  }
  describe_as(copy.get(), buffer);
  return copy;
}

}  // namespace

PoolGuard::Admitted PoolGuard::admit(Owned<GstMiniObject> frame, const StreamState& stream_state) {
  GstBuffer* first = first_of(frame.get());
  if (!first || !limited(origin_of(first)->pool)) return {std::move(frame)};
  give_back();
  if (lend(frame.get())) {
    if (shortage_ != 0) --shortage_;
    return {std::move(frame)};
  }
  Admitted admitted{copy_of(frame.get(), stream_state.caps_of())};
  if (admitted.frame) copied_.fetch_add(1, std::memory_order_relaxed);
  GST_LOG("frame %s: the pool's other buffers are downstream", admitted.frame ? "copied" : "not to be copied");
  if (shortage_ == 0) GST_DEBUG("the source's pool runs short, frames are copied until buffers come back");
  shortage_ += 3;
  if (shortage_ >= kWorthTelling) admitted.tell = !std::exchange(told_, true);
  return admitted;
}

// Asked of a pool once: for every frame it would cost a copy of its configuration.
bool PoolGuard::limited(GstBufferPool* pool) {
  if (!pool) return false;
  std::vector<Owned<GstBuffer>> of_the_last_pool;
  Owned<GstBufferPool> last;
  std::lock_guard hold(lock_);
  if (pool == unlimited_.get()) return false;
  if (pool == pool_.get()) return true;
  GstCaps* caps = nullptr;
  guint size = 0, minimum = 0, maximum = 0;
  GstStructure* config = gst_buffer_pool_get_config(pool);
  gst_buffer_pool_config_get_params(config, &caps, &size, &minimum, &maximum);
  const bool configured = caps || size != 0;
  gst_structure_free(config);
  const guint buffers = configured ? maximum : kUnknown;
  if (buffers == 0) {
    last = std::exchange(unlimited_, share(pool));
    return false;
  }
  last = std::exchange(pool_, share(pool));
  GST_DEBUG_OBJECT(pool, "a pool of %u buffers, of which up to %u may be downstream", buffers, room_of(buffers));
  of_the_last_pool.swap(out_);
  room_ = room_of(buffers);
  out_.reserve(buffers);
  buffers_.store(buffers, std::memory_order_relaxed);
  return true;
}

bool PoolGuard::lend(GstMiniObject* frame) {
  std::lock_guard hold(lock_);
  const std::size_t before = out_.size();
  // Once each: parts of one buffer, or one that is repeated, would wait for each other's references for ever.
  for_each_buffer(frame, [&](GstBuffer* buffer) {
    GstBuffer* origin = origin_of(buffer);
    if (std::none_of(out_.begin(), out_.end(), [origin](const auto& known) { return known.get() == origin; }))
      out_.push_back(share(origin));
  });
  if (out_.size() > room_) {
    out_.erase(out_.begin() + static_cast<std::ptrdiff_t>(before), out_.end());
    return false;
  }
  watching_.store(true, std::memory_order_relaxed);
  return true;
}

void PoolGuard::give_back() {
  for (;;) {
    Owned<GstBuffer> idle;  // goes back to its pool when we do not have the lock
    std::lock_guard hold(lock_);
    const auto found = std::find_if(
        out_.begin(), out_.end(), [](const auto& buffer) { return GST_MINI_OBJECT_REFCOUNT_VALUE(buffer.get()) == 1; });
    if (found == out_.end()) return;
    idle = std::move(*found);
    out_.erase(found);
    watching_.store(!out_.empty(), std::memory_order_relaxed);
  }
}

void PoolGuard::reconsider() {
  give_back();
  Owned<GstBufferPool> last;
  std::lock_guard hold(lock_);
  std::swap(last, unlimited_);
}

void PoolGuard::forget() {
  std::vector<Owned<GstBuffer>> out;
  Owned<GstBufferPool> pool, unlimited;
  {
    std::lock_guard hold(lock_);
    out.swap(out_);
    std::swap(pool, pool_);
    std::swap(unlimited, unlimited_);
    watching_.store(false, std::memory_order_relaxed);
  }
  if (copies_) gst_buffer_pool_set_active(copies_.get(), FALSE);
  copies_.reset();
  copies_size_ = 0;
  shortage_ = 0;
  told_ = false;
}

Owned<GstMiniObject> PoolGuard::copy_of(GstMiniObject* frame, const GstCaps* caps) {
  const bool any_memory = in_system_memory(caps);
  if (GST_IS_BUFFER(frame))
    return Owned<GstMiniObject>(GST_MINI_OBJECT_CAST(copy_of(GST_BUFFER_CAST(frame), any_memory).release()));
  auto list = adopt(gst_buffer_list_new());
  bool complete = true;
  for_each_buffer(frame, [&](GstBuffer* buffer) {
    auto copy = complete ? copy_of(buffer, any_memory) : nullptr;
    if (copy)
      gst_buffer_list_insert(list.get(), -1, copy.release());
    else
      complete = false;
  });
  return complete ? Owned<GstMiniObject>(GST_MINI_OBJECT_CAST(list.release())) : nullptr;
}

Owned<GstBuffer> PoolGuard::copy_of(GstBuffer* buffer, bool any_memory) {
  if (!any_memory) return copy_in_kind(buffer);
  const gsize size = gst_buffer_get_size(buffer);
  auto copy = take(size);
  GstMapInfo map;
  if (!copy || !gst_buffer_map(copy.get(), &map, GST_MAP_WRITE)) return nullptr;
  const gsize done = gst_buffer_extract(buffer, 0, map.data, size);
  gst_buffer_unmap(copy.get(), &map);
  if (done != size) return nullptr;
  describe_as(copy.get(), buffer);
  return copy;
}

Owned<GstBuffer> PoolGuard::take(gsize size) {
  if (size > G_MAXUINT / 2) return nullptr;
  if (!copies_ || size > copies_size_) {
    if (copies_) gst_buffer_pool_set_active(copies_.get(), FALSE);
    copies_ = adopt(gst_buffer_pool_new());
    // Of encoded frames each has another size.
    copies_size_ = copies_size_ == 0 ? std::max<gsize>(size, 1) : std::bit_ceil(size);
    GstStructure* config = gst_buffer_pool_get_config(copies_.get());
    gst_buffer_pool_config_set_params(config, nullptr, static_cast<guint>(copies_size_), 0, 0);
    if (!gst_buffer_pool_set_config(copies_.get(), config) || !gst_buffer_pool_set_active(copies_.get(), TRUE)) {
      copies_.reset();
      return nullptr;
    }
  }
  GstBuffer* buffer = nullptr;
  if (gst_buffer_pool_acquire_buffer(copies_.get(), &buffer, nullptr) != GST_FLOW_OK) return nullptr;
  gst_buffer_set_size(buffer, static_cast<gssize>(size));
  return adopt(buffer);
}

}  // namespace supplier::latestframe
