// SPDX-License-Identifier: LGPL-2.1-or-later
// Frames as GstMemory, without copying.
#include "ring/ringmemory.hpp"

#include <cstddef>
#include <utility>
#include <variant>

namespace {

using Owner = std::variant<std::monostate, shmring::Loan, shmring::Frame>;  // monostate: a part, its parent owns

struct RingMemory : GstMemory {
  RingMemory(std::byte* bytes, Owner whose) : GstMemory(), data(bytes), owner(std::move(whose)) {}
  // From where GstBuffers come: used again for the next frame.
  static void* operator new(std::size_t size) { return g_slice_alloc(size); }
  static void operator delete(void* made, std::size_t size) { g_slice_free1(size, made); }

  std::byte* data;
  Owner owner;
};

RingMemory* ring_memory(GstMemory* memory) { return static_cast<RingMemory*>(memory); }

gpointer map(GstMemory* memory, gsize, GstMapFlags) { return ring_memory(memory)->data; }
void unmap(GstMemory*) {}

GstMemory* make(GstAllocator* allocator, GstMemoryFlags flags, std::byte* data, gsize capacity, gsize offset,
                gsize size, GstMemory* parent, Owner owner) {
  auto* made = new RingMemory(data, std::move(owner));
  gst_memory_init(made, flags, allocator, parent, capacity, 63, offset, size);
  return made;
}

GstMemory* share_part(GstMemory* memory, gssize offset, gssize size) {
  GstMemory* parent = memory->parent ? memory->parent : memory;
  const gsize start = memory->offset + static_cast<gsize>(offset);
  const gsize length = size < 0 ? memory->size - static_cast<gsize>(offset) : static_cast<gsize>(size);
  return make(memory->allocator, GST_MEMORY_FLAG_READONLY, ring_memory(memory)->data, memory->maxsize, start, length,
              parent, std::monostate{});
}

struct GstShmRingAllocator {
  GstAllocator parent;
};
struct GstShmRingAllocatorClass {
  GstAllocatorClass parent_class;
};

G_DEFINE_TYPE(GstShmRingAllocator, gst_shm_ring_allocator, GST_TYPE_ALLOCATOR)

void gst_shm_ring_allocator_class_init(GstShmRingAllocatorClass* klass) {
  GST_ALLOCATOR_CLASS(klass)->alloc = [](GstAllocator*, gsize, GstAllocationParams*) -> GstMemory* { return nullptr; };
  GST_ALLOCATOR_CLASS(klass)->free = [](GstAllocator*, GstMemory* memory) { delete ring_memory(memory); };
}

void gst_shm_ring_allocator_init(GstShmRingAllocator* self) {
  auto* allocator = GST_ALLOCATOR(self);
  allocator->mem_type = "ShmRingMemory";
  allocator->mem_map = map;
  allocator->mem_unmap = unmap;
  allocator->mem_share = share_part;
  GST_OBJECT_FLAG_SET(allocator, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
}

// One for the process: it has no state, and memories outlive every element.
GstAllocator* allocator() {
  static GstAllocator* const instance = [] {
    auto* made = GST_ALLOCATOR(gst_object_ref_sink(g_object_new(gst_shm_ring_allocator_get_type(), nullptr)));
    GST_OBJECT_FLAG_SET(made, GST_OBJECT_FLAG_MAY_BE_LEAKED);
    return made;
  }();
  return instance;
}

}  // namespace

namespace supplier {

GstMemory* memory_of(shmring::Loan loan, gsize size) {
  const auto bytes = loan.bytes();
  return make(allocator(), GstMemoryFlags{}, bytes.data(), bytes.size(), 0, size, nullptr, std::move(loan));
}

GstMemory* memory_of(shmring::Frame frame) {
  const auto bytes = frame.bytes();
  auto* data = const_cast<std::byte*>(bytes.data());  // READONLY refuses to map it for writing
  return make(allocator(), GST_MEMORY_FLAG_READONLY, data, bytes.size(), 0, bytes.size(), nullptr, std::move(frame));
}

shmring::Loan* loan_of(GstMemory* memory) {
  if (memory->allocator != allocator() || memory->offset != 0) return nullptr;
  return std::get_if<shmring::Loan>(&ring_memory(memory)->owner);
}

void make_read_only(GstMemory* memory) { GST_MINI_OBJECT_FLAG_SET(memory, GST_MEMORY_FLAG_READONLY); }

}  // namespace supplier
