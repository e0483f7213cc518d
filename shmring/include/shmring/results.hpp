// SPDX-License-Identifier: LGPL-2.1-or-later
// Results in C++: what a worker found in a frame, sent through a ring of its own and read from it. docs/results.md has the fields.
//
//   shmring::Results results({"/run/cam/person.sock", "person"});     shmring::ResultReader reader({"/run/cam/person.sock"});
//   while (auto frame = reader.read())                                while (auto result = reader.read())
//     results.send(*frame, {{"person", 0.9, {10, 20, 30, 80}}});        look_at(result->sequence, result->objects);
#ifndef SHMRING_RESULTS_HPP
#define SHMRING_RESULTS_HPP

#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <shmring/results.h>
#include <shmring/shmring.hpp>

namespace shmring {
inline namespace face {

using Point = shmring_point;
using Keypoint = shmring_keypoint;

struct Attribute {
  std::string name;
  std::variant<bool, double, std::string> value;
};

// Something that was found at a place in a frame.
struct Object {
  std::string label;
  double score = 0;                         // 0 to 1 where the model gives a probability
  std::array<double, 4> box{};              // x, y, width and height, pixels; it may reach beyond the frame
  std::optional<std::int64_t> track = {};   // number of the thing, the same in other frames
  std::optional<std::int64_t> parent = {};  // index of an earlier object, of which this one is a part
  std::vector<Point> polygon = {};
  std::vector<Keypoint> keypoints = {};
  std::vector<Attribute> attributes = {};
};

struct Classification {
  std::string label;
  double score = 0;
};

// A text that is empty, a side of 0 and a number that is SHMRING_TIME_NONE are not known.
struct Result {
  std::string ring = {};
  std::uint64_t sequence = SHMRING_TIME_NONE;
  std::uint64_t pts = SHMRING_TIME_NONE;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::string worker = {};
  std::string model = {};
  std::uint64_t took = SHMRING_TIME_NONE;
  std::vector<Object> objects = {};
  std::vector<Classification> classes = {};
  std::string extra = {};  // JSON of an object with anything else
  std::uint64_t captured_at = SHMRING_TIME_NONE;
  std::uint64_t sent_at = SHMRING_TIME_NONE;
};

namespace detail {

// A result in structures of C, which borrow from it.
class BorrowedResult {
 public:
  explicit BorrowedResult(const Result& from) {
    objects_.reserve(from.objects.size());
    attributes_.reserve(from.objects.size());
    for (const Object& object : from.objects) add(object);
    for (const Classification& each : from.classes) classes_.push_back({each.label.c_str(), each.score});
    info_.ring = from.ring.c_str();
    info_.sequence = from.sequence;
    info_.pts = from.pts;
    info_.width = from.width;
    info_.height = from.height;
    info_.worker = from.worker.c_str();
    info_.model = from.model.c_str();
    info_.took = from.took;
    info_.objects = objects_.data();
    info_.object_count = objects_.size();
    info_.classes = classes_.data();
    info_.class_count = classes_.size();
    info_.extra = from.extra.c_str();
    info_.captured_at = from.captured_at;
  }
  const shmring_result_info* get() const { return &info_; }

 private:
  void add(const Object& object) {
    std::vector<shmring_attribute>& attributes = attributes_.emplace_back();
    for (const Attribute& each : object.attributes) {
      shmring_attribute attribute{each.name.c_str(), SHMRING_ATTRIBUTE_BOOLEAN, nullptr, 0};
      if (const auto* text = std::get_if<std::string>(&each.value)) {
        attribute.kind = SHMRING_ATTRIBUTE_TEXT;
        attribute.text = text->c_str();
      } else if (const auto* number = std::get_if<double>(&each.value)) {
        attribute.kind = SHMRING_ATTRIBUTE_NUMBER;
        attribute.number = *number;
      } else {
        attribute.number = std::get<bool>(each.value) ? 1 : 0;
      }
      attributes.push_back(attribute);
    }
    shmring_object to = SHMRING_OBJECT_INIT;
    to.label = object.label.c_str();
    to.score = object.score;
    for (std::size_t i = 0; i < 4; ++i) to.box[i] = object.box[i];
    to.track = object.track.value_or(-1);
    to.parent = object.parent.value_or(-1);
    to.polygon = object.polygon.data();
    to.polygon_count = object.polygon.size();
    to.keypoints = object.keypoints.data();
    to.keypoint_count = object.keypoints.size();
    to.attributes = attributes.data();
    to.attribute_count = attributes.size();
    objects_.push_back(to);
  }

  std::vector<shmring_object> objects_;
  std::vector<std::vector<shmring_attribute>> attributes_;
  std::vector<shmring_classification> classes_;
  shmring_result_info info_ = SHMRING_RESULT_INFO_INIT;
};

inline Object object_of(const shmring_object& from) {
  Object to{from.label, from.score, {from.box[0], from.box[1], from.box[2], from.box[3]}, {}, {}, {}, {}, {}};
  if (from.track >= 0) to.track = from.track;
  if (from.parent >= 0) to.parent = from.parent;
  to.polygon.assign(from.polygon, from.polygon + from.polygon_count);
  to.keypoints.assign(from.keypoints, from.keypoints + from.keypoint_count);
  for (std::size_t i = 0; i < from.attribute_count; ++i) {
    const shmring_attribute& each = from.attributes[i];
    Attribute& attribute = to.attributes.emplace_back(Attribute{each.name, each.number});
    if (each.kind == SHMRING_ATTRIBUTE_TEXT) attribute.value = std::string(each.text);
    if (each.kind == SHMRING_ATTRIBUTE_BOOLEAN) attribute.value = each.number != 0;
  }
  return to;
}

// Takes the result over.
inline Result result_of(shmring_result* taken) {
  const std::unique_ptr<shmring_result, void (*)(shmring_result*)> owner(taken, shmring_result_free);
  shmring_result_info info = SHMRING_RESULT_INFO_INIT;
  check(shmring_result_info_get(taken, &info));
  Result to;
  to.ring = info.ring;
  to.sequence = info.sequence;
  to.pts = info.pts;
  to.width = info.width;
  to.height = info.height;
  to.worker = info.worker;
  to.model = info.model;
  to.took = info.took;
  const auto* at = reinterpret_cast<const std::byte*>(info.objects);
  for (std::size_t i = 0; i < info.object_count; ++i, at += info.object_size)
    to.objects.push_back(object_of(*reinterpret_cast<const shmring_object*>(at)));
  for (std::size_t i = 0; i < info.class_count; ++i)
    to.classes.push_back({info.classes[i].label, info.classes[i].score});
  to.extra = info.extra;
  to.captured_at = info.captured_at;
  to.sent_at = info.sent_at;
  return to;
}

}  // namespace detail

// Throws where the text is no result.
inline Result parse_result(std::string_view json) {
  shmring_result* parsed = nullptr;
  check(shmring_result_parse(json.data() ? json.data() : "", json.size(), &parsed));
  return detail::result_of(parsed);
}

// Throws where a field is outside its limits.
inline std::string to_json(const Result& result) {
  std::string json(SHMRING_RESULT_SIZE + 1, '\0');
  std::size_t size = 0;
  check(shmring_result_write(detail::BorrowedResult(result).get(), json.data(), json.size(), &size));
  json.resize(size);
  return json;
}

struct ResultsOptions {
  std::string socket_path;
  std::string worker = {};  // these three are in each result that has none of its own
  std::string model = {};
  std::string ring = {};  // path of the socket of the ring that the frames are of
  std::uint32_t perms = 0600;
  std::uint32_t max_readers = 8;
  std::uint32_t depth = 64;
};

// A worker's ring of results.
class Results {
 public:
  explicit Results(const ResultsOptions& options) {
    shmring_results_options raw = SHMRING_RESULTS_OPTIONS_INIT;
    raw.socket_path = options.socket_path.c_str();
    raw.worker = options.worker.c_str();
    raw.model = options.model.c_str();
    raw.ring = options.ring.c_str();
    raw.perms = options.perms;
    raw.max_readers = options.max_readers;
    raw.depth = options.depth;
    check(shmring_results_open(&raw, &results_));
  }
  Results(Results&& other) noexcept : results_(std::exchange(other.results_, nullptr)) {}
  Results& operator=(Results&& other) noexcept {
    std::swap(results_, other.results_);
    return *this;
  }
  ~Results() { shmring_results_close(results_); }

  // False: no slot was free; the result is dropped. Throws where a field is outside its limits.
  bool send(const Result& result) { return send(nullptr, result); }
  // What the result does not say is the frame's.
  bool send(const Frame& frame, const Result& result) { return send(frame.get(), result); }
  bool send(const Frame& frame, std::vector<Object> objects) {
    Result result;
    result.objects = std::move(objects);
    return send(frame.get(), result);
  }

  void end() { check(shmring_publisher_end(shmring_results_publisher(results_))); }
  Stats stats() const {
    return collect_stats(
        [this](auto... to) { return shmring_publisher_stats(shmring_results_publisher(results_), to...); });
  }

 private:
  bool send(const shmring_frame* frame, const Result& result) {
    const shmring_status status = shmring_results_send(results_, frame, detail::BorrowedResult(result).get());
    if (status == SHMRING_FULL) return false;
    check(status);
    return true;
  }

  shmring_results* results_ = nullptr;
};

// Reads results; what is no result is passed over and counted.
class ResultReader {
 public:
  explicit ResultReader(const ReaderOptions& options) {
    const shmring_reader_options raw = options.raw();
    check(shmring_result_reader_open(&raw, &reader_));
  }
  ResultReader(ResultReader&& other) noexcept : reader_(std::exchange(other.reader_, nullptr)), ended_(other.ended_) {}
  ResultReader& operator=(ResultReader&& other) noexcept {
    std::swap(reader_, other.reader_);
    std::swap(ended_, other.ended_);
    return *this;
  }
  ~ResultReader() { shmring_result_reader_close(reader_); }

  // Empty when the time is over, or, ended() says so, when the stream is. Everything else throws.
  std::optional<Result> read(std::chrono::nanoseconds timeout = forever) {
    shmring_result* result = nullptr;
    const shmring_status status = shmring_result_reader_read(reader_, detail::wait(timeout), &result);
    ended_ = status == SHMRING_END;
    if (status == SHMRING_OK) return detail::result_of(result);
    if (status == SHMRING_TIMEOUT || ended_) return std::nullopt;
    throw Error(status);
  }
  bool ended() const { return ended_; }
  std::uint64_t refused() const { return shmring_result_reader_refused(reader_); }

  void interrupt(bool on = true) { shmring_reader_interrupt(shmring_result_reader_base(reader_), on); }
  int fileno() const { return shmring_reader_fileno(shmring_result_reader_base(reader_)); }
  bool connected() const { return shmring_reader_connected(shmring_result_reader_base(reader_)); }

 private:
  shmring_result_reader* reader_ = nullptr;
  bool ended_ = false;
};

}  // namespace face
}  // namespace shmring

#endif
