// SPDX-License-Identifier: LGPL-2.1-or-later
// A result is read as it was written; what is no result is refused, with a sentence that names the field.
#include "results/result.hpp"

#include <cmath>
#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace {

using shmring::FrameResult;
using shmring::parse_result;
using shmring::to_json;

FrameResult full() {
  FrameResult result;
  result.ring = "/run/cam/front.sock";
  result.sequence = 18446744073709551614u;
  result.pts = 123456789;
  result.width = 1920;
  result.height = 1080;
  result.worker = "person";
  result.model = "hog \xE2\x80\x93 2";
  result.took = 7'000'000;
  shmring::Object person{"person", 0.9, {10, -2.5, 30, 80}, 7, {}, {}, {}, {}};
  person.polygon = {{1, 2}, {3, 4}, {5, 6.25}};
  person.keypoints = {{{1, 2}, 0.5}, {{3, 4}, {}}};
  person.attributes = {{"coat", "red"}, {"height", 1.8}, {"walks", true}};
  result.objects = {person, shmring::Object{"face", 0.5, {12, 0, 8, 8}, {}, 0, {}, {}, {}}};
  result.classes = {{"day", 0.75}};
  result.extra = R"({"a":[1,{"b":null}]})";
  return result;
}

std::string json_of(const FrameResult& result) {
  std::string why;
  const auto json = to_json(result, why);
  EXPECT_TRUE(json) << why;
  return json.value_or("");
}

// Why the text is refused; empty: it is not.
std::string refusal(const std::string& json) {
  std::string why;
  if (parse_result(json, why)) return "";
  EXPECT_FALSE(why.empty()) << json.substr(0, 200);
  return why.empty() ? "?" : why;
}

std::string with_object(const std::string& fields) {
  return R"({"objects":[{"label":"a","score":1,"box":[0,0,1,1])" + (fields.empty() ? "" : "," + fields) + "}]}";
}

