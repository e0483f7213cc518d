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

struct Detection {
  std::uint32_t x, y, width, height;
  float confidence, rotation;
};

struct Track {
  std::uint64_t track, first_seen, last_seen;
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

void take_name(Bytes& from, shmring_meta& meta) {
  meta.name = reinterpret_cast<const char*>(from.data());
  meta.name_size = from.size();
  from = {};
}

bool take(Bytes& rest, shmring_meta& meta, std::uint32_t outer);

bool is_row(Bytes row, std::uint32_t kind) {
  std::size_t items = 0, named = 0;  // those that there are, and that relations speak of
  shmring_meta each;
  while (!row.empty()) {
    if (!take(row, each, kind)) return false;
    if (each.kind != SHMRING_META_RELATIONS) {
      ++items;
      continue;
    }
    Bytes relations(static_cast<const std::byte*>(each.data), each.data_size);
    for (shmring_relation relation; load(relations, relation);)
      named = std::max<std::size_t>({named, relation.first + 1u, relation.second + 1u});
  }
  return named <= items;
}

// The fields of a record's kind; what is left of it is its data.
bool load_fields(Bytes& record, shmring_meta& meta, std::uint32_t outer) {
  switch (meta.kind) {
    case SHMRING_META_TIMESTAMP: {
      Timestamp time;
      if (!load(record, time) || time.timestamp == SHMRING_TIME_NONE) return false;
      meta.timestamp = time.timestamp;
      meta.duration = time.duration;
      take_name(record, meta);
      return true;
    }
    case SHMRING_META_CUSTOM:
      return load_name(record, meta);
    case SHMRING_META_REGION: {
      Region region;
      if (!load(record, region)) return false;
      meta.x = region.x;
      meta.y = region.y;
      meta.width = region.width;
      meta.height = region.height;
      meta.id = region.id;
      meta.parent = region.parent;
      return load_name(record, meta);
    }
    case SHMRING_META_ANALYTICS:
    case SHMRING_META_CLASSIFICATION:  // its number is the larger one, so no row is in one of its kind
      return meta.kind > outer && is_row(record, meta.kind);
    case SHMRING_META_DETECTION: {
      Detection object;
      if (!load(record, object)) return false;
      meta.x = object.x;
      meta.y = object.y;
      meta.width = object.width;
      meta.height = object.height;
      meta.confidence = object.confidence;
      meta.rotation = object.rotation;
      take_name(record, meta);
      return true;
    }
    case SHMRING_META_CLASS:
      if (!load(record, meta.confidence)) return false;
      take_name(record, meta);
      return true;
    case SHMRING_META_TRACKING: {
      Track track;
      if (!load(record, track) || !load(record, meta.lost) || meta.lost > 1) return false;
      meta.track = track.track;
      meta.timestamp = track.first_seen;
      meta.last_seen = track.last_seen;
      return true;
    }
    case SHMRING_META_RELATIONS:
      return record.size() % sizeof(shmring_relation) == 0;
    default:
      return true;
  }
}

// `outer`: the kind of the row that it is in, or 0.
bool take(Bytes& rest, shmring_meta& meta, std::uint32_t outer) {
  MetaHeader header;
  if (!load(rest, header) || header.size > rest.size()) return false;
  Bytes record = rest.first(header.size);
  rest = rest.subspan(header.size);
  meta = SHMRING_META_INIT;
  meta.kind = header.kind;
  if (!load_fields(record, meta, outer)) return false;
  meta.data = record.data();
  meta.data_size = record.size();
  return true;
}

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
  void store_name(const shmring_meta& meta) {
    store(static_cast<std::uint32_t>(std::min<std::size_t>(meta.name_size, UINT32_MAX)));
    append(meta.name, meta.name_size);
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

bool take_meta(Bytes& rest, shmring_meta& meta) { return take(rest, meta, 0); }

bool are_metas(Bytes metadata) {
  shmring_meta meta;
  while (!metadata.empty())
    if (!take_meta(metadata, meta)) return false;
  return true;
}

std::size_t put_meta(std::span<std::byte> room, const shmring_meta& meta) {
  Writer to(room);
  switch (meta.kind) {
    case SHMRING_META_TIMESTAMP:
      to.store(Timestamp{meta.timestamp, meta.duration});
      to.append(meta.name, meta.name_size);
      return to.end(meta.kind);
    case SHMRING_META_DETECTION:
      to.store(Detection{meta.x, meta.y, meta.width, meta.height, meta.confidence, meta.rotation});
      to.append(meta.name, meta.name_size);
      return to.end(meta.kind);
    case SHMRING_META_CLASS:
      to.store(meta.confidence);
      to.append(meta.name, meta.name_size);
      return to.end(meta.kind);
    case SHMRING_META_TRACKING:
      to.store(Track{meta.track, meta.timestamp, meta.last_seen});
      to.store(meta.lost);
      return to.end(meta.kind);
    case SHMRING_META_REGION:
      to.store(Region{meta.x, meta.y, meta.width, meta.height, meta.id, meta.parent});
      to.store_name(meta);
      break;
    case SHMRING_META_CUSTOM:
      to.store_name(meta);
      break;
    default:
      break;
  }
  to.append(meta.data, meta.data_size);
  return to.end(meta.kind);
}

bool MetaRow::add(const shmring_meta& meta) {
  const std::size_t size = put_meta(std::span(bytes_).subspan(used_), meta);
  used_ += size;
  return size != 0;
}

shmring_meta MetaRow::as(shmring_meta_kind kind) const {
  shmring_meta meta = SHMRING_META_INIT;
  meta.kind = kind;
  meta.data = bytes_.data();
  meta.data_size = used_;
  return meta;
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
