// SPDX-License-Identifier: LGPL-2.1-or-later
// The functions of the C API for results: JSON from and to C structures, and rings of it.
#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shmring/results.h>
#include <shmring/shmring.h>

#include "capi/status.hpp"
#include "os/log.hpp"
#include "results/result.hpp"

using namespace shmring;
using capi::fail;
using capi::guarded;
using capi::not_initialised;

static_assert(std::string_view(SHMRING_RESULT_CAPS) == kResultCaps && SHMRING_RESULT_SIZE == kResultSize);

// The structures of C point into the lists, which have their final size before the first pointer is taken.
struct shmring_result {
  explicit shmring_result(FrameResult found) : value(std::move(found)) {
    const auto total = [this](auto list) {
      std::size_t count = 0;
      for (const Object& object : value.objects) count += (object.*list).size();
      return count;
    };
    polygons.reserve(total(&Object::polygon));
    keypoints.reserve(total(&Object::keypoints));
    attributes.reserve(total(&Object::attributes));
    objects.reserve(value.objects.size());
    for (const Object& object : value.objects) add(object);
    for (const Classification& each : value.classes) classes.push_back({each.label.c_str(), each.score});
    info.ring = value.ring.c_str();
    info.sequence = value.sequence;
    info.pts = value.pts;
    info.width = value.width;
    info.height = value.height;
    info.worker = value.worker.c_str();
    info.model = value.model.c_str();
    info.took = value.took;
    info.objects = objects.data();
    info.object_count = objects.size();
    info.classes = classes.data();
    info.class_count = classes.size();
    info.extra = value.extra.c_str();
  }

  void add(const Object& object) {
    shmring_object& to = objects.emplace_back(shmring_object SHMRING_OBJECT_INIT);
    to.label = object.label.c_str();
    to.score = object.score;
    std::copy(object.box.begin(), object.box.end(), to.box);
    to.track = object.track.value_or(-1);
    to.parent = object.parent.value_or(-1);
    to.polygon = polygons.data() + polygons.size();
    to.polygon_count = object.polygon.size();
    for (const Point& point : object.polygon) polygons.push_back({point[0], point[1]});
    to.keypoints = keypoints.data() + keypoints.size();
    to.keypoint_count = object.keypoints.size();
    for (const Keypoint& each : object.keypoints)
      keypoints.push_back({each.at[0], each.at[1], each.score.value_or(std::nan(""))});
    to.attributes = attributes.data() + attributes.size();
    to.attribute_count = object.attributes.size();
    for (const Attribute& each : object.attributes) {
      shmring_attribute attribute{each.name.c_str(), SHMRING_ATTRIBUTE_TEXT, "", 0};
      if (const auto* text = std::get_if<std::string>(&each.value)) {
        attribute.text = text->c_str();
      } else if (const auto* number = std::get_if<double>(&each.value)) {
        attribute.kind = SHMRING_ATTRIBUTE_NUMBER;
        attribute.number = *number;
      } else {
        attribute.kind = SHMRING_ATTRIBUTE_BOOLEAN;
        attribute.number = std::get<bool>(each.value) ? 1 : 0;
      }
      attributes.push_back(attribute);
    }
  }

  const FrameResult value;
  std::vector<shmring_point> polygons;
  std::vector<shmring_keypoint> keypoints;
  std::vector<shmring_attribute> attributes;
  std::vector<shmring_object> objects;
  std::vector<shmring_classification> classes;
  shmring_result_info info = SHMRING_RESULT_INFO_INIT;
};

struct shmring_results {
  shmring_publisher* publisher = nullptr;
  std::string worker, model, ring;
  std::mutex growing;
  std::atomic<std::uint64_t> slot_size{4096};
};

struct shmring_result_reader {
  shmring_reader* reader = nullptr;
  std::string socket_path;
  std::atomic<std::uint64_t> refused{0};
};

