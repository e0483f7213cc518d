// SPDX-License-Identifier: LGPL-2.1-or-later
// Requests for key frames: the limit, with a clock of its own, and the way from readers to the application.
#include "publisher/key_requests.hpp"

#include <thread>

#include "os/clock.hpp"
#include "ring_fixture.hpp"

namespace shmring {
namespace {

TEST(KeyRequestsTest, TellsOfManyRequestsOnceInAnInterval) {
  constexpr std::uint64_t begin = 1'000'000'000, interval = KeyRequests::kInterval;
  KeyRequests requests;
  EXPECT_FALSE(requests.take(begin)) << "no reader asked";
  EXPECT_TRUE(requests.add());
  EXPECT_FALSE(requests.add()) << "it joins the first";
  EXPECT_TRUE(requests.take(begin));
  EXPECT_FALSE(requests.take(begin));
  requests.add();
  EXPECT_FALSE(requests.take(begin + interval - 1));
  EXPECT_TRUE(requests.pending()) << "what comes too soon is kept";
  EXPECT_TRUE(requests.take(begin + interval));
  EXPECT_FALSE(requests.take(begin + 10 * interval));
}

TEST(KeyRequestsTest, OneOfManyThreadsIsTold) {
  for (std::uint64_t round = 1; round <= 200; ++round) {
    static KeyRequests requests;
    requests.add();
    std::atomic<int> told{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { told += requests.take(round * KeyRequests::kInterval); });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(told, 1);
  }
}

class KeyFrames : public RingFixture {
 protected:
  bool is_told() const {
    return support::eventually([&] { return publisher->key_frame_requested(); });
  }
};

TEST_F(KeyFrames, RequestsOfAllReadersAreOne) {
  open_publisher();
  const auto a = attach("a"), b = attach("b");
  EXPECT_FALSE(publisher->key_frame_requested());
  EXPECT_TRUE(a->request_key_frame());
  EXPECT_TRUE(b->request_key_frame());
  const std::uint64_t begin = now();
  EXPECT_TRUE(is_told());
  EXPECT_TRUE(a->request_key_frame());
  EXPECT_TRUE(is_told());
  EXPECT_GE(now() - begin, KeyRequests::kInterval) << "the second one came too soon";
}

TEST_F(KeyFrames, AReaderWithoutAPublisherIsToldSo) {
  const auto reader = open(reader_options("alone"));
  EXPECT_EQ(reader->request_key_frame().status(), SHMRING_DISCONNECTED);
  EXPECT_EQ(reader->attachments(), 0u);
  open_publisher();
  publish();
  ASSERT_TRUE(reader->read(kPatience));
  EXPECT_TRUE(reader->request_key_frame());
  EXPECT_TRUE(is_told());
  EXPECT_EQ(reader->attachments(), 1u);
  publisher.reset();
  EXPECT_TRUE(support::eventually([&] {
    (void)reader->read(0);
    return reader->request_key_frame().status() == SHMRING_DISCONNECTED;
  }));
}

TEST_F(KeyFrames, ARequestBeforeANewRingIsToldAfterIt) {
  open_publisher();
  const auto reader = attach();
  EXPECT_TRUE(reader->request_key_frame());
  EXPECT_TRUE(publisher->resize(2 * kFrameSize));
  EXPECT_TRUE(is_told());
  EXPECT_TRUE(support::eventually([&] {
    publish();
    (void)reader->read(0);
    return reader->request_key_frame() && publisher->slot_size() == 2 * kFrameSize;
  }));
}

// A decoder's thread asks while the reading thread finds and loses publishers.
TEST_F(KeyFrames, AnyThreadMayAskAtAnyTime) {
  const auto reader = open(reader_options("busy"));
  std::atomic<bool> stop{false};
  std::thread asking([&] {
    while (!stop) {
      const auto asked = reader->request_key_frame();
      EXPECT_TRUE(asked || asked.status() == SHMRING_DISCONNECTED) << asked.error().text;
    }
  });
  for (int i = 0; i < 5; ++i) {
    open_publisher();
    for (int frames = 0; frames < 3; ++frames) {
      publish();
      const auto frame = reader->read(kPatience);
      EXPECT_TRUE(frame) << frame.error().text;
      if (frames == 1) {
        EXPECT_TRUE(publisher->resize(kFrameSize + i));
      }
    }
    EXPECT_EQ(publisher->stats().ring.protocol_violations, 0u);
    publisher.reset();
  }
  stop = true;
  asking.join();
}

// The publisher hangs up on a socket that is full of requests: its goodbye must not be lost for that.
TEST_F(KeyFrames, TheEndComesThroughBehindRequests) {
  open_publisher();
  const auto reader = attach();
  publish();
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(reader->request_key_frame());
  publisher->end();
  publisher.reset();
  EXPECT_TRUE(reader->read(kPatience));
  EXPECT_EQ(reader->read(kPatience).status(), SHMRING_END);
}

}  // namespace
}  // namespace shmring
