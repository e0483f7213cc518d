// SPDX-License-Identifier: LGPL-2.1-or-later
// Results in C and C++: JSON from and to structures, sent through a ring and read from it.
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <shmring/results.hpp>

#include "temp_dir.hpp"
#include "watchdog.hpp"

namespace {

using namespace std::chrono_literals;

shmring::Result full() {
  shmring::Result result;
  result.ring = "/run/cam.sock";
  result.sequence = 5;
  result.pts = 6;
  result.width = 640;
  result.height = 480;
  result.worker = "person";
  result.model = "hog";
  result.took = 7;
  shmring::Object person{"person", 0.9, {10, -2.5, 30, 80}, 7};
  person.polygon = {{1, 2}, {3, 4}};
  person.keypoints = {{1, 2, 0.5}, {3, 4, std::nan("")}};
  person.attributes = {{"coat", "red"}, {"height", 1.8}, {"walks", true}};
  result.objects = {person, {"face", 0.5, {12, 0, 8, 8}, {}, 0, {{5, 6}}, {}, {{"smile", false}}}};
  result.classes = {{"day", 0.75}};
  result.extra = R"({"a":1})";
  return result;
}

void expect_full(const shmring::Result& read) {
  EXPECT_EQ(read.ring, "/run/cam.sock");
  EXPECT_EQ(read.sequence, 5u);
  EXPECT_EQ(read.pts, 6u);
  EXPECT_EQ(read.width, 640u);
  EXPECT_EQ(read.height, 480u);
  EXPECT_EQ(read.worker, "person");
  EXPECT_EQ(read.model, "hog");
  EXPECT_EQ(read.took, 7u);
  ASSERT_EQ(read.objects.size(), 2u);
  const shmring::Object &person = read.objects[0], &face = read.objects[1];
  EXPECT_EQ(person.label, "person");
  EXPECT_EQ(person.score, 0.9);
  EXPECT_EQ(person.box, (std::array<double, 4>{10, -2.5, 30, 80}));
  EXPECT_EQ(person.track, 7);
  EXPECT_EQ(person.parent, std::nullopt);
  ASSERT_EQ(person.polygon.size(), 2u);
  EXPECT_EQ(person.polygon[1].y, 4);
  ASSERT_EQ(person.keypoints.size(), 2u);
  EXPECT_EQ(person.keypoints[0].score, 0.5);
  EXPECT_TRUE(std::isnan(person.keypoints[1].score));
  ASSERT_EQ(person.attributes.size(), 3u);
  EXPECT_EQ(std::get<std::string>(person.attributes[0].value), "red");
  EXPECT_EQ(std::get<double>(person.attributes[1].value), 1.8);
  EXPECT_EQ(std::get<bool>(person.attributes[2].value), true);
  EXPECT_EQ(face.parent, 0);
  ASSERT_EQ(face.polygon.size(), 1u);
  EXPECT_EQ(face.polygon[0].x, 5);
  ASSERT_EQ(face.attributes.size(), 1u);
  EXPECT_EQ(std::get<bool>(face.attributes[0].value), false);
  ASSERT_EQ(read.classes.size(), 1u);
  EXPECT_EQ(read.classes[0].label, "day");
  EXPECT_EQ(read.extra, R"({"a":1})");
}

TEST(CApiResult, is_read_as_it_was_written) {
  const std::string json = shmring::to_json(full());
  expect_full(shmring::parse_result(json));
  EXPECT_EQ(shmring::to_json(shmring::parse_result(json)), json);
  EXPECT_EQ(shmring_result_check(json.data(), json.size()), SHMRING_OK);
}

TEST(CApiResult, outside_its_limits_is_refused_with_the_reason) {
  EXPECT_EQ(shmring_result_check("{}", 2), SHMRING_INVALID);
  EXPECT_STREQ(shmring_last_error(), "the result is refused: objects is missing");
  EXPECT_THROW(shmring::parse_result(""), shmring::Error);
  EXPECT_THROW(shmring::parse_result("{\"objects\":[]"), shmring::Error);
  shmring::Result wrong = full();
  wrong.objects[1].score = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(shmring::to_json(wrong), shmring::Error);
  EXPECT_STREQ(shmring_last_error(), "the result is refused: objects[1].score is no number from -1000000 to 1000000");
  wrong = full();
  wrong.objects.resize(1001);
  EXPECT_THROW(shmring::to_json(wrong), shmring::Error);
  wrong = full();
  wrong.objects[1].polygon.resize(1001);
  EXPECT_THROW(shmring::to_json(wrong), shmring::Error);
  EXPECT_STREQ(shmring_last_error(), "the result is refused: objects[1].polygon is no list of at most 1000");
}

TEST(CApiResult, arguments_are_checked) {
  char json[100];
  std::size_t size = 0;
  shmring_result* result = nullptr;
  shmring_result_info info = SHMRING_RESULT_INFO_INIT;
  EXPECT_EQ(shmring_result_check(nullptr, 1), SHMRING_INVALID);
  EXPECT_EQ(shmring_result_parse("{\"objects\":[]}", 14, nullptr), SHMRING_INVALID);
  EXPECT_EQ(shmring_result_info_get(nullptr, &info), SHMRING_INVALID);
  EXPECT_EQ(shmring_result_write(&info, nullptr, 5, &size), SHMRING_INVALID);
  info.struct_size = 0;
  EXPECT_EQ(shmring_result_write(&info, json, sizeof json, &size), SHMRING_INVALID);
  EXPECT_NE(std::string(shmring_last_error()).find("SHMRING_RESULT_INFO_INIT"), std::string::npos);
  info = SHMRING_RESULT_INFO_INIT;
  info.object_count = 1;
  EXPECT_EQ(shmring_result_write(&info, json, sizeof json, &size), SHMRING_INVALID) << "objects is NULL";
  const shmring_object object = SHMRING_OBJECT_INIT;
  info.objects = &object;
  info.object_size = 0;
  EXPECT_EQ(shmring_result_write(&info, json, sizeof json, &size), SHMRING_INVALID) << "object_size is 0";
  info.object_size = offsetof(shmring_object, track);
  EXPECT_EQ(shmring_result_write(&info, json, sizeof json, &size), SHMRING_OK) << "a program that knows less";
  EXPECT_STREQ(json, R"({"objects":[{"label":"","score":0.0,"box":[0.0,0.0,0.0,0.0]}]})");
  EXPECT_EQ(size, std::strlen(json));
  EXPECT_EQ(shmring_result_write(&info, json, size, &size), SHMRING_TOO_LARGE);
  shmring_result_free(nullptr);
  shmring_results_close(nullptr);
  shmring_result_reader_close(nullptr);
  EXPECT_EQ(shmring_result_reader_refused(nullptr), 0u);
  EXPECT_EQ(shmring_results_publisher(nullptr), nullptr);
  EXPECT_EQ(shmring_result_reader_base(nullptr), nullptr);
  EXPECT_EQ(shmring_result_reader_read(nullptr, 0, &result), SHMRING_INVALID);
  EXPECT_EQ(shmring_results_send(nullptr, nullptr, &info), SHMRING_INVALID);
  shmring_results* results = nullptr;
  shmring_results_options options = SHMRING_RESULTS_OPTIONS_INIT;
  EXPECT_EQ(shmring_results_open(&options, &results), SHMRING_INVALID) << "no path";
  options.struct_size = 0;
  EXPECT_EQ(shmring_results_open(&options, &results), SHMRING_INVALID);
}

class CApiResults : public testing::Test {
 protected:
  const support::TempDir dir;
  shmring::Results results{{dir.file("results"), "person", "hog", "/run/cam.sock"}};
  shmring::ResultReader reader{{dir.file("results"), "worker"}};
};

TEST_F(CApiResults, are_read_as_they_were_sent) {
  ASSERT_TRUE(results.send(full()));
  const auto read = reader.read();
  ASSERT_TRUE(read);
  expect_full(*read);
  EXPECT_NE(read->sent_at, SHMRING_TIME_NONE);
  EXPECT_EQ(read->captured_at, SHMRING_TIME_NONE);
}

TEST_F(CApiResults, say_of_their_frame_what_the_worker_did_not_say) {
  std::byte metadata[SHMRING_METADATA_SIZE];
  shmring::FrameInfo info = shmring::frame_info(640 * 480, 77);
  info.metadata = metadata;
  shmring_meta time = SHMRING_META_INIT;
  time.kind = SHMRING_META_TIMESTAMP;
  time.name = "timestamp/x-unix";
  time.name_size = std::strlen(time.name);
  time.timestamp = 88;
  ASSERT_EQ(shmring_meta_add(metadata, sizeof metadata, &info.metadata_size, &time), SHMRING_OK);
  shmring::Publisher camera({dir.file("camera")}, shmring::Format(SHMRING_GRAY8, 640, 480));
  shmring::Reader frames({dir.file("camera"), "worker"});
  const std::vector<std::byte> pixels(640 * 480);
  ASSERT_TRUE(camera.write(pixels.data(), info));
  const auto frame = frames.read();
  ASSERT_TRUE(frame);
  ASSERT_TRUE(results.send(*frame, {{"person", 0.9, {1, 2, 3, 4}}}));
  const auto read = reader.read();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->ring, "/run/cam.sock");
  EXPECT_EQ(read->worker, "person");
  EXPECT_EQ(read->model, "hog");
  EXPECT_EQ(read->sequence, 1u);
  EXPECT_EQ(read->pts, 77u);
  EXPECT_EQ(read->width, 640u);
  EXPECT_EQ(read->height, 480u);
  EXPECT_EQ(read->captured_at, 88u);
  EXPECT_LE(read->took, shmring_now() - shmring_frame_taken_at(frame->get()));
  EXPECT_EQ(read->objects.size(), 1u);
}