namespace {

Status refuse(const std::string& why) { return fail(SHMRING_INVALID, "the result is refused: " + why); }

std::string text_of(const char* text) { return text ? text : ""; }

// Longer lists than a result can have are not even looked at.
bool too_long(std::size_t count, std::size_t most, const void* list, const char* name, std::string& why) {
  if (count <= most && (list || count == 0)) return false;
  why = std::string(name) + (count > most ? " is no list of at most " + std::to_string(most) : " is NULL");
  return true;
}

std::optional<Object> object_of(const shmring_object& given, std::string& why) {
  if (too_long(given.polygon_count, kMaxPoints, given.polygon, "polygon", why) ||
      too_long(given.keypoint_count, kMaxPoints, given.keypoints, "keypoints", why) ||
      too_long(given.attribute_count, kMaxAttributes, given.attributes, "attributes", why))
    return std::nullopt;
  std::optional<Object> object(std::in_place);
  object->label = text_of(given.label);
  object->score = given.score;
  std::copy(std::begin(given.box), std::end(given.box), object->box.begin());
  if (given.track != -1) object->track = given.track;
  if (given.parent != -1) object->parent = given.parent;
  for (std::size_t i = 0; i < given.polygon_count; ++i)
    object->polygon.push_back({given.polygon[i].x, given.polygon[i].y});
  for (std::size_t i = 0; i < given.keypoint_count; ++i) {
    const shmring_keypoint& each = given.keypoints[i];
    Keypoint& point = object->keypoints.emplace_back(Keypoint{{each.x, each.y}, {}});
    if (!std::isnan(each.score)) point.score = each.score;
  }
  for (std::size_t i = 0; i < given.attribute_count; ++i) {
    const shmring_attribute& each = given.attributes[i];
    Attribute& attribute = object->attributes.emplace_back(Attribute{text_of(each.name), each.number});
    if (each.kind == SHMRING_ATTRIBUTE_TEXT) attribute.value = text_of(each.text);
    if (each.kind == SHMRING_ATTRIBUTE_BOOLEAN) attribute.value = each.number != 0;
  }
  return object;
}

std::optional<FrameResult> result_of(const shmring_result_info& info, std::string& why) {
  if (too_long(info.object_count, kMaxObjects, info.objects, "objects", why) ||
      too_long(info.class_count, kMaxClasses, info.classes, "classes", why))
    return std::nullopt;
  std::optional<FrameResult> result(std::in_place);
  result->ring = text_of(info.ring);
  result->sequence = info.sequence;
  result->pts = info.pts;
  result->width = info.width;
  result->height = info.height;
  result->worker = text_of(info.worker);
  result->model = text_of(info.model);
  result->took = info.took;
  result->extra = text_of(info.extra);
  const auto* at = reinterpret_cast<const std::byte*>(info.objects);
  for (std::size_t i = 0; i < info.object_count; ++i, at += info.object_size) {
    shmring_object given = SHMRING_OBJECT_INIT;
    std::memcpy(&given, at, std::min(info.object_size, sizeof given));
    auto object = object_of(given, why);
    if (!object) {
      why = "objects[" + std::to_string(i) + "]." + why;
      return std::nullopt;
    }
    result->objects.push_back(*std::move(object));
  }
  for (std::size_t i = 0; i < info.class_count; ++i)
    result->classes.push_back({text_of(info.classes[i].label), info.classes[i].score});
  return result;
}

// The program's structure, which may be shorter than ours.
Status whole(const shmring_result_info* given, shmring_result_info& info) {
  if (given->struct_size == 0) return not_initialised("shmring_result_info", "SHMRING_RESULT_INFO_INIT");
  std::memcpy(&info, given, std::min(given->struct_size, sizeof info));
  if (info.object_count != 0 && info.object_size == 0)
    return fail(SHMRING_INVALID, "object_size is 0: give sizeof(shmring_object)");
  return SHMRING_OK;
}

Status json_of(const FrameResult& result, std::string& json) {
  std::string why;
  auto text = to_json(result, why);
  if (!text) return refuse(why);
  json = *std::move(text);
  return SHMRING_OK;
}

template <class T>
void complete(T& value, const T& none, const T& known) {
  if (value == none) value = known;
}

// Takes from the frame what the program did not say.
void complete(shmring_result_info& info, const shmring_frame* frame) {
  shmring_frame_info of = SHMRING_FRAME_INFO_INIT;
  shmring_format format = SHMRING_FORMAT_INIT;
  if (shmring_frame_info_get(frame, &of) != SHMRING_OK || shmring_frame_format(frame, &format) != SHMRING_OK) return;
  complete(info.sequence, SHMRING_TIME_NONE, of.sequence);
  complete(info.pts, SHMRING_TIME_NONE, of.pts);
  complete(info.width, 0u, format.width);
  complete(info.height, 0u, format.height);
  complete(info.captured_at, SHMRING_TIME_NONE, shmring_captured_at(&of));
  complete(info.took, SHMRING_TIME_NONE, shmring_now() - shmring_frame_taken_at(frame));
}

// Makes the ring's slots as large as the result needs.
Status grow(shmring_results& results, std::uint64_t size) {
  if (size <= results.slot_size) return SHMRING_OK;
  const std::lock_guard lock(results.growing);
  if (size <= results.slot_size) return SHMRING_OK;
  const std::uint64_t slot_size = std::min<std::uint64_t>(std::bit_ceil(size), kResultSize);
  const Status status = shmring_publisher_resize(results.publisher, slot_size);
  if (status == SHMRING_OK) results.slot_size = slot_size;
  return status;
}

Status publish(shmring_results& results, const std::string& json, const shmring_result_info& of) {
  std::byte metadata[SHMRING_METADATA_SIZE];
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  info.size = json.size();
  info.pts = of.pts;
  info.metadata = metadata;
  if (of.captured_at != SHMRING_TIME_NONE) {
    constexpr std::string_view clock = "timestamp/x-unix";
    shmring_meta time = SHMRING_META_INIT;
    time.kind = SHMRING_META_TIMESTAMP;
    time.timestamp = of.captured_at;
    time.name = clock.data();
    time.name_size = clock.size();
    if (const Status status = shmring_meta_add(metadata, sizeof metadata, &info.metadata_size, &time);
        status != SHMRING_OK)
      return status;
  }
  if (const Status status = grow(results, json.size()); status != SHMRING_OK) return status;
  return shmring_publisher_write(results.publisher, json.data(), &info);
}

// Nothing: the frame is no result.
std::unique_ptr<shmring_result> result_in(const shmring_frame* frame, std::string& why) {
  shmring_frame_info info = SHMRING_FRAME_INFO_INIT;
  shmring_format format = SHMRING_FORMAT_INIT;
  if (shmring_frame_info_get(frame, &info) != SHMRING_OK || shmring_frame_format(frame, &format) != SHMRING_OK)
    return nullptr;
  if (!std::string_view(format.caps).starts_with(kResultMediaType)) {
    why = "its caps are " + std::string(format.caps) + ", not " + kResultCaps;
    return nullptr;
  }
  // A copy: the publisher of a ring may still write where it should not.
  const std::string json(static_cast<const char*>(shmring_frame_data(frame)),
                         static_cast<std::size_t>(std::min<std::uint64_t>(info.size, kResultSize + 1)));
  auto value = parse_result(json, why);
  if (!value) return nullptr;
  complete(value->pts, SHMRING_TIME_NONE, info.pts);
  auto result = std::make_unique<shmring_result>(*std::move(value));
  result->info.captured_at = shmring_captured_at(&info);
  result->info.sent_at = info.published_at;
  return result;
}

// When the time is over: more than can wait, so that a flood of what is no result ends, too.
constexpr int kMostPassedOver = 1024;

void count_refusal(shmring_result_reader& reader, const std::string& why) {
  const std::uint64_t count = reader.refused.fetch_add(1, std::memory_order_relaxed) + 1;
  if (std::has_single_bit(count))
    log(SHMRING_LOG_WARNING, reader.socket_path, ": refused what is no result, ", count, " in all: ", why);
}

}  // namespace

