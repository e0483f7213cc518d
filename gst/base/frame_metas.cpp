// SPDX-License-Identifier: LGPL-2.1-or-later
// Metas of a buffer as the ring's metadata: records one after the other, each a Header and its bytes.
#include "base/frame_metas.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <string_view>

#include <gst/audio/audio.h>
#include <gst/video/video.h>

#include "abi/metas.hpp"
#include "base/analytics_metas.hpp"
#include "base/debug.hpp"

#define GST_CAT_DEFAULT supplier::frame_category()

namespace supplier {
namespace {

constexpr const char* kApplicationBytes = "ShmRingMetadata";  // a GstCustomMeta with the field `bytes`, a GBytes

std::string name_of(const shmring_meta& meta) { return {meta.name, meta.name_size}; }
std::string_view text_of(const shmring_meta& meta) { return {static_cast<const char*>(meta.data), meta.data_size}; }
void set_name(shmring_meta& meta, std::string_view name) {
  meta.name = name.data();
  meta.name_size = name.size();
}
void set_data(shmring_meta& meta, std::string_view data) {
  meta.data = data.data();
  meta.data_size = data.size();
}
std::string_view view_of(const char* text) { return text ? std::string_view(text) : std::string_view(); }

// Metas about the memory of this process, or about the picture's layout, which the frame's descriptor has.
bool stays_here(GType api) {
  static const GQuark reference = g_quark_from_static_string(GST_META_TAG_MEMORY_REFERENCE_STR);
  return api == GST_VIDEO_META_API_TYPE || api == GST_VIDEO_CROP_META_API_TYPE || api == GST_AUDIO_META_API_TYPE ||
         gst_meta_api_type_has_tag(api, reference);
}

// Text of structures comes from another process: neither a zero nor text without an end reaches GStreamer's parser.
Owned<GstStructure> structure_of(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return nullptr;
  const std::string ended(text);
  gchar* rest = nullptr;  // without it GStreamer logs a warning for each text that goes on
  auto structure = adopt(gst_structure_from_string(ended.c_str(), &rest));
  return structure && *rest == '\0' ? std::move(structure) : nullptr;
}

bool add_region(GstBuffer* buffer, const shmring_meta& meta) {
  const std::string type = name_of(meta);
  auto* region =
      gst_buffer_add_video_region_of_interest_meta(buffer, type.c_str(), meta.x, meta.y, meta.width, meta.height);
  region->id = meta.id;
  region->parent_id = meta.parent;
  bool sense = true;
  for (std::string_view rest = text_of(meta); !rest.empty();) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (auto parameters = structure_of(line))
      gst_video_region_of_interest_meta_add_param(region, parameters.release());
    else
      sense = false;
  }
  return sense;
}

bool add_custom(GstBuffer* buffer, const shmring_meta& meta) {
  const auto fields = structure_of(text_of(meta));
  if (!fields) return false;
  const std::string name = name_of(meta);
  const GstMetaInfo* info = gst_meta_get_info(name.c_str());
  if (!info || !gst_meta_info_is_custom(info)) return true;  // not registered in this process: no error
  GstCustomMeta* made = gst_buffer_add_custom_meta(buffer, name.c_str());
  gst_structure_foreach(
      fields.get(),
      [](GQuark field, const GValue* value, gpointer to) -> gboolean {
        gst_structure_id_set_value(static_cast<GstStructure*>(to), field, value);
        return TRUE;
      },
      gst_custom_meta_get_structure(made));
  return true;
}

void add_bytes(GstBuffer* buffer, const shmring_meta& meta) {
  GstCustomMeta* made = gst_buffer_add_custom_meta(buffer, kApplicationBytes);
  const auto bytes =
      std::unique_ptr<GBytes, decltype(&g_bytes_unref)>(g_bytes_new(meta.data, meta.data_size), g_bytes_unref);
  gst_structure_set(gst_custom_meta_get_structure(made), "bytes", G_TYPE_BYTES, bytes.get(), nullptr);
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

bool load(std::span<const std::byte>& from, std::uint32_t& value) {
  if (from.size() < sizeof value) return false;
  std::memcpy(&value, from.data(), sizeof value);
  from = from.subspan(sizeof value);
  return true;
}

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
  static_assert(sizeof(shmring::MetaHeader) + kMostParts * sizeof(FramePart) <= SHMRING_METADATA_SIZE);
  used_ = 0;
  if (!parts.empty()) {
    shmring_meta record = SHMRING_META_INIT;
    record.kind = SHMRING_META_PARTS;
    record.data = parts.data();
    record.data_size = parts.size_bytes();
    put(record);
  }
  gpointer state = nullptr;
  while (const GstMeta* meta = gst_buffer_iterate_meta(buffer, &state)) {
    const GType api = meta->info->api;
    if (stays_here(api) || add(*meta)) continue;
    dropped_.fetch_add(1, std::memory_order_relaxed);
    GST_LOG("%s does not cross the ring", g_type_name(api));
  }
  return std::span(bytes_).first(used_);
}

bool MetasWriter::add(const GstMeta& meta) {
  if (meta.info->api == GST_REFERENCE_TIMESTAMP_META_API_TYPE)
    return add_reference(reinterpret_cast<const GstReferenceTimestampMeta&>(meta));
  if (meta.info->api == GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)
    return add_region(reinterpret_cast<const GstVideoRegionOfInterestMeta&>(meta));
  if (gst_meta_info_is_custom(meta.info)) return add_custom(meta);
  if (is_analytics(meta)) return add_analytics(meta);
  return add_serialized(meta);
}

bool MetasWriter::put(const shmring_meta& meta) {
  const std::size_t size = shmring::put_meta(std::span(bytes_).subspan(used_), meta);
  used_ += size;
  return size != 0;
}

bool MetasWriter::add_reference(const GstReferenceTimestampMeta& meta) {
  if (!GST_CLOCK_TIME_IS_VALID(meta.timestamp)) return false;
  if (reference_.get() != meta.reference) {
    reference_ = share(meta.reference);
    reference_text_ = adopt(gst_caps_to_string(meta.reference));
  }
  shmring_meta record = SHMRING_META_INIT;
  record.kind = SHMRING_META_TIMESTAMP;
  set_name(record, reference_text_.get());
  record.timestamp = meta.timestamp;
  record.duration = meta.duration;
  return put(record);
}

bool MetasWriter::add_region(const GstVideoRegionOfInterestMeta& meta) {
  shmring_meta record = SHMRING_META_INIT;
  record.kind = SHMRING_META_REGION;
  record.x = meta.x;
  record.y = meta.y;
  record.width = meta.w;
  record.height = meta.h;
  record.id = meta.id;
  record.parent = meta.parent_id;
  set_name(record, view_of(g_quark_to_string(meta.roi_type)));
  std::string parameters;
  for (const GList* each = meta.params; each; each = each->next) {
    if (!parameters.empty()) parameters += '\n';
    parameters += adopt(gst_structure_to_string(static_cast<const GstStructure*>(each->data))).get();
  }
  set_data(record, parameters);
  return put(record);
}

bool MetasWriter::add_custom(const GstMeta& meta) {
  auto* custom = const_cast<GstCustomMeta*>(reinterpret_cast<const GstCustomMeta*>(&meta));
  const GstStructure* fields = gst_custom_meta_get_structure(custom);
  shmring_meta record = SHMRING_META_INIT;
  if (gst_custom_meta_has_name(custom, kApplicationBytes)) {
    const GValue* bytes = gst_structure_get_value(fields, "bytes");
    if (!bytes || !G_VALUE_HOLDS(bytes, G_TYPE_BYTES) || !g_value_get_boxed(bytes)) return false;
    gsize size = 0;
    record.data = g_bytes_get_data(static_cast<GBytes*>(g_value_get_boxed(bytes)), &size);
    record.data_size = size;
    record.kind = SHMRING_META_BYTES;
    return put(record);
  }
  record.kind = SHMRING_META_CUSTOM;
  set_name(record, view_of(gst_structure_get_name(fields)));
  const auto text = adopt(gst_structure_to_string(fields));
  set_data(record, text.get());
  return put(record);
}

bool MetasWriter::add_analytics(const GstMeta& meta) {
  shmring::MetaRow items;
  std::size_t left_out = 0;
  if (!put_analytics(meta, items, left_out) || !put(items.as(SHMRING_META_ANALYTICS))) return false;
  dropped_.fetch_add(left_out, std::memory_order_relaxed);
  return true;
}

bool MetasWriter::add_serialized([[maybe_unused]] const GstMeta& meta) {
#if GST_CHECK_VERSION(1, 24, 0)
  shmring::MetaHeader header{SHMRING_META_SERIALIZED, 0};
  if (sizeof header > bytes_.size() - used_) return false;
  Room room{std::span(bytes_).subspan(used_ + sizeof header)};
  if (!gst_meta_serialize(&meta, &room)) return false;
  header.size = static_cast<std::uint32_t>(room.len);
  std::memcpy(bytes_.data() + used_, &header, sizeof header);
  used_ += sizeof header + room.len;
  return true;
#else
  return false;
#endif
}

MetasReader::MetasReader() {
  static std::once_flag once;
  std::call_once(once, [] {
    static const gchar* no_tags[] = {nullptr};
    if (!gst_meta_get_info(kApplicationBytes))
      gst_meta_register_custom(kApplicationBytes, no_tags, nullptr, nullptr, nullptr);
  });
}

bool MetasReader::add_to(GstBuffer* buffer, std::span<const std::byte> metadata) {
  parts_.clear();
  if (!shmring::are_metas(metadata)) return false;
  bool sense = true;
  shmring_meta meta;
  while (shmring::take_meta(metadata, meta)) sense &= add(buffer, meta);
  return sense;
}

bool MetasReader::add(GstBuffer* buffer, const shmring_meta& meta) {
  switch (meta.kind) {
    case SHMRING_META_TIMESTAMP:
      return add_reference(buffer, meta);
    case SHMRING_META_PARTS:
      return read_parts(std::as_bytes(std::span(text_of(meta))));
    case SHMRING_META_REGION:
      return add_region(buffer, meta);
    case SHMRING_META_CUSTOM:
      return add_custom(buffer, meta);
    case SHMRING_META_BYTES:
      add_bytes(buffer, meta);
      return true;
    case SHMRING_META_ANALYTICS:
      return add_analytics(buffer, {static_cast<const std::byte*>(meta.data), meta.data_size});
#if GST_CHECK_VERSION(1, 24, 0)
    case SHMRING_META_SERIALIZED: {
      guint32 consumed = 0;
      // One that is not registered here adds nothing: no error.
      if (is_serialized_meta(std::as_bytes(std::span(text_of(meta)))))
        gst_meta_deserialize(buffer, static_cast<const guint8*>(meta.data), meta.data_size, &consumed);
      return consumed != 0;
    }
#endif
    default:
      return true;
  }
}

bool MetasReader::read_parts(std::span<const std::byte> record) {
  if (record.size() % sizeof(FramePart) != 0) return false;
  parts_.resize(record.size() / sizeof(FramePart));
  if (!record.empty()) std::memcpy(parts_.data(), record.data(), record.size());
  return true;
}

bool MetasReader::add_reference(GstBuffer* buffer, const shmring_meta& meta) {
  if (const std::string_view text(meta.name, meta.name_size); !reference_ || text != reference_text_) {
    reference_text_ = text;
    reference_ = adopt(gst_caps_from_string(reference_text_.c_str()));
  }
  return reference_ && gst_buffer_add_reference_timestamp_meta(buffer, reference_.get(), meta.timestamp, meta.duration);
}

}  // namespace supplier
