// SPDX-License-Identifier: LGPL-2.1-or-later
// Metadata of a frame, record by record.
#include "abi/metas.hpp"

#include <algorithm>
#include <cstring>

#include "capi/status.hpp"

using namespace shmring;

extern "C" {

shmring_status shmring_meta_next(const void* metadata, size_t size, size_t* offset, shmring_meta* meta) {
  return capi::guarded([&] {
    if (!offset || !meta || (!metadata && size != 0))
      return capi::fail(SHMRING_INVALID, "metadata, offset and the place for the meta must not be NULL");
    if (*offset > size) return capi::fail(SHMRING_INVALID, "offset is beyond the metadata: begin with 0");
    if (*offset == size) return SHMRING_END;
    auto rest = std::span(static_cast<const std::byte*>(metadata), size).subspan(*offset);
    shmring_meta found;
    if (!take_meta(rest, found)) return capi::fail(SHMRING_INVALID, "the frame's metadata is not a row of records");
    if (const Status status = capi::fill(meta, found, "shmring_meta", "SHMRING_META_INIT"); status != SHMRING_OK)
      return status;
    *offset = size - rest.size();
    return SHMRING_OK;
  });
}

shmring_status shmring_meta_add(void* metadata, size_t capacity, size_t* size, const shmring_meta* given) {
  return capi::guarded([&] {
    if (!metadata || !size || !given) return capi::fail(SHMRING_INVALID, "metadata, size and meta must not be NULL");
    if (given->struct_size == 0) return capi::not_initialised("shmring_meta", "SHMRING_META_INIT");
    shmring_meta meta = SHMRING_META_INIT;
    std::memcpy(&meta, given, std::min(given->struct_size, sizeof meta));
    if (*size > capacity) return capi::fail(SHMRING_INVALID, "size is larger than the capacity: begin with 0");
    if ((!meta.name && meta.name_size != 0) || (!meta.data && meta.data_size != 0))
      return capi::fail(SHMRING_INVALID, "name or data of the meta is NULL, and its size is not 0");
    if (meta.kind == SHMRING_META_TIMESTAMP && meta.timestamp == SHMRING_TIME_NONE)
      return capi::fail(SHMRING_INVALID, "timestamp is SHMRING_TIME_NONE: leave the meta out");
    const std::size_t room = std::min<std::size_t>(capacity, SHMRING_METADATA_SIZE);
    const std::size_t added =
        *size > room ? 0 : put_meta(std::span(static_cast<std::byte*>(metadata), room).subspan(*size), meta);
    if (added == 0)
      return capi::fail(SHMRING_TOO_LARGE, "the metas of a frame have room for " + std::to_string(room) +
                                               " bytes: leave some out, or make them smaller");
    auto made = std::span(static_cast<const std::byte*>(metadata), room).subspan(*size, added);
    if (shmring_meta read; !take_meta(made, read))
      return capi::fail(
          SHMRING_INVALID,
          "the meta contradicts itself: data of analytics is records of items, and relations are between those");
    *size += added;
    return SHMRING_OK;
  });
}

uint64_t shmring_captured_at(const shmring_frame_info* info) {
  if (!info || info->struct_size < offsetof(shmring_frame_info, metadata_size) + sizeof info->metadata_size ||
      !info->metadata)
    return SHMRING_TIME_NONE;
  return captured_at({static_cast<const std::byte*>(info->metadata), info->metadata_size});
}

}  // extern "C"