extern "C" {

shmring_status shmring_result_check(const void* json, size_t size) {
  return guarded([&] {
    if (!json) return fail(SHMRING_INVALID, "json must not be NULL");
    std::string why;
    return parse_result({static_cast<const char*>(json), size}, why) ? SHMRING_OK : refuse(why);
  });
}

shmring_status shmring_result_parse(const void* json, size_t size, shmring_result** result) {
  return guarded([&] {
    if (!json || !result) return fail(SHMRING_INVALID, "json and the place for the result must not be NULL");
    *result = nullptr;
    std::string why;
    auto value = parse_result({static_cast<const char*>(json), size}, why);
    if (!value) return refuse(why);
    *result = new shmring_result(*std::move(value));
    return SHMRING_OK;
  });
}

shmring_status shmring_result_info_get(const shmring_result* result, shmring_result_info* info) {
  return guarded([&] {
    if (!result || !info) return fail(SHMRING_INVALID, "result and info must not be NULL");
    return capi::fill(info, result->info, "shmring_result_info", "SHMRING_RESULT_INFO_INIT");
  });
}

void shmring_result_free(shmring_result* result) { delete result; }

shmring_status shmring_result_write(const shmring_result_info* given, char* json, size_t capacity, size_t* size) {
  return guarded([&] {
    if (!given || !json || !size)
      return fail(SHMRING_INVALID, "info and the places for the JSON and its size must not be NULL");
    shmring_result_info info = SHMRING_RESULT_INFO_INIT;
    if (const Status status = whole(given, info); status != SHMRING_OK) return status;
    std::string why, text;
    const auto result = result_of(info, why);
    if (!result) return refuse(why);
    if (const Status status = json_of(*result, text); status != SHMRING_OK) return status;
    *size = text.size();
    if (capacity <= text.size())
      return fail(SHMRING_TOO_LARGE, "the JSON has " + std::to_string(text.size()) +
                                         " bytes, and with the zero behind it no place in " + std::to_string(capacity));
    std::memcpy(json, text.c_str(), text.size() + 1);
    return SHMRING_OK;
  });
}

shmring_status shmring_results_open(const shmring_results_options* given, shmring_results** out) {
  return guarded([&] {
    if (!given || !out) return fail(SHMRING_INVALID, "options and the place for the results must not be NULL");
    *out = nullptr;
    if (given->struct_size == 0) return not_initialised("shmring_results_options", "SHMRING_RESULTS_OPTIONS_INIT");
    shmring_results_options o = SHMRING_RESULTS_OPTIONS_INIT;
    std::memcpy(&o, given, std::min(given->struct_size, sizeof o));
    auto results = std::make_unique<shmring_results>();
    results->worker = text_of(o.worker);
    results->model = text_of(o.model);
    results->ring = text_of(o.ring);
    // Names that no result may have are told now, not with each result.
    FrameResult named;
    named.ring = results->ring;
    named.worker = results->worker;
    named.model = results->model;
    std::string json;
    if (const Status status = json_of(named, json); status != SHMRING_OK) return status;
    shmring_publisher_options options = SHMRING_PUBLISHER_OPTIONS_INIT;
    options.socket_path = o.socket_path;
    options.perms = o.perms;
    options.slot_size = results->slot_size;
    options.max_readers = o.max_readers;
    options.depth = o.depth;
    options.drop_policy = SHMRING_DROP_OLDEST;
    if (const Status status = shmring_publisher_open(&options, &results->publisher); status != SHMRING_OK)
      return status;
    shmring_format format = SHMRING_FORMAT_INIT;
    format.caps = kResultCaps;
    if (const Status status = shmring_publisher_set_format(results->publisher, &format); status != SHMRING_OK) {
      shmring_publisher_close(results->publisher);
      return status;
    }
    *out = results.release();
    return SHMRING_OK;
  });
}

void shmring_results_close(shmring_results* results) {
  if (!results) return;
  shmring_publisher_close(results->publisher);
  delete results;
}

shmring_status shmring_results_send(shmring_results* results, const shmring_frame* frame,
                                    const shmring_result_info* given) {
  return guarded([&] {
    if (!results || !given) return fail(SHMRING_INVALID, "results and info must not be NULL");
    shmring_result_info info = SHMRING_RESULT_INFO_INIT;
    if (const Status status = whole(given, info); status != SHMRING_OK) return status;
    if (frame) complete(info, frame);
    std::string why, json;
    auto result = result_of(info, why);
    if (!result) return refuse(why);
    if (result->ring.empty()) result->ring = results->ring;
    if (result->worker.empty()) result->worker = results->worker;
    if (result->model.empty()) result->model = results->model;
    if (const Status status = json_of(*result, json); status != SHMRING_OK) return status;
    return publish(*results, json, info);
  });
}

shmring_publisher* shmring_results_publisher(shmring_results* results) {
  return results ? results->publisher : nullptr;
}

shmring_status shmring_result_reader_open(const shmring_reader_options* given, shmring_result_reader** out) {
  return guarded([&] {
    if (!given || !out) return fail(SHMRING_INVALID, "options and the place for the reader must not be NULL");
    *out = nullptr;
    if (given->struct_size == 0) return not_initialised("shmring_reader_options", "SHMRING_READER_OPTIONS_INIT");
    shmring_reader_options options = SHMRING_READER_OPTIONS_INIT;
    std::memcpy(&options, given, std::min(given->struct_size, sizeof options));
    options.struct_size = sizeof options;
    if (options.drop_policy == SHMRING_POLICY_DEFAULT) options.drop_policy = SHMRING_DROP_OLDEST;
    auto reader = std::make_unique<shmring_result_reader>();
    reader->socket_path = text_of(options.socket_path);
    if (const Status status = shmring_reader_open(&options, &reader->reader); status != SHMRING_OK) return status;
    *out = reader.release();
    return SHMRING_OK;
  });
}

void shmring_result_reader_close(shmring_result_reader* reader) {
  if (!reader) return;
  shmring_reader_close(reader->reader);
  delete reader;
}

shmring_status shmring_result_reader_read(shmring_result_reader* reader, uint64_t timeout, shmring_result** out) {
  return guarded([&] {
    if (!reader || !out) return fail(SHMRING_INVALID, "reader and the place for the result must not be NULL");
    *out = nullptr;
    const std::uint64_t start = timeout == 0 || timeout == SHMRING_WAIT_FOREVER ? 0 : shmring_now();
    int passed_over = 0;
    for (std::uint64_t left = timeout;;) {
      shmring_frame* frame = nullptr;
      const Status status = shmring_reader_read(reader->reader, left, &frame);
      if (status != SHMRING_OK) return status;
      const std::unique_ptr<shmring_frame, void (*)(shmring_frame*)> held(frame, shmring_frame_release);
      std::string why;
      if (auto result = result_in(frame, why)) {
        *out = result.release();
        return SHMRING_OK;
      }
      count_refusal(*reader, why);
      if (start != 0) left = timeout - std::min(timeout, shmring_now() - start);
      if (left == 0 && ++passed_over > kMostPassedOver)
        return fail(SHMRING_TIMEOUT, "no result came in time, only what is none");
    }
  });
}

uint64_t shmring_result_reader_refused(const shmring_result_reader* reader) {
  return reader ? reader->refused.load(std::memory_order_relaxed) : 0;
}

shmring_reader* shmring_result_reader_base(shmring_result_reader* reader) { return reader ? reader->reader : nullptr; }

}  // extern "C"
