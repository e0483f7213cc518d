// SPDX-License-Identifier: LGPL-2.1-or-later
#include "model.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "payload.hpp"
#include "random.hpp"

namespace chaos {
namespace {

std::uint64_t check_of(const Origin& o) {
  Random mix(o.sequence ^ std::uint64_t{o.publisher} << 48);
  for (const std::uint64_t word :
       {o.sequence, std::uint64_t{o.publisher} << 32 | o.ring, std::uint64_t{o.format} << 32 | o.capacity})
    mix = Random(mix.next() ^ word);
  return mix.next();
}

std::string number(std::uint64_t n) { return n == UINT64_MAX ? "none" : std::to_string(n); }

std::string text(const Origin& o) {
  return "publisher " + std::to_string(o.publisher) + ", ring " + std::to_string(o.ring) + ", sequence " +
         std::to_string(o.sequence) + ", format " + std::to_string(o.format) + ", slot size " +
         std::to_string(o.capacity);
}

}  // namespace

Origin make_origin(std::uint64_t sequence, std::uint32_t publisher, std::uint32_t ring, std::uint32_t format,
                   std::uint32_t capacity) {
  Origin o{sequence, publisher, ring, format, capacity, 0};
  o.check = check_of(o);
  return o;
}

Content::Content(const Origin& origin) {
  Random random(origin.check);
  const auto time = [&] { return random.chance(20) ? SHMRING_TIME_NONE : random.next() >> 8; };
  info.sequence = origin.sequence;
  info.size = random.chance(10) ? origin.capacity : random.between(sizeof(Origin), origin.capacity);
  info.pts = time();
  info.dts = time();
  info.duration = time();
  info.offset = random.chance(50) ? SHMRING_TIME_NONE : random.next();
  info.flags = random.below(256);
  info.plane_count = random.chance(70) ? 0 : random.between(1, SHMRING_MAX_PLANES);
  for (std::uint32_t i = 0; i < info.plane_count; ++i) {
    info.planes[i].offset = random.below(static_cast<std::uint32_t>(info.size));
    info.planes[i].stride = static_cast<std::int32_t>(random.below(10000)) - 5000;
  }
  if (random.chance(30)) metadata.resize(random.chance(10) ? SHMRING_METADATA_SIZE : random.between(1, 200));
  for (auto& byte : metadata) byte = static_cast<std::byte>(random.next());
  info.metadata = metadata.empty() ? nullptr : metadata.data();
  info.metadata_size = metadata.size();
}

Format::Format(std::uint32_t publisher, std::uint32_t number_of_it) {
  Random random(std::uint64_t{publisher} << 32 | number_of_it);
  caps = "video/x-raw, publisher=" + std::to_string(publisher) + ", number=" + std::to_string(number_of_it) +
         ", pad=" + std::string(random.chance(10) ? random.below(12000) : random.below(50), 'x');
  format.caps = caps.c_str();
  format.pixel_format = SHMRING_BYTES;  // of raw video the publisher asks that each frame has the whole image
  format.width = random.below(4000);
  format.height = random.below(4000);
  format.plane_count = random.below(SHMRING_MAX_PLANES + 1);
  for (std::uint32_t i = 0; i < format.plane_count; ++i) {
    format.planes[i].offset = random.below(1000);
    format.planes[i].stride = static_cast<std::int32_t>(random.below(10000)) - 5000;
  }
}

void fill(std::span<std::byte> to, const Origin& origin) {
  std::memcpy(to.data(), &origin, sizeof origin);
  support::fill_payload(to.subspan(sizeof origin), origin.check);
}

Origin origin_of(const shmring_frame* frame) {
  Origin o{};
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  shmring_frame_info_get(frame, &info);
  if (info.size >= sizeof o) std::memcpy(&o, shmring_frame_data(frame), sizeof o);
  return o;
}

std::optional<std::string> fault_of(const shmring_frame* frame, const Origin* expected) {
  shmring_frame_info got = SHMRING_FRAME_INFO_INIT;
  shmring_frame_info_get(frame, &got);
  const std::string which = "frame " + std::to_string(got.sequence);
  const Origin o = origin_of(frame);
  if (expected && !(o == *expected)) return which + " changed: expected " + text(*expected) + "; seen " + text(o);
  if (o.check != check_of(o)) return which + " of " + number(got.size) + " bytes: its first bytes are torn";
  const Content content(o);
  const shmring_frame_info& want = content.info;
  const auto differs = [&](const char* what, std::uint64_t wanted, std::uint64_t seen) {
    return which + " (" + text(o) + "): expected " + what + " " + number(wanted) + ", seen " + number(seen);
  };
  if (got.sequence != want.sequence) return differs("sequence", want.sequence, got.sequence);
  if (got.size != want.size) return differs("size", want.size, got.size);
  const auto* data = static_cast<const std::byte*>(shmring_frame_data(frame));
  if (const auto at = support::payload_fault(std::span(data, got.size).subspan(sizeof o), o.check))
    return which + " (" + text(o) + "): byte " + std::to_string(*at + sizeof o) + " of " + number(got.size) +
           " is not its own";
  // A frame without any time gets that of publishing; a header belongs to no moment.
  const bool timed = want.pts != SHMRING_TIME_NONE || want.dts != SHMRING_TIME_NONE;
  if (!timed && !(want.flags & SHMRING_FRAME_HEADER)) {
    if (got.pts > got.published_at) return differs("pts until it was published at", got.published_at, got.pts);
  } else if (got.pts != want.pts) {
    return differs("pts", want.pts, got.pts);
  }
  if (got.dts != want.dts) return differs("dts", want.dts, got.dts);
  if (got.duration != want.duration) return differs("duration", want.duration, got.duration);
  if (got.offset != want.offset) return differs("offset", want.offset, got.offset);
  if (got.flags != want.flags) return differs("flags", want.flags, got.flags);
  if (got.published_at == 0 || got.published_at > shmring_now())
    return differs("a time of publishing before", shmring_now(), got.published_at);
  if (got.metadata_size != want.metadata_size) return differs("metadata bytes", want.metadata_size, got.metadata_size);
  if (want.metadata_size != 0 && std::memcmp(got.metadata, want.metadata, want.metadata_size) != 0)
    return which + " (" + text(o) + "): its metadata is not its own";

  shmring_format format = SHMRING_FORMAT_INIT;
  shmring_frame_format(frame, &format);
  std::uint32_t planes = want.plane_count;
  const shmring_plane* plane = want.planes;
  std::optional<Format> its;
  if (o.format == 0) {
    if (format.id != 0 || std::strlen(format.caps) != 0) return which + ": has a format before one was set";
  } else {
    const Format& of = its.emplace(o.publisher, o.format);
    if (of.caps != format.caps)
      return which + " (" + text(o) + "): expected caps " + of.caps.substr(0, 60) + "; seen " +
             std::string(format.caps).substr(0, 60);
    if (format.pixel_format != of.format.pixel_format || format.width != of.format.width ||
        format.height != of.format.height || format.plane_count != of.format.plane_count)
      return which + " (" + text(o) + "): pixel format or size is not that of its format";
    if (planes == 0) {
      planes = of.format.plane_count;
      plane = of.format.planes;
    }
  }
  if (got.plane_count != planes) return differs("planes", planes, got.plane_count);
  for (std::uint32_t i = 0; i < planes; ++i)
    if (got.planes[i].offset != plane[i].offset || got.planes[i].stride != plane[i].stride)
      return which + " (" + text(o) + "): plane " + std::to_string(i) + " is not its own";
  return {};
}

}  // namespace chaos
