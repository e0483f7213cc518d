// SPDX-License-Identifier: LGPL-2.1-or-later
// Metas of a buffer as the ring's metadata: records one after the other, each a Header and its bytes.
#include "base/frame_metas.hpp"

#include <cstring>
#include <string_view>

#include <gst/audio/audio.h>
#include <gst/video/video.h>

#include "base/debug.hpp"

#define GST_CAT_DEFAULT supplier::frame_category()

namespace supplier {
namespace {

enum Kind : std::uint32_t { kReferenceTimestamp = 1, kSerialized = 2, kParts = 3 };

struct Header {
  std::uint32_t kind;
  std::uint32_t size;  // of the bytes that follow
};

struct Reference {
  std::uint64_t timestamp;
  std::uint64_t duration;  // or SHMRING_TIME_NONE; then the text of the caps
};

template <class T>
void store(std::byte*& to, const T& value) {
  std::memcpy(to, &value, sizeof value);
  to += sizeof value;
}

template <class T>
bool load(std::span<const std::byte>& from, T& value) {
  if (from.size() < sizeof value) return false;
  std::memcpy(&value, from.data(), sizeof value);
  from = from.subspan(sizeof value);
  return true;
}

#if GST_CHECK_VERSION(1, 24, 0)
// Room that does not grow: what does not fit is taken back by gst_meta_serialize().
struct Room : GstByteArrayInterface {
  explicit Room(std::span<std::byte> bytes) : capacity(bytes.size()) {
    gst_byte_array_interface_init(this);
    data = reinterpret_cast<guint8*>(bytes.data());
    resize = [](GstByteArrayInterface* self, gsize length) -> gboolean {
      return length <= static_cast<Room*>(self)->capacity;
    };
  }
  gsize capacity;
};

// The part of a record that gst_meta_deserialize() does not check: the size of all, the size of the name, the name and its zero.
bool is_serialized_meta(std::span<const std::byte> record) {
  auto rest = record;
  std::uint32_t size = 0;
  std::uint32_t name = 0;
  return load(rest, size) && load(rest, name) && size == record.size() && rest.size() >= 2 && name <= rest.size() - 2;
}
#endif

}  // namespace

std::span<const std::byte> MetasWriter::write(GstBuffer* buffer, std::span<const FramePart> parts) {
  static_assert(sizeof(Header) + kMostParts * sizeof(FramePart) <= SHMRING_METADATA_SIZE);
  used_ = 0;
  if (!parts.empty()) {
    std::byte* to = bytes_.data();
    store(to, Header{kParts, static_cast<std::uint32_t>(parts.size_bytes())});
    std::memcpy(to, parts.data(), parts.size_bytes());
    used_ = sizeof(Header) + parts.size_bytes();
  }
  gpointer state = nullptr;
  while (const GstMeta* meta = gst_buffer_iterate_meta(buffer, &state)) {
    const GType api = meta->info->api;
    if (api == GST_VIDEO_META_API_TYPE || api == GST_VIDEO_CROP_META_API_TYPE || api == GST_AUDIO_META_API_TYPE)
      continue;
    const bool crosses = api == GST_REFERENCE_TIMESTAMP_META_API_TYPE
                             ? add_reference(*reinterpret_cast<const GstReferenceTimestampMeta*>(meta))
                             : add_serialized(*meta);
    if (!crosses) GST_LOG("%s does not cross the ring", g_type_name(api));
  }
  return std::span(bytes_).first(used_);
}

bool MetasWriter::add_reference(const GstReferenceTimestampMeta& meta) {
  if (reference_.get() != meta.reference) {
    reference_ = share(meta.reference);
    reference_text_ = adopt(gst_caps_to_string(meta.reference));
  }
  const std::string_view text = reference_text_.get();
  const std::size_t size = sizeof(Reference) + text.size();
  if (sizeof(Header) + size > bytes_.size() - used_) return false;
  std::byte* to = bytes_.data() + used_;
  store(to, Header{kReferenceTimestamp, static_cast<std::uint32_t>(size)});
  store(to, Reference{meta.timestamp, meta.duration});
  std::memcpy(to, text.data(), text.size());
  used_ += sizeof(Header) + size;
  return true;
}

bool MetasWriter::add_serialized([[maybe_unused]] const GstMeta& meta) {
#if GST_CHECK_VERSION(1, 24, 0)
  if (sizeof(Header) > bytes_.size() - used_) return false;
  Room room{std::span(bytes_).subspan(used_ + sizeof(Header))};
  if (!gst_meta_serialize(&meta, &room)) return false;
  std::byte* to = bytes_.data() + used_;
  store(to, Header{kSerialized, static_cast<std::uint32_t>(room.len)});
  used_ += sizeof(Header) + room.len;
  return true;
#else
  return false;
#endif
}

bool MetasReader::add_to(GstBuffer* buffer, std::span<const std::byte> metadata) {
  bool sense = true;
  parts_.clear();
  while (!metadata.empty()) {
    Header header;
    if (!load(metadata, header) || header.size > metadata.size()) return false;
    const auto record = metadata.first(header.size);
    metadata = metadata.subspan(header.size);
    if (header.kind == kParts) sense &= read_parts(record);
    if (header.kind == kReferenceTimestamp) sense &= add_reference(buffer, record);
#if GST_CHECK_VERSION(1, 24, 0)
    if (header.kind != kSerialized) continue;
    guint32 consumed = 0;
    if (is_serialized_meta(record))  // a meta that is not registered in this process stays away: no error
      gst_meta_deserialize(buffer, reinterpret_cast<const guint8*>(record.data()), record.size(), &consumed);
    sense &= consumed != 0;
#endif
  }
  return sense;
}

bool MetasReader::read_parts(std::span<const std::byte> record) {
  if (record.size() % sizeof(FramePart) != 0) return false;
  parts_.resize(record.size() / sizeof(FramePart));
  if (!record.empty()) std::memcpy(parts_.data(), record.data(), record.size());
  return true;
}

bool MetasReader::add_reference(GstBuffer* buffer, std::span<const std::byte> record) {
  Reference reference;
  if (!load(record, reference)) return false;
  const std::string_view text(reinterpret_cast<const char*>(record.data()), record.size());
  if (!reference_ || text != reference_text_) {
    reference_text_ = text;
    reference_ = adopt(gst_caps_from_string(reference_text_.c_str()));
  }
  if (!reference_ || !GST_CLOCK_TIME_IS_VALID(reference.timestamp)) return false;
  return gst_buffer_add_reference_timestamp_meta(buffer, reference_.get(), reference.timestamp, reference.duration);
}

}  // namespace supplier
