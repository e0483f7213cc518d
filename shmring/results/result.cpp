// SPDX-License-Identifier: LGPL-2.1-or-later
#include "results/result.hpp"

#include <cmath>
#include <type_traits>

#include <nlohmann/json.hpp>

namespace shmring {
namespace {

using nlohmann::json;

// Builds the value that the text is, and ends at the first byte that is wrong, a name that an object has twice, or too deep a nesting.
class Builder {
 public:
  explicit Builder(std::string& why) : why_(why) {}

  json take() { return std::move(root_); }

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(json::number_integer_t value) { return add(value); }
  bool number_unsigned(json::number_unsigned_t value) { return add(value); }
  bool number_float(json::number_float_t value, const json::string_t&) { return add(value); }
  bool string(json::string_t& value) { return add(std::move(value)); }
  bool binary(json::binary_t&) { return false; }  // no JSON has it
  bool start_object(std::size_t) { return open(json::object()); }
  bool start_array(std::size_t) { return open(json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(json::string_t& name) {
    auto [place, is_new] = open_.back()->emplace(std::move(name), nullptr);
    member_ = &*place;
    return is_new || refuse("a name is twice in one object");
  }
  template <class Exception>
  bool parse_error(std::size_t position, const std::string&, const Exception&) {
    return refuse("the text is no JSON from byte " + std::to_string(position) + " on");
  }

 private:
  bool refuse(std::string why) {
    why_ = std::move(why);
    return false;
  }
  template <class Value>
  bool add(Value&& value) {
    place(std::forward<Value>(value));
    return true;
  }
  template <class Value>
  json* place(Value&& value) {
    json* const to = open_.empty() ? &root_ : open_.back()->is_array() ? &open_.back()->emplace_back() : member_;
    *to = std::forward<Value>(value);
    return to;
  }
  bool open(json value) {
    if (open_.size() == kResultDepth) return refuse("it is nested deeper than " + std::to_string(kResultDepth));
    open_.push_back(place(std::move(value)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::string& why_;
  json root_;
  std::vector<json*> open_;
  json* member_ = nullptr;  // of the open object, whose name was read last
};

// Characters of a text in UTF-8.
std::size_t length(std::string_view text) {
  std::size_t count = 0;
  for (const char byte : text) count += (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
  return count;
}

bool has_control(std::string_view text) {
  for (const char byte : text)
    if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F) return true;
  return false;
}

std::optional<double> number_in(const json& value) {
  if (!value.is_number()) return std::nullopt;
  const auto number = value.get<double>();
  if (!(std::abs(number) <= kMaxNumber)) return std::nullopt;
  return number;
}

// A number without a fraction, 0 to `most`; also one that is written as 5.0.
std::optional<std::uint64_t> whole_number_in(const json& value, std::uint64_t most) {
  std::optional<std::uint64_t> whole;
  if (value.is_number_unsigned()) {
    whole = value.get<std::uint64_t>();
  } else if (value.is_number_integer()) {  // -0
    if (value.get<std::int64_t>() == 0) whole = 0;
  } else if (value.is_number_float()) {
    const auto number = value.get<double>();
    if (number >= 0 && number < 0x1p64 && number == std::floor(number)) whole = static_cast<std::uint64_t>(number);
  }
  return whole && *whole <= most ? whole : std::nullopt;
}

// Reads the fields of one JSON object, and says of the first that is wrong what it should be.
class Fields {
 public:
  Fields(const json& object, std::string where, std::string& why)
      : object_(object), where_(std::move(where)), why_(why) {}

  bool text(const char* name, std::string& to, bool needed = false, std::size_t most = kMaxNameLength) {
    const json* const value = find(name);
    if (!value) return !needed || refuse(name, "is missing");
    if (!value->is_string()) return refuse(name, "is no text");
    to = value->get_ref<const std::string&>();
    return fits(name, to, most);
  }

  bool score(double& to) {
    const json* const value = find("score");
    if (!value) return refuse("score", "is missing");
    return number("score", *value, to);
  }

  bool whole(const char* name, std::uint64_t& to, std::uint64_t most) {
    const json* const value = find(name);
    if (!value) return true;
    const auto number = whole_number_in(*value, most);
    if (!number) return refuse(name, "is no whole number from 0 to " + std::to_string(most));
    to = *number;
    return true;
  }

  // Calls read(element, place in the list) for each element of a list.
  template <class Read>
  bool list(const char* name, std::size_t most, bool needed, Read read) {
    const json* const value = find(name);
    if (!value) return !needed || refuse(name, "is missing");
    if (!value->is_array() || value->size() > most)
      return refuse(name, "is no list of at most " + std::to_string(most));
    std::size_t index = 0;
    for (const json& element : *value)
      if (!read(element, index++)) return false;
    return true;
  }

  // The numbers of a list that has `least` to `most` of them.
  bool numbers(const char* name, const json& value, std::size_t least, std::size_t most, double* to) {
    if (!value.is_array() || value.size() < least || value.size() > most) {
      const std::string count = std::to_string(least) + (least < most ? " or " + std::to_string(most) : "");
      return refuse(name, "is no list of " + count + " numbers");
    }
    for (const json& element : value)
      if (!number(name, element, *to++)) return false;
    return true;
  }

  bool box(std::array<double, 4>& to) {
    const json* const value = find("box");
    if (!value) return refuse("box", "is missing");
    if (!numbers("box", *value, 4, 4, to.data())) return false;
    return (to[2] >= 0 && to[3] >= 0) || refuse("box", "has a negative width or height");
  }

  bool attributes(std::vector<Attribute>& to) {
    const json* const value = find("attributes");
    if (!value) return true;
    if (!value->is_object() || value->size() > kMaxAttributes)
      return refuse("attributes", "is no object of at most " + std::to_string(kMaxAttributes) + " members");
    to.reserve(value->size());
    for (const auto& [name, member] : value->items()) {
      if (!fits("attributes", name, kMaxNameLength)) return false;
      Attribute& attribute = to.emplace_back(Attribute{name, false});
      if (member.is_boolean())
        attribute.value = member.get<bool>();
      else if (member.is_number())
        attribute.value = member.get<double>();
      else if (member.is_string())
        attribute.value = member.get_ref<const std::string&>();
      else
        return refuse("attributes", "has a value that is no text, number or boolean");
      if (const auto* text = std::get_if<std::string>(&attribute.value))
        if (!fits("attributes", *text, kMaxValueLength)) return false;
    }
    return true;
  }

  bool extra(std::string& to) {
    const json* const value = find("extra");
    if (!value) return true;
    if (!value->is_object()) return refuse("extra", "is no object");
    if (!value->empty()) to = value->dump();
    return true;
  }

  const json* find(const char* name) const {
    const auto at = object_.find(name);
    return at == object_.end() ? nullptr : &*at;
  }
  bool refuse(const char* name, const std::string& what) {
    why_ = where_ + (where_.empty() || *name == '\0' ? "" : ".") + name + " " + what;
    return false;
  }

 private:
  bool number(const char* name, const json& value, double& to) {
    const auto found = number_in(value);
    if (!found) return refuse(name, "is no number from -1000000 to 1000000");
    to = *found;
    return true;
  }
  bool fits(const char* name, std::string_view text, std::size_t most) {
    if (has_control(text)) return refuse(name, "has a control character");
    return length(text) <= most || refuse(name, "is longer than " + std::to_string(most) + " characters");
  }

  const json& object_;
  const std::string where_;
  std::string& why_;
};

std::string place(const char* list, std::size_t index) { return std::string(list) + "[" + std::to_string(index) + "]"; }

bool read_object(const json& value, std::size_t index, Object& to, std::string& why) {
  Fields fields(value, place("objects", index), why);
  if (!value.is_object()) return fields.refuse("", "is no JSON object");
  constexpr std::uint64_t none = UINT64_MAX;
  std::uint64_t track = none, parent = none;
  if (!fields.text("label", to.label, true) || !fields.score(to.score) || !fields.box(to.box) ||
      !fields.whole("track", track, INT64_MAX) || !fields.whole("parent", parent, kMaxObjects))
    return false;
  if (track != none) to.track = static_cast<std::int64_t>(track);
  if (parent != none) {
    if (parent >= index) return fields.refuse("parent", "is not the index of an earlier object");
    to.parent = static_cast<std::int64_t>(parent);
  }
  const auto point = [&](const json& numbers, std::size_t) {
    return fields.numbers("polygon", numbers, 2, 2, to.polygon.emplace_back().data());
  };
  const auto keypoint = [&](const json& numbers, std::size_t) {
    std::array<double, 3> read{};
    if (!fields.numbers("keypoints", numbers, 2, 3, read.data())) return false;
    Keypoint& made = to.keypoints.emplace_back(Keypoint{{read[0], read[1]}, {}});
    if (numbers.size() == 3) made.score = read[2];
    return true;
  };
  return fields.list("polygon", kMaxPoints, false, point) && fields.list("keypoints", kMaxPoints, false, keypoint) &&
         fields.attributes(to.attributes);
}

bool read_result(const json& value, FrameResult& to, std::string& why) {
  Fields fields(value, "", why);
  if (!value.is_object()) return fields.refuse("the result", "is no JSON object");
  constexpr std::uint64_t most = SHMRING_TIME_NONE - 1;
  std::uint64_t width = 0, height = 0;
  if (!fields.text("ring", to.ring, false, kMaxValueLength) || !fields.whole("sequence", to.sequence, most) ||
      !fields.whole("pts", to.pts, most) || !fields.whole("width", width, kMaxSide) ||
      !fields.whole("height", height, kMaxSide) || !fields.text("worker", to.worker) ||
      !fields.text("model", to.model) || !fields.whole("took", to.took, most) || !fields.extra(to.extra))
    return false;
  to.width = static_cast<std::uint32_t>(width);
  to.height = static_cast<std::uint32_t>(height);
  const auto object = [&](const json& element, std::size_t index) {
    return read_object(element, index, to.objects.emplace_back(), why);
  };
  const auto classification = [&](const json& element, std::size_t index) {
    Fields of(element, place("classes", index), why);
    Classification& made = to.classes.emplace_back();
    if (!element.is_object()) return of.refuse("", "is no JSON object");
    return of.text("label", made.label, true) && of.score(made.score);
  };
  return fields.list("objects", kMaxObjects, true, object) &&
         fields.list("classes", kMaxClasses, false, classification);
}

std::optional<json> parse(std::string_view text, std::string& why) {
  if (text.size() > kResultSize) {
    why = "it has " + std::to_string(text.size()) + " bytes; at most " + std::to_string(kResultSize) + " are allowed";
    return std::nullopt;
  }
  if (text.find('\0') != std::string_view::npos) {  // where the parser would see the end of the text
    why = "it has a zero byte";
    return std::nullopt;
  }
  Builder builder(why);
  if (!json::sax_parse(text.data(), text.data() + text.size(), &builder)) return std::nullopt;
  return builder.take();
}

// Objects in the order in which they are written here, for those who read the text.
using Written = nlohmann::ordered_json;

Written written(const Object& object) {
  Written to{{"label", object.label}, {"score", object.score}, {"box", object.box}};
  if (object.track) to["track"] = *object.track;
  if (object.parent) to["parent"] = *object.parent;
  if (!object.polygon.empty()) to["polygon"] = object.polygon;
  if (!object.keypoints.empty()) {
    Written& points = to["keypoints"] = Written::array();
    for (const Keypoint& each : object.keypoints) {
      Written& point = points.emplace_back(each.at);
      if (each.score) point.push_back(*each.score);
    }
  }
  if (!object.attributes.empty()) {
    Written& members = to["attributes"] = Written::object();
    for (const Attribute& each : object.attributes)
      std::visit([&](const auto& value) { members[each.name] = value; }, each.value);
  }
  return to;
}

Written written(const FrameResult& result) {
  Written to = Written::object();
  const auto text = [&](const char* name, const std::string& value) {
    if (!value.empty()) to[name] = value;
  };
  const auto number = [&](const char* name, std::uint64_t value, std::uint64_t none) {
    if (value != none) to[name] = value;
  };
  text("ring", result.ring);
  number("sequence", result.sequence, SHMRING_TIME_NONE);
  number("pts", result.pts, SHMRING_TIME_NONE);
  number("width", result.width, 0);
  number("height", result.height, 0);
  text("worker", result.worker);
  text("model", result.model);
  number("took", result.took, SHMRING_TIME_NONE);
  Written& objects = to["objects"] = Written::array();
  for (const Object& each : result.objects) objects.push_back(written(each));
  if (!result.classes.empty()) {
    Written& classes = to["classes"] = Written::array();
    for (const Classification& each : result.classes) classes.push_back({{"label", each.label}, {"score", each.score}});
  }
  return to;
}

}  // namespace

std::optional<FrameResult> parse_result(std::string_view text, std::string& why) {
  const auto value = parse(text, why);
  if (!value) return std::nullopt;
  std::optional<FrameResult> result(std::in_place);
  if (!read_result(*value, *result, why)) result.reset();
  return result;
}

std::optional<std::string> to_json(const FrameResult& result, std::string& why) {
  std::string text;
  try {
    text = written(result).dump();
  } catch (const Written::type_error&) {
    why = "a text is no UTF-8";
    return std::nullopt;
  }
  if (!result.extra.empty()) {
    const auto extra = parse(result.extra, why);
    if (!extra) {
      why = "extra: " + why;
      return std::nullopt;
    }
    text.back() = ',';  // in place of the closing brace
    text += "\"extra\":" + extra->dump() + "}";
  }
  // One place knows the limits: the reader.
  if (!parse_result(text, why)) return std::nullopt;
  return text;
}

}  // namespace shmring