std::string repeated(const std::string& text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

TEST(Result, IsReadAsItWasWritten) {
  const std::string json = json_of(full());
  std::string why;
  const auto read = parse_result(json, why);
  ASSERT_TRUE(read) << why;
  EXPECT_EQ(read->ring, "/run/cam/front.sock");
  EXPECT_EQ(read->sequence, 18446744073709551614u);
  EXPECT_EQ(read->pts, 123456789u);
  EXPECT_EQ(read->width, 1920u);
  EXPECT_EQ(read->height, 1080u);
  EXPECT_EQ(read->worker, "person");
  EXPECT_EQ(read->model, "hog \xE2\x80\x93 2");
  EXPECT_EQ(read->took, 7'000'000u);
  ASSERT_EQ(read->objects.size(), 2u);
  const shmring::Object& person = read->objects[0];
  EXPECT_EQ(person.label, "person");
  EXPECT_EQ(person.score, 0.9);
  EXPECT_EQ(person.box, (std::array<double, 4>{10, -2.5, 30, 80}));
  EXPECT_EQ(person.track, 7);
  EXPECT_EQ(person.parent, std::nullopt);
  EXPECT_EQ(person.polygon, (std::vector<shmring::Point>{{1, 2}, {3, 4}, {5, 6.25}}));
  ASSERT_EQ(person.keypoints.size(), 2u);
  EXPECT_EQ(person.keypoints[0].score, 0.5);
  EXPECT_EQ(person.keypoints[1].at, (shmring::Point{3, 4}));
  EXPECT_EQ(person.keypoints[1].score, std::nullopt);
  ASSERT_EQ(person.attributes.size(), 3u);
  EXPECT_EQ(std::get<std::string>(person.attributes[0].value), "red");
  EXPECT_EQ(std::get<double>(person.attributes[1].value), 1.8);
  EXPECT_EQ(std::get<bool>(person.attributes[2].value), true);
  EXPECT_EQ(read->objects[1].parent, 0);
  ASSERT_EQ(read->classes.size(), 1u);
  EXPECT_EQ(read->classes[0].label, "day");
  EXPECT_EQ(read->extra, R"({"a":[1,{"b":null}]})");
  EXPECT_EQ(json_of(*read), json);
}

TEST(Result, LeavesOutWhatIsNotKnown) {
  EXPECT_EQ(json_of({}), R"({"objects":[]})");
  std::string why;
  const auto read = parse_result(R"({"objects":[]})", why);
  ASSERT_TRUE(read) << why;
  EXPECT_EQ(read->sequence, SHMRING_TIME_NONE);
  EXPECT_EQ(read->pts, SHMRING_TIME_NONE);
  EXPECT_EQ(read->took, SHMRING_TIME_NONE);
  EXPECT_EQ(read->width, 0u);
}

TEST(Result, FieldsOfOtherNamesArePassedOver) {
  EXPECT_EQ(refusal(R"( {"objects":[], "version":{"x":[null]}, "é":1} )"), "");
  EXPECT_EQ(refusal(with_object(R"("mask":"…")")), "");
}

TEST(Result, WholeNumbersMayBeWrittenWithAPoint) {
  std::string why;
  const auto read = parse_result(R"({"sequence":5.0,"pts":1e3,"took":-0,"objects":[]})", why);
  ASSERT_TRUE(read) << why;
  EXPECT_EQ(read->sequence, 5u);
  EXPECT_EQ(read->pts, 1000u);
  EXPECT_EQ(read->took, 0u);
}

TEST(Result, WhatIsNoJsonIsRefused) {
  for (const std::string text : {"", " ", "{", "}", "{\"objects\":[]}x", "{objects:[]}", "{\"objects\":[],}",
                                 "{\"objects\":[]/**/}", "nul", "\xFF\xFE", "{\"objects\":[{]}", "{\"objects\":[]} {}"})
    EXPECT_NE(refusal(text), "") << text;
  EXPECT_EQ(refusal(std::string("{\"objects\":[]}\0", 15)), "it has a zero byte");
  EXPECT_EQ(refusal(std::string("{\"objects\":[]}\0]", 16)), "it has a zero byte");
  EXPECT_EQ(refusal("{\"objects\":[]"), "the text is no JSON from byte 14 on");
}

TEST(Result, WhatIsNoObjectIsRefused) {
  for (const std::string text : {"[]", "1", "null", "\"objects\"", "true"})
    EXPECT_EQ(refusal(text), "the result is no JSON object");
  EXPECT_EQ(refusal("{}"), "objects is missing");
  EXPECT_EQ(refusal(R"({"objects":{}})"), "objects is no list of at most 1000");
  EXPECT_EQ(refusal(R"({"objects":[1]})"), "objects[0] is no JSON object");
  EXPECT_EQ(refusal(R"({"objects":[],"classes":[[]]})"), "classes[0] is no JSON object");
}

TEST(Result, NumbersOutsideTheirLimitsAreRefused) {
  for (const std::string number : {"18446744073709551615", "18446744073709551616", "1e20", "-1", "0.5", "1e400", "NaN",
                                   "Infinity", "\"1\"", "null", "[1]", "true", "01", "+1", "0x1"})
    for (const std::string field : {"sequence", "pts", "took"})
      EXPECT_NE(refusal(R"({"objects":[],")" + field + "\":" + number + "}"), "") << field << number;
  EXPECT_EQ(refusal(R"({"objects":[],"width":1000001})"), "width is no whole number from 0 to 1000000");
  for (const std::string number : {"1e300", "1000000.5", "-1e7", "NaN", "-Infinity", "\"1\"", "null", "1e-", "[]"}) {
    EXPECT_NE(refusal(R"({"objects":[{"label":"a","score":)" + number + R"(,"box":[0,0,1,1]}]})"), "") << number;
    EXPECT_NE(refusal(R"({"objects":[{"label":"a","score":1,"box":[0,)" + number + ",1,1]}]}"), "") << number;
    EXPECT_NE(refusal(with_object("\"polygon\":[[0," + number + "]]")), "") << number;
    EXPECT_NE(refusal(with_object("\"keypoints\":[[0,0," + number + "]]")), "") << number;
  }
}