TEST_F(CApiResults, grow_their_ring_up_to_64_kib) {
  shmring::Result result;
  for (const std::size_t size : {10u, 5000u, 60000u, 10u}) {
    result.extra = "{\"a\":\"" + std::string(size, 'x') + "\"}";
    ASSERT_TRUE(results.send(result));
    const auto read = reader.read();
    ASSERT_TRUE(read);
    EXPECT_EQ(read->extra, result.extra);
  }
  result.extra = "{\"a\":\"" + std::string(70000, 'x') + "\"}";
  EXPECT_THROW(results.send(result), shmring::Error);
}

TEST_F(CApiResults, end_with_their_stream) {
  ASSERT_TRUE(results.send({}));
  results.end();
  EXPECT_TRUE(reader.read());
  EXPECT_FALSE(reader.read());
  EXPECT_TRUE(reader.ended());
}

TEST_F(CApiResults, wait_for_a_reader_that_pauses_and_drop_the_oldest_at_last) {
  ASSERT_TRUE(results.send({}));
  ASSERT_TRUE(reader.read());
  shmring::Result result;
  for (result.sequence = 0; result.sequence < 100; ++result.sequence) ASSERT_TRUE(results.send(result));
  for (std::uint64_t expected = 36; expected < 100; ++expected) EXPECT_EQ(reader.read()->sequence, expected);
}

