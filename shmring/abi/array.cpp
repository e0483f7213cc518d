// SPDX-License-Identifier: LGPL-2.1-or-later
#include "abi/array.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

#include "abi/geometry.hpp"
#include "abi/video.hpp"

namespace shmring {
namespace {

// Tells whether every byte of the array is one of the frame's. Sides are below 2^31 and strides are 32 bits wide, so with this limit nothing
// can overflow.
bool inside(const shmring_array& array, std::uint64_t size) {
  constexpr std::uint64_t limit = std::uint64_t{1} << 48;
  if (size > limit || array.offset >= size) return false;
  auto first = static_cast<std::int64_t>(array.offset);
  std::int64_t last = first + array.item_size - 1;
  for (std::uint32_t i = 0; i < array.dimensions; ++i) {
    const std::int64_t reach = (array.shape[i] - 1) * array.strides[i];
    (reach < 0 ? first : last) += reach;
  }
  return first >= 0 && static_cast<std::uint64_t>(last) < size;
}

shmring_array flat(std::uint64_t size) {
  shmring_array array = SHMRING_ARRAY_INIT;
  array.dimensions = 1;
  array.shape[0] = static_cast<std::int64_t>(size);
  array.strides[0] = 1;
  return array;
}

constexpr std::string_view kArrayCaps = "application/x-ndarray";

// The types of number, by numpy's names.
struct NumberType {
  std::string_view name;
  char kind;
  std::uint32_t size;
};
constexpr NumberType kNumberTypes[] = {
    {"bool", 'b', 1},    {"int8", 'i', 1},    {"int16", 'i', 2},     {"int32", 'i', 4},       {"int64", 'i', 8},
    {"uint8", 'u', 1},   {"uint16", 'u', 2},  {"uint32", 'u', 4},    {"uint64", 'u', 8},      {"float16", 'f', 2},
    {"float32", 'f', 4}, {"float64", 'f', 8}, {"complex64", 'c', 8}, {"complex128", 'c', 16},
};

std::string names_of_types() {
  std::string names;
  for (const NumberType& type : kNumberTypes) names += (names.empty() ? "" : ", ") + std::string(type.name);
  return names;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// Takes a type in parentheses, as in (int)5, off a value.
std::string_view without_type(std::string_view value) {
  value = trimmed(value);
  if (value.starts_with('(')) value = trimmed(value.substr(std::min(value.find(')'), value.size() - 1) + 1));
  if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) value = value.substr(1, value.size() - 2);
  return value;
}

// The value of a field of caps, up to the end of the field; empty where there is none.
std::string_view field_of(std::string_view caps, std::string_view name) {
  for (auto at = caps.find(name); at != std::string_view::npos; at = caps.find(name, at + 1)) {
    const char before = at == 0 ? 'x' : caps[at - 1];
    const std::string_view rest = trimmed(caps.substr(at + name.size()));
    if ((before != ',' && before != ' ') || !rest.starts_with('=')) continue;
    const std::string_view value = without_type(rest.substr(1));
    const bool list = value.starts_with('<');
    const auto end = list ? value.find('>') : value.find_first_of(",;");
    return value.substr(0, end == std::string_view::npos ? end : end + (list ? 1 : 0));
  }
  return {};
}

[[gnu::cold]] Error no_array(std::string_view caps, const std::string& why) {
  return {SHMRING_INVALID, "the caps " + std::string(caps) + " describe no array: " + why +
                               "; write application/x-ndarray, dtype=(string)int16, shape=(int)< 16, 4096 >"};
}

// Numbers one after the other. Returns the bytes of all; 0: a side is below 1, or they are more than a slot can have.
std::uint64_t pack(shmring_array& array) {
  std::uint64_t size = array.item_size;
  for (std::uint32_t i = array.dimensions; i-- > 0;) {
    const std::int64_t side = array.shape[i];
    if (side < 1 || static_cast<std::uint64_t>(side) > kMaxSlotSize / size) return 0;
    array.strides[i] = static_cast<std::int64_t>(size);
    size *= static_cast<std::uint64_t>(side);
  }
  return size;
}

std::string described(const shmring_pixel_layout& layout, const shmring_format& format) {
  return std::string(layout.name) + " " + std::to_string(format.width) + "x" + std::to_string(format.height);
}

[[gnu::cold]] Error refusal(const shmring_pixel_layout& layout, const shmring_format& format, const std::string& why) {
  return {SHMRING_INVALID, described(layout, format) + why};
}

bool same_size(const shmring_pixel_layout& layout) {
  for (std::uint32_t i = 1; i < layout.plane_count; ++i) {
    const shmring_plane_layout &first = layout.planes[0], &other = layout.planes[i];
    if (other.columns_divisor != first.columns_divisor || other.rows_divisor != first.rows_divisor ||
        other.components != first.components)
      return false;
  }
  return true;
}

// Formats of which cvtColor takes one image: chroma is half as wide and high, in one plane of pairs or in two planes.
bool is_halved(const shmring_pixel_layout& layout) {
  const shmring_plane_layout& chroma = layout.planes[1];
  return chroma.columns_divisor == 2 && chroma.rows_divisor == 2 &&
         ((layout.plane_count == 2 && chroma.components == 2) || (layout.plane_count == 3 && chroma.components == 1));
}

// Planes of one size, as (planes, rows, columns). False: they do not lie at equal distances.
bool stack(const shmring_array* planes, std::uint32_t count, shmring_array& array) {
  const shmring_array& first = planes[0];
  const auto step = static_cast<std::int64_t>(planes[1].offset - first.offset);
  for (std::uint32_t i = 1; i < count; ++i) {
    if (planes[i].offset - planes[i - 1].offset != static_cast<std::uint64_t>(step)) return false;
    if (planes[i].strides[0] != first.strides[0]) return false;
  }
  array = first;
  array.dimensions = 3;
  array.shape[0] = count;
  array.strides[0] = step;
  for (int i = 1; i < 3; ++i) {
    array.shape[i] = first.shape[i - 1];
    array.strides[i] = first.strides[i - 1];
  }
  return true;
}

// Tells whether the chroma planes follow the first one as further rows of the image.
bool follow(const shmring_format& format, const shmring_array* planes, std::uint32_t count) {
  const shmring_array& luma = planes[0];
  const std::int64_t row = luma.strides[0], half = std::int64_t{format.height} / 2;
  const std::int64_t packed = std::int64_t{format.width} * luma.item_size;
  if (format.width % 2 != 0 || format.height % 2 != 0) return false;
  // Two rows of a quarter-size plane share one row of the image, so those rows must leave no gap at all.
  if (count == 3 && row != packed) return false;
  const std::int64_t expected = count == 2 ? row : packed / 2;
  auto next = static_cast<std::int64_t>(luma.offset) + row * format.height;
  for (std::uint32_t i = 1; i < count; ++i, next += expected * half)
    if (static_cast<std::int64_t>(planes[i].offset) != next || planes[i].strides[0] != expected) return false;
  return true;
}

Result<shmring_array> array_or_bytes(const shmring_format& format, const shmring_frame_info& info) {
  if (!format.caps || !is_array(format.caps)) return flat(info.size);
  auto array = array_of_caps(format.caps);
  if (!array) return array;
  const std::uint64_t size = pack(*array);
  if (size > info.size)
    return {SHMRING_INVALID, "the frame has " + std::to_string(info.size) +
                                 " bytes, and its caps are those of an array of " + std::to_string(size)};
  return array;
}

}  // namespace

bool is_array(std::string_view caps) {
  if (!caps.starts_with(kArrayCaps)) return false;
  const std::string_view rest = caps.substr(kArrayCaps.size());
  return !rest.empty() && std::string_view(",( ").find(rest[0]) != std::string_view::npos &&
         !field_of(caps, "dtype").empty() && !field_of(caps, "shape").empty();
}

Result<shmring_array> array_of_caps(std::string_view caps) {
  shmring_array array = SHMRING_ARRAY_INIT;
  const std::string_view dtype = without_type(field_of(caps, "dtype"));
  const auto* type = std::find_if(std::begin(kNumberTypes), std::end(kNumberTypes),
                                  [&](const NumberType& t) { return t.name == dtype; });
  if (type == std::end(kNumberTypes)) return no_array(caps, "dtype is one of " + names_of_types());
  array.kind = static_cast<std::uint32_t>(type->kind);
  array.item_size = type->size;
  std::string_view shape = field_of(caps, "shape");
  const auto bad = [&] { return no_array(caps, "shape has 1 to 8 sides of at least 1, and at most 4 GiB in all"); };
  if (!shape.starts_with('<') || !shape.ends_with('>')) return bad();
  shape = shape.substr(1, shape.size() - 2);
  for (bool more = true; more;) {
    const auto comma = shape.find(',');
    more = comma != std::string_view::npos;
    const std::string_view side = without_type(shape.substr(0, comma));
    if (array.dimensions == SHMRING_MAX_DIMENSIONS) return bad();
    std::int64_t& number = array.shape[array.dimensions++];
    const auto [end, error] = std::from_chars(side.data(), side.data() + side.size(), number);
    if (error != std::errc{} || end != side.data() + side.size()) return bad();
    if (more) shape = shape.substr(comma + 1);
  }
  if (pack(array) == 0) return bad();
  return array;
}

Result<std::string> describe_array(shmring_array& array, std::uint64_t& size) {
  const auto* type = std::find_if(std::begin(kNumberTypes), std::end(kNumberTypes), [&](const NumberType& t) {
    return static_cast<std::uint32_t>(t.kind) == array.kind && t.size == array.item_size;
  });
  if (type == std::end(kNumberTypes) || array.big_endian)
    return {SHMRING_INVALID, "the numbers of an array are of one of the types " + names_of_types() +
                                 ", in the byte order of this machine"};
  if (array.dimensions < 1 || array.dimensions > SHMRING_MAX_DIMENSIONS || (size = pack(array)) == 0)
    return {SHMRING_INVALID, "an array has 1 to 8 sides of at least 1, and at most 4 GiB in all"};
  std::string caps = std::string(kArrayCaps) + ", dtype=(string)" + std::string(type->name) + ", shape=(int)<";
  for (std::uint32_t i = 0; i < array.dimensions; ++i) {
    if (array.shape[i] > INT32_MAX) return {SHMRING_INVALID, "a side of an array has at most 2147483647 numbers"};
    caps += (i ? ", " : " ") + std::to_string(array.shape[i]);
  }
  return caps + " >";
}

Result<shmring_array> plane_array(const shmring_format& format, const shmring_frame_info& info, std::uint32_t plane) {
  const shmring_pixel_layout* layout = pixel_layout(format.pixel_format);
  if (!layout) {
    if (plane == 0) return array_or_bytes(format, info);
    return {SHMRING_INVALID,
            "the frame has one plane of bytes: its format is no raw video whose planes are rows of samples"};
  }
  // 2^31 keeps the arithmetic of inside() far from its limits; no frame is that wide or high.
  constexpr std::uint32_t limit = 1U << 31;
  if (format.width == 0 || format.height == 0 || format.width >= limit || format.height >= limit)
    return refusal(*layout, format, " is no size of an image");
  if (info.plane_count < layout->plane_count)
    return refusal(
        *layout, format,
        " needs " + std::to_string(layout->plane_count) + " planes; the frame has " + std::to_string(info.plane_count));
  if (plane >= layout->plane_count)
    return refusal(*layout, format,
                   " has " + std::to_string(layout->plane_count) + " planes, the first is plane 0; there is no plane " +
                       std::to_string(plane));
  const shmring_plane_layout& of = layout->planes[plane];
  const std::int64_t sample = layout->sample_size;
  shmring_array array = SHMRING_ARRAY_INIT;
  array.offset = info.planes[plane].offset;
  array.item_size = layout->sample_size;
  array.big_endian = layout->big_endian;
  array.dimensions = of.components == 1 ? 2 : 3;
  array.shape[0] = plane_rows(*layout, plane, format.height);
  array.shape[1] = plane_columns(*layout, plane, format.width);
  array.shape[2] = of.components;
  array.strides[0] = info.planes[plane].stride;
  array.strides[1] = sample * of.components;
  array.strides[2] = sample;
  if (!inside(array, info.size))
    return {SHMRING_INVALID, "plane " + std::to_string(plane) + " of " + described(*layout, format) +
                                 " does not lie inside the frame of " + std::to_string(info.size) + " bytes"};
  return array;
}

Result<shmring_array> whole_array(const shmring_format& format, const shmring_frame_info& info) {
  const shmring_pixel_layout* layout = pixel_layout(format.pixel_format);
  const std::uint32_t count = layout ? layout->plane_count : 1;
  if (count == 1) return plane_array(format, info, 0);
  shmring_array planes[SHMRING_MAX_PLANES] = {};
  for (std::uint32_t i = 0; i < count; ++i) {
    auto found = plane_array(format, info, i);
    if (!found) return found;
    planes[i] = *found;
  }
  shmring_array array = planes[0];
  if (same_size(*layout)) {
    if (stack(planes, count, array)) return array;
    return refusal(*layout, format,
                   ": its planes do not lie at equal distances, so there is no single array; use planes");
  }
  if (!is_halved(*layout))
    return refusal(*layout, format, ": its planes differ in size, so there is no single array; use planes");
  if (!follow(format, planes, count))
    return refusal(*layout, format,
                   ": its planes do not follow each other without gaps, so there is no single array; use planes");
  array.shape[0] = std::int64_t{format.height} * 3 / 2;
  return array;
}

}  // namespace shmring