TEST(Result, BoxesHaveFourNumbersAndNoNegativeSize) {
  const auto box = [](const std::string& value) {
    return refusal(R"({"objects":[{"label":"a","score":1,"box":)" + value + "}]}");
  };
  EXPECT_EQ(box("[-5,-5,0,0]"), "");
  EXPECT_EQ(box("[0,0,-1,1]"), "objects[0].box has a negative width or height");
  EXPECT_EQ(box("[0,0,1,-0.1]"), "objects[0].box has a negative width or height");
  EXPECT_EQ(box("[0,0,1]"), "objects[0].box is no list of 4 numbers");
  EXPECT_EQ(box("[0,0,1,1,1]"), "objects[0].box is no list of 4 numbers");
  EXPECT_EQ(box("{}"), "objects[0].box is no list of 4 numbers");
  EXPECT_EQ(refusal(R"({"objects":[{"label":"a","score":1}]})"), "objects[0].box is missing");
  EXPECT_EQ(refusal(R"({"objects":[{"score":1,"box":[0,0,1,1]}]})"), "objects[0].label is missing");
  EXPECT_EQ(refusal(R"({"objects":[{"label":"a","box":[0,0,1,1]}]})"), "objects[0].score is missing");
}

TEST(Result, PartsStandAfterTheObjectThatTheyArePartsOf) {
  EXPECT_EQ(refusal(with_object(R"("parent":0)")), "objects[0].parent is not the index of an earlier object");
  EXPECT_NE(refusal(with_object(R"("parent":1)")), "");
  EXPECT_NE(refusal(with_object(R"("parent":-1)")), "");
  EXPECT_NE(refusal(with_object(R"("parent":1e99)")), "");
  EXPECT_EQ(refusal(with_object(R"("track":9223372036854775807)")), "");
  EXPECT_NE(refusal(with_object(R"("track":9223372036854775808)")), "");
  EXPECT_NE(refusal(with_object(R"("track":-1)")), "");
}

TEST(Result, TextsAreUtf8WithoutControlCharactersAndShort) {
  const auto label = [](const std::string& text) { return refusal(R"({"objects":[],"worker":")" + text + "\"}"); };
  EXPECT_EQ(label(repeated("\xC3\xA4", 255)), "");
  EXPECT_EQ(label(repeated("\xC3\xA4", 256)), "worker is longer than 255 characters");
  EXPECT_EQ(label("a\\u0000b"), "worker has a control character");
  EXPECT_EQ(label("a\\u001b[2Jb"), "worker has a control character");
  EXPECT_EQ(label("a\\u007fb"), "worker has a control character");
  for (const std::string bytes :
       {"\xFF", "\xC3", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\\ud800", "\\udc00\\ud800", "\n"})
    EXPECT_NE(label(bytes), "");
  EXPECT_NE(refusal(R"({"objects":[],"worker":["a"]})"), "");
}

TEST(Result, AttributesAreTextsNumbersAndBooleans) {
  EXPECT_EQ(refusal(with_object(R"("attributes":{"a":"b","c":1e300,"d":false})")), "");
  for (const std::string value : {"null", "[]", "{}", "1e999"})
    EXPECT_NE(refusal(with_object(R"("attributes":{"a":)" + value + "}")), "");
  EXPECT_NE(refusal(with_object(R"("attributes":[])")), "");
  EXPECT_EQ(refusal(with_object(R"("attributes":{"a":")" + std::string(1023, 'x') + "\"}")), "");
  EXPECT_NE(refusal(with_object(R"("attributes":{"a":")" + std::string(1024, 'x') + "\"}")), "");
  EXPECT_NE(refusal(with_object(R"("attributes":{")" + std::string(256, 'x') + "\":1}")), "");
  std::string many;
  for (int i = 0; i < 65; ++i) many += (i ? ",\"" : "\"") + std::to_string(i) + "\":1";
  EXPECT_EQ(refusal(with_object("\"attributes\":{" + many + "}")),
            "objects[0].attributes is no object of at most 64 members");
}