TEST(CApiResultsOpen, refuses_names_that_no_result_may_have) {
  const support::TempDir dir;
  const std::string path = dir.file("results"), longer(256, 'x');
  for (const std::string& name : {longer, std::string("a\n"), std::string("\xFF")}) {
    shmring_results_options options = SHMRING_RESULTS_OPTIONS_INIT;
    options.socket_path = path.c_str();
    for (const char** field : {&options.worker, &options.model}) {
      *field = name.c_str();
      shmring_results* results = nullptr;
      EXPECT_EQ(shmring_results_open(&options, &results), SHMRING_INVALID);
      EXPECT_EQ(results, nullptr);
      *field = nullptr;
    }
  }
}

TEST(CApiResultReader, passes_over_what_is_no_result_and_counts_it) {
  const support::TempDir dir;
  shmring::Publisher publisher({dir.file("ring"), 1 << 20, 1, 16}, shmring::Format(SHMRING_RESULT_CAPS));
  shmring::ResultReader reader({dir.file("ring"), "worker"});
  const auto publish = [&](const std::string& text) {
    shmring::FrameInfo info = shmring::frame_info(text.size(), 9);
    ASSERT_TRUE(publisher.write(text.data(), info));
  };
  publish("{\"objects\":[]}");
  const auto first = reader.read();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->pts, 9u) << "the frame's own time";
  for (const std::string text : {"", "[]", "{}", "\xFF", "{\"objects\":[],\"pts\":-1}"}) publish(text);
  publish("{\"objects\":[" + std::string(1 << 19, '[') + "]}");
  EXPECT_FALSE(reader.read(10ms));
  EXPECT_EQ(reader.refused(), 6u);
  publisher.set_format(shmring::Format("video/x-raw"));
  publish("{\"objects\":[]}");
  publisher.set_format(shmring::Format(SHMRING_RESULT_CAPS));
  publish("{\"objects\":[],\"sequence\":3}");
  EXPECT_EQ(reader.read()->sequence, 3u);
  EXPECT_EQ(reader.refused(), 7u);
}

}  // namespace
