// SPDX-License-Identifier: LGPL-2.1-or-later
// What a worker found in one frame, and its JSON. docs/results.md has the fields, docs/results.schema.json the same for programs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <shmring/types.h>

namespace shmring {

// Caps of a stream of results: each buffer is the JSON of one, and its PTS is that of the frame which the result is of.
inline constexpr char kResultMediaType[] = "application/x-frame-results";
inline constexpr char kResultCaps[] = "application/x-frame-results, format=(string)json";

// What a result may have at most; docs/results.schema.json has the same numbers. Lengths are characters.
inline constexpr std::size_t kResultSize = 64 << 10;  // bytes of JSON
inline constexpr std::size_t kResultDepth = 16;       // objects and lists inside each other
inline constexpr std::size_t kMaxObjects = 1000;
inline constexpr std::size_t kMaxClasses = 1000;
inline constexpr std::size_t kMaxPoints = 1000;  // of one polygon, or keypoints of one object
inline constexpr std::size_t kMaxAttributes = 64;
inline constexpr std::size_t kMaxNameLength = 255;    // of worker, model, label and an attribute's name
inline constexpr std::size_t kMaxValueLength = 1023;  // of ring and an attribute
inline constexpr std::uint32_t kMaxSide = 1'000'000;  // pixels of a frame
inline constexpr double kMaxNumber = 1'000'000;       // of scores and pixels, to both sides of 0

using Point = std::array<double, 2>;  // x and y, pixels
struct Keypoint {
  Point at{};
  std::optional<double> score;
};
struct Attribute {
  std::string name;
  std::variant<bool, double, std::string> value;
};

// Something at a place in the frame.
struct Object {
  std::string label;
  double score = 0;                    // 0 to 1 where the model gives a probability
  std::array<double, 4> box{};         // x, y, width and height, pixels; it may reach beyond the frame
  std::optional<std::int64_t> track;   // the same for the same thing in other frames; 0 or more
  std::optional<std::int64_t> parent;  // index of an earlier object, of which this one is a part
  std::vector<Point> polygon;
  std::vector<Keypoint> keypoints;  // in the model's order
  std::vector<Attribute> attributes;
};

// What the whole frame is.
struct Classification {
  std::string label;
  double score = 0;
};

// A text that is empty, a side of 0 and a number that is SHMRING_TIME_NONE are not known, and not in the JSON.
struct FrameResult {
  std::string ring;  // of the frame: its socket path
  std::uint64_t sequence = SHMRING_TIME_NONE;
  std::uint64_t pts = SHMRING_TIME_NONE;
  std::uint32_t width = 0;  // of the frame that the objects' pixels count in
  std::uint32_t height = 0;
  std::string worker;
  std::string model;
  std::uint64_t took = SHMRING_TIME_NONE;  // ns from taking the frame to sending the result
  std::vector<Object> objects;
  std::vector<Classification> classes;
  std::string extra;  // JSON of an object with what else the worker wants to say; empty: nothing
};

// Nothing: the bytes are no result, or one beyond a limit; `why` says in a sentence what is wrong. Fields of other names are passed over.
std::optional<FrameResult> parse_result(std::string_view json, std::string& why);

// The JSON, which parse_result() takes. Nothing: a field is outside its limits, and `why` says which.
std::optional<std::string> to_json(const FrameResult& result, std::string& why);

}  // namespace shmring