TEST(Result, ANameThatStandsTwiceIsRefused) {
  EXPECT_EQ(refusal(R"({"objects":[],"pts":1,"pts":1})"), "a name is twice in one object");
  EXPECT_EQ(refusal(R"({"objects":[],"extra":{"a":[{"b":1,"b":2}]}})"), "a name is twice in one object");
  EXPECT_EQ(refusal(R"({"objects":[],"extra":{"a":[{"b":1},{"b":2}],"b":3}})"), "");
}

TEST(Result, DeepNestingIsRefused) {
  const auto nested = [](std::size_t depth) {
    return R"({"objects":[],"extra":{"a":)" + std::string(depth - 2, '[') + std::string(depth - 2, ']') + "}}";
  };
  EXPECT_EQ(refusal(nested(shmring::kResultDepth)), "");
  EXPECT_EQ(refusal(nested(shmring::kResultDepth + 1)), "it is nested deeper than 16");
  EXPECT_EQ(refusal(std::string(shmring::kResultSize, '[')), "it is nested deeper than 16");
  EXPECT_EQ(refusal(repeated(R"({"a":)", 10000)), "it is nested deeper than 16");
}

TEST(Result, SizeAndNumberOfObjectsAreLimited) {
  const std::string object = R"({"label":"a","score":1,"box":[0,0,1,1]})";
  EXPECT_EQ(refusal("{\"objects\":[" + repeated(object + ",", 999) + object + "]}"), "");
  EXPECT_EQ(refusal("{\"objects\":[" + repeated(object + ",", 1000) + object + "]}"),
            "objects is no list of at most 1000");
  EXPECT_EQ(refusal("{\"objects\":[" + repeated("{},", 1'000'000) + "{}]}"),
            "it has 3000016 bytes; at most 65536 are allowed");
  EXPECT_NE(refusal("{\"objects\":[" + repeated("{},", 20000) + "{}]}"), "");
  EXPECT_EQ(refusal(R"({"objects":[]})" + std::string(shmring::kResultSize - 14, ' ')), "");
  EXPECT_NE(refusal(R"({"objects":[]})" + std::string(shmring::kResultSize - 13, ' ')), "");
  EXPECT_NE(refusal(with_object("\"polygon\":[" + repeated("[0,0],", 1000) + "[0,0]]")), "");
  EXPECT_NE(refusal(with_object("\"keypoints\":[[0]]")), "");
}

TEST(Result, IsNotWrittenOutsideItsLimits) {
  const auto why_not = [](auto change) {
    FrameResult result = full();
    change(result);
    std::string why;
    return to_json(result, why) ? "" : why;
  };
  EXPECT_EQ(why_not([](FrameResult&) {}), "");
  EXPECT_EQ(why_not([](FrameResult& r) { r.objects[1].score = std::nan(""); }),
            "objects[1].score is no number from -1000000 to 1000000");
  EXPECT_NE(why_not([](FrameResult& r) { r.objects[0].box[2] = std::numeric_limits<double>::infinity(); }), "");
  EXPECT_NE(why_not([](FrameResult& r) { r.objects[0].box[3] = -1; }), "");
  EXPECT_EQ(why_not([](FrameResult& r) { r.objects[0].label = "\xFF"; }), "a text is no UTF-8");
  EXPECT_NE(why_not([](FrameResult& r) { r.objects[0].parent = 1; }), "");
  EXPECT_NE(why_not([](FrameResult& r) { r.objects[0].track = -1; }), "");
  EXPECT_NE(why_not([](FrameResult& r) { r.extra = "[]"; }), "");
  EXPECT_EQ(why_not([](FrameResult& r) { r.extra = "{\"a\":1,\"a\":1}"; }), "extra: a name is twice in one object");
  EXPECT_NE(why_not([](FrameResult& r) { r.extra = "{},\"objects\":[]"; }), "");
  EXPECT_NE(why_not([](FrameResult& r) { r.objects.resize(1001); }), "");
}

}  // namespace
