// SPDX-License-Identifier: LGPL-2.1-or-later
#include "abi/metas.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace shmring {
namespace {

using Bytes = std::span<const std::byte>;

struct Timestamp {
  std::uint64_t timestamp;
  std::uint64_t duration;
};

struct Region {
  std::uint32_t x, y, width, height;
  std::int32_t id, parent;
};

constexpr std::uint64_t kUnixInNtp = 2'208'988'800;  // seconds from 1900 to 1970
constexpr std::uint64_t kSecond = 1'000'000'000;

template <class T>
bool load(Bytes& from, T& value) {
  if (from.size() < sizeof value) return false;
  std::memcpy(&value, from.data(), sizeof value);
  from = from.subspan(sizeof value);
  return true;
}

// A name with its size before it.
bool load_name(Bytes& from, shmring_meta& meta) {
  std::uint32_t size = 0;
  if (!load(from, size) || size > from.size()) return false;
  meta.name = reinterpret_cast<const char*>(from.data());
  meta.name_size = size;
  from = from.subspan(size);
  return true;
}

std::string_view name_of(const shmring_meta& meta) { return {meta.name, meta.name_size}; }

class Writer {
 public:
  explicit Writer(std::span<std::byte> room) : room_(room), used_(sizeof(MetaHeader)) {}

  template <class T>
  void store(const T& value) {
    append(&value, sizeof value);
  }
  void append(const void* bytes, std::size_t size) {
    fits_ = fits_ && used_ <= room_.size() && size <= room_.size() - used_;
    if (fits_ && size != 0) std::memcpy(room_.data() + used_, bytes, size);
    used_ += fits_ ? size : 0;
  }
  // Writes the header, last: it has the size.
  std::size_t end(std::uint32_t kind) {
    if (!fits_ || used_ > room_.size()) return 0;
    const MetaHeader header{kind, static_cast<std::uint32_t>(used_ - sizeof(MetaHeader))};
    std::memcpy(room_.data(), &header, sizeof header);
    return used_;
  }

 private:
  std::span<std::byte> room_;
  std::size_t used_;
  bool fits_ = true;
};

}  // namespace

bool take_meta(Bytes& rest, shmring_meta& meta) {
  MetaHeader header;
  if (!load(rest, header) || header.size > rest.size()) return false;
  Bytes record = rest.first(header.size);
  rest = rest.subspan(header.size);
  meta = SHMRING_META_INIT;
  meta.kind = header.kind;
  if (header.kind == SHMRING_META_TIMESTAMP) {
    Timestamp time;
    if (!load(record, time) || time.timestamp == SHMRING_TIME_NONE) return false;
    meta.timestamp = time.timestamp;
    meta.duration = time.duration;
    meta.name = reinterpret_cast<const char*>(record.data());
    meta.name_size = record.size();
    return true;
  }
  if (header.kind == SHMRING_META_REGION) {
    Region region;
    if (!load(record, region)) return false;
    meta.x = region.x;
    meta.y = region.y;
    meta.width = region.width;
    meta.height = region.height;
    meta.id = region.id;
    meta.parent = region.parent;
  }
  if ((header.kind == SHMRING_META_REGION || header.kind == SHMRING_META_CUSTOM) && !load_name(record, meta))
    return false;
  meta.data = record.data();
  meta.data_size = record.size();
  return true;
}

bool are_metas(Bytes metadata) {
  shmring_meta meta;
  while (!metadata.empty())
    if (!take_meta(metadata, meta)) return false;
  return true;
}

std::size_t put_meta(std::span<std::byte> room, const shmring_meta& meta) {
  Writer to(room);
  if (meta.kind == SHMRING_META_TIMESTAMP) {
    to.store(Timestamp{meta.timestamp, meta.duration});
    to.append(meta.name, meta.name_size);
    return to.end(meta.kind);
  }
  if (meta.kind == SHMRING_META_REGION) to.store(Region{meta.x, meta.y, meta.width, meta.height, meta.id, meta.parent});
  if (meta.kind == SHMRING_META_REGION || meta.kind == SHMRING_META_CUSTOM) {
    to.store(static_cast<std::uint32_t>(std::min<std::size_t>(meta.name_size, UINT32_MAX)));
    to.append(meta.name, meta.name_size);
  }
  to.append(meta.data, meta.data_size);
  return to.end(meta.kind);
}

std::uint64_t captured_at(Bytes metadata) {
  if (!are_metas(metadata)) return SHMRING_TIME_NONE;
  shmring_meta meta;
  while (!metadata.empty() && take_meta(metadata, meta)) {
    if (meta.kind != SHMRING_META_TIMESTAMP) continue;
    const std::string_view clock = name_of(meta).substr(0, name_of(meta).find_first_of(",; ("));
    if (clock == "timestamp/x-unix") return meta.timestamp;
    if (clock == "timestamp/x-ntp" && meta.timestamp >= kUnixInNtp * kSecond)
      return meta.timestamp - kUnixInNtp * kSecond;
  }
  return SHMRING_TIME_NONE;
}

}  // namespace shmring
